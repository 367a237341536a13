-- What changed, told to others: the outbox that the relay and the jobs read (docs/relay.md).

-- An event as the column _event of a reply shows it (shared/event.h).
CREATE OR REPLACE FUNCTION event_json(e event) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('id', e.id, 't', e.type, 'c', e.conversation_id,
	'v', e.member_version, 'to', to_jsonb(e.recipients), 'dev', to_jsonb(e.device_ids),
	'not', e.except_device_id)) || jsonb_build_object('j', e.payload)
$$;

-- Write an event beside the change it tells of, and answer it for the column _event.
--	conversation + version	the members of the conversation at that member version
--	recipients		these accounts, instead or as well
--	devices			only these devices of them
--	except_device		not this one (the device that made the change)
CREATE OR REPLACE FUNCTION emit(type text, conversation uuid, version integer, recipients uuid[], payload jsonb,
	devices uuid[] DEFAULT NULL, except_device uuid DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	e event;
BEGIN
	INSERT INTO event AS n (id, type, conversation_id, member_version, recipients, device_ids,
		except_device_id, payload)
	VALUES (uuid7(), $1, $2, $3, $4, $6, $7, coalesce($5, '{}'))
	RETURNING n.* INTO e;
	RETURN event_json(e);
END $$;

-- Have events told that no column _event answers, for they come of a trigger: with the commit the jobs daemon hears of
-- them and puts them into the stream (docs/jobs.md).  An event, or an array of them, as emit() answers it.
CREATE OR REPLACE FUNCTION event_aside(p_events jsonb) RETURNS void
LANGUAGE sql VOLATILE AS $$
	SELECT pg_notify('event_aside', e ->> 'id')
	FROM jsonb_array_elements(CASE jsonb_typeof(p_events) WHEN 'array' THEN p_events
		ELSE jsonb_build_array(p_events) END) e
$$;

-- An event that is told once and kept nowhere but in the stream: what a crash leaves out is not repeated.  For what is
-- worth nothing a moment later.  Recipients and devices as emit() has them.
CREATE OR REPLACE FUNCTION emit_passing(type text, recipients uuid[], payload jsonb, devices uuid[] DEFAULT NULL,
	except_device uuid DEFAULT NULL) RETURNS jsonb
LANGUAGE sql VOLATILE AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('id', uuid7(), 't', type, 'to', to_jsonb(recipients),
	'dev', to_jsonb(devices), 'not', except_device)) || jsonb_build_object('j', payload)
$$;

-- The events of the last seconds, for the sweeper, oldest first.
CREATE OR REPLACE FUNCTION event_recent(age interval) RETURNS TABLE (id uuid, created_at timestamptz, _event jsonb)
LANGUAGE sql STABLE AS $$
	SELECT e.id, e.created_at, event_json(e)
	FROM event e WHERE e.created_at > clock_timestamp() - age ORDER BY e.created_at, e.id
$$;

-- Messages that the relay misses: those from p_from to p_to of each conversation that are there, as fields of an entry of
-- the stream (shared/event.h), names and values in turn.  The member version of their time follows from who had come and
-- gone before their place in the sequence.
CREATE OR REPLACE FUNCTION relay_missing(p_conversations uuid[], p_from bigint[], p_to bigint[])
RETURNS TABLE (n bigint, seq bigint, id uuid, fields text[])
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT w.n, m.seq, m.id, array_remove(ARRAY[
		'id', m.id::text, 't', 'message.new', 'c', m.conversation_id::text, 's', m.seq::text, 'v', v.version::text,
		'j', message_json(m)::text]
		|| CASE WHEN c.kind = 'direct' THEN ARRAY['to', c.direct_low || ',' || c.direct_high] END
		|| CASE WHEN m.sender_device_id IS NOT NULL THEN ARRAY['not', m.sender_device_id::text] END
		|| CASE WHEN m.meta ? 'sealed' THEN ARRAY['b', sealed_lines(m.id)] END, NULL)
	FROM unnest(p_conversations, p_from, p_to) WITH ORDINALITY AS w (conversation_id, low, high, n)
	JOIN message m ON m.conversation_id = w.conversation_id AND m.seq BETWEEN w.low AND w.high
	JOIN conversation c ON c.id = m.conversation_id
	CROSS JOIN LATERAL (SELECT CASE WHEN c.kind = 'direct' THEN c.member_version ELSE (
		SELECT greatest(max(s.joined_version) FILTER (WHERE s.joined_seq < m.seq),
			max(s.left_version) FILTER (WHERE s.left_seq < m.seq))
		FROM member s WHERE s.conversation_id = m.conversation_id) END AS version) v
	ORDER BY w.n, m.seq;
END
$$;
