-- From a time to a place in the order of changes, so that synchronising "since yesterday" does not read what was before.

-- Whatever was changed at or after a moment was changed by a transaction with at least its id.
CREATE TABLE sync_moment (
	at timestamptz PRIMARY KEY,
	xid xid8 NOT NULL
);

-- Note this moment.  The snapshot is older than the clock read after it: who had finished by then changed nothing later,
-- and everybody else has an id of the horizon or above.  Moments are kept for 400 days.
CREATE FUNCTION sync_note() RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_xid xid8 := sync_horizon();
	v_gone bigint;
BEGIN
	INSERT INTO sync_moment (at, xid) VALUES (clock_timestamp(), v_xid) ON CONFLICT DO NOTHING;
	DELETE FROM sync_moment WHERE at < now() - interval '400 days';
	GET DIAGNOSTICS v_gone = ROW_COUNT;
	RETURN v_gone;
END $$;

-- As in 006; without a cursor a time begins where changes of that time can begin.
CREATE OR REPLACE FUNCTION sync_parse(p_cursor text, p_since timestamptz DEFAULT NULL) RETURNS sync_position
LANGUAGE plpgsql STABLE AS $$
DECLARE
	part text[] := string_to_array(p_cursor, '.');
	p sync_position := ROW('0'::xid8, uuid7_floor('epoch'), 0, p_since);
BEGIN
	IF p_cursor IS NOT NULL AND p_cursor !~ '^\d{1,9}\.\d{1,19}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.\d{1,18}(\.\d{1,14})?$' THEN
		PERFORM fail(400, 'The cursor is not one of ours', 'cursor');
	ELSIF part[1]::integer = (SELECT epoch FROM sync_epoch) THEN
		RETURN ROW(part[2]::xid8, part[3]::uuid, part[4]::bigint,
			to_timestamp(part[5]::bigint / 1000.0))::sync_position;
	ELSIF p_since IS NOT NULL THEN
		p.xid := coalesce((SELECT m.xid FROM sync_moment m WHERE m.at <= p_since ORDER BY m.at DESC LIMIT 1), p.xid);
	END IF;
	RETURN p;
END $$;

-- As in 006; moments of another cluster say nothing here.
CREATE OR REPLACE FUNCTION sync_rebase() RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_now xid8 := pg_current_xact_id();
BEGIN
	IF NOT EXISTS (SELECT FROM conversation WHERE changed_xid > v_now) THEN
		RETURN false;
	END IF;
	LOCK TABLE conversation, message IN SHARE ROW EXCLUSIVE MODE;
	UPDATE conversation SET changed_xid = v_now WHERE changed_xid > v_now;
	UPDATE message SET changed_xid = v_now WHERE changed_xid > v_now;
	DELETE FROM sync_moment;
	UPDATE sync_epoch SET epoch = epoch + 1;
	RETURN true;
END $$;
