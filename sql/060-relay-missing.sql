-- Messages that the relay misses: those from p_from to p_to of each conversation that are there, as fields of an entry of
-- the stream (shared/event.h), names and values in turn.  The member version of their time follows from who had come and
-- gone before their place in the sequence.  In PL/pgSQL, for sealed_lines() comes with a later migration.
CREATE FUNCTION relay_missing(p_conversations uuid[], p_from bigint[], p_to bigint[])
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
