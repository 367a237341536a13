-- Reading made cheap: pages of messages are answered as JSON text that the apps pass on as it is.
--
-- Building a message as jsonb and printing that takes four times as long as writing its text, and an app that parses
-- and prints it again takes as long once more (docs/performance.md).

-- What meta holds beside the fixed fields of a message, never in their place; with the brace that ends the object.
CREATE FUNCTION message_meta_text(p_meta jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN x.meta = '{}' THEN '}' ELSE ',' || substr(x.meta::text, 2) END
	FROM (SELECT p_meta - ARRAY['messageId', 'conversationId', 'senderId', 'senderDeviceId', 'quotedMessageId', 'seq',
		'type', 'clientMessageId', 'ciphertext', 'version', 'reactionCount', 'ttlSeconds', 'createdAt',
		'editedAt', 'deletedAt', 'expiresAt'] AS meta) x
$$;

-- What a device is given of a sealed message (101), as members of an object with a comma before each; NULL when nothing.
CREATE FUNCTION message_sealed_text(p_message uuid, p_device uuid) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT concat(',"ciphertext":', to_json(b.body), ',"header":' || to_json(b.header)) FROM message_body b
		WHERE b.message_id = p_message AND b.device_id = p_device);
END $$;

-- A message as message_json() shows it, as text, and what p_device is given of a sealed one.  p_hidden: when it was deleted
-- for the reader; p_mute: what it says is left out.  concat() leaves out what is NULL; as a function of one row it is
-- expanded into the query around it.
CREATE FUNCTION message_text(m message, p_device uuid, p_hidden timestamptz, p_mute boolean) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT concat('{"messageId":"', m.id, '","conversationId":"', m.conversation_id, '","seq":', m.seq,
		',"senderId":"', m.sender_id, '","type":', to_json(m.kind), ',"createdAt":"', rfc3339(m.created_at),
		'","version":', m.version, ',"senderDeviceId":"' || m.sender_device_id || '"',
		CASE WHEN NOT p_mute THEN ',"ciphertext":' || to_json(m.body) END,
		',"clientMessageId":' || to_json(m.client_id), ',"quotedMessageId":"' || m.reply_to_id || '"',
		',"reactionCount":' || nullif(m.reaction_count, 0), ',"ttlSeconds":' || m.ttl_seconds,
		',"editedAt":"' || rfc3339(m.edited_at) || '"',
		',"deletedAt":"' || rfc3339(coalesce(p_hidden, m.deleted_at)) || '"',
		',"expiresAt":"' || rfc3339(m.expires_at) || '"',
		CASE WHEN m.meta IS NULL OR p_mute THEN '}'
		ELSE concat(CASE WHEN m.meta ? 'sealed' AND m.body IS NULL THEN message_sealed_text(m.id, p_device) END,
			message_meta_text(m.meta)) END)
$$;

-- ---- histories ---------------------------------------------------------------------------------

DROP FUNCTION conversation_page(uuid, uuid, timestamptz, text, bigint, bigint);
DROP FUNCTION conversation_view(uuid, uuid);

