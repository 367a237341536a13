-- Who is online, who may know, and who may see somebody typing.  The relay asks in batches; nothing here is asked for
-- each keystroke.

-- Whether p_watcher may know if p_account is online, and when it was last.
CREATE OR REPLACE FUNCTION presence_shown(p_account account, p_watcher uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT p_account.id <> p_watcher AND p_account.deleted_at IS NULL
		AND NOT EXISTS (SELECT FROM block b WHERE (b.account_id, b.blocked_id)
			IN ((p_account.id, p_watcher), (p_watcher, p_account.id)))
		AND CASE p_account.presence_visibility
			WHEN 'everyone' THEN true
			WHEN 'contacts' THEN EXISTS (SELECT FROM contact c
				WHERE c.account_id = p_account.id AND c.contact_id = p_watcher)
			WHEN 'custom' THEN coalesce(
				(SELECT r.allowed FROM presence_rule r
				WHERE r.account_id = p_account.id AND r.other_id = p_watcher),
				NOT EXISTS (SELECT FROM presence_rule r WHERE r.account_id = p_account.id AND r.allowed))
			ELSE false END
$$;

-- Pair by pair, those that may: its number and when the account was seen last.
CREATE OR REPLACE FUNCTION presence_may(p_watchers uuid[], p_accounts uuid[])
RETURNS TABLE (n bigint, last_seen_at timestamptz)
LANGUAGE sql STABLE AS $$
	SELECT w.n, a.last_seen_at
	FROM unnest(p_watchers, p_accounts) WITH ORDINALITY AS w (watcher, account, n)
	JOIN account a ON a.id = w.account
	WHERE presence_shown(a, w.watcher)
$$;

-- Those whom each account last wrote with in direct conversations, the latest first.
CREATE OR REPLACE FUNCTION presence_partners(p_accounts uuid[], p_most integer) RETURNS TABLE (n bigint, account_id uuid)
LANGUAGE sql STABLE AS $$
	SELECT w.n, p.id
	FROM unnest(p_accounts) WITH ORDINALITY AS w (account, n)
	CROSS JOIN LATERAL (
		SELECT CASE w.account WHEN c.direct_low THEN c.direct_high ELSE c.direct_low END AS id
		FROM member m JOIN conversation c ON c.id = m.conversation_id
		WHERE m.account_id = w.account AND c.kind = 'direct' AND c.last_message_at IS NOT NULL
		ORDER BY c.last_message_at DESC LIMIT p_most) p
$$;

-- When accounts were seen last; it never goes back.
CREATE OR REPLACE FUNCTION presence_seen(p_accounts uuid[], p_at bigint[]) RETURNS SETOF uuid
LANGUAGE sql VOLATILE AS $$
	UPDATE account a SET last_seen_at = greatest(a.last_seen_at, to_timestamp(s.at / 1000.0))
	FROM (SELECT id, max(at) AS at FROM unnest(p_accounts, p_at) AS u (id, at) GROUP BY id ORDER BY id) s
	WHERE a.id = s.id AND a.deleted_at IS NULL
	RETURNING a.id
$$;

-- Account by account, those who may show in the conversation that they are typing: its number, the version of the
-- members who see it, who of them does not (blocks, in either direction), and the name shown.
CREATE OR REPLACE FUNCTION typing_may(p_accounts uuid[], p_conversations uuid[], p_most integer)
RETURNS TABLE (n bigint, member_version integer, hidden_from text, display_name text)
LANGUAGE sql STABLE AS $$
	SELECT w.n, c.member_version, (
		SELECT string_agg(o.account_id::text, ',')
		FROM (SELECT b.blocked_id AS id FROM block b WHERE b.account_id = w.account
			UNION SELECT b.account_id FROM block b WHERE b.blocked_id = w.account) x
		JOIN member o ON o.conversation_id = c.id AND o.account_id = x.id AND o.left_version IS NULL),
		a.display_name
	FROM unnest(p_accounts, p_conversations) WITH ORDINALITY AS w (account, conversation, n)
	JOIN account a ON a.id = w.account AND a.deleted_at IS NULL
	JOIN member m ON m.conversation_id = w.conversation AND m.account_id = w.account AND m.left_version IS NULL
	JOIN conversation c ON c.id = w.conversation AND c.deleted_at IS NULL AND NOT c.closed
	LEFT JOIN conversation_profile g ON g.conversation_id = c.id
	WHERE coalesce(g.member_count, 2) <= p_most AND (m.role <> 'member' OR NOT c.admins_only)
$$;

-- ---- the setting --------------------------------------------------------------------------------

-- Who may see an account online, and the rules.
CREATE OR REPLACE FUNCTION presence_setting(p_account uuid)
RETURNS TABLE (account_id uuid, visibility text, allowed bigint, denied bigint, updated_at timestamptz)
LANGUAGE sql STABLE AS $$
	SELECT a.id, a.presence_visibility,
		(SELECT count(*) FROM presence_rule r WHERE r.account_id = a.id AND r.allowed),
		(SELECT count(*) FROM presence_rule r WHERE r.account_id = a.id AND NOT r.allowed),
		a.presence_updated_at
	FROM account a WHERE a.id = p_account AND a.deleted_at IS NULL
$$;

-- Change it; NULL leaves a part as it is.  Lists count with visibility custom only.
--	400	somebody is in both lists, or unknown, or the account itself
--	409	lists, but the visibility is not custom
CREATE OR REPLACE FUNCTION presence_set(p_account uuid, p_visibility text, p_allow uuid[], p_deny uuid[], p_device uuid)
RETURNS TABLE (account_id uuid, visibility text, allowed bigint, denied bigint, updated_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	v_visibility text;
BEGIN
	SELECT coalesce(p_visibility, a.presence_visibility) INTO v_visibility
	FROM account a WHERE a.id = p_account FOR NO KEY UPDATE;
	IF v_visibility <> 'custom' AND (p_allow IS NOT NULL OR p_deny IS NOT NULL) THEN
		PERFORM fail(409, 'must be custom for lists to count', 'visibility');
	ELSIF p_allow && p_deny THEN
		PERFORM fail(400, 'names somebody who is in the other list too', 'customDenyList');
	ELSIF EXISTS (SELECT FROM unnest(p_allow) x (id) WHERE x.id = p_account
		OR NOT EXISTS (SELECT FROM account a WHERE a.id = x.id AND a.deleted_at IS NULL)) THEN
		PERFORM fail(400, 'names an account that does not exist, or your own', 'customAllowList');
	ELSIF EXISTS (SELECT FROM unnest(p_deny) x (id) WHERE x.id = p_account
		OR NOT EXISTS (SELECT FROM account a WHERE a.id = x.id AND a.deleted_at IS NULL)) THEN
		PERFORM fail(400, 'names an account that does not exist, or your own', 'customDenyList');
	END IF;
	DELETE FROM presence_rule r WHERE r.account_id = p_account
		AND ((r.allowed AND (p_allow IS NOT NULL OR r.other_id = ANY (p_deny)))
			OR (NOT r.allowed AND (p_deny IS NOT NULL OR r.other_id = ANY (p_allow))));
	INSERT INTO presence_rule (account_id, other_id, allowed)
	SELECT DISTINCT p_account, x.id, x.allowed FROM (SELECT unnest(p_allow), true
		UNION ALL SELECT unnest(p_deny), false) x (id, allowed);
	UPDATE account a SET presence_visibility = v_visibility, presence_updated_at = now() WHERE a.id = p_account;
	RETURN QUERY SELECT s.*, emit('privacy.presence', NULL, NULL, ARRAY[p_account], jsonb_build_object(
		'userId', p_account, 'visibility', v_visibility), NULL, p_device)
	FROM presence_setting(p_account) s;
END $$;
