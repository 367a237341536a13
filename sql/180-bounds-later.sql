-- As 080, for functions of the files between.

-- The account that an e-mail address, a user name or a number stands for.  A proven number goes before a claimed one.
-- Each way has its index; of a CASE in a condition the planner would make a reading of all accounts.
CREATE OR REPLACE FUNCTION account_by_identity(p_identity text) RETURNS SETOF account
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
	IF p_identity LIKE '%@%' THEN
		RETURN QUERY SELECT a.* FROM account a WHERE lower(a.email) = lower(p_identity) AND a.deleted_at IS NULL;
	ELSIF p_identity LIKE '+%' THEN
		RETURN QUERY SELECT a.* FROM account a WHERE a.deleted_at IS NULL
			AND a.id = coalesce((SELECT b.id FROM account b WHERE b.phone = p_identity),
				(SELECT b.id FROM account b WHERE b.phone_claim = p_identity));
	ELSE
		RETURN QUERY SELECT a.* FROM account a WHERE lower(a.username) = lower(p_identity) AND a.deleted_at IS NULL;
	END IF;
END $$;

-- Take an account out of the running call of a conversation, or of all its calls (p_conversation null).  (132; each way has
-- a statement of its own.)
CREATE OR REPLACE FUNCTION call_drop(p_account uuid, p_conversation uuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_calls uuid[];
	v_call uuid;
	c call;
BEGIN
	IF p_conversation IS NOT NULL THEN
		v_calls := ARRAY(SELECT r.id FROM call r WHERE r.conversation_id = p_conversation AND r.status <> 'ended');
	ELSE
		v_calls := ARRAY(SELECT r.id FROM call_participant p JOIN call r ON r.id = p.call_id AND r.status <> 'ended'
			WHERE p.account_id = p_account);
	END IF;
	FOR v_call IN
		SELECT k FROM unnest(v_calls) k ORDER BY k
	LOOP
		SELECT r.* INTO c FROM call r WHERE r.id = v_call FOR NO KEY UPDATE;
		IF c.status <> 'ended' AND p_account = ANY (call_people(v_call)) THEN
			PERFORM call_part(c, p_account, NULL, false, NULL);
		END IF;
	END LOOP;
END $$;

-- As in 102.  When more than 1,000 messages were read at once, the other members are told without looking at who had written
-- them: a million would have to be read for that.
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

-- They answer one row, see 080.
ALTER FUNCTION group_update ROWS 1;
ALTER FUNCTION group_member_add ROWS 1;
ALTER FUNCTION member_begin ROWS 1;
ALTER FUNCTION group_invite ROWS 1;
ALTER FUNCTION group_join ROWS 1;
ALTER FUNCTION broadcast_create ROWS 1;
ALTER FUNCTION broadcast_update ROWS 1;
ALTER FUNCTION broadcast_add ROWS 1;
ALTER FUNCTION broadcast_remove ROWS 1;
ALTER FUNCTION message_erase ROWS 1;
ALTER FUNCTION conversation_before ROWS 50;
ALTER FUNCTION group_member_remove ROWS 1;
ALTER FUNCTION conversation_set ROWS 1;
ALTER FUNCTION conversation_clear ROWS 1;
ALTER FUNCTION conversation_card_now ROWS 1;
ALTER FUNCTION direct_begin ROWS 1;
ALTER FUNCTION member_enter ROWS 1;
ALTER FUNCTION member_role_set ROWS 1;
ALTER FUNCTION call_participant_changed ROWS 1;
ALTER FUNCTION call_add ROWS 1;
ALTER FUNCTION call_remove ROWS 1;
ALTER FUNCTION call_status_set ROWS 1;
ALTER FUNCTION call_mute ROWS 1;
