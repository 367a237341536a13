-- What a statement touches is bounded: by its page, or by what one account or one conversation is allowed to have.  Found
-- by the plans over the seeded data (docs/seed.md, docs/testing.md); functions of earlier files are replaced here.

-- ---- indexes ---------------------------------------------------------------------------------

-- Changes of a conversation in the order in which they are read; many may have one mark, after a restore all of them.
CREATE INDEX message_changes ON message (conversation_id, changed_xid, seq);
DROP INDEX message_changed;

-- Blocks of an account, the newest first.
CREATE INDEX block_newest ON block (account_id, created_at, id);

-- What belongs to a session or device is found when that ends.
CREATE INDEX web_session_session ON web_session (session_id);
CREATE INDEX web_session_device ON web_session (device_id);

-- ---- what waits for a device -------------------------------------------------------------------

-- The messages that wait for a device, oldest first.  The first n of all lie in the n conversations whose first is oldest,
-- and no conversation contributes more than n.
CREATE OR REPLACE FUNCTION device_queue(p_account uuid, p_device uuid, p_limit integer, p_offset integer DEFAULT 0)
RETURNS SETOF message
LANGUAGE plpgsql STABLE ROWS 50 SET plan_cache_mode = force_generic_plan AS $$
BEGIN
	RETURN QUERY SELECT q.* FROM (
		SELECT w.conversation_id, f.seq - 1 AS after_seq, w.upto_seq
		FROM device_waiting(p_account, p_device) w
		CROSS JOIN LATERAL (
			SELECT m.seq, m.created_at
			FROM device_owed(p_account, p_device, w.conversation_id, w.after_seq, w.upto_seq) m
			ORDER BY m.seq LIMIT 1) f
		ORDER BY f.created_at, w.conversation_id, f.seq LIMIT p_offset + p_limit) w
	CROSS JOIN LATERAL (
		SELECT m.* FROM device_owed(p_account, p_device, w.conversation_id, w.after_seq, w.upto_seq) m
		ORDER BY m.seq LIMIT p_offset + p_limit) q
	ORDER BY q.created_at, q.conversation_id, q.seq LIMIT p_limit OFFSET p_offset;
END $$;

-- How many wait for a device.  Up to 1,000 are counted.  Of more the ranges behind its positions are taken, less what it has
-- acknowledged one by one: never too few, and more than there are by what in them is the device's own or gone.
CREATE OR REPLACE FUNCTION device_queue_count(p_account uuid, p_device uuid) RETURNS bigint
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	v_count bigint;
BEGIN
	SELECT count(*) INTO v_count FROM (SELECT FROM device_waiting(p_account, p_device) w
		CROSS JOIN LATERAL device_owed(p_account, p_device, w.conversation_id, w.after_seq, w.upto_seq) m
		LIMIT 1001) c;
	IF v_count > 1000 THEN
		SELECT greatest(v_count, sum(w.upto_seq - w.after_seq)
			- (SELECT count(*) FROM device_ack a WHERE a.device_id = p_device)) INTO v_count
		FROM device_waiting(p_account, p_device) w;
	END IF;
	RETURN v_count;
END $$;

-- ---- synchronisation ---------------------------------------------------------------------------

-- The changes of one stay that lie behind a place in the order of changes and before p_end.  (Expanded into the query
-- around it; the two columns compared are those of message_changes.)
CREATE FUNCTION message_changes(p_account uuid, s member, p sync_position, p_end xid8) RETURNS SETOF message
LANGUAGE sql STABLE AS $$
	SELECT t.* FROM message t
	WHERE t.conversation_id = s.conversation_id AND t.changed_xid < p_end
		AND (t.changed_xid, t.seq) > ((p).xid, CASE WHEN s.conversation_id < (p).conversation_id THEN 9223372036854775807
			WHEN s.conversation_id = (p).conversation_id THEN (p).seq ELSE -1 END)
		AND t.seq > s.joined_seq AND (s.left_seq IS NULL OR t.seq <= s.left_seq)
		AND ((p).since IS NULL OR coalesce(t.deleted_at, t.edited_at, t.created_at) >= (p).since)
		AND NOT EXISTS (SELECT FROM message_hidden h WHERE h.message_id = t.id AND h.account_id = p_account)
