-- What waits for a device, acknowledgement and reading: positions, not a row a recipient.
--
-- The functions that every client calls all the time keep one plan a connection (plan_cache_mode): their arrays are
-- short, which the planner cannot know, and planning them anew would cost more than running them.

-- ---- what waits for a device --------------------------------------------------------------------

-- A new device is owed what comes after it: it starts at the end of every conversation its account is in.
CREATE OR REPLACE FUNCTION device_start() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO device_position (device_id, conversation_id, acked_seq)
	SELECT NEW.id, c.id, max(least(c.last_seq, m.left_seq))
	FROM member m JOIN conversation c ON c.id = m.conversation_id
	WHERE m.account_id = NEW.account_id AND c.last_seq > 0
	GROUP BY c.id;
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER device_start AFTER INSERT ON device FOR EACH ROW EXECUTE FUNCTION device_start();

-- Per conversation of the account, the range (after_seq, upto_seq] that the device has not acknowledged in one
-- piece.  Stays that ended count for 30 days more: what was sent before is still owed.
CREATE OR REPLACE FUNCTION device_waiting(p_account uuid, p_device uuid)
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
CREATE OR REPLACE FUNCTION device_owed(p_account uuid, p_device uuid, p_conversation uuid, p_after bigint, p_upto bigint)
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

-- ---- acknowledgement ----------------------------------------------------------------------------

-- Lock a device's position in a conversation and answer it; the row is made when it is not there.
CREATE OR REPLACE FUNCTION position_lock(p_device uuid, p_conversation uuid) RETURNS bigint
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
CREATE OR REPLACE FUNCTION position_advance(p_account uuid, p_device uuid, p_conversation uuid, p_old bigint, p_seqs bigint[])
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

-- Positions that lag far behind because their devices mostly send: moved up over what they are not owed.  A call looks at
-- the next p_limit devices and answers how many there were; after the last one, which is told by fewer, it begins anew.
CREATE OR REPLACE FUNCTION position_settle(p_gap bigint DEFAULT 200, p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_devices uuid[];
	r record;
	v_old bigint;
BEGIN
	v_devices := ARRAY(SELECT d.id FROM device d
		WHERE d.id > (SELECT p.device_id FROM position_round p) ORDER BY d.id LIMIT p_limit);
	UPDATE position_round SET device_id = CASE WHEN cardinality(v_devices) < p_limit THEN uuid7_floor('epoch')
		ELSE v_devices[p_limit] END;
	FOR r IN
		SELECT d.account_id, d.id AS device_id, w.conversation_id
		FROM device d CROSS JOIN LATERAL device_waiting(d.account_id, d.id) w
		WHERE d.id = ANY (v_devices) AND d.revoked_at IS NULL AND w.upto_seq - w.after_seq > p_gap
			AND NOT EXISTS (SELECT FROM device_owed(d.account_id, d.id, w.conversation_id,
				w.after_seq, w.after_seq + p_gap))
		ORDER BY w.conversation_id, d.id
	LOOP
		v_old := position_lock(r.device_id, r.conversation_id);
		PERFORM position_advance(r.account_id, r.device_id, r.conversation_id, v_old, '{}');
	END LOOP;
	RETURN cardinality(v_devices);
END $$;

-- A device has received messages: they leave its queue.  The first device of an account that says so makes
-- the message delivered to the account, starts its time to live and tells the sender.  Ids may repeat and come in any
-- order.  acked are new, already were acknowledged before (or are not owed: sent by this device, deleted, expired),
-- unknown are not this account's to see.
CREATE OR REPLACE FUNCTION message_ack(p_account uuid, p_device uuid, p_ids uuid[])
RETURNS TABLE (acked uuid[], already uuid[], unknown uuid[], _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
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

-- ---- reading ------------------------------------------------------------------------------------

-- Whether any account but the sender has the message, on whichever device.  Delivered and read are about those who were
-- there, whatever they have cleared since.
CREATE OR REPLACE FUNCTION message_delivered(m message) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM member s WHERE s.conversation_id = m.conversation_id
			AND s.account_id <> m.sender_id AND coalesce(s.entered_seq, s.joined_seq) < m.seq
			AND s.delivered_seq >= m.seq AND (s.left_seq IS NULL OR m.seq <= s.left_seq))
		OR EXISTS (SELECT FROM member s JOIN device d ON d.account_id = s.account_id
			JOIN device_ack a ON a.device_id = d.id AND a.conversation_id = s.conversation_id
			WHERE s.conversation_id = m.conversation_id AND s.account_id <> m.sender_id
				AND a.seq = m.seq)
$$;

-- What its sender is shown: sent, delivered (all other members have it) or read (all have read it).
CREATE OR REPLACE FUNCTION message_status(m message) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN min(s.shown_read_seq) >= m.seq THEN 'read'
		WHEN min(greatest(s.delivered_seq, s.shown_read_seq)) >= m.seq THEN 'delivered' ELSE 'sent' END
	FROM member s WHERE s.conversation_id = m.conversation_id AND s.account_id <> m.sender_id
		AND coalesce(s.entered_seq, s.joined_seq) < m.seq AND s.left_version IS NULL
$$;

-- The account has read a conversation up to p_seq (NULL: to its end).  Those whose messages were read are told, unless
-- read receipts are off, and message.read names the last message that was read, too; the account's other devices always are.
-- When more than 1,000 messages were read at once, the other members are told without looking at who had written them: a
-- million would have to be read for that.
--	404	no such conversation	403	not a member
CREATE OR REPLACE FUNCTION conversation_read(p_account uuid, p_conversation uuid, p_seq bigint DEFAULT NULL,
	p_device uuid DEFAULT NULL)
RETURNS TABLE (conversation_id uuid, read_seq bigint, moved boolean, read_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
	s member;
	v_new bigint;
	v_shown boolean;
	v_now timestamptz := clock_timestamp();
	v_told uuid[];
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
	IF v_shown AND v_new - greatest(s.read_seq, s.joined_seq) > 1000 THEN
		v_told := ARRAY(SELECT m.account_id FROM member m WHERE m.conversation_id = p_conversation
			AND m.left_version IS NULL AND m.account_id <> p_account);
	ELSIF v_shown THEN
		v_told := ARRAY(SELECT DISTINCT m.sender_id FROM message m
			WHERE m.conversation_id = p_conversation AND m.seq > greatest(s.read_seq, s.joined_seq)
				AND m.seq <= v_new AND m.sender_id <> p_account);
	END IF;
	IF cardinality(v_told) > 0 THEN
		_event := _event || emit('message.read', NULL, NULL, v_told, jsonb_strip_nulls(jsonb_build_object(
			'conversationId', p_conversation, 'userId', p_account, 'seq', v_new,
			'messageId', (SELECT m.id FROM message m
				WHERE m.conversation_id = p_conversation AND m.seq = v_new),
			'readAt', rfc3339(v_now))));
	END IF;
	RETURN QUERY SELECT p_conversation, v_new, true, v_now, _event;
END $$;
