-- Synchronisation by change: what is new for an account since a cursor (docs/decisions/sync-by-transaction.md).

-- ---- places in the order of changes -------------------------------------------------------------

-- Everything below this transaction id is decided: whatever will still commit has a higher one.
CREATE OR REPLACE FUNCTION sync_horizon() RETURNS xid8
LANGUAGE sql STABLE
RETURN pg_snapshot_xmin(pg_current_snapshot());

-- A cursor as clients carry it.
CREATE OR REPLACE FUNCTION sync_cursor(p sync_position) RETURNS text
LANGUAGE sql STABLE
RETURN concat_ws('.', (SELECT epoch FROM sync_epoch), (p).xid, (p).conversation_id, (p).seq,
	(extract(epoch FROM (p).since) * 1000)::bigint);

-- A cursor back from its text.  NULL and a cursor of an earlier epoch are the start; 400 for anything else.  From the start
-- p_since begins where changes of that time can begin.
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

-- Note this moment.  The snapshot is older than the clock read after it: who had finished by then changed nothing later,
-- and everybody else has an id of the horizon or above.  Moments are kept for 400 days.
CREATE OR REPLACE FUNCTION sync_note() RETURNS bigint
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

-- After a restore: bring change marks from another cluster's future to now, forget the moments of that cluster, and send
-- every client to the start.  Answers whether there was something to do; migrate calls it each time.
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

-- ---- messages -----------------------------------------------------------------------------------

-- The changes of one stay that lie behind a place in the order of changes and before p_end.  (Expanded into the query
-- around it; the two columns compared are those of message_changes.)
CREATE OR REPLACE FUNCTION message_changes(p_account uuid, s member, p sync_position, p_end xid8) RETURNS SETOF message
LANGUAGE sql STABLE AS $$
	SELECT t.* FROM message t
	WHERE t.conversation_id = s.conversation_id AND t.changed_xid < p_end
		AND (t.changed_xid, t.seq) > ((p).xid, CASE WHEN s.conversation_id < (p).conversation_id THEN 9223372036854775807
			WHEN s.conversation_id = (p).conversation_id THEN (p).seq ELSE -1 END)
		AND t.seq > s.joined_seq AND (s.left_seq IS NULL OR t.seq <= s.left_seq)
		AND ((p).since IS NULL OR coalesce(t.deleted_at, t.edited_at, t.created_at) >= (p).since)
		AND NOT EXISTS (SELECT FROM message_hidden h WHERE h.message_id = t.id AND h.account_id = p_account)
$$;

-- Where a page of n changes of many stays must have ended at the latest, as its last change would be told: of each stay so many
-- of its first changes are looked at that there are n.  NULL when there are fewer.
CREATE OR REPLACE FUNCTION message_changes_end(p_account uuid, p_stays member_changes[], p_end xid8, p_count integer)
RETURNS sync_position
LANGUAGE sql STABLE AS $$
	SELECT ROW(x.changed_xid, x.conversation_id, x.seq, NULL)::sync_position
	FROM unnest(p_stays) w CROSS JOIN LATERAL (
		SELECT t.changed_xid, t.conversation_id, t.seq FROM message_changes(p_account, w.stay, w.start, p_end) t
		ORDER BY t.changed_xid, t.seq LIMIT (p_count - 1) / cardinality(p_stays) + 1) x
	ORDER BY x.changed_xid, x.conversation_id, x.seq OFFSET p_count - 1 LIMIT 1
$$;

-- What is new for an account since a cursor, or else since a moment: up to p_limit changes and, when there are more, the
-- next one.  Only changes below the horizon are read, so a cursor never passes over one that commits late.  The cursor behind
-- the page is that of change number p_limit when there are more, else that of the row without a message, which is always the
-- last.  p_since, without a cursor, leaves out what last changed before that time.
--
-- What is read are the changes that can be on the page: the first n of all lie in the n stays whose first is oldest, and with
-- more than a few stays before the place where n of them are known to end.
CREATE OR REPLACE FUNCTION message_changes_page(p_account uuid, p_cursor text, p_since timestamptz, p_limit integer,
	p_offset integer, p_device uuid) RETURNS SETOF message_row
