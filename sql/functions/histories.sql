-- Histories as pages.  Pages of messages are rows: apps write the text of the reply, which costs them less than it cost
-- PostgreSQL (docs/decisions/pages-as-rows.md).

-- Of meta what lies beside the fixed fields of a message, never in their place.
CREATE OR REPLACE FUNCTION message_meta(p_meta jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT p_meta - ARRAY['messageId', 'conversationId', 'senderId', 'senderDeviceId', 'quotedMessageId', 'seq',
		'type', 'clientMessageId', 'ciphertext', 'version', 'reactionCount', 'ttlSeconds', 'createdAt',
		'editedAt', 'deletedAt', 'expiresAt']
$$;

-- The sequence number of the first message at or after a moment, or one past the last.  created_at never falls as
-- seq rises, so a binary search finds it in some twenty look-ups however long the conversation is.
CREATE OR REPLACE FUNCTION conversation_seq_at(p_conversation uuid, p_at timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_low bigint := 1;
	v_high bigint;
	v_middle bigint;
	v_seq bigint;
	v_time timestamptz;
BEGIN
	SELECT last_seq + 1 INTO v_high FROM conversation WHERE id = p_conversation;
	WHILE v_low < v_high LOOP
		v_middle := (v_low + v_high) / 2;
		-- Numbers are dense; should one be missing, the next one decides.
		SELECT m.seq, m.created_at INTO v_seq, v_time FROM message m
		WHERE m.conversation_id = p_conversation AND m.seq >= v_middle AND m.seq < v_high
		ORDER BY m.seq LIMIT 1;
		IF NOT FOUND OR v_time >= p_at THEN
			v_high := v_middle;
		ELSE
			v_low := v_seq + 1;
		END IF;
	END LOOP;
	RETURN v_low;
END $$;

-- Which messages a page of a history holds: the total, and for each stay that the page touches, in its order, the range
-- (lows[i], highs[i]] of sequence numbers.  Messages count by their numbers, tombstones included, so that any page
-- costs what the first one costs and the total is known without counting.  p_at NULL: newest first.  Else from that
-- moment on, oldest first (forward), or from before it, newest first.
--	404	no such conversation	403	not a member
CREATE OR REPLACE FUNCTION conversation_slices(p_account uuid, p_conversation uuid, p_at timestamptz, p_forward boolean,
	p_limit bigint, p_offset bigint, OUT total bigint, OUT lows bigint[], OUT highs bigint[])
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_lows bigint[];
	v_highs bigint[];
	v_member boolean;
	v_start bigint := CASE WHEN p_at IS NOT NULL THEN conversation_seq_at(p_conversation, p_at) END;
	v_skip bigint := p_offset;
	v_want bigint := p_limit;
	v_low bigint;
	v_high bigint;
	v_take bigint;
BEGIN
	SELECT array_agg(s.joined_seq ORDER BY s.joined_seq * x.sign),
		array_agg(coalesce(s.left_seq, c.last_seq) ORDER BY s.joined_seq * x.sign), bool_or(s.left_version IS NULL)
	INTO v_lows, v_highs, v_member
	FROM conversation c
	CROSS JOIN (SELECT CASE WHEN p_forward THEN 1 ELSE -1 END) AS x (sign)
	LEFT JOIN member s ON s.conversation_id = c.id AND s.account_id = p_account
	WHERE c.id = p_conversation AND c.deleted_at IS NULL;
	IF v_lows IS NULL THEN
		PERFORM fail(404, 'There is no such conversation');
	ELSIF v_member IS NOT TRUE OR v_lows[1] IS NULL THEN
		PERFORM fail(403, 'You are not a member of this conversation');
	END IF;
	total := 0;
	FOR i IN 1 .. cardinality(v_lows) LOOP
		v_low := CASE WHEN p_forward THEN greatest(v_lows[i], v_start - 1) ELSE v_lows[i] END;
		v_high := CASE WHEN p_forward THEN v_highs[i] ELSE least(v_highs[i], v_start - 1) END;
		CONTINUE WHEN v_high <= v_low;
		total := total + v_high - v_low;
		v_take := least(v_want, v_high - v_low - v_skip);
		IF v_take > 0 THEN
			lows := lows || CASE WHEN p_forward THEN v_low + v_skip ELSE v_high - v_skip - v_take END;
			highs := highs || CASE WHEN p_forward THEN v_low + v_skip + v_take ELSE v_high - v_skip END;
			v_want := v_want - v_take;
		END IF;
		v_skip := greatest(0, v_skip - (v_high - v_low));
	END LOOP;
END $$;

-- A page of a history: its rows in their order, each with the total.  Without any, also when all its messages are gone, it
-- is one row that has the total alone.
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

-- The newest messages before p_before (NULL: the newest of all) that an account may see, newest first.
--	404	no such conversation, or never a member
CREATE OR REPLACE FUNCTION conversation_before(p_account uuid, p_conversation uuid, p_before bigint, p_limit integer)
RETURNS SETOF message
LANGUAGE plpgsql STABLE ROWS 50 SET plan_cache_mode = force_generic_plan AS $$
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
