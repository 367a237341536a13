-- A page of a history whose messages are all gone has a row too: that with the total alone.  (190 had none.)
CREATE OR REPLACE FUNCTION conversation_page(p_account uuid, p_conversation uuid, p_at timestamptz, p_direction text,
	p_limit bigint, p_offset bigint, p_device uuid) RETURNS SETOF message_row
LANGUAGE plpgsql STABLE ROWS 50 SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	v_forward boolean := p_at IS NOT NULL AND p_direction IS DISTINCT FROM 'backward';
	v_sign bigint := CASE WHEN v_forward THEN 1 ELSE -1 END;
	v_total bigint;
	v_found boolean := false;
	r message_row;
	v_lows bigint[];
	v_highs bigint[];
BEGIN
	SELECT s.total, s.lows, s.highs INTO v_total, v_lows, v_highs
	FROM conversation_slices(p_account, p_conversation, p_at, v_forward, p_limit, p_offset) s;
	-- Slice by slice, so that there is no plan but the range of an index.
	FOR i IN 1 .. coalesce(cardinality(v_lows), 0) LOOP
		RETURN QUERY SELECT m.id, m.conversation_id, m.seq, m.sender_id, m.kind, m.created_at, m.version,
			m.sender_device_id, CASE WHEN NOT x.mute THEN m.body END, m.client_id, m.reply_to_id, m.reaction_count,
			m.ttl_seconds, m.edited_at, coalesce(h.hidden_at, m.deleted_at), m.expires_at,
			CASE WHEN m.body IS NULL AND NOT x.mute AND m.meta ? 'sealed' THEN message_sealed_text(m.id, p_device) END,
			CASE WHEN m.meta IS NOT NULL AND NOT x.mute THEN message_meta(m.meta)::text END, v_total, NULL::text
		FROM message m
		LEFT JOIN message_hidden h ON h.message_id = m.id AND h.account_id = p_account
		CROSS JOIN LATERAL (SELECT h.hidden_at IS NOT NULL OR coalesce(m.expires_at <= now(), false)) AS x (mute)
		WHERE m.conversation_id = p_conversation AND m.seq > v_lows[i] AND m.seq <= v_highs[i]
		ORDER BY m.seq * v_sign;
		v_found := v_found OR FOUND;
	END LOOP;
	IF NOT v_found THEN
		r.total := v_total;
		RETURN NEXT r;
	END IF;
END $$;
