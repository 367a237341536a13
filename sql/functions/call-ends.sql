-- What ends calls, or somebody's part in one, without being asked for: those who go for other reasons, and time.

-- ---- those who go -------------------------------------------------------------------------------

-- Take an account out of the running call of a conversation, or of all its calls (p_conversation null); each way has a
-- statement of its own.  This runs within other changes, whose statements answer their own events; these are told aside.
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
			PERFORM event_aside(call_part(c, p_account, NULL, false, NULL));
		END IF;
	END LOOP;
END $$;

-- Who leaves a conversation leaves its call.
CREATE OR REPLACE FUNCTION call_member_left() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM call_drop(NEW.account_id, NEW.conversation_id);
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER call_member_left AFTER UPDATE OF left_version ON member FOR EACH ROW
	WHEN (OLD.left_version IS NULL AND NEW.left_version IS NOT NULL) EXECUTE FUNCTION call_member_left();

-- An account that ends leaves all its calls.
CREATE OR REPLACE FUNCTION call_account_deleted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM call_drop(NEW.id, NULL);
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER call_account_deleted AFTER UPDATE OF deleted_at ON account FOR EACH ROW
	WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION call_account_deleted();

-- A block, or the end of an account, closes the direct conversation and with it the call.
CREATE OR REPLACE FUNCTION call_conversation_closed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
	c call;
BEGIN
	SELECT * INTO c FROM call r WHERE r.conversation_id = NEW.id AND r.status <> 'ended' FOR NO KEY UPDATE;
	IF FOUND THEN
		PERFORM event_aside((call_finish(c, CASE c.status WHEN 'connected' THEN 'completed' ELSE 'missed' END, NULL,
			NULL))._event);
	END IF;
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER call_conversation_closed AFTER UPDATE OF closed ON conversation FOR EACH ROW
	WHEN (NEW.closed AND NOT OLD.closed) EXECUTE FUNCTION call_conversation_closed();

-- ---- jobs ---------------------------------------------------------------------------------------

-- Whom nobody answers is not rung for ever.  A call that only its beginner is in and that rings nowhere any more has been
-- missed; where others talk, only who did not answer is let go.
CREATE OR REPLACE FUNCTION call_ring_out(p_ring interval, p_limit integer DEFAULT 500) RETURNS TABLE (call_id uuid, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	c call;
	v_account uuid;
	v_joined integer;
	v_late uuid[];
	v_others integer;
BEGIN
	FOR c IN
		SELECT r.* FROM call r WHERE r.status <> 'ended' AND r.id IN (
			(SELECT p.call_id FROM call_participant p
				WHERE p.status = 'invited' AND p.invited_at < now() - p_ring
				ORDER BY p.invited_at LIMIT p_limit)
			UNION ALL
			(SELECT u.id FROM call u WHERE u.status IN ('initiated', 'ringing') AND u.rung_at < now() - p_ring
				AND (SELECT count(*) FROM call_participant p WHERE p.call_id = u.id AND p.status = 'joined') < 2
				ORDER BY u.rung_at LIMIT p_limit))
		ORDER BY r.id LIMIT p_limit FOR NO KEY UPDATE SKIP LOCKED
	LOOP
		SELECT count(*) FILTER (WHERE p.status = 'joined'), count(*) FILTER (WHERE p.account_id <> c.initiator_id),
			array_agg(p.account_id) FILTER (WHERE p.status = 'invited' AND p.invited_at < now() - p_ring)
		INTO v_joined, v_others, v_late FROM call_participant p WHERE p.call_id = c.id;
		call_id := c.id;
		IF c.status <> 'connected' AND v_joined < 2 AND c.rung_at < now() - p_ring THEN
			_event := (call_finish(c, CASE WHEN v_others > 0 THEN 'missed' ELSE 'timeout' END, NULL, NULL))._event;
			RETURN NEXT;
			CONTINUE;
		END IF;
		_event := '[]';
		FOREACH v_account IN ARRAY coalesce(v_late, '{}') LOOP
			_event := _event || call_part(c, v_account, NULL, true, NULL);
		END LOOP;
		RETURN NEXT;
	END LOOP;
END $$;

-- Calls whose participants have all vanished: no sign of anybody for p_idle.  They ended when they were last heard of.
CREATE OR REPLACE FUNCTION call_vanish(p_idle interval, p_limit integer DEFAULT 500) RETURNS TABLE (call_id uuid, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	c call;
BEGIN
	FOR c IN SELECT r.* FROM call r WHERE r.status <> 'ended' AND r.alive_at < now() - p_idle
		ORDER BY r.alive_at LIMIT p_limit FOR NO KEY UPDATE SKIP LOCKED
	LOOP
		call_id := c.id;
		_event := (call_finish(c, 'timeout', NULL, NULL, greatest(c.alive_at, c.connected_at)))._event;
		RETURN NEXT;
	END LOOP;
END $$;
