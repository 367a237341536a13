-- What people say of themselves and what they set, and who hears of it (docs/people.md).

-- Whoever proves a number takes it from those who only claimed it.
CREATE OR REPLACE FUNCTION account_phone_proven() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE account SET phone_claim = NULL WHERE phone_claim = NEW.phone;
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER account_phone_proven AFTER INSERT OR UPDATE OF phone ON account FOR EACH ROW
	WHEN (NEW.phone IS NOT NULL) EXECUTE FUNCTION account_phone_proven();

-- Whether p_account exists for p_me: it is open and has not blocked p_me.
CREATE OR REPLACE FUNCTION account_findable(p_me uuid, p_account account) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT p_account.deleted_at IS NULL AND NOT EXISTS (SELECT FROM block b
	WHERE b.account_id = p_account.id AND b.blocked_id = p_me)
$$;

-- Whom it concerns what an account does: itself, who has it as a contact, and whom it writes with; nobody with whom
-- there is a block.
CREATE OR REPLACE FUNCTION account_audience(p_account uuid) RETURNS uuid[]
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

-- ---- profiles -----------------------------------------------------------------------------------

-- What p_me sees of an account, if it is open.  The name is the one that p_me gave it, else its own.  The address is for
-- those who have it as a contact; who has blocked p_me shows no more than a name.
CREATE OR REPLACE FUNCTION profile_seen(p_me uuid, p_account uuid)
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

-- The file that is an account's picture, if there is one and p_me may see it: as profile_seen has the picture that lies
-- elsewhere.
CREATE OR REPLACE FUNCTION picture_seen(p_me uuid, p_account uuid) RETURNS uuid
LANGUAGE sql STABLE AS $$
	SELECT a.avatar_id FROM account a WHERE a.id = p_account AND account_findable(p_me, a)
$$;

-- Change what p_changes names (displayName, infoText, bio, and the picture: avatarUrl, where it lies, or avatarId, a file
-- of ours; either takes the other's place); null clears, what is not named stays.  The account's other devices and its
-- audience are told when something is different then.
CREATE OR REPLACE FUNCTION account_profile_set(p_account uuid, p_changes jsonb, p_device uuid, OUT _event jsonb)
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
		avatar_url = CASE WHEN p_changes ?| '{avatarUrl,avatarId}' THEN p_changes ->> 'avatarUrl' ELSE u.avatar_url END,
		avatar_id = CASE WHEN p_changes ?| '{avatarUrl,avatarId}' THEN (p_changes ->> 'avatarId')::uuid
			ELSE u.avatar_id END,
		updated_at = now()
	FROM account o
	WHERE u.id = p_account AND u.deleted_at IS NULL AND o.id = u.id
		AND (p_changes ? 'displayName' AND p_changes ->> 'displayName' IS DISTINCT FROM o.display_name
			OR p_changes ? 'infoText' AND p_changes ->> 'infoText' IS DISTINCT FROM o.info_text
			OR p_changes ? 'bio' AND p_changes ->> 'bio' IS DISTINCT FROM o.bio
			OR p_changes ?| '{avatarUrl,avatarId}' AND (p_changes ->> 'avatarUrl' IS DISTINCT FROM o.avatar_url
				OR (p_changes ->> 'avatarId')::uuid IS DISTINCT FROM o.avatar_id))
	RETURNING u.* INTO a;
	IF FOUND THEN
		_event := emit('profile.updated', NULL, NULL, account_audience(p_account), jsonb_build_object(
			'userId', a.id, 'displayName', a.display_name, 'infoText', a.info_text, 'bio', a.bio,
			'avatarUrl', a.avatar_url, 'avatarId', a.avatar_id, 'updatedAt', rfc3339(a.updated_at)), NULL, p_device);
	END IF;
END $$;

-- Change the settings that p_changes names (notifications, theme, language); null clears those that may be empty.  The
-- account's other devices are told.
CREATE OR REPLACE FUNCTION account_settings_set(p_account uuid, p_changes jsonb, p_device uuid, OUT _event jsonb)
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

-- ---- read receipts ------------------------------------------------------------------------------

-- Read receipts of an account: the switch, and the conversations that differ from it.
CREATE OR REPLACE FUNCTION read_receipts_of(p_account uuid)
RETURNS TABLE (account_id uuid, enabled boolean, overrides jsonb, updated_at timestamptz)
LANGUAGE sql STABLE ROWS 1 AS $$
	SELECT a.id, a.read_receipts, (
		SELECT coalesce(jsonb_agg(jsonb_build_object('conversationId', m.conversation_id,
			'enabled', m.read_receipts) ORDER BY m.conversation_id), '[]')
		FROM member m
		WHERE m.account_id = a.id AND m.left_version IS NULL AND m.read_receipts IS NOT NULL),
		a.read_receipts_updated_at
	FROM account a WHERE a.id = p_account AND a.deleted_at IS NULL
$$;

-- Change them; NULL leaves the switch as it is, an override of null goes back to the switch.
--	400	a conversation the account is not a member of	409	changed since p_expected
CREATE OR REPLACE FUNCTION read_receipts_set(p_account uuid, p_enabled boolean, p_overrides jsonb, p_expected timestamptz)
RETURNS TABLE (account_id uuid, enabled boolean, overrides jsonb, updated_at timestamptz)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
DECLARE
	v_before timestamptz;
	v_changed bigint;
BEGIN
	SELECT date_trunc('milliseconds', a.read_receipts_updated_at) INTO v_before
	FROM account a WHERE a.id = p_account FOR UPDATE;
	IF v_before <> p_expected THEN
		PERFORM fail(409, 'is not the latest any more', 'updatedAt');
	END IF;
	UPDATE member m SET read_receipts = o.enabled
	FROM jsonb_to_recordset(p_overrides) AS o ("conversationId" uuid, enabled boolean)
	WHERE m.account_id = p_account AND m.conversation_id = o."conversationId" AND m.left_version IS NULL;
	GET DIAGNOSTICS v_changed = ROW_COUNT;
	IF v_changed < jsonb_array_length(p_overrides) THEN
		PERFORM fail(400, 'name conversations you are in, each once', 'conversationOverrides');
	END IF;
	UPDATE account a SET read_receipts = coalesce(p_enabled, a.read_receipts), read_receipts_updated_at = now()
	WHERE a.id = p_account;
	RETURN QUERY SELECT * FROM read_receipts_of(p_account);
END $$;
