-- The end of an account (111) beside everything else that happens at the same moment, without deadlocks:
--
-- * one account ends at a time;
-- * it is locked against those who sign in and who open or join conversations (FOR SHARE), but not against foreign keys:
--   whoever holds a conversation and names the account in it goes on;
-- * who blocks it waits for the conversation before the row of the block names the account.

CREATE OR REPLACE FUNCTION account_must_be_open() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
	v_deleted timestamptz;
BEGIN
	SELECT a.deleted_at INTO v_deleted FROM account a WHERE a.id = NEW.account_id FOR SHARE;
	IF v_deleted IS NOT NULL THEN
		PERFORM fail(401, 'The account is closed');
	END IF;
	RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION member_must_be_open() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM account a WHERE a.id IN (SELECT f.account_id FROM fresh f) ORDER BY a.id FOR SHARE;
	IF EXISTS (SELECT FROM fresh f JOIN account a ON a.id = f.account_id WHERE a.deleted_at IS NOT NULL) THEN
		PERFORM fail(400, 'One of the members does not exist', 'memberIds');
	END IF;
	RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION block_add(p_me uuid, p_account uuid, p_reason text, p_device uuid)
RETURNS TABLE (id uuid, account_id uuid, blocked_id uuid, created_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	b block;
BEGIN
	PERFORM pg_advisory_xact_lock(direct_lock_key(p_me, p_account));
	PERFORM FROM conversation c WHERE c.kind = 'direct' AND c.direct_low = least(p_me, p_account)
		AND c.direct_high = greatest(p_me, p_account) FOR NO KEY UPDATE;
	IF EXISTS (SELECT FROM account a WHERE a.id = p_account AND a.deleted_at IS NOT NULL) THEN
		PERFORM fail(404, 'There is no such account');
	END IF;
	INSERT INTO block (account_id, blocked_id, reason) VALUES (p_me, p_account, p_reason)
	RETURNING block.* INTO b;
	RETURN QUERY SELECT b.id, b.account_id, b.blocked_id, b.created_at, emit('contact.blocked', NULL, NULL,
		ARRAY[p_me], jsonb_build_object('contactId', p_account), NULL, p_device);
END $$;

CREATE OR REPLACE FUNCTION account_erase(p_account uuid, p_device uuid DEFAULT NULL, OUT sessions uuid[], OUT _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	a account;
	v_audience uuid[];
	v_conversation uuid;
	v_events jsonb := '[]';
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('rookery'), hashtext('account_erase'));
	SELECT o.* INTO a FROM account o WHERE o.id = p_account AND o.deleted_at IS NULL FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such account');
	END IF;
	v_audience := array_remove(account_audience(p_account), p_account);
	PERFORM FROM conversation c
	WHERE c.deleted_at IS NULL AND c.id IN (SELECT m.conversation_id FROM member m
		WHERE m.account_id = p_account AND m.left_version IS NULL)
	ORDER BY c.id FOR NO KEY UPDATE;
	FOR v_conversation IN
		SELECT c.id FROM member m JOIN conversation c ON c.id = m.conversation_id
		WHERE m.account_id = p_account AND m.left_version IS NULL AND c.kind <> 'direct'
			AND c.deleted_at IS NULL
		ORDER BY c.id
	LOOP
		v_events := v_events || account_erase_stay(p_account, v_conversation, p_device);
	END LOOP;
	UPDATE account u SET deleted_at = now(), updated_at = now(), phone = NULL, phone_claim = NULL, username = NULL,
		email = NULL, display_name = NULL, info_text = NULL, info_text_updated_at = NULL, bio = NULL,
		avatar_id = NULL, avatar_url = NULL, locale = NULL, theme = NULL, last_seen_at = NULL,
		password_hash = NULL, two_factor_hash = NULL, two_factor_enabled_at = NULL, pin_hash = NULL,
		pin_hint = NULL, pin_enabled_at = NULL, pin_updated_at = NULL
	WHERE u.id = p_account;
	PERFORM account_erase_rows(a);
	SELECT d.sessions, v_events || d._event INTO sessions, v_events FROM account_erase_devices(p_account) d;
	_event := v_events || emit('account.deleted', NULL, NULL, v_audience,
		jsonb_build_object('userId', p_account, 'deletedAt', rfc3339(now())));
END $$;