$$;

-- As it was (070), but what is read are the changes that can be on the page: the first n of all lie in the n stays whose first
-- is oldest, so one of each is looked at, and n of those.
CREATE OR REPLACE FUNCTION message_sync(p_account uuid, p_cursor text, p_since timestamptz, p_limit integer,
	p_offset integer DEFAULT 0, p_device uuid DEFAULT NULL, OUT messages text, OUT next_cursor text, OUT has_more boolean)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	p sync_position := sync_parse(p_cursor, p_since);
	v_horizon xid8 := sync_horizon();
	v_last text;
	v_text text;
BEGIN
	SELECT string_agg(y.text, ',') FILTER (WHERE y.n <= p_limit), count(*) > p_limit,
		max(CASE WHEN y.n = p_limit
			THEN sync_cursor(ROW(y.changed_xid, y.conversation_id, y.seq, p.since)::sync_position) END)
	INTO v_text, has_more, v_last
	FROM (SELECT message_text(ROW(x.*)::message, p_device, NULL, false) AS text, x.changed_xid, x.conversation_id, x.seq,
			row_number() OVER () AS n
		FROM (SELECT q.* FROM (
				SELECT s FROM member s
				JOIN conversation c ON c.id = s.conversation_id AND c.deleted_at IS NULL
					AND c.changed_xid >= p.xid
				CROSS JOIN LATERAL (SELECT t.changed_xid, t.seq
					FROM message_changes(p_account, s, p, v_horizon) t
					ORDER BY t.changed_xid, t.seq LIMIT 1) f
				WHERE s.account_id = p_account
				ORDER BY f.changed_xid, s.conversation_id, f.seq LIMIT p_offset + p_limit + 1) w
			CROSS JOIN LATERAL (SELECT t.* FROM message_changes(p_account, w.s, p, v_horizon) t
				ORDER BY t.changed_xid, t.seq LIMIT p_offset + p_limit + 1) q
			ORDER BY q.changed_xid, q.conversation_id, q.seq LIMIT p_limit + 1 OFFSET p_offset) x) y;
	next_cursor := CASE WHEN has_more THEN v_last
		ELSE sync_cursor(ROW(v_horizon, uuid7_floor('epoch'), 0, NULL)::sync_position) END;
	messages := concat('[', v_text, ']');
END $$;

-- ---- invitations -------------------------------------------------------------------------------

-- Put an invitation into the queue.  The same one within a day is the first one again, and is not sent twice.  Who
-- blocked the inviter hears nothing, and the inviter does not learn that.
--	400	the destination belongs to an account
CREATE OR REPLACE FUNCTION invitation_create(p_id uuid, p_me uuid, p_channel text, p_destination text, p_message text,
	p_lifetime double precision)
RETURNS SETOF invitation
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
DECLARE
	i invitation;
	v_account account;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended(p_me || p_channel || p_destination, 0));
	SELECT o.* INTO i FROM invitation o
	WHERE o.account_id = p_me AND o.channel = p_channel AND o.destination = p_destination
		AND o.created_at > now() - interval '1 day' AND o.expires_at > now()
		AND o.status IN ('queued', 'sent');
	IF FOUND THEN
		RETURN NEXT i;
		RETURN;
	END IF;
	IF p_channel = 'sms' THEN
		SELECT a.* INTO v_account FROM account a WHERE a.phone = p_destination AND a.deleted_at IS NULL;
	ELSE
		SELECT a.* INTO v_account FROM account a WHERE lower(a.email) = p_destination AND a.deleted_at IS NULL;
	END IF;
	IF FOUND AND account_findable(p_me, v_account) THEN
		PERFORM fail(400, 'belongs to somebody with an account; add them as a contact', 'destination');
	END IF;
	INSERT INTO invitation (id, account_id, channel, destination, message, status, expires_at)
	VALUES (p_id, p_me, p_channel, p_destination, p_message,
		CASE WHEN v_account.id IS NULL THEN 'queued' ELSE 'sent' END,
		now() + make_interval(secs => p_lifetime))
	RETURNING * INTO i;
	i.status := 'queued';
	RETURN NEXT i;
