-- The end of an account: what is personal goes, what belongs to others' conversations stays.
--
-- The row stays too, for messages name it; it holds nothing any more but ids and times.  An area whose tables hold something
-- personal adds a trigger AFTER UPDATE OF deleted_at ON account beside its own functions, as account_close in conversations.sql
-- is one.
--
-- Everything else that happens at the same moment goes on without deadlocks:
--
-- * one account ends at a time;
-- * it is locked against those who sign in and who open or join conversations (FOR SHARE), but not against foreign keys:
--   whoever holds a conversation and names the account in it goes on;
-- * who blocks it waits for the conversation before the row of the block names the account.

-- ---- nobody comes in any more -------------------------------------------------------------------

-- A sign-in that had begun before the end must not outlast it: the lock waits for it, the row says how it went.
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
CREATE OR REPLACE TRIGGER account_must_be_open BEFORE INSERT ON device FOR EACH ROW EXECUTE FUNCTION account_must_be_open();
CREATE OR REPLACE TRIGGER account_must_be_open BEFORE INSERT ON session FOR EACH ROW EXECUTE FUNCTION account_must_be_open();

-- The same for whom somebody takes into a group.  The foreign keys hold the accounts when this looks at them.
CREATE OR REPLACE FUNCTION member_must_be_open() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM account a WHERE a.id IN (SELECT f.account_id FROM fresh f) ORDER BY a.id FOR SHARE;
	IF EXISTS (SELECT FROM fresh f JOIN account a ON a.id = f.account_id WHERE a.deleted_at IS NOT NULL) THEN
		PERFORM fail(400, 'One of the members does not exist', 'memberIds');
	END IF;
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER member_must_be_open AFTER INSERT ON member REFERENCING NEW TABLE AS fresh
	FOR EACH STATEMENT EXECUTE FUNCTION member_must_be_open();

-- ---- the end ------------------------------------------------------------------------------------

-- End a list or channel under its lock, as group_delete ends a group.
CREATE OR REPLACE FUNCTION conversation_dissolve(p_conversation uuid, p_by uuid, p_device uuid) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	c conversation := conversation_touch(p_conversation, 1);
BEGIN
	UPDATE conversation u SET deleted_at = now() WHERE u.id = p_conversation;
	UPDATE conversation_profile u SET member_count = 0, title = NULL, title_key = NULL, description = NULL,
		avatar_id = NULL, settings = '{}', encryption_metadata = NULL, updated_at = now()
	WHERE u.conversation_id = p_conversation;
	UPDATE member SET left_version = c.member_version, left_seq = c.last_seq, left_at = now()
	WHERE conversation_id = p_conversation AND left_version IS NULL;
	RETURN emit('conversation.deleted', p_conversation, c.member_version - 1, NULL, jsonb_build_object(
		'conversationId', p_conversation, 'by', p_by, 'deletedAt', rfc3339(now())), NULL, p_device);
END $$;

-- Leave a conversation that is not direct for good.  A group passes to the oldest admin, else to the oldest member.
CREATE OR REPLACE FUNCTION account_erase_stay(p_account uuid, p_conversation uuid, p_device uuid) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_kind text;
	v_role text;
	v_heir uuid;
	v_events jsonb := '[]';
BEGIN
	SELECT c.kind, m.role INTO v_kind, v_role FROM conversation c JOIN member m ON m.conversation_id = c.id
	WHERE c.id = p_conversation AND m.account_id = p_account AND m.left_version IS NULL;
	IF v_role = 'owner' THEN
		SELECT m.account_id INTO v_heir FROM member m
		WHERE m.conversation_id = p_conversation AND m.left_version IS NULL AND m.account_id <> p_account
			AND v_kind = 'group'
		ORDER BY m.role = 'admin' DESC, m.joined_version, m.joined_at, m.account_id LIMIT 1;
		IF v_heir IS NULL THEN
			DELETE FROM event e WHERE e.conversation_id = p_conversation;	-- they have its title
		END IF;
		IF v_heir IS NULL AND v_kind = 'group' THEN
			RETURN (SELECT d._event FROM group_delete(p_conversation, p_account, p_device) d);
		ELSIF v_heir IS NULL THEN
			RETURN conversation_dissolve(p_conversation, p_account, p_device);
		END IF;
		-- The heir may have a group of that title.
		UPDATE conversation_profile u SET title_key = NULL
		WHERE u.conversation_id = p_conversation AND EXISTS (SELECT FROM conversation_profile o
			WHERE o.owner_id = v_heir AND o.title_key = u.title_key);
		SELECT v_events || t._event INTO v_events
		FROM group_transfer(p_conversation, p_account, v_heir, p_device) t;
	END IF;
	RETURN v_events || (SELECT e._event FROM member_end(p_conversation, p_account, 'member.left', '{}', false,
		p_device) e);
END $$;

