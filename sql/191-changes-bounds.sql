-- A page of changes of an account that is far behind reads about as much as it shows, not a page of each conversation.

-- A stay with changes, and the place before the first of them.
CREATE TYPE member_changes AS (stay member, start sync_position);

-- Where a page of n changes of many stays must have ended at the latest, as its last change would be told: of each stay so many
-- of its first changes are looked at that there are n.  NULL when there are fewer.
CREATE FUNCTION message_changes_end(p_account uuid, p_stays member_changes[], p_end xid8, p_count integer)
RETURNS sync_position
LANGUAGE sql STABLE AS $$
	SELECT ROW(x.changed_xid, x.conversation_id, x.seq, NULL)::sync_position
	FROM unnest(p_stays) w CROSS JOIN LATERAL (
		SELECT t.changed_xid, t.conversation_id, t.seq FROM message_changes(p_account, w.stay, w.start, p_end) t
		ORDER BY t.changed_xid, t.seq LIMIT (p_count - 1) / cardinality(p_stays) + 1) x
	ORDER BY x.changed_xid, x.conversation_id, x.seq OFFSET p_count - 1 LIMIT 1
$$;

-- As in 190.  What is read are the changes that can be on the page: the first n of all lie in the n stays whose first is
-- oldest, and with more than a few stays before the place where n of them are known to end.
CREATE OR REPLACE FUNCTION message_changes_page(p_account uuid, p_cursor text, p_since timestamptz, p_limit integer,
	p_offset integer, p_device uuid) RETURNS SETOF message_row
LANGUAGE plpgsql STABLE ROWS 50 SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	p sync_position := sync_parse(p_cursor, p_since);
	v_horizon xid8 := sync_horizon();
	v_count integer := p_offset + p_limit + 1;
	v_stays member_changes[];
	v_end sync_position;
	r message_row;
BEGIN
	v_stays := ARRAY(SELECT ROW(s, ROW(f.changed_xid, s.conversation_id, f.seq - 1, p.since)::sync_position)::member_changes
		FROM member s
		JOIN conversation c ON c.id = s.conversation_id AND c.deleted_at IS NULL AND c.changed_xid >= p.xid
		CROSS JOIN LATERAL (SELECT t.changed_xid, t.seq FROM message_changes(p_account, s, p, v_horizon) t
			ORDER BY t.changed_xid, t.seq LIMIT 1) f
		WHERE s.account_id = p_account
		ORDER BY f.changed_xid, s.conversation_id, f.seq LIMIT v_count);
	IF cardinality(v_stays) > 4 THEN
		v_end := message_changes_end(p_account, v_stays, v_horizon, v_count);
	END IF;
	IF v_end IS NULL THEN
		v_end := ROW(v_horizon, NULL, 0, NULL);
	END IF;
	RETURN QUERY SELECT m.id, m.conversation_id, m.seq, m.sender_id, m.kind, m.created_at, m.version, m.sender_device_id,
		CASE WHEN NOT x.mute THEN m.body END, m.client_id, m.reply_to_id, m.reaction_count, m.ttl_seconds, m.edited_at,
		m.deleted_at, m.expires_at,
		CASE WHEN m.body IS NULL AND NOT x.mute AND m.meta ? 'sealed' THEN message_sealed_text(m.id, p_device) END,
		CASE WHEN m.meta IS NOT NULL AND NOT x.mute THEN message_meta(m.meta)::text END, NULL::bigint,
		CASE WHEN row_number() OVER () = p_limit
			THEN sync_cursor(ROW(m.changed_xid, m.conversation_id, m.seq, p.since)::sync_position) END
	FROM (SELECT q.* FROM unnest(v_stays) w
		CROSS JOIN LATERAL (SELECT t.* FROM message_changes(p_account, w.stay, w.start,
				-- Of the last transaction only the conversations before the end are wanted.
				CASE WHEN (w.stay).conversation_id > v_end.conversation_id THEN v_end.xid ELSE v_horizon END) t
			WHERE t.changed_xid <= v_end.xid
			ORDER BY t.changed_xid, t.seq LIMIT v_count) q
		ORDER BY q.changed_xid, q.conversation_id, q.seq LIMIT p_limit + 1 OFFSET p_offset) m
	CROSS JOIN LATERAL (SELECT coalesce(m.expires_at <= now(), false)) AS x (mute);
	r.cursor := sync_cursor(ROW(v_horizon, uuid7_floor('epoch'), 0, NULL)::sync_position);
	RETURN NEXT r;
END $$;