LANGUAGE plpgsql STABLE ROWS 50 SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	p sync_position := sync_parse(p_cursor, p_since);
	v_horizon xid8 := sync_horizon();
	v_count integer := p_offset + p_limit + 1;
	v_stays member_changes[];
	v_end sync_position;
	r message_row;
BEGIN
	v_stays := ARRAY(SELECT ROW(s, ROW(f.changed_xid, s.conversation_id, f.seq - 1, p.since)::sync_position)::member_changes
		FROM member s
		JOIN conversation c ON c.id = s.conversation_id AND c.deleted_at IS NULL AND c.changed_xid >= p.xid
		CROSS JOIN LATERAL (SELECT t.changed_xid, t.seq FROM message_changes(p_account, s, p, v_horizon) t
			ORDER BY t.changed_xid, t.seq LIMIT 1) f
		WHERE s.account_id = p_account
		ORDER BY f.changed_xid, s.conversation_id, f.seq LIMIT v_count);
	IF cardinality(v_stays) > 4 THEN
		v_end := message_changes_end(p_account, v_stays, v_horizon, v_count);
	END IF;
	IF v_end IS NULL THEN
		v_end := ROW(v_horizon, NULL, 0, NULL);
	END IF;
	RETURN QUERY SELECT m.id, m.conversation_id, m.seq, m.sender_id, m.kind, m.created_at, m.version, m.sender_device_id,
		CASE WHEN NOT x.mute THEN m.body END, m.client_id, m.reply_to_id, m.reaction_count, m.ttl_seconds, m.edited_at,
		m.deleted_at, m.expires_at,
		CASE WHEN m.body IS NULL AND NOT x.mute AND m.meta ? 'sealed' THEN message_sealed_text(m.id, p_device) END,
		CASE WHEN m.meta IS NOT NULL AND NOT x.mute THEN message_meta(m.meta)::text END, NULL::bigint,
		CASE WHEN row_number() OVER () = p_limit
			THEN sync_cursor(ROW(m.changed_xid, m.conversation_id, m.seq, p.since)::sync_position) END
	FROM (SELECT q.* FROM unnest(v_stays) w
		CROSS JOIN LATERAL (SELECT t.* FROM message_changes(p_account, w.stay, w.start,
				-- Of the last transaction only the conversations before the end are wanted.
				CASE WHEN (w.stay).conversation_id > v_end.conversation_id THEN v_end.xid ELSE v_horizon END) t
			WHERE t.changed_xid <= v_end.xid
			ORDER BY t.changed_xid, t.seq LIMIT v_count) q
		ORDER BY q.changed_xid, q.conversation_id, q.seq LIMIT p_limit + 1 OFFSET p_offset) m
	CROSS JOIN LATERAL (SELECT coalesce(m.expires_at <= now(), false)) AS x (mute);
	r.cursor := sync_cursor(ROW(v_horizon, uuid7_floor('epoch'), 0, NULL)::sync_position);
	RETURN NEXT r;
END $$;

-- ---- conversations ------------------------------------------------------------------------------

-- Conversations that are new or changed since a cursor, in the order of their change: what changed in them, their members or
-- their last message; at most p_limit after skipping p_offset.  next_cursor is the place after the last row of the page, or
-- the horizon when the page is the last; has_more tells which.  left tells that the account is not a member any more; of a
-- deleted conversation little but deletedAt remains.
CREATE OR REPLACE FUNCTION conversation_sync(p_account uuid, p_cursor text, p_since timestamptz, p_limit integer,
	p_offset integer DEFAULT 0)
RETURNS TABLE (conversations jsonb, next_cursor text, has_more boolean)
LANGUAGE plpgsql STABLE ROWS 1 SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	p sync_position := sync_parse(p_cursor, p_since);
	v_end sync_position := ROW(sync_horizon(), uuid7_floor('epoch'), 0, NULL);
	v_items jsonb[] := '{}';
	r record;