-- Sessions and devices end; of a device only the id stays.
CREATE OR REPLACE FUNCTION account_erase_devices(p_account uuid, OUT sessions uuid[], OUT _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_device uuid;
BEGIN
	sessions := '{}';
	_event := '[]';
	-- First, for the events of what follows tell the name.
	UPDATE device d SET name = NULL, platform = NULL, fingerprint = NULL, form = NULL, identity_key = NULL,
		registration_id = NULL, signed_prekey = NULL, signed_prekey_signature = NULL, keys_registered_at = NULL,
		push_token = NULL
	WHERE d.account_id = p_account;
	FOR v_device IN SELECT d.id FROM device d WHERE d.account_id = p_account AND d.revoked_at IS NULL ORDER BY d.id LOOP
		SELECT account_erase_devices.sessions || r.sessions, account_erase_devices._event || r._event
		INTO sessions, _event FROM device_revoke(p_account, v_device) r;
	END LOOP;
	WITH ended AS (
		UPDATE session s SET revoked_at = now() WHERE s.account_id = p_account AND s.revoked_at IS NULL
		RETURNING s.id)
	SELECT sessions || coalesce(array_agg(e.id), '{}'), _event || coalesce(jsonb_agg(emit('session.revoked', NULL,
		NULL, ARRAY[p_account], jsonb_build_object('sessionId', e.id, 'reason', 'account_deleted'))), '[]')
	INTO sessions, _event FROM ended e;
	DELETE FROM web_session w WHERE w.account_id = p_account;
	DELETE FROM offline_queue q WHERE q.account_id = p_account;
	UPDATE session s SET refresh_hash = NULL, previous_refresh_hash = NULL, user_agent = NULL, remote = NULL
	WHERE s.account_id = p_account;
END $$;

-- Rows beside the account that tell of the person: its own, and what others have of its names.
CREATE OR REPLACE FUNCTION account_erase_rows(a account) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_numbers text[] := ARRAY[a.phone, a.phone_claim];
	v_user jsonb := jsonb_build_array(jsonb_build_object('userId', a.id));
BEGIN
	DELETE FROM contact c WHERE c.account_id = a.id OR c.contact_id = a.id;
	DELETE FROM contact_label l WHERE l.account_id = a.id;
	DELETE FROM contact_sync s WHERE s.account_id = a.id;
	UPDATE contact_sync s SET matched = (SELECT coalesce(jsonb_agg(x.entry), '[]')
		FROM jsonb_array_elements(s.matched) AS x (entry) WHERE x.entry ->> 'userId' <> a.id::text)
	WHERE s.matched @> v_user;
	DELETE FROM block b WHERE b.account_id = a.id OR b.blocked_id = a.id;
	DELETE FROM qr_code q WHERE q.account_id = a.id;
	DELETE FROM invitation i WHERE i.account_id = a.id OR i.destination IN (a.phone, a.phone_claim, lower(a.email));
	DELETE FROM login_session l WHERE l.account_id = a.id;
	DELETE FROM phone_registration p WHERE p.account_id = a.id OR p.phone = ANY (v_numbers);
	DELETE FROM password_reset r WHERE r.account_id = a.id
		OR r.identity_key IN (lower(a.email), lower(a.username), a.phone, a.phone_claim);
	DELETE FROM mail m WHERE m.account_id = a.id;
	DELETE FROM message_key k WHERE k.sender_id = a.id;
	-- Files that a message shows stay with it.
	UPDATE media f SET deleted_at = now(), meta = '{}'
	WHERE f.account_id = a.id AND f.deleted_at IS NULL AND NOT media_named(f.id);
	-- The outbox forgets what was told to this account alone, and of its profile.
	DELETE FROM event e
	WHERE (e.recipients = ARRAY[a.id] AND e.conversation_id IS NULL AND e.type <> 'session.revoked')
		OR (e.type IN ('profile.updated', 'contact.added') AND e.payload ->> 'userId' = a.id::text);
END $$;

-- Erase an account.  Its names are free afterwards, its sessions are over (the caller makes their tokens die at once:
-- account_erase() in shared/core/account.h), its direct conversations are closed, and its messages stay.  Who had to do with
-- it is told.
--	404	no such account
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

-- Settings go too, also those that cannot be empty, the rules about who sees the account online (its own, and those that
-- name it), and what it called its files: those that are there and those that wait for their bytes to go are each found by
-- an index, and their rows wait for the bytes.
CREATE OR REPLACE FUNCTION account_settings_gone() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	NEW.notifications := true;
	NEW.read_receipts := true;
	NEW.presence_visibility := 'everyone';
	DELETE FROM presence_rule r WHERE NEW.id IN (r.account_id, r.other_id);
	UPDATE upload u SET file_name = '' WHERE u.account_id = NEW.id AND u.deleted_at IS NULL;
	UPDATE upload u SET file_name = '' WHERE u.account_id = NEW.id AND u.deleted_at IS NOT NULL;
	RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER account_settings_gone BEFORE UPDATE OF deleted_at ON account FOR EACH ROW
	WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION account_settings_gone();
