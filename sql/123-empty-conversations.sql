-- A direct conversation in which nothing was said yet is on the list of whoever opened it, and of the other once they open it
-- too: hidden_seq -1 says so.  That holds however the conversation came into being (120 knew one way).

CREATE OR REPLACE FUNCTION conversation_setting_json(s conversation_setting) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('conversationId', s.conversation_id,
	'muted', coalesce(s.muted_until > now(), false),
	'mutedUntil', CASE WHEN s.muted_until > now() THEN rfc3339(nullif(s.muted_until, 'infinity')) END,
	'pinned', s.pinned_at IS NOT NULL, 'archived', s.archived_at IS NOT NULL,
	'hidden', (SELECT true FROM conversation c WHERE c.id = s.conversation_id AND c.last_seq <= s.hidden_seq)))
$$;

-- Open the direct conversation with somebody before there is anything to say; whoever deleted theirs has it back, empty.
--	400	memberIds: oneself, or no such account	403	a block stands between the two
CREATE OR REPLACE FUNCTION direct_begin(p_from uuid, p_to uuid, p_device uuid DEFAULT NULL)
RETURNS TABLE (conversation_id uuid, created boolean, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	d record;
	s conversation_setting;
BEGIN
	SELECT * INTO d FROM direct_open(p_from, p_to);
	IF d.status = 400 THEN
		PERFORM fail(400, 'must be somebody else', 'memberIds');
	ELSIF NOT EXISTS (SELECT FROM account a WHERE a.id = p_to AND a.deleted_at IS NULL) THEN
		PERFORM fail(400, 'does not exist', 'memberIds');
	ELSIF d.status <> 0 OR EXISTS (SELECT FROM conversation c WHERE c.id = d.conversation_id AND c.closed) THEN
		PERFORM fail(403, 'One of you has blocked the other');
	END IF;
	IF d.created THEN
		_event := emit('conversation.created', NULL, NULL, ARRAY[p_from], jsonb_build_object('conversationId',
			d.conversation_id, 'kind', 'direct', 'userId', p_to), NULL, p_device);
	ELSIF EXISTS (SELECT FROM conversation_card v
		WHERE v.viewer_id = p_from AND v.id = d.conversation_id AND v.hidden) THEN
		INSERT INTO conversation_setting AS x (account_id, conversation_id, hidden_seq)
		VALUES (p_from, d.conversation_id, -1)
		ON CONFLICT (account_id, conversation_id) DO UPDATE SET hidden_seq = -1, updated_at = now()
		RETURNING x.* INTO s;
		_event := emit('conversation.settings', NULL, NULL, ARRAY[p_from], conversation_setting_json(s), NULL, p_device);
	END IF;
	RETURN QUERY SELECT d.conversation_id, d.created, _event;
END $$;

CREATE OR REPLACE VIEW conversation_card AS
	SELECT m.account_id AS viewer_id, c.id, c.kind::text AS kind, g.title, nullif(g.description, '') AS description,
		g.avatar_id, g.avatar_url, c.creator_id, g.owner_id, m.role::text AS role, coalesce(g.member_count, 2) AS member_count,
		-- Whoever may bring people in sees the code that brings them in.
		CASE WHEN m.role <> 'member' OR g.settings ->> 'invitePolicy' = 'all' THEN g.invite_code END AS invite_code,
		p.id AS peer_id, p.username AS peer_username, coalesce(k.display_name, p.display_name) AS peer_name,
		c.closed, c.last_seq, s.last_message_at, greatest(m.joined_at, s.last_message_at) AS active_at,
		c.created_at, coalesce(g.updated_at, c.created_at) AS updated_at,
		coalesce(o.muted_until > now(), false) AS muted,
		CASE WHEN o.muted_until > now() THEN nullif(o.muted_until, 'infinity') END AS muted_until,
		o.pinned_at IS NOT NULL AS pinned, o.archived_at IS NOT NULL AS archived,
		c.last_seq <= coalesce(o.hidden_seq, CASE WHEN c.direct_low IS NOT NULL AND c.creator_id <> m.account_id
			THEN 0 ELSE -1 END) AS hidden
	FROM member m
	JOIN conversation c ON c.id = m.conversation_id AND c.deleted_at IS NULL
	LEFT JOIN conversation_profile g ON g.conversation_id = c.id
	LEFT JOIN conversation_setting o ON o.account_id = m.account_id AND o.conversation_id = c.id
	LEFT JOIN account p ON p.id = CASE m.account_id WHEN c.direct_low THEN c.direct_high WHEN c.direct_high THEN c.direct_low END
	LEFT JOIN contact k ON k.account_id = m.account_id AND k.contact_id = p.id
	-- What was said before one came, or cleared, is not there.
	CROSS JOIN LATERAL (SELECT CASE WHEN c.last_seq > m.joined_seq THEN c.last_message_at END AS last_message_at) s
	WHERE m.left_version IS NULL;
