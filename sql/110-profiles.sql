-- What people say of themselves and what they set, who hears of it, and contacts and blocks as functions.

ALTER TABLE account
	ADD notifications boolean NOT NULL DEFAULT true,	-- may this account be pushed to?
	ADD theme text;						-- as its clients call it; they alone obey it

-- Whom it concerns what an account does: itself, who has it as a contact, and whom it writes with; nobody with whom
-- there is a block.
CREATE FUNCTION account_audience(p_account uuid) RETURNS uuid[]
LANGUAGE sql STABLE AS $$
	SELECT array_agg(x.id) FROM (
		SELECT p_account AS id
		UNION SELECT c.account_id FROM contact c WHERE c.contact_id = p_account
		UNION SELECT CASE p_account WHEN c.direct_low THEN c.direct_high ELSE c.direct_low END
			FROM member m JOIN conversation c ON c.id = m.conversation_id
			WHERE m.account_id = p_account AND c.kind = 'direct') x
	WHERE NOT EXISTS (SELECT FROM block b
		WHERE (b.account_id, b.blocked_id) IN ((p_account, x.id), (x.id, p_account)))
$$;

-- ---- profiles ------------------------------------------------------------------------------------

-- Change what p_changes names (displayName, infoText, bio, avatarUrl); null clears, what is not named stays.  The
-- account's other devices and its audience are told when something is different then.
CREATE FUNCTION account_profile_set(p_account uuid, p_changes jsonb, p_device uuid, OUT _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	a account;
BEGIN
	UPDATE account u SET
		display_name = CASE WHEN p_changes ? 'displayName' THEN p_changes ->> 'displayName' ELSE u.display_name END,
		info_text = CASE WHEN p_changes ? 'infoText' THEN p_changes ->> 'infoText' ELSE u.info_text END,
		info_text_updated_at = CASE WHEN p_changes ? 'infoText'
				AND p_changes ->> 'infoText' IS DISTINCT FROM u.info_text
			THEN now() ELSE u.info_text_updated_at END,
		bio = CASE WHEN p_changes ? 'bio' THEN p_changes ->> 'bio' ELSE u.bio END,
		avatar_url = CASE WHEN p_changes ? 'avatarUrl' THEN p_changes ->> 'avatarUrl' ELSE u.avatar_url END,
		updated_at = now()
	FROM account o
	WHERE u.id = p_account AND u.deleted_at IS NULL AND o.id = u.id
		AND (p_changes ? 'displayName' AND p_changes ->> 'displayName' IS DISTINCT FROM o.display_name
			OR p_changes ? 'infoText' AND p_changes ->> 'infoText' IS DISTINCT FROM o.info_text
			OR p_changes ? 'bio' AND p_changes ->> 'bio' IS DISTINCT FROM o.bio
			OR p_changes ? 'avatarUrl' AND p_changes ->> 'avatarUrl' IS DISTINCT FROM o.avatar_url)
	RETURNING u.* INTO a;
	IF FOUND THEN
		_event := emit('profile.updated', NULL, NULL, account_audience(p_account), jsonb_build_object(
			'userId', a.id, 'displayName', a.display_name, 'infoText', a.info_text, 'bio', a.bio,
			'avatarUrl', a.avatar_url, 'updatedAt', rfc3339(a.updated_at)), NULL, p_device);
	END IF;
END $$;

-- Change the settings that p_changes names (notifications, theme, language); null clears those that may be empty.  The
-- account's other devices are told.
CREATE FUNCTION account_settings_set(p_account uuid, p_changes jsonb, p_device uuid, OUT _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	a account;
BEGIN
	UPDATE account u SET
		notifications = coalesce((p_changes ->> 'notifications')::boolean, u.notifications),
		theme = CASE WHEN p_changes ? 'theme' THEN p_changes ->> 'theme' ELSE u.theme END,
		locale = CASE WHEN p_changes ? 'language' THEN p_changes ->> 'language' ELSE u.locale END,
		updated_at = now()
	WHERE u.id = p_account AND u.deleted_at IS NULL
	RETURNING u.* INTO a;
	_event := emit('settings.updated', NULL, NULL, ARRAY[p_account], jsonb_build_object('notifications',
		a.notifications, 'theme', a.theme, 'language', a.locale), NULL, p_device);
END $$;

-- What p_me sees of an account, if it is open.  The name is the one that p_me gave it, else its own.  The address is for
-- those who have it as a contact; who has blocked p_me shows no more than a name.
CREATE FUNCTION profile_seen(p_me uuid, p_account uuid)
RETURNS TABLE (id uuid, email text, username text, display_name text, avatar_url text, info_text text,
	created_at timestamptz, contact_id uuid, blocked_at timestamptz)
LANGUAGE sql STABLE AS $$
	SELECT a.id, CASE WHEN c.id IS NOT NULL AND f.open THEN a.email END, a.username,
		coalesce(c.display_name, a.display_name, a.username),
		CASE WHEN f.open THEN a.avatar_url END, CASE WHEN f.open THEN a.info_text END,
		a.created_at, c.id, b.created_at
	FROM account a
	CROSS JOIN LATERAL (SELECT account_findable(p_me, a) AS open) f
	LEFT JOIN contact c ON c.account_id = p_me AND c.contact_id = a.id
	LEFT JOIN block b ON b.account_id = p_me AND b.blocked_id = a.id
	WHERE a.id = p_account AND a.deleted_at IS NULL
$$;

-- ---- contacts and blocks ---------------------------------------------------------------------------

-- The account that an id stands for: an account's own, or that of one of p_me's contacts.
CREATE FUNCTION contact_named(p_me uuid, p_id uuid) RETURNS uuid
LANGUAGE sql STABLE AS $$
	SELECT coalesce((SELECT c.contact_id FROM contact c WHERE c.id = p_id AND c.account_id = p_me), p_id)
$$;

-- Take an account out of the contacts; no row when it is none.
CREATE FUNCTION contact_remove(p_me uuid, p_account uuid, p_device uuid)
RETURNS TABLE (account_id uuid, _event jsonb)
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM contact c WHERE c.account_id = p_me AND c.contact_id = p_account RETURNING c.contact_id)
	SELECT g.contact_id, emit('contact.removed', NULL, NULL, ARRAY[p_me],
		jsonb_build_object('contactId', g.contact_id, 'userId', g.contact_id), NULL, p_device)
	FROM gone g
$$;

-- Block an account; the trigger block_close closes the direct conversation of the two.
--	404	it is closed	23505	block_once	23514	block_not_self	23503	block_blocked_id_fkey: there is none
CREATE FUNCTION block_add(p_me uuid, p_account uuid, p_reason text, p_device uuid)
RETURNS TABLE (id uuid, account_id uuid, blocked_id uuid, created_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	b block;
BEGIN
	IF EXISTS (SELECT FROM account a WHERE a.id = p_account AND a.deleted_at IS NOT NULL) THEN
		PERFORM fail(404, 'There is no such account');
	END IF;
	INSERT INTO block (account_id, blocked_id, reason) VALUES (p_me, p_account, p_reason)
	RETURNING block.* INTO b;
	RETURN QUERY SELECT b.id, b.account_id, b.blocked_id, b.created_at, emit('contact.blocked', NULL, NULL,
		ARRAY[p_me], jsonb_build_object('contactId', p_account), NULL, p_device);
END $$;

-- End a block; no row when there is none.
CREATE FUNCTION block_remove(p_me uuid, p_account uuid, p_device uuid)
RETURNS TABLE (account_id uuid, blocked_id uuid, _event jsonb)
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM block b WHERE b.account_id = p_me AND b.blocked_id = p_account RETURNING b.*)
	SELECT g.account_id, g.blocked_id, emit('contact.unblocked', NULL, NULL, ARRAY[p_me],
		jsonb_build_object('contactId', g.blocked_id), NULL, p_device)
	FROM gone g
$$;
