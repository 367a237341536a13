-- Pages of messages as rows: apps write the text of the reply, which costs them less than it cost PostgreSQL
-- (docs/decisions/pages-as-rows.md).  Functions of 070 and 080 are replaced here.

-- A message as a page shows it to one device of a reader.  The text is left out when the message was deleted for the reader
-- or its time has come.
CREATE TYPE message_row AS (
	id uuid,
	conversation_id uuid,
	seq bigint,
	sender_id uuid,
	kind text,
	created_at timestamptz,
	version integer,
	sender_device_id uuid,
	body text,
	client_id text,
	reply_to_id uuid,
	reaction_count integer,
	ttl_seconds integer,
	edited_at timestamptz,
	deleted_at timestamptz,
	expires_at timestamptz,
	sealed text,		-- what the device is given of a sealed one (101), as members of an object with a comma before each
	meta text,		-- an object of the further fields
	total bigint,		-- of a history
	cursor text		-- of synchronising: where to go on behind this row
);

-- Of meta what lies beside the fixed fields of a message, never in their place.
CREATE FUNCTION message_meta(p_meta jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT p_meta - ARRAY['messageId', 'conversationId', 'senderId', 'senderDeviceId', 'quotedMessageId', 'seq',
		'type', 'clientMessageId', 'ciphertext', 'version', 'reactionCount', 'ttlSeconds', 'createdAt',
		'editedAt', 'deletedAt', 'expiresAt']
$$;

-- A page of a history: its rows in their order, each with the total; without any, one that has the total alone.
CREATE FUNCTION conversation_page(p_account uuid, p_conversation uuid, p_at timestamptz, p_direction text,
	p_limit bigint, p_offset bigint, p_device uuid) RETURNS SETOF message_row
LANGUAGE plpgsql STABLE ROWS 50 SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	v_forward boolean := p_at IS NOT NULL AND p_direction IS DISTINCT FROM 'backward';
	v_sign bigint := CASE WHEN v_forward THEN 1 ELSE -1 END;
	v_total bigint;
	r message_row;
	v_lows bigint[];
	v_highs bigint[];
BEGIN
	SELECT s.total, s.lows, s.highs INTO v_total, v_lows, v_highs
	FROM conversation_slices(p_account, p_conversation, p_at, v_forward, p_limit, p_offset) s;
	IF v_lows IS NULL THEN
		r.total := v_total;
		RETURN NEXT r;
	END IF;
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
	END LOOP;
END $$;
DROP FUNCTION conversation_history(uuid, uuid, timestamptz, text, bigint, bigint, uuid);

-- What is new for an account since a cursor, or else since a moment (006): up to p_limit changes and, when there are more, the
-- next one.  The cursor behind the page is that of change number p_limit when there are more, else that of the row without
-- a message, which is always the last.  What is read are the changes that can be on the page: the first n of all lie in the n
-- stays whose first is oldest, so one of each is looked at, and n of those.
CREATE FUNCTION message_changes_page(p_account uuid, p_cursor text, p_since timestamptz, p_limit integer, p_offset integer,
	p_device uuid) RETURNS SETOF message_row
LANGUAGE plpgsql STABLE ROWS 50 SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	p sync_position := sync_parse(p_cursor, p_since);
	v_horizon xid8 := sync_horizon();
	r message_row;
BEGIN
	RETURN QUERY SELECT m.id, m.conversation_id, m.seq, m.sender_id, m.kind, m.created_at, m.version, m.sender_device_id,
		CASE WHEN NOT x.mute THEN m.body END, m.client_id, m.reply_to_id, m.reaction_count, m.ttl_seconds, m.edited_at,
		m.deleted_at, m.expires_at,
		CASE WHEN m.body IS NULL AND NOT x.mute AND m.meta ? 'sealed' THEN message_sealed_text(m.id, p_device) END,
		CASE WHEN m.meta IS NOT NULL AND NOT x.mute THEN message_meta(m.meta)::text END, NULL::bigint,
		CASE WHEN row_number() OVER () = p_limit
			THEN sync_cursor(ROW(m.changed_xid, m.conversation_id, m.seq, p.since)::sync_position) END
	FROM (SELECT q.* FROM (
			SELECT s FROM member s
			JOIN conversation c ON c.id = s.conversation_id AND c.deleted_at IS NULL
				AND c.changed_xid >= p.xid
			CROSS JOIN LATERAL (SELECT t.changed_xid, t.seq
				FROM message_changes(p_account, s, p, v_horizon) t
				ORDER BY t.changed_xid, t.seq LIMIT 1) f
			WHERE s.account_id = p_account
			ORDER BY f.changed_xid, s.conversation_id, f.seq LIMIT p_offset + p_limit + 1) w
		CROSS JOIN LATERAL (SELECT t.* FROM message_changes(p_account, w.s, p, v_horizon) t
			ORDER BY t.changed_xid, t.seq LIMIT p_offset + p_limit + 1) q
		ORDER BY q.changed_xid, q.conversation_id, q.seq LIMIT p_limit + 1 OFFSET p_offset) m
	CROSS JOIN LATERAL (SELECT coalesce(m.expires_at <= now(), false)) AS x (mute);
	r.cursor := sync_cursor(ROW(v_horizon, uuid7_floor('epoch'), 0, NULL)::sync_position);
	RETURN NEXT r;
END $$;
DROP FUNCTION message_sync(uuid, text, timestamptz, integer, integer, uuid);
DROP FUNCTION message_text(message, uuid, timestamptz, boolean);
DROP FUNCTION message_meta_text(jsonb);
