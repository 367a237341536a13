-- What jobs run on conversations: messages whose time is up, conversations that were deleted, positions that lag.
-- Each function works on a bounded number of rows; the caller goes on while there are more.

-- Delete messages whose time is up, leaving tombstones; each answers its event.
CREATE FUNCTION message_expire(p_now timestamptz DEFAULT now(), p_limit integer DEFAULT 500)
RETURNS TABLE (message_id uuid, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	v_conversation uuid;
	m message;
	v_left integer := p_limit;
BEGIN
	FOR v_conversation IN
		SELECT DISTINCT d.conversation_id FROM (SELECT e.conversation_id FROM message e
			WHERE e.expires_at <= p_now AND e.deleted_at IS NULL
			ORDER BY e.expires_at LIMIT p_limit) d
		ORDER BY 1
	LOOP
		UPDATE conversation c SET changed_xid = greatest(c.changed_xid, pg_current_xact_id())
		WHERE c.id = v_conversation;
		FOR m IN
			SELECT * FROM message e WHERE e.conversation_id = v_conversation
				AND e.expires_at <= p_now AND e.deleted_at IS NULL
			ORDER BY e.seq LIMIT v_left
		LOOP
			RETURN QUERY SELECT m.id, message_wipe(m, NULL, 'expired', NULL);
			v_left := v_left - 1;
		END LOOP;
		EXIT WHEN v_left <= 0;
	END LOOP;
END $$;

-- Remove the messages of conversations deleted more than p_age ago, and what refers to them.
CREATE FUNCTION conversation_purge(p_age interval DEFAULT '0', p_limit integer DEFAULT 5000) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_ids uuid[];
BEGIN
	v_ids := ARRAY(SELECT m.id FROM conversation c JOIN message m ON m.conversation_id = c.id
		WHERE c.deleted_at <= now() - p_age LIMIT p_limit);
	DELETE FROM reaction WHERE message_id = ANY (v_ids);
	DELETE FROM message_edit WHERE message_id = ANY (v_ids);
	DELETE FROM message_hidden WHERE message_id = ANY (v_ids);
	DELETE FROM message WHERE id = ANY (v_ids);
	RETURN cardinality(v_ids);
END $$;

-- Positions that lag far behind because their devices mostly send: moved up over what they are not owed.
CREATE FUNCTION position_settle(p_gap bigint DEFAULT 200, p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	r record;
	v_old bigint;
	v_moved bigint := 0;
BEGIN
	FOR r IN
		SELECT d.account_id, d.id AS device_id, w.conversation_id
		FROM device d CROSS JOIN LATERAL device_waiting(d.account_id, d.id) w
		WHERE d.revoked_at IS NULL AND w.upto_seq - w.after_seq > p_gap
			AND NOT EXISTS (SELECT FROM device_owed(d.account_id, d.id, w.conversation_id,
				w.after_seq, w.after_seq + p_gap))
		ORDER BY w.conversation_id, d.id LIMIT p_limit
	LOOP
		v_old := position_lock(r.device_id, r.conversation_id);
		IF position_advance(r.account_id, r.device_id, r.conversation_id, v_old, '{}') > v_old THEN
			v_moved := v_moved + 1;
		END IF;
	END LOOP;
	RETURN v_moved;
END $$;
