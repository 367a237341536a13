-- What the devices in a call have to say to each other, and how well they hear each other.

-- Pass an offer, an answer or a candidate (ice) on to another participant, all devices or one.  An offer to somebody
-- who was called makes it ring; who answers has joined.
--	400	to oneself	403	not in the call	404	no such call, participant or device	409	has ended
CREATE OR REPLACE FUNCTION call_signal(p_call uuid, p_actor uuid, p_device uuid, p_to uuid, p_to_device text, p_type text,
	p_data text, p_max integer, OUT id uuid, OUT sent_at timestamptz, OUT _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	c call;
	v_mine text;
	v_theirs text;
	v_to_device uuid := CASE WHEN p_to_device IS NOT NULL THEN device_of(p_to, p_to_device) END;
BEGIN
	IF p_to = p_actor THEN
		PERFORM fail(400, 'is your own account', 'to_id');
	END IF;
	SELECT * INTO c FROM call r WHERE r.id = p_call;
	IF p_type <> 'ice' OR c.alive_at < now() - interval '1 minute' THEN
		c := call_lock(p_call, p_actor);
	ELSIF c.id IS NULL OR NOT call_visible(p_actor, c) THEN
		PERFORM fail(404, 'There is no such call');
	ELSIF c.status = 'ended' THEN
		PERFORM fail(409, 'The call has ended');
	END IF;
	SELECT max(p.status) FILTER (WHERE p.account_id = p_actor), max(p.status) FILTER (WHERE p.account_id = p_to)
	INTO v_mine, v_theirs FROM call_participant p
	WHERE p.call_id = c.id AND p.account_id IN (p_actor, p_to) AND p.status <> 'left';
	IF v_mine IS NULL THEN
		PERFORM fail(403, 'You are not in this call');
	ELSIF v_theirs IS NULL THEN
		PERFORM fail(404, 'is not in this call', 'to_id');
	ELSIF p_to_device IS NOT NULL AND v_to_device IS NULL THEN
		PERFORM fail(404, 'is no device of theirs', 'to_device');
	END IF;
	_event := '[]';
	IF p_type = 'offer' AND v_theirs = 'invited' THEN
		_event := call_rings(c.id, p_device);
	ELSIF p_type = 'answer' AND v_mine = 'invited' THEN
		_event := call_enter(c, p_actor, p_device, p_max);
	END IF;
	sent_at := clock_timestamp();
	_event := _event || emit_passing('call.signal', ARRAY[p_to], jsonb_strip_nulls(jsonb_build_object(
		'callId', c.id, 'conversationId', c.conversation_id, 'fromId', p_actor, 'fromDeviceId', p_device,
		'toId', p_to, 'toDeviceId', v_to_device, 'signalType', p_type, 'data', p_data,
		'createdAt', rfc3339(sent_at))),
		CASE WHEN v_to_device IS NOT NULL THEN ARRAY[v_to_device] END);
	id := (_event -> -1 ->> 'id')::uuid;
END $$;

-- ---- quality ------------------------------------------------------------------------------------

-- Keep what was measured; one of the same moment takes the place of the one before.
--	400	nothing measured, or at a time when there was no call
--	404	no such call, or not in it	409	it ended more than an hour ago
CREATE OR REPLACE FUNCTION call_measure(p_actor uuid, q call_quality) RETURNS call_quality
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	c call;
BEGIN
	SELECT r.* INTO c FROM call r JOIN call_participant p ON p.call_id = r.id
	WHERE r.id = q.call_id AND p.account_id = p_actor AND p.joined_at IS NOT NULL;
	q.account_id := p_actor;
	q.measured_at := coalesce(q.measured_at, now());
	IF c.id IS NULL THEN
		PERFORM fail(404, 'You are in no such call', 'call_id');
	ELSIF c.ended_at < now() - interval '1 hour' THEN
		PERFORM fail(409, 'The call has ended');
	ELSIF q.measured_at < c.created_at - interval '1 minute' OR q.measured_at > now() + interval '1 minute'
		OR q.measured_at > c.ended_at + interval '1 minute' THEN
		PERFORM fail(400, 'is not a time of the call', 'timestamp');
	ELSIF num_nonnulls(q.packet_loss, q.jitter, q.latency, q.bitrate, q.frame_rate, q.resolution, q.audio_level) = 0 THEN
		PERFORM fail(400, 'Nothing was measured', 'packet_loss');
	END IF;
	UPDATE call r SET alive_at = now()
	WHERE r.id = c.id AND r.status <> 'ended' AND r.alive_at < now() - interval '1 minute';
	INSERT INTO call_quality SELECT (q).*
	ON CONFLICT ON CONSTRAINT call_quality_once DO UPDATE SET packet_loss = q.packet_loss, jitter = q.jitter,
		latency = q.latency, bitrate = q.bitrate, frame_rate = q.frame_rate, resolution = q.resolution,
		audio_level = q.audio_level;
	RETURN q;
END $$;

-- All that was measured in a call in one line: numbers of measurements and the means.  Null when there is nothing.
CREATE OR REPLACE FUNCTION call_quality_summary(p_call uuid) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN count(*) > 0 THEN jsonb_build_object('samples', count(*),
		'packet_loss', round(avg(q.packet_loss)::numeric, 4), 'jitter', round(avg(q.jitter)::numeric, 2),
		'latency', round(avg(q.latency)::numeric, 2), 'bitrate', round(avg(q.bitrate)),
		'frame_rate', round(avg(q.frame_rate)::numeric, 1),
		'audio_level', round(avg(q.audio_level)::numeric, 1)) END
	FROM call_quality q WHERE q.call_id = p_call
$$;
