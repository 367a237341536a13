-- Calls: who calls whom, who takes part, how they end (docs/calls.md).  What the devices have to say to each other is in
-- call-signals.sql, what ends a call without anybody asking in call-ends.sql.
--
-- The row of a call is the lock of all that happens in it.  A transaction that holds a conversation's lock may take
-- that of its call, never the other way round.

-- ---- shown --------------------------------------------------------------------------------------

-- Seconds since it was connected, until it ended.
CREATE OR REPLACE FUNCTION call_seconds(c call) RETURNS integer
LANGUAGE sql STABLE AS $$
	SELECT coalesce(greatest(floor(extract(epoch FROM coalesce(c.ended_at, now()) - c.connected_at)), 0), 0)::integer
$$;

-- What every event of a call says.
CREATE OR REPLACE FUNCTION call_json(c call) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('callId', c.id, 'conversationId', c.conversation_id,
	'initiatorId', c.initiator_id, 'media', c.media, 'status', c.status, 'createdAt', rfc3339(c.created_at),
	'connectedAt', rfc3339(c.connected_at)))
$$;

-- A call as a row, with the event of its change.
CREATE OR REPLACE FUNCTION call_changed(c call, ev jsonb) RETURNS call_change
LANGUAGE sql STABLE AS $$
	SELECT ROW(c.id, c.conversation_id, c.initiator_id, c.media, c.status, c.reason, c.ended_by, c.created_at,
	c.connected_at, c.ended_at, call_seconds(c), ev)::call_change
$$;

-- The same of one participant.
CREATE OR REPLACE FUNCTION call_participant_changed(p_call uuid, p_account uuid, ev jsonb) RETURNS SETOF call_participant_change
LANGUAGE sql STABLE ROWS 1 AS $$
	SELECT p.account_id, p.status, p.audio_muted, p.video_muted, p.invited_at, p.joined_at, p.left_at, ev
	FROM call_participant p WHERE p.call_id = p_call AND p.account_id = p_account
$$;

-- Those who were called or are in it: who hears of what happens.
CREATE OR REPLACE FUNCTION call_people(p_call uuid) RETURNS uuid[]
LANGUAGE sql STABLE AS $$
	SELECT coalesce(array_agg(p.account_id ORDER BY p.account_id), '{}') FROM call_participant p
	WHERE p.call_id = p_call AND p.status <> 'left'
$$;

-- An event about one participant, to all and to that one.
CREATE OR REPLACE FUNCTION call_participant_told(c call, p_account uuid, p_by uuid, p_device uuid) RETURNS jsonb
LANGUAGE sql VOLATILE AS $$
	SELECT emit('call.participant', NULL, NULL, array_append(array_remove(call_people(c.id), p_account), p_account),
		call_json(c) || jsonb_strip_nulls(jsonb_build_object('accountId', p.account_id,
		'participantStatus', p.status, 'deviceId', p.device_id, 'audioMuted', p.audio_muted,
		'videoMuted', p.video_muted, 'by', p_by)), NULL, p_device)
	FROM call_participant p WHERE p.call_id = c.id AND p.account_id = p_account
$$;

-- May the account see the call?  Whoever was called or took part, and the members of the conversation who were there
-- when it began.
CREATE OR REPLACE FUNCTION call_visible(p_account uuid, c call) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM call_participant p WHERE p.call_id = c.id AND p.account_id = p_account)
		OR EXISTS (SELECT FROM member m JOIN conversation o ON o.id = m.conversation_id
			WHERE m.conversation_id = c.conversation_id AND m.account_id = p_account
				AND m.left_version IS NULL AND o.deleted_at IS NULL AND m.joined_at <= coalesce(c.ended_at, now()))
$$;

-- ---- locking ------------------------------------------------------------------------------------