BEGIN
	has_more := false;
	next_cursor := sync_cursor(v_end);
	FOR r IN
		SELECT c.changed_xid, c.id, jsonb_strip_nulls(jsonb_build_object(
			'conversationId', c.id, 'kind', c.kind, 'title', g.title, 'description', g.description,
			'avatarId', g.avatar_id, 'ownerId', g.owner_id, 'settings', g.settings,
			'userId', CASE WHEN c.kind = 'direct' THEN
				CASE p_account WHEN c.direct_low THEN c.direct_high ELSE c.direct_low END END,
			'memberCount', coalesce(g.member_count, 2), 'memberVersion', c.member_version, 'role', s.role,
			'lastSeq', coalesce(s.left_seq, c.last_seq), 'readSeq', s.read_seq,
			'lastMessageId', l.id, 'lastMessageAt', rfc3339(l.created_at),
			'createdAt', rfc3339(c.created_at), 'updatedAt', rfc3339(g.updated_at),
			'left', nullif(s.left_at IS NOT NULL, false), 'leftAt', rfc3339(s.left_at),
			'deletedAt', rfc3339(c.deleted_at))) AS item
		FROM conversation c
		LEFT JOIN conversation_profile g ON g.conversation_id = c.id
		JOIN LATERAL (SELECT * FROM member m
			WHERE m.conversation_id = c.id AND m.account_id = p_account
			ORDER BY m.joined_version DESC LIMIT 1) s ON true
		LEFT JOIN message l ON l.conversation_id = c.id AND l.seq = coalesce(s.left_seq, c.last_seq)
			AND l.seq > s.joined_seq
		WHERE c.id IN (SELECT m.conversation_id FROM member m WHERE m.account_id = p_account)
			AND c.changed_xid >= p.xid AND c.changed_xid < v_end.xid
			AND (c.changed_xid, c.id) > (p.xid, p.conversation_id)
			AND (p.since IS NULL OR greatest(c.created_at, c.last_message_at, c.deleted_at, g.updated_at) >= p.since)
		ORDER BY c.changed_xid, c.id LIMIT p_limit + 1 OFFSET p_offset
	LOOP
		IF cardinality(v_items) = p_limit THEN
			has_more := true;
			next_cursor := sync_cursor(v_end);
			EXIT;
		END IF;
		v_items := v_items || r.item;
		v_end := ROW(r.changed_xid, r.id, 0, p.since);
	END LOOP;
	conversations := to_jsonb(v_items);
	RETURN NEXT;
END $$;

-- ---- acknowledgement ----------------------------------------------------------------------------

-- Acknowledge what a synchronisation brought, all or nothing.
--	400	an id that is not the account's to see	409	a timestamp before the last one, or in the future
CREATE OR REPLACE FUNCTION sync_ack(p_account uuid, p_device uuid, p_ids uuid[], p_last timestamptz)
RETURNS TABLE (acknowledged integer, at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
DECLARE
	v_synced timestamptz;
	r record;
BEGIN
	SELECT synced_at INTO v_synced FROM device WHERE id = p_device AND account_id = p_account FOR UPDATE;
	IF p_last < v_synced THEN
		PERFORM fail(409, 'A later synchronisation was acknowledged already', 'lastSyncTimestamp');
	ELSIF p_last > now() + interval '1 minute' THEN
		PERFORM fail(409, 'lies in the future', 'lastSyncTimestamp');
	END IF;
	SELECT * INTO r FROM message_ack(p_account, p_device, p_ids);
	IF cardinality(r.unknown) > 0 THEN
		PERFORM fail(400, 'names messages that are not yours to acknowledge', 'messageIds');
	END IF;
	UPDATE device SET synced_at = coalesce(p_last, synced_at) WHERE id = p_device;
	RETURN QUERY SELECT cardinality(r.acked) + cardinality(r.already), now(), r._event;
END $$;