-- Which messages a page of a history holds: the total, and for each stay that the page touches, in its order, the range
-- (lows[i], highs[i]] of sequence numbers.  Messages count by their numbers, tombstones included, so that any page
-- costs what the first one costs and the total is known without counting.  p_at NULL: newest first.  Else from that
-- moment on, oldest first (forward), or from before it, newest first.
--	404	no such conversation	403	not a member
CREATE FUNCTION conversation_slices(p_account uuid, p_conversation uuid, p_at timestamptz, p_forward boolean,
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

-- A page of a history as a JSON array; of type text, for what becomes json is parsed.  A message that the reader deleted
-- for themself shows as a tombstone; one whose time has come says nothing.
CREATE FUNCTION conversation_history(p_account uuid, p_conversation uuid, p_at timestamptz, p_direction text,
	p_limit bigint, p_offset bigint, p_device uuid, OUT total bigint, OUT messages text)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	v_forward boolean := p_at IS NOT NULL AND p_direction IS DISTINCT FROM 'backward';
	v_sign bigint := CASE WHEN v_forward THEN 1 ELSE -1 END;
	v_lows bigint[];
	v_highs bigint[];
	v_texts text[];
BEGIN
	SELECT s.total, s.lows, s.highs INTO total, v_lows, v_highs
	FROM conversation_slices(p_account, p_conversation, p_at, v_forward, p_limit, p_offset) s;
	-- Slice by slice, so that there is no plan but the range of an index.
	FOR i IN 1 .. coalesce(cardinality(v_lows), 0) LOOP
		v_texts[i] := (
			SELECT string_agg(message_text(m, p_device, h.hidden_at,
				h.hidden_at IS NOT NULL OR coalesce(m.expires_at <= now(), false)),
				',' ORDER BY m.seq * v_sign)
			FROM message m
			LEFT JOIN message_hidden h ON h.message_id = m.id AND h.account_id = p_account
			WHERE m.conversation_id = p_conversation AND m.seq > v_lows[i] AND m.seq <= v_highs[i]);
	END LOOP;
	messages := concat('[', array_to_string(v_texts, ','), ']');
END $$;

-- ---- synchronisation ---------------------------------------------------------------------------

-- As it was (006), but the messages come as the text of a JSON array.
DROP FUNCTION message_sync(uuid, text, timestamptz, integer, integer);
CREATE FUNCTION message_sync(p_account uuid, p_cursor text, p_since timestamptz, p_limit integer,
	p_offset integer DEFAULT 0, p_device uuid DEFAULT NULL, OUT messages text, OUT next_cursor text, OUT has_more boolean)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	p sync_position := sync_parse(p_cursor, p_since);
	v_horizon xid8 := sync_horizon();
	v_last text;
	v_text text;
BEGIN
	SELECT string_agg(y.text, ',') FILTER (WHERE y.n <= p_limit), count(*) > p_limit,
		max(CASE WHEN y.n = p_limit
			THEN sync_cursor(ROW(y.changed_xid, y.conversation_id, y.seq, p.since)::sync_position) END)
	INTO v_text, has_more, v_last
	FROM (SELECT message_text(ROW(x.*)::message, p_device, NULL, false) AS text, x.changed_xid, x.conversation_id, x.seq,
			row_number() OVER () AS n
		FROM (SELECT q.* FROM member s
			JOIN conversation c ON c.id = s.conversation_id AND c.deleted_at IS NULL
				AND c.changed_xid >= p.xid
			CROSS JOIN LATERAL (
				SELECT t.* FROM message t
				WHERE t.conversation_id = s.conversation_id
					AND t.changed_xid >= p.xid AND t.changed_xid < v_horizon
					AND (t.changed_xid, t.conversation_id, t.seq)
						> (p.xid, p.conversation_id, p.seq)
					AND t.seq > s.joined_seq AND (s.left_seq IS NULL OR t.seq <= s.left_seq)
					AND (p.since IS NULL
						OR coalesce(t.deleted_at, t.edited_at, t.created_at) >= p.since)
					AND NOT EXISTS (SELECT FROM message_hidden h
						WHERE h.message_id = t.id AND h.account_id = p_account)
				ORDER BY t.changed_xid, t.seq LIMIT p_offset + p_limit + 1) q
			WHERE s.account_id = p_account
			ORDER BY q.changed_xid, q.conversation_id, q.seq LIMIT p_limit + 1 OFFSET p_offset) x) y;
	next_cursor := CASE WHEN has_more THEN v_last
		ELSE sync_cursor(ROW(v_horizon, uuid7_floor('epoch'), 0, NULL)::sync_position) END;
	messages := concat('[', v_text, ']');
END $$;