-- Lock a call for somebody who does something in it.
--	404	no such call for the account	409	it has ended
CREATE OR REPLACE FUNCTION call_lock(p_call uuid, p_actor uuid) RETURNS call
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	c call;
BEGIN
	SELECT * INTO c FROM call WHERE id = p_call FOR NO KEY UPDATE;
	IF c.id IS NULL OR NOT call_visible(p_actor, c) THEN
		PERFORM fail(404, 'There is no such call');
	ELSIF c.status = 'ended' THEN
		PERFORM fail(409, 'The call has ended');
	END IF;
	UPDATE call u SET alive_at = now() WHERE u.id = p_call AND u.alive_at < now() - interval '1 minute';
	RETURN c;
END $$;

-- ---- ending -------------------------------------------------------------------------------------

-- End a locked call: everybody's part ends with it, and who was called and never took part has missed it, but for the
-- one who ended it.
CREATE OR REPLACE FUNCTION call_finish(c call, p_reason text, p_by uuid, p_device uuid, p_at timestamptz DEFAULT now())
RETURNS call_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_people uuid[] := call_people(c.id);
	v_missed uuid[];
	v_events jsonb;
BEGIN
	WITH gone AS (
		UPDATE call_participant p SET status = 'left', left_at = p_at,
			missed = p.joined_at IS NULL AND p.account_id IS DISTINCT FROM p_by
		WHERE p.call_id = c.id AND p.status <> 'left' RETURNING p.account_id, p.missed)
	SELECT coalesce(array_agg(g.account_id) FILTER (WHERE g.missed), '{}') INTO v_missed FROM gone g;
	UPDATE call u SET status = 'ended', reason = p_reason, ended_by = p_by, ended_at = p_at
	WHERE u.id = c.id RETURNING u.* INTO c;
	v_events := jsonb_build_array(emit('call.ended', NULL, NULL, v_people, call_json(c)
		|| jsonb_strip_nulls(jsonb_build_object('endedBy', p_by, 'reason', p_reason,
		'endedAt', rfc3339(p_at), 'durationSeconds', call_seconds(c))), NULL, p_device));
	IF cardinality(v_missed) > 0 THEN
		v_events := v_events || emit('call.missed', NULL, NULL, v_missed, call_json(c));
	END IF;
	RETURN call_changed(c, v_events);
END $$;

-- Somebody went by itself (p_by is p_account), was taken out by p_by, or fell out (p_by null).  Answers the events, those
-- of the call's end too when nobody is left to talk to.
CREATE OR REPLACE FUNCTION call_part(c call, p_account uuid, p_by uuid, p_missed boolean, p_device uuid) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_events jsonb;
	v_joined integer;
	v_invited integer;
	v_reason text;
	v_missed boolean;
BEGIN
	UPDATE call_participant p SET status = 'left', left_at = now(), missed = p_missed AND p.joined_at IS NULL,
		removed_by = CASE WHEN p_by <> p_account THEN p_by END
	WHERE p.call_id = c.id AND p.account_id = p_account RETURNING p.missed INTO v_missed;
	v_events := jsonb_build_array(call_participant_told(c, p_account, p_by, p_device));
	IF v_missed THEN
		v_events := v_events || emit('call.missed', NULL, NULL, ARRAY[p_account], call_json(c));
	END IF;
	SELECT count(*) FILTER (WHERE p.status = 'joined'), count(*) FILTER (WHERE p.status = 'invited')
	INTO v_joined, v_invited FROM call_participant p WHERE p.call_id = c.id;
	v_reason := CASE
		WHEN c.status = 'connected' THEN
			CASE WHEN v_joined = 0 OR (c.direct AND v_joined < 2) THEN 'completed' END
		WHEN v_joined = 0 THEN 'missed'
		WHEN c.direct THEN CASE WHEN p_by = p_account AND p_account <> c.initiator_id THEN 'declined' ELSE 'missed' END
		WHEN v_joined = 1 AND v_invited = 0 AND p_by = p_account THEN 'declined' END;
	IF v_reason IS NOT NULL THEN
		v_events := v_events || (call_finish(c, v_reason, p_by, p_device))._event;
	END IF;
	RETURN v_events;
END $$;

