-- Delivery and reading as positions, what waits for a device, and synchronisation by change.
--
-- The functions that every client calls all the time keep one plan a connection (plan_cache_mode): their arrays are
-- short, which the planner cannot know, and planning them anew would cost more than running them.

-- ---- what waits for a device -------------------------------------------------------------------

-- Per conversation of the account, the range (after_seq, upto_seq] that the device has not acknowledged in one
-- piece.  Stays that ended count for 30 days more: what was sent before is still owed.
CREATE FUNCTION device_waiting(p_account uuid, p_device uuid)
RETURNS TABLE (conversation_id uuid, after_seq bigint, upto_seq bigint)
LANGUAGE sql STABLE AS $$
	SELECT s.conversation_id, greatest(s.joined_seq, p.acked_seq), coalesce(s.left_seq, c.last_seq)
	FROM member s
	JOIN conversation c ON c.id = s.conversation_id AND c.deleted_at IS NULL
	LEFT JOIN device_position p ON p.device_id = p_device AND p.conversation_id = s.conversation_id
	WHERE s.account_id = p_account AND (s.left_at IS NULL OR s.left_at > now() - interval '30 days')
		AND greatest(s.joined_seq, p.acked_seq) < coalesce(s.left_seq, c.last_seq)
$$;

-- The messages of such a range that still have to reach the device: not its own, alive, not deleted for the
-- account, and not acknowledged one by one.  (A function that answers rows is expanded into the query around it.)
CREATE FUNCTION device_owed(p_account uuid, p_device uuid, p_conversation uuid, p_after bigint, p_upto bigint)
RETURNS SETOF message
LANGUAGE sql STABLE AS $$
	SELECT m.* FROM message m
	WHERE m.conversation_id = p_conversation AND m.seq > p_after AND m.seq <= p_upto
		AND m.sender_device_id IS DISTINCT FROM p_device AND m.deleted_at IS NULL
		AND (m.expires_at IS NULL OR m.expires_at > now())
		AND NOT EXISTS (SELECT FROM device_ack a WHERE a.device_id = p_device
			AND a.conversation_id = m.conversation_id AND a.seq = m.seq)
		AND NOT EXISTS (SELECT FROM message_hidden h
			WHERE h.message_id = m.id AND h.account_id = p_account)
$$;

-- The messages that wait for a device, oldest first.  No conversation contributes more rows than the page can
-- show, because created_at never falls as seq rises.
CREATE FUNCTION device_queue(p_account uuid, p_device uuid, p_limit integer, p_offset integer DEFAULT 0)
RETURNS SETOF message
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
BEGIN
	RETURN QUERY SELECT q.* FROM device_waiting(p_account, p_device) w
	CROSS JOIN LATERAL (
		SELECT m.* FROM device_owed(p_account, p_device, w.conversation_id, w.after_seq, w.upto_seq) m
		ORDER BY m.seq LIMIT p_offset + p_limit) q
	ORDER BY q.created_at, q.conversation_id, q.seq LIMIT p_limit OFFSET p_offset;
END $$;

CREATE FUNCTION device_queue_count(p_account uuid, p_device uuid) RETURNS bigint
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
BEGIN
	RETURN count(*) FROM device_waiting(p_account, p_device) w
	CROSS JOIN LATERAL device_owed(p_account, p_device, w.conversation_id, w.after_seq, w.upto_seq) m;
END $$;

-- ---- acknowledgement ---------------------------------------------------------------------------

-- Lock a device's position in a conversation and answer it; the row is made when it is not there.
CREATE FUNCTION position_lock(p_device uuid, p_conversation uuid) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_seq bigint;
BEGIN
	LOOP
		SELECT acked_seq INTO v_seq FROM device_position
		WHERE device_id = p_device AND conversation_id = p_conversation FOR UPDATE;
		IF FOUND THEN
			RETURN v_seq;
		END IF;
		INSERT INTO device_position (device_id, conversation_id, acked_seq)
		VALUES (p_device, p_conversation, 0) ON CONFLICT DO NOTHING;
	END LOOP;
END $$;