END $$;

-- ---- stores of a device ----------------------------------------------------------------------------

-- Take messages out of a store by their ids; ids that are not in it do not count.  Each is looked up by itself, for a store
-- may be much longer than the list.
--	404	no such store
CREATE OR REPLACE FUNCTION offline_queue_ack(p_account uuid, p_queue uuid, p_messages text[])
RETURNS TABLE (acknowledged bigint, remaining bigint)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM FROM offline_queue o WHERE o.id = p_queue AND o.account_id = p_account FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such queue');
	END IF;
	DELETE FROM offline_queue_item o WHERE o.id = ANY (ARRAY(SELECT i.id FROM unnest(p_messages) AS w (message_id)
		CROSS JOIN LATERAL (SELECT i.id FROM offline_queue_item i
			WHERE i.queue_id = p_queue AND i.message_id = w.message_id LIMIT 1) i));
	GET DIAGNOSTICS acknowledged = ROW_COUNT;
	UPDATE offline_queue o SET item_count = o.item_count - acknowledged
	WHERE o.id = p_queue RETURNING o.item_count INTO remaining;
	RETURN NEXT;
END $$;

-- ---- what functions answer -----------------------------------------------------------------------

-- They answer one row.  Unless told so the planner expects a thousand, and reads whole tables to be ready for them.
ALTER FUNCTION group_create ROWS 1;
ALTER FUNCTION group_update ROWS 1;
ALTER FUNCTION group_delete ROWS 1;
ALTER FUNCTION group_member_add ROWS 1;
ALTER FUNCTION group_member_remove ROWS 1;
ALTER FUNCTION member_end ROWS 1;
ALTER FUNCTION group_leave ROWS 1;
ALTER FUNCTION group_roles ROWS 1;
ALTER FUNCTION group_transfer ROWS 1;
ALTER FUNCTION contact_add ROWS 1;
ALTER FUNCTION device_add ROWS 1;
ALTER FUNCTION device_update ROWS 1;
ALTER FUNCTION device_revoke ROWS 1;
ALTER FUNCTION prekey_take ROWS 1;
ALTER FUNCTION prekey_store ROWS 1;
ALTER FUNCTION prekey_bundle ROWS 1;
ALTER FUNCTION challenge_take ROWS 1;
ALTER FUNCTION message_edit ROWS 1;
ALTER FUNCTION message_delete ROWS 1;
ALTER FUNCTION message_self_destruct ROWS 1;
ALTER FUNCTION message_ack ROWS 1;
ALTER FUNCTION message_visible ROWS 1;
ALTER FUNCTION media_visible ROWS 1;
ALTER FUNCTION reaction_add ROWS 1;
ALTER FUNCTION reaction_remove ROWS 1;
ALTER FUNCTION conversation_sync ROWS 1;
ALTER FUNCTION sync_ack ROWS 1;
ALTER FUNCTION read_receipts_of ROWS 1;
ALTER FUNCTION read_receipts_set ROWS 1;
ALTER FUNCTION web_session_open ROWS 1;
ALTER FUNCTION web_session_live ROWS 1;
ALTER FUNCTION offline_queue_open ROWS 1;
ALTER FUNCTION offline_queue_put ROWS 1;
ALTER FUNCTION offline_queue_ack ROWS 1;