-- May the account speak for all in a call that is not direct?
CREATE OR REPLACE FUNCTION call_led_by(c call, p_account uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT p_account = c.initiator_id OR EXISTS (SELECT FROM member m
		WHERE m.conversation_id = c.conversation_id AND m.account_id = p_account AND m.left_version IS NULL
			AND m.role IN ('owner', 'admin'))
$$;

-- End a call.  Either party ends a direct call; one of several is ended by who began it and by owner and admins of the
-- group.  Without a reason it is what happened: completed, missed (by who called) or declined (by who was called).
--	403	not in it, or only to be left	404	no such call	409	has ended, or the reason is not what happened
CREATE OR REPLACE FUNCTION call_end(p_call uuid, p_actor uuid, p_reason text, p_device uuid) RETURNS call_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	c call := call_lock(p_call, p_actor);
	v_reason text := coalesce(p_reason, CASE WHEN c.status = 'connected' THEN 'completed'
		WHEN p_actor = c.initiator_id THEN 'missed' ELSE 'declined' END);
BEGIN
	IF c.direct AND p_actor <> ALL (call_people(c.id)) THEN
		PERFORM fail(403, 'You are not in this call');
	ELSIF NOT c.direct AND NOT call_led_by(c, p_actor) THEN
		PERFORM fail(403, 'Others ended this call for all; leave it instead');
	ELSIF v_reason = 'completed' AND c.status <> 'connected' THEN
		PERFORM fail(409, 'The call was never connected', 'reason');
	ELSIF v_reason IN ('missed', 'declined') AND c.status = 'connected' THEN
		PERFORM fail(409, 'The call is connected', 'reason');
	ELSIF v_reason = 'declined' AND p_actor = c.initiator_id THEN
		PERFORM fail(409, 'Who calls does not decline', 'reason');
	END IF;
	RETURN call_finish(c, v_reason, p_actor, p_device);
END $$;

-- ---- beginning and calling others ---------------------------------------------------------------

-- Ring accounts in a locked call: those who are in it already are passed over.  The new ones.
--	400	no member of the conversation, or no account	403	a block is between	409	too many
CREATE OR REPLACE FUNCTION call_invite(c call, p_actor uuid, p_accounts uuid[], p_max integer) RETURNS uuid[]
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_new uuid[];
BEGIN
	IF EXISTS (SELECT FROM unnest(p_accounts) u WHERE c.conversation_id IS NOT NULL AND NOT EXISTS (
		SELECT FROM member m WHERE m.conversation_id = c.conversation_id AND m.account_id = u
			AND m.left_version IS NULL)) THEN
		PERFORM fail(400, 'is no member of the conversation', 'user_id');
	ELSIF EXISTS (SELECT FROM unnest(p_accounts) u WHERE NOT EXISTS (
		SELECT FROM account a WHERE a.id = u AND a.deleted_at IS NULL)) THEN
		PERFORM fail(400, 'is nobody here', 'user_id');
	ELSIF EXISTS (SELECT FROM block b WHERE (b.account_id = p_actor AND b.blocked_id = ANY (p_accounts))
		OR (b.blocked_id = p_actor AND b.account_id = ANY (p_accounts))) THEN
		PERFORM fail(403, 'cannot be called by you', 'user_id');
	END IF;
	WITH rung AS (
		INSERT INTO call_participant AS p (call_id, account_id, status, invited_by, video_muted)
		SELECT DISTINCT c.id, u, 'invited', p_actor, c.media = 'audio' FROM unnest(p_accounts) u
		ON CONFLICT (call_id, account_id) DO UPDATE SET status = 'invited', invited_by = p_actor,
			invited_at = now(), removed_by = NULL, left_at = NULL, missed = false, missed_seen_at = NULL
			WHERE p.status = 'left'
		RETURNING p.account_id)
	SELECT coalesce(array_agg(r.account_id), '{}') INTO v_new FROM rung r;
	IF (SELECT count(*) FROM call_participant p WHERE p.call_id = c.id AND p.status <> 'left') > p_max THEN
		PERFORM fail(409, 'A call has at most ' || p_max || ' participants');
	END IF;
	UPDATE call u SET rung_at = now() WHERE u.id = c.id AND cardinality(v_new) > 0;
	RETURN v_new;
END $$;

-- Begin a call in a conversation, or with p_conversation null among p_accounts.  In a direct conversation the other one
-- is called; in a group p_accounts are, and others may be called later or join by themselves.
--	400, 403, 409	as call_invite
--	403	not a member, a block is between, or no place for calls
--	404	no such conversation	409	a call is going on there
CREATE OR REPLACE FUNCTION call_begin(p_id uuid, p_actor uuid, p_device uuid, p_conversation uuid, p_media text, p_accounts uuid[],
	p_max integer) RETURNS call_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	o conversation;
	c call;
	v_accounts uuid[] := array_remove(coalesce(p_accounts, '{}'), p_actor);
BEGIN
	IF p_conversation IS NOT NULL THEN
		SELECT * INTO o FROM conversation WHERE id = p_conversation AND deleted_at IS NULL FOR NO KEY UPDATE;
		IF o.id IS NULL THEN
			PERFORM fail(404, 'There is no such conversation', 'conversation_id');
		ELSIF NOT EXISTS (SELECT FROM member m WHERE m.conversation_id = o.id AND m.account_id = p_actor
			AND m.left_version IS NULL) THEN
			PERFORM fail(403, 'You are not a member of this conversation', 'conversation_id');
		ELSIF o.closed OR o.kind NOT IN ('direct', 'group') THEN
			PERFORM fail(403, 'There are no calls in this conversation', 'conversation_id');
		ELSIF EXISTS (SELECT FROM call r WHERE r.conversation_id = o.id AND r.status <> 'ended') THEN
			PERFORM fail(409, 'A call is going on there', 'conversation_id');
		ELSIF o.kind = 'direct' THEN
			v_accounts := array_remove(ARRAY[o.direct_low, o.direct_high], p_actor);
		END IF;
	ELSIF cardinality(v_accounts) = 0 THEN
		PERFORM fail(400, 'Nobody is called', 'participants');
	END IF;
	INSERT INTO call (id, conversation_id, initiator_id, media, direct)
	VALUES (p_id, p_conversation, p_actor, p_media,
		CASE WHEN p_conversation IS NULL THEN cardinality(v_accounts) = 1 ELSE o.kind = 'direct' END)
	RETURNING * INTO c;
	INSERT INTO call_participant (call_id, account_id, status, device_id, joined_at, video_muted)
	VALUES (c.id, p_actor, 'joined', p_device, now(), p_media = 'audio');
	PERFORM call_invite(c, p_actor, v_accounts, p_max);
	RETURN call_changed(c, emit('call.created', NULL, NULL, call_people(c.id), call_json(c)
		|| jsonb_build_object('participantIds', to_jsonb(call_people(c.id))), NULL, p_device));
END $$;

-- It rings somewhere.  Events; an empty list when it did before.
CREATE OR REPLACE FUNCTION call_rings(p_call uuid, p_device uuid) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	c call;
BEGIN
	UPDATE call u SET status = 'ringing' WHERE u.id = p_call AND u.status = 'initiated' RETURNING u.* INTO c;
	IF NOT FOUND THEN
		RETURN '[]';
	END IF;
	RETURN jsonb_build_array(emit('call.ringing', NULL, NULL, call_people(c.id), call_json(c), NULL, p_device));
END $$;

-- Call somebody into a call, again if need be.  Whoever has joined may; in a direct call there is nobody else to call.
--	400, 403, 409	as call_invite	403	not in it	404, 409	as call_lock
CREATE OR REPLACE FUNCTION call_add(p_call uuid, p_actor uuid, p_account uuid, p_max integer, p_device uuid)
RETURNS SETOF call_participant_change
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
DECLARE
	c call := call_lock(p_call, p_actor);
	v_new uuid[];
	v_events jsonb := '[]';
BEGIN
	IF NOT EXISTS (SELECT FROM call_participant p WHERE p.call_id = c.id AND p.account_id = p_actor
		AND p.status = 'joined') THEN
		PERFORM fail(403, 'You are not in this call');
	END IF;
	IF c.direct AND c.conversation_id IS NULL AND p_account <> ALL (call_people(c.id)) THEN
		UPDATE call u SET direct = false WHERE u.id = c.id RETURNING u.* INTO c;
	END IF;
	v_new := call_invite(c, p_actor, ARRAY[p_account], p_max);
	IF cardinality(v_new) > 0 THEN
		v_events := jsonb_build_array(emit('call.created', NULL, NULL, v_new, call_json(c)
			|| jsonb_build_object('participantIds', to_jsonb(call_people(c.id)), 'by', p_actor)),
			call_participant_told(c, p_account, p_actor, p_device));
	END IF;
	v_events := v_events || call_rings(c.id, p_device);
	RETURN QUERY SELECT * FROM call_participant_changed(c.id, p_account, v_events);
END $$;

-- ---- taking part --------------------------------------------------------------------------------

-- Come into a locked call, from this device.  Events.
--	403	was removed, or is not in the conversation	409	too many
CREATE OR REPLACE FUNCTION call_enter(c call, p_account uuid, p_device uuid, p_max integer) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	p call_participant;
	v_events jsonb;
BEGIN
	SELECT * INTO p FROM call_participant t WHERE t.call_id = c.id AND t.account_id = p_account;
	IF p.status = 'joined' AND p.device_id IS NOT DISTINCT FROM p_device THEN
		RETURN '[]';
	ELSIF p.removed_by IS NOT NULL OR (c.conversation_id IS NOT NULL AND NOT EXISTS (SELECT FROM member m
		WHERE m.conversation_id = c.conversation_id AND m.account_id = p_account AND m.left_version IS NULL)) THEN
		PERFORM fail(403, 'You may not join this call');
	END IF;
	INSERT INTO call_participant AS t (call_id, account_id, status, device_id, joined_at, video_muted)
	VALUES (c.id, p_account, 'joined', p_device, now(), c.media = 'audio')
	ON CONFLICT (call_id, account_id) DO UPDATE SET status = 'joined', device_id = p_device, left_at = NULL,
		missed = false, joined_at = CASE WHEN t.status = 'joined' THEN t.joined_at ELSE now() END;
	IF cardinality(call_people(c.id)) > p_max THEN
		PERFORM fail(409, 'A call has at most ' || p_max || ' participants');
	END IF;
	v_events := call_rings(c.id, p_device);
	SELECT * INTO c FROM call r WHERE r.id = c.id;
	RETURN v_events || call_participant_told(c, p_account, p_account, p_device);
END $$;

-- Take somebody out, or go.  Out of a call of several one is taken by who leads it, or by who called while it still rings.
--	403	not to be taken out by this account	404	no such call or participant	409	has ended
CREATE OR REPLACE FUNCTION call_remove(p_call uuid, p_actor uuid, p_account uuid, p_device uuid)
RETURNS SETOF call_participant_change
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
DECLARE
	c call := call_lock(p_call, p_actor);
	p call_participant;
	v_events jsonb;
BEGIN
	SELECT * INTO p FROM call_participant t WHERE t.call_id = c.id AND t.account_id = p_account AND t.status <> 'left';
	IF p.call_id IS NULL THEN
		PERFORM fail(404, 'There is no such participant');
	ELSIF p_account <> p_actor AND (c.direct OR NOT (call_led_by(c, p_actor)
		OR (p.status = 'invited' AND p.invited_by = p_actor))) THEN
		PERFORM fail(403, 'You may not take others out of this call');
	END IF;
	v_events := call_part(c, p_account, p_actor, p_account <> p_actor, p_device);
	RETURN QUERY SELECT * FROM call_participant_changed(c.id, p_account, v_events);
END $$;

-- Set the part somebody has.
--	joined	oneself only: take the call, or come in uninvited as a member of the group
--	left	call_remove
--	invited	oneself: it rings here; another: call_add
-- Statuses as those; 409 also for "it rings" of one who has joined or gone.
CREATE OR REPLACE FUNCTION call_status_set(p_call uuid, p_actor uuid, p_account uuid, p_status text, p_max integer, p_device uuid)
RETURNS SETOF call_participant_change
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
DECLARE
	c call;
	v_events jsonb;
	v_was text;
BEGIN
	IF p_status = 'left' THEN
		RETURN QUERY SELECT * FROM call_remove(p_call, p_actor, p_account, p_device);
		RETURN;
	ELSIF p_status = 'invited' AND p_account <> p_actor THEN
		RETURN QUERY SELECT * FROM call_add(p_call, p_actor, p_account, p_max, p_device);
		RETURN;
	END IF;
	c := call_lock(p_call, p_actor);
	IF p_account <> p_actor THEN
		PERFORM fail(403, 'Nobody joins for another', 'user_id');
	ELSIF p_status = 'joined' THEN
		v_events := call_enter(c, p_actor, p_device, p_max);
	ELSE
		SELECT p.status INTO v_was FROM call_participant p WHERE p.call_id = c.id AND p.account_id = p_actor;
		IF v_was IS NULL THEN
			PERFORM fail(404, 'You were not called');
		ELSIF v_was <> 'invited' THEN
			PERFORM fail(409, 'You have ' || v_was || ' already', 'status');
		END IF;
		v_events := call_rings(c.id, p_device);
	END IF;
	RETURN QUERY SELECT * FROM call_participant_changed(c.id, p_account, v_events);
END $$;

-- Sound and picture of oneself, off or on; null leaves as it is.
--	404	no such call, or not in it	409	has ended, or gone already
CREATE OR REPLACE FUNCTION call_mute(p_call uuid, p_actor uuid, p_audio boolean, p_video boolean, p_device uuid)
RETURNS SETOF call_participant_change
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
DECLARE
	c call := call_lock(p_call, p_actor);
	p call_participant;
	v_event jsonb;
BEGIN
	SELECT * INTO p FROM call_participant t WHERE t.call_id = c.id AND t.account_id = p_actor;
	IF p.call_id IS NULL THEN
		PERFORM fail(404, 'You are not in this call');
	ELSIF p.status = 'left' THEN
		PERFORM fail(409, 'You have left this call');
	END IF;
	UPDATE call_participant t SET audio_muted = coalesce(p_audio, t.audio_muted),
		video_muted = coalesce(p_video, t.video_muted)
	WHERE t.call_id = c.id AND t.account_id = p_actor
		AND (t.audio_muted, t.video_muted) IS DISTINCT FROM
			(coalesce(p_audio, t.audio_muted), coalesce(p_video, t.video_muted));
	IF FOUND THEN
		v_event := call_participant_told(c, p_actor, p_actor, p_device);
	END IF;
	RETURN QUERY SELECT * FROM call_participant_changed(c.id, p_actor, v_event);
END $$;

-- The devices have found each other.  Whoever says so is in the call; saying it again changes nothing.
--	403	as call_enter	404	no such call	409	has ended, or nobody has answered yet
CREATE OR REPLACE FUNCTION call_connect(p_call uuid, p_actor uuid, p_max integer, p_device uuid) RETURNS call_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	c call := call_lock(p_call, p_actor);
	v_events jsonb := call_enter(c, p_actor, p_device, p_max);
BEGIN
	IF c.status = 'connected' THEN
		RETURN call_changed(c, v_events);
	ELSIF (SELECT count(*) FROM call_participant p WHERE p.call_id = c.id AND p.status = 'joined') < 2 THEN
		PERFORM fail(409, 'Nobody has answered yet');
	END IF;
	UPDATE call u SET status = 'connected', connected_at = now() WHERE u.id = c.id RETURNING u.* INTO c;
	RETURN call_changed(c, v_events || emit('call.connected', NULL, NULL, call_people(c.id), call_json(c)
		|| jsonb_build_object('by', p_actor), NULL, p_device));
END $$;