-- Move a locked position from p_old to just before the first message the device is still owed, p_seqs (ascending)
-- counting as acknowledged; those of p_seqs that lie behind a gap are kept one by one.  Answers the new position.
-- Within one snapshot every message up to last_seq is there, since numbers are taken under the conversation's lock.
CREATE FUNCTION position_advance(p_account uuid, p_device uuid, p_conversation uuid, p_old bigint, p_seqs bigint[])
RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_new bigint;
BEGIN
	SELECT greatest(p_old, coalesce((
		SELECT m.seq - 1 FROM device_owed(p_account, p_device, p_conversation, p_old, c.last_seq) m
		WHERE m.seq <> ALL (p_seqs) AND EXISTS (SELECT FROM member s
			WHERE s.conversation_id = p_conversation AND s.account_id = p_account
				AND s.joined_seq < m.seq AND (s.left_seq IS NULL OR m.seq <= s.left_seq))
		ORDER BY m.seq LIMIT 1), c.last_seq))
	INTO v_new FROM conversation c WHERE c.id = p_conversation;

	IF v_new > p_old THEN
		UPDATE device_position SET acked_seq = v_new
		WHERE device_id = p_device AND conversation_id = p_conversation;
		DELETE FROM device_ack
		WHERE device_id = p_device AND conversation_id = p_conversation AND seq <= v_new;
	END IF;
	IF v_new < ANY (p_seqs) THEN
		INSERT INTO device_ack (device_id, conversation_id, seq)
		SELECT p_device, p_conversation, q FROM unnest(p_seqs) q WHERE q > v_new
		ON CONFLICT DO NOTHING;
	END IF;
	RETURN v_new;
END $$;

-- A device has received messages: they leave its queue.  The first device of an account that says so makes
-- the message delivered to the account, starts its time to live and tells the sender.  Ids may repeat and come in any
-- order.  acked are new, already were acknowledged before (or are not owed: sent by this device, deleted, expired),
-- unknown are not this account's to see.
CREATE FUNCTION message_ack(p_account uuid, p_device uuid, p_ids uuid[])
RETURNS TABLE (acked uuid[], already uuid[], unknown uuid[], _event jsonb)
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
	c record;
	v_ids uuid[];
	v_seqs bigint[];
	v_first uuid[];
	v_old bigint;
	v_new bigint;
	v_delivered bigint;
	v_now timestamptz := clock_timestamp();
BEGIN
	acked := '{}';
	already := '{}';
	unknown := '{}';
	_event := '[]';
	FOR c IN
		SELECT m.conversation_id AS id, array_agg(m.id) AS ids, array_agg(m.seq) AS seqs,
			bool_or(m.ttl_seconds IS NOT NULL) AS mortal
		FROM (SELECT DISTINCT unnest(p_ids)) AS i (id)
		CROSS JOIN LATERAL message_visible(p_account, i.id) m
		GROUP BY m.conversation_id ORDER BY m.conversation_id
	LOOP
		-- A message whose time to live begins is changed, and changes are made under the conversation's lock.
		IF c.mortal THEN
			PERFORM conversation_touch(c.id, 0);
		END IF;
		v_old := position_lock(p_device, c.id);
		SELECT coalesce(array_agg(m.seq ORDER BY m.seq), '{}'), coalesce(array_agg(m.id ORDER BY m.seq), '{}')
		INTO v_seqs, v_ids
		FROM unnest(c.seqs) AS i (seq) CROSS JOIN LATERAL device_owed(p_account, p_device, c.id,
			greatest(i.seq - 1, v_old), i.seq) m;
		acked := acked || v_ids;
		IF cardinality(v_ids) < cardinality(c.ids) THEN
			already := already || ARRAY(SELECT unnest(c.ids) EXCEPT SELECT unnest(v_ids));
			CONTINUE WHEN v_ids = '{}';
		END IF;

		-- Delivered to the account now, and not already by another of its devices.
		SELECT max(s.delivered_seq) INTO v_delivered FROM (SELECT m.delivered_seq FROM member m
			WHERE m.conversation_id = c.id AND m.account_id = p_account
			ORDER BY m.joined_version FOR UPDATE) s;
		v_first := ARRAY(SELECT m.id FROM message m
			WHERE m.id = ANY (v_ids) AND m.seq > v_delivered AND m.sender_id <> p_account
				AND NOT EXISTS (SELECT FROM device d
					JOIN device_ack a ON a.device_id = d.id AND a.conversation_id = c.id
						AND a.seq = m.seq
					WHERE d.account_id = p_account));
		v_new := position_advance(p_account, p_device, c.id, v_old, v_seqs);
		IF v_new > v_delivered THEN
			UPDATE member s SET delivered_seq = least(v_new, coalesce(s.left_seq, v_new))
			WHERE s.conversation_id = c.id AND s.account_id = p_account AND s.joined_seq < v_new
				AND s.delivered_seq < least(v_new, coalesce(s.left_seq, v_new));
		END IF;
		CONTINUE WHEN v_first = '{}';
		IF c.mortal THEN
			UPDATE message m SET changed_xid = pg_current_xact_id(),
				expires_at = least(m.expires_at, v_now + make_interval(secs => m.ttl_seconds))
			WHERE m.id = ANY (v_first) AND m.ttl_seconds IS NOT NULL;
		END IF;
		_event := _event || (
			SELECT jsonb_agg(emit('message.delivered', NULL, NULL, ARRAY[g.sender_id],
				jsonb_build_object('conversationId', c.id, 'messageIds', g.ids, 'userId', p_account,
				'deviceId', p_device, 'seq', g.seq, 'deliveredAt', rfc3339(v_now))))
			FROM (SELECT m.sender_id, jsonb_agg(m.id ORDER BY m.seq) AS ids, max(m.seq) AS seq
				FROM message m WHERE m.id = ANY (v_first) GROUP BY m.sender_id) g);
	END LOOP;
	IF cardinality(acked) + cardinality(already) < cardinality(p_ids) THEN
		unknown := ARRAY(SELECT unnest(p_ids) EXCEPT SELECT unnest(acked || already));
	END IF;
	RETURN NEXT;
