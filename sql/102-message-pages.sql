-- Histories by sequence number, messages that leave no trace, and receipts that name a message.

-- Deleted so that not even the tombstone is shown; the row stays until message_prune takes it, for devices that
-- synchronise.
ALTER TABLE message ADD erased_at timestamptz;

-- The newest messages before p_before (NULL: the newest of all) that an account may see, newest first.
--	404	no such conversation, or never a member
CREATE FUNCTION conversation_before(p_account uuid, p_conversation uuid, p_before bigint, p_limit integer)
RETURNS SETOF message
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM member s JOIN conversation c ON c.id = s.conversation_id AND c.deleted_at IS NULL
		WHERE s.conversation_id = p_conversation AND s.account_id = p_account) THEN
		PERFORM fail(404, 'There is no such conversation', 'conversation_id');
	END IF;
	RETURN QUERY
		SELECT q.* FROM member s CROSS JOIN LATERAL (
			SELECT m.* FROM message m
			WHERE m.conversation_id = p_conversation AND m.seq > s.joined_seq
				AND m.seq <= coalesce(s.left_seq, 9223372036854775807)
				AND m.seq < coalesce(p_before, 9223372036854775807)
				AND m.erased_at IS NULL
				AND (m.expires_at IS NULL OR m.expires_at > now() OR m.deleted_at IS NOT NULL)
				AND NOT EXISTS (SELECT FROM message_hidden h
					WHERE h.message_id = m.id AND h.account_id = p_account)
			ORDER BY m.seq DESC LIMIT p_limit) q
		WHERE s.conversation_id = p_conversation AND s.account_id = p_account
		ORDER BY q.seq DESC LIMIT p_limit;
END $$;

-- Delete a message for everyone, tombstone and all; one that is deleted already may still be erased.
--	403	not allowed	404	no such message
CREATE FUNCTION message_erase(p_actor uuid, p_message uuid, p_device uuid DEFAULT NULL)
RETURNS TABLE (message_id uuid, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	m message := message_lock(p_actor, p_message, false);
BEGIN
	IF m.erased_at IS NOT NULL THEN
		PERFORM fail(404, 'There is no such message');
	ELSIF m.sender_id <> p_actor AND NOT EXISTS (SELECT FROM member s
		WHERE s.conversation_id = m.conversation_id AND s.account_id = p_actor
			AND s.role IN ('owner', 'admin') AND s.left_version IS NULL) THEN
		PERFORM fail(403, 'You may not delete this message for everyone');
	END IF;
	IF m.deleted_at IS NULL THEN
		_event := message_wipe(m, p_actor, 'erased', p_device);
	END IF;
	UPDATE message u SET erased_at = clock_timestamp(), changed_xid = pg_current_xact_id() WHERE u.id = p_message;
	message_id := p_message;
	RETURN NEXT;
END $$;

-- As in 006; message.read names the last message that was read, too.
CREATE OR REPLACE FUNCTION conversation_read(p_account uuid, p_conversation uuid, p_seq bigint DEFAULT NULL,
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
			_event := _event || emit('message.read', NULL, NULL, v_senders, jsonb_strip_nulls(jsonb_build_object(
				'conversationId', p_conversation, 'userId', p_account, 'seq', v_new,
				'messageId', (SELECT m.id FROM message m
					WHERE m.conversation_id = p_conversation AND m.seq = v_new),
				'readAt', rfc3339(v_now))));
		END IF;
	END IF;
	RETURN QUERY SELECT p_conversation, v_new, true, v_now, _event;
END $$;

-- A message as message_json (005) has it, a sealed one with what that device is given.
CREATE FUNCTION message_for_device(m message, p_device uuid) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT message_json(m) || CASE WHEN m.body IS NULL AND m.meta ? 'sealed' THEN coalesce((
		SELECT jsonb_strip_nulls(jsonb_build_object('ciphertext', b.body, 'header', b.header))
		FROM message_body b WHERE b.message_id = m.id AND b.device_id = p_device), '{}') ELSE '{}' END
$$;