END $$;

-- The account has read a conversation up to p_seq (NULL: to its end).  Those whose messages were read are told, unless
-- read receipts are off; the account's other devices always are.
--	404	no such conversation	403	not a member
CREATE FUNCTION conversation_read(p_account uuid, p_conversation uuid, p_seq bigint DEFAULT NULL,
	p_device uuid DEFAULT NULL)
RETURNS TABLE (conversation_id uuid, read_seq bigint, moved boolean, read_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
	s member;
	v_new bigint;
	v_shown boolean;
	v_now timestamptz := clock_timestamp();
	v_senders uuid[];
BEGIN
	SELECT least(p_seq, c.last_seq) INTO v_new FROM conversation c
	WHERE c.id = p_conversation AND c.deleted_at IS NULL;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such conversation');
	END IF;
	SELECT m.* INTO s FROM member m
	WHERE m.conversation_id = p_conversation AND m.account_id = p_account AND m.left_version IS NULL
	FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM fail(403, 'You are not a member of this conversation');
	ELSIF v_new <= s.read_seq THEN
		RETURN QUERY SELECT p_conversation, s.read_seq, false, v_now, NULL::jsonb;
		RETURN;
	END IF;
	v_shown := coalesce(s.read_receipts, (SELECT a.read_receipts FROM account a WHERE a.id = p_account));
	UPDATE member m SET read_seq = v_new, shown_read_seq = CASE WHEN v_shown THEN v_new ELSE m.shown_read_seq END
	WHERE m.conversation_id = p_conversation AND m.account_id = p_account AND m.left_version IS NULL;
	_event := jsonb_build_array(emit('conversation.read', NULL, NULL, ARRAY[p_account], jsonb_build_object(
		'conversationId', p_conversation, 'seq', v_new, 'readAt', rfc3339(v_now)), NULL, p_device));
	IF v_shown THEN
		v_senders := ARRAY(SELECT DISTINCT m.sender_id FROM message m
			WHERE m.conversation_id = p_conversation AND m.seq > greatest(s.read_seq, s.joined_seq)
				AND m.seq <= v_new AND m.sender_id <> p_account);
		IF cardinality(v_senders) > 0 THEN
			_event := _event || emit('message.read', NULL, NULL, v_senders, jsonb_build_object(
				'conversationId', p_conversation, 'userId', p_account, 'seq', v_new,
				'readAt', rfc3339(v_now)));
		END IF;
	END IF;
	RETURN QUERY SELECT p_conversation, v_new, true, v_now, _event;
END $$;

-- ---- synchronisation ---------------------------------------------------------------------------

-- Cursors carry transaction ids, which begin anew when a dump is loaded into another cluster; the epoch tells.
CREATE TABLE sync_epoch (
	singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	epoch integer NOT NULL
);
INSERT INTO sync_epoch (epoch) VALUES (1);

-- After a restore: bring change marks from another cluster's future to now, and send every client to the start.
-- Answers whether there was something to do; migrate calls it each time.
CREATE FUNCTION sync_rebase() RETURNS boolean
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
	UPDATE sync_epoch SET epoch = epoch + 1;
	RETURN true;
END $$;

CREATE TYPE sync_position AS (xid xid8, conversation_id uuid, seq bigint, since timestamptz);

-- A cursor as clients carry it, and back.  NULL and a cursor of an earlier epoch are the start; 400 for anything else.
CREATE FUNCTION sync_cursor(p sync_position) RETURNS text
LANGUAGE sql STABLE
RETURN concat_ws('.', (SELECT epoch FROM sync_epoch), (p).xid, (p).conversation_id, (p).seq,
	(extract(epoch FROM (p).since) * 1000)::bigint);

CREATE FUNCTION sync_parse(p_cursor text, p_since timestamptz DEFAULT NULL) RETURNS sync_position
LANGUAGE plpgsql STABLE AS $$
DECLARE
	part text[] := string_to_array(p_cursor, '.');
	p sync_position := ROW('0'::xid8, uuid7_floor('epoch'), 0, p_since);
BEGIN
	IF p_cursor IS NULL THEN
		RETURN p;
	ELSIF p_cursor !~ '^\d{1,9}\.\d{1,19}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.\d{1,18}(\.\d{1,14})?$' THEN
		PERFORM fail(400, 'The cursor is not one of ours', 'cursor');
	ELSIF part[1]::integer <> (SELECT epoch FROM sync_epoch) THEN
		RETURN p;
	END IF;
	RETURN ROW(part[2]::xid8, part[3]::uuid, part[4]::bigint,
		to_timestamp(part[5]::bigint / 1000.0))::sync_position;
END $$;

-- Everything below this transaction id is decided: whatever will still commit has a higher one.
CREATE FUNCTION sync_horizon() RETURNS xid8
LANGUAGE sql STABLE
RETURN pg_snapshot_xmin(pg_current_snapshot());

-- Messages new or changed since a cursor, in the order of their change; at most p_limit after skipping p_offset.
-- Only changes below the horizon are read, so a cursor never passes over one that commits late.  next_cursor is the
-- place after the last row of the page, or the horizon when the page is the last; has_more tells which.
-- p_since, without a cursor, leaves out what last changed before that time.
CREATE FUNCTION message_sync(p_account uuid, p_cursor text, p_since timestamptz, p_limit integer,
	p_offset integer DEFAULT 0)
RETURNS TABLE (messages jsonb, next_cursor text, has_more boolean)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	p sync_position := sync_parse(p_cursor, p_since);
	v_end sync_position := ROW(sync_horizon(), uuid7_floor('epoch'), 0, NULL);
	v_items jsonb[] := '{}';
	m message;
BEGIN
	has_more := false;
	next_cursor := sync_cursor(v_end);
	FOR m IN
		SELECT q.* FROM member s
		JOIN conversation c ON c.id = s.conversation_id AND c.deleted_at IS NULL
			AND c.changed_xid >= p.xid
		CROSS JOIN LATERAL (
			SELECT t.* FROM message t
			WHERE t.conversation_id = s.conversation_id
				AND t.changed_xid >= p.xid AND t.changed_xid < v_end.xid
				AND (t.changed_xid, t.conversation_id, t.seq) > (p.xid, p.conversation_id, p.seq)
				AND t.seq > s.joined_seq AND (s.left_seq IS NULL OR t.seq <= s.left_seq)
				AND (p.since IS NULL
					OR coalesce(t.deleted_at, t.edited_at, t.created_at) >= p.since)
				AND NOT EXISTS (SELECT FROM message_hidden h
					WHERE h.message_id = t.id AND h.account_id = p_account)
			ORDER BY t.changed_xid, t.seq LIMIT p_offset + p_limit + 1) q
		WHERE s.account_id = p_account
		ORDER BY q.changed_xid, q.conversation_id, q.seq LIMIT p_limit + 1 OFFSET p_offset
	LOOP
		IF cardinality(v_items) = p_limit THEN
			has_more := true;
			next_cursor := sync_cursor(v_end);
			EXIT;
		END IF;
		v_items := v_items || message_json(m);
		v_end := ROW(m.changed_xid, m.conversation_id, m.seq, p.since);
	END LOOP;
	messages := to_jsonb(v_items);
	RETURN NEXT;
END $$;

-- The same for conversations: what changed in them, their members or their last message.  left tells that the account
-- is not a member any more; of a deleted conversation little but deletedAt remains.
CREATE FUNCTION conversation_sync(p_account uuid, p_cursor text, p_since timestamptz, p_limit integer,
	p_offset integer DEFAULT 0)
RETURNS TABLE (conversations jsonb, next_cursor text, has_more boolean)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
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
