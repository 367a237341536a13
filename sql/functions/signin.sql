-- Signing up and in: from a telephone number, or a name with a password, to a device with a session.  Wrong answers are
-- counted, so these functions answer a problem in words instead of failing: what they counted must be committed.

-- ---- telephone numbers --------------------------------------------------------------------------

-- When may the next code go to a number that got p_codes in p_window?  Null: now.
CREATE OR REPLACE FUNCTION registration_room(p_phone text, p_codes integer, p_window interval) RETURNS timestamptz
LANGUAGE sql VOLATILE AS $$
	SELECT min(created_at) + p_window FROM phone_registration
	WHERE phone = p_phone AND created_at > now() - p_window
	HAVING sum(sends) >= p_codes
$$;

-- Begin a registration.  Problems: registered, limited (until next_at).
CREATE OR REPLACE FUNCTION registration_start(p_id uuid, p_phone text, p_device text, p_locale text, p_channel text,
	p_purpose text, p_hash text, p_remote text, p_lifetime interval, p_resend interval, p_codes integer,
	p_window interval, OUT problem text, OUT next_at timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended(p_phone, 20));
	IF p_purpose = 'register' AND EXISTS (SELECT FROM account WHERE phone = p_phone) THEN
		problem := 'registered';
		RETURN;
	END IF;
	next_at := registration_room(p_phone, p_codes, p_window);
	IF next_at IS NOT NULL THEN
		problem := 'limited';
		RETURN;
	END IF;
	INSERT INTO phone_registration (id, phone, device_identifier, locale, channel, purpose, code_hash, remote,
		next_send_at, expires_at)
	VALUES (p_id, p_phone, p_device, p_locale, p_channel, p_purpose, p_hash, p_remote,
		now() + p_resend, now() + p_lifetime);
END $$;

-- Another code for a registration.  Problems: unknown, verified, closed, early (until next_at), limited (until
-- next_at; null: never).
CREATE OR REPLACE FUNCTION registration_resend(p_id uuid, p_channel text, p_hash text, p_lifetime interval, p_resend interval,
	p_sends integer, p_attempts integer, p_codes integer, p_window interval,
	OUT problem text, OUT next_at timestamptz, OUT phone text, OUT locale text, OUT channel text)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	g phone_registration;
BEGIN
	SELECT * INTO g FROM phone_registration WHERE id = p_id FOR UPDATE;
	problem := CASE WHEN g.id IS NULL THEN 'unknown'
		WHEN g.verified_at IS NOT NULL THEN 'verified'
		WHEN g.attempts >= p_attempts THEN 'closed'
		WHEN g.sends >= p_sends THEN 'limited'
		WHEN g.next_send_at > now() THEN 'early' END;
	IF problem IS NULL THEN
		PERFORM pg_advisory_xact_lock(hashtextextended(g.phone, 20));
		next_at := registration_room(g.phone, p_codes, p_window);
		problem := CASE WHEN next_at IS NOT NULL THEN 'limited' END;
	ELSIF problem = 'early' THEN
		next_at := g.next_send_at;
	END IF;
	IF problem IS NOT NULL THEN
		RETURN;
	END IF;
	UPDATE phone_registration p SET code_hash = p_hash, channel = coalesce(p_channel, p.channel),
		sends = p.sends + 1, next_send_at = now() + p_resend, expires_at = now() + p_lifetime
	WHERE p.id = p_id
	RETURNING p.phone, p.locale, p.channel INTO phone, locale, channel;
END $$;

-- Take a code.  Problems: unknown, verified, closed, expired, wrong, registered.  Without one the account is there,
-- made now if need be.
CREATE OR REPLACE FUNCTION registration_verify(p_id uuid, p_hash text, p_attempts integer, OUT problem text,
	OUT attempts_left integer, OUT account_id uuid, OUT fingerprint text)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	g phone_registration;
BEGIN
	SELECT * INTO g FROM phone_registration WHERE id = p_id FOR UPDATE;
	problem := CASE WHEN g.id IS NULL THEN 'unknown'
		WHEN g.verified_at IS NOT NULL THEN 'verified'
		WHEN g.attempts >= p_attempts THEN 'closed'
		WHEN g.expires_at <= now() THEN 'expired'
		WHEN g.code_hash <> p_hash THEN 'wrong' END;
	attempts_left := p_attempts - g.attempts;
	IF problem = 'wrong' THEN
		UPDATE phone_registration SET attempts = attempts + 1 WHERE id = p_id;
		attempts_left := attempts_left - 1;
		problem := CASE WHEN attempts_left > 0 THEN 'wrong' ELSE 'closed' END;
	END IF;
	IF problem IS NOT NULL THEN
		RETURN;
	END IF;
	INSERT INTO account (phone, locale) VALUES (g.phone, g.locale)
	ON CONFLICT (phone) DO NOTHING RETURNING id INTO account_id;
	IF account_id IS NULL AND g.purpose = 'register' THEN
		problem := 'registered';
		RETURN;
	ELSIF account_id IS NULL THEN
		SELECT a.id INTO account_id FROM account a WHERE a.phone = g.phone;
	END IF;
	fingerprint := g.device_identifier;
	UPDATE phone_registration SET verified_at = now(), account_id = registration_verify.account_id WHERE id = p_id;
END $$;

-- ---- names and passwords ------------------------------------------------------------------------

-- An account with a password.  Names are held once, however they are spelt (account_email_key, account_username_key,
-- account_phone_claim_key).
--	409	the number is somebody's, proven
CREATE OR REPLACE FUNCTION account_register(p_email text, p_username text, p_phone text, p_password_hash text, p_name text)
RETURNS uuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_id uuid := uuid7();
BEGIN
	IF EXISTS (SELECT FROM account WHERE phone = p_phone) THEN
		PERFORM fail(409, 'has an account already', 'phone_number');
	END IF;
	INSERT INTO account (id, email, username, phone_claim, password_hash, display_name)
	VALUES (v_id, p_email, p_username, p_phone, p_password_hash, coalesce(p_name, p_username));
	RETURN v_id;
END $$;

-- The account that an e-mail address, a user name or a number stands for.  A proven number goes before a claimed one.
-- Each way has its index; of a CASE in a condition the planner would make a reading of all accounts.
CREATE OR REPLACE FUNCTION account_by_identity(p_identity text) RETURNS SETOF account
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
	IF p_identity LIKE '%@%' THEN
		RETURN QUERY SELECT a.* FROM account a WHERE lower(a.email) = lower(p_identity) AND a.deleted_at IS NULL;
	ELSIF p_identity LIKE '+%' THEN
		RETURN QUERY SELECT a.* FROM account a WHERE a.deleted_at IS NULL
			AND a.id = coalesce((SELECT b.id FROM account b WHERE b.phone = p_identity),
				(SELECT b.id FROM account b WHERE b.phone_claim = p_identity));
	ELSE
		RETURN QUERY SELECT a.* FROM account a WHERE lower(a.username) = lower(p_identity) AND a.deleted_at IS NULL;
	END IF;
END $$;

-- Ask for a code.  Beyond p_most codes in p_window nothing is sent, and the answer is the same.  Codes that were not sent
-- neither count against the limit nor take the place of the one that was: otherwise whoever keeps asking could keep somebody
-- from ever using theirs.
CREATE OR REPLACE FUNCTION password_reset_start(p_identity text, p_code_hash text, p_subject text, p_body text,
	p_lifetime interval, p_most integer, p_window interval, OUT destination text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_account uuid;
	v_email text;
BEGIN
	SELECT a.id, a.email INTO v_account, v_email FROM account_by_identity(p_identity) a;
	IF v_email IS NULL OR (SELECT count(*) FROM password_reset r
		WHERE r.identity_key = lower(p_identity) AND r.account_id IS NOT NULL AND r.created_at > now() - p_window) >= p_most THEN
		v_account := NULL;
	END IF;
	INSERT INTO password_reset (identity_key, account_id, code_hash, expires_at)
	VALUES (lower(p_identity), v_account, p_code_hash, now() + p_lifetime);
	IF v_account IS NOT NULL THEN
		INSERT INTO mail (account_id, destination, subject, body, expires_at)
		VALUES (v_account, v_email, p_subject, p_body, now() + p_lifetime);
		destination := v_email;
	END IF;
END $$;

-- Answer with the newest code that was asked for: the password changes and every session ends.  Wrong codes are counted,
-- so a problem is answered in a word instead of failing: wrong (or expired, used, unknown).
CREATE OR REPLACE FUNCTION password_reset_finish(p_identity text, p_code_hash text, p_password_hash text, p_attempts integer,
	OUT problem text, OUT sessions uuid[], OUT _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	r password_reset;
BEGIN
	sessions := '{}';
	SELECT * INTO r FROM password_reset p WHERE p.identity_key = lower(p_identity)
	ORDER BY p.account_id IS NULL, p.created_at DESC, p.id DESC LIMIT 1 FOR UPDATE;
	IF r.id IS NULL OR r.used_at IS NOT NULL OR r.expires_at <= now() OR r.attempts >= p_attempts THEN
		problem := 'wrong';
		RETURN;
	END IF;
	UPDATE password_reset SET attempts = attempts + 1 WHERE id = r.id;
	IF r.account_id IS NULL OR r.code_hash <> p_code_hash THEN
		problem := 'wrong';
		RETURN;
	END IF;
	UPDATE password_reset SET used_at = now() WHERE id = r.id;
	UPDATE account SET password_hash = p_password_hash, updated_at = now()
	WHERE id = r.account_id AND deleted_at IS NULL;
	IF NOT FOUND THEN
		problem := 'wrong';
		RETURN;
	END IF;
	WITH ended AS (
		UPDATE session s SET revoked_at = now() WHERE s.account_id = r.account_id AND s.revoked_at IS NULL
		RETURNING s.id)
	SELECT coalesce(array_agg(e.id), '{}'), coalesce(jsonb_agg(emit('session.revoked', NULL, NULL,
		ARRAY[r.account_id], jsonb_build_object('sessionId', e.id, 'reason', 'password_reset'))), '[]')
	INTO sessions, _event FROM ended e;
END $$;

-- ---- the device that comes in -------------------------------------------------------------------

-- The device that signs in to an account.  One with the same fingerprint goes on, its earlier sessions end; when it
-- shows another identity key, the keys of the earlier installation are lost and it is a new device.  When the account has
-- p_max devices already, the one unseen for longest goes.  sessions are those that ended.
CREATE OR REPLACE FUNCTION device_enter(p_account uuid, p_id uuid, p_name text, p_fingerprint text, p_key text, p_max integer,
	OUT device_id uuid, OUT sessions uuid[], OUT _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	d device;
	v_gone uuid;
BEGIN
	sessions := '{}';
	_event := '[]';
	PERFORM FROM account a WHERE a.id = p_account FOR NO KEY UPDATE;
	SELECT * INTO d FROM device
	WHERE account_id = p_account AND fingerprint = p_fingerprint AND revoked_at IS NULL;
	IF d.id IS NOT NULL AND (p_key IS NULL OR d.identity_key IS NULL OR d.identity_key = p_key) THEN
		UPDATE device SET last_seen_at = now(), updated_at = now(), identity_key = coalesce(p_key, identity_key)
		WHERE id = d.id;
		WITH ended AS (
			UPDATE session s SET revoked_at = now() WHERE s.device_id = d.id AND s.revoked_at IS NULL
			RETURNING s.id)
		SELECT coalesce(array_agg(e.id), '{}'), coalesce(jsonb_agg(emit('session.revoked', NULL, NULL,
			ARRAY[p_account], jsonb_build_object('sessionId', e.id, 'reason', 'signed_in_again'))), '[]')
		INTO sessions, _event FROM ended e;
		device_id := d.id;
		RETURN;
	END IF;
	FOR v_gone IN
		SELECT x.id FROM (
			SELECT id, row_number() OVER (ORDER BY id = d.id, last_seen_at DESC, id) AS place
			FROM device WHERE account_id = p_account AND revoked_at IS NULL) x
		WHERE x.id = d.id OR x.place >= p_max
	LOOP
		SELECT device_enter.sessions || r.sessions, device_enter._event || r._event INTO sessions, _event
		FROM device_revoke(p_account, v_gone) r;
	END LOOP;
	INSERT INTO device (id, account_id, name, fingerprint, identity_key)
	VALUES (p_id, p_account, p_name, p_fingerprint, p_key)
	RETURNING * INTO d;
	device_id := d.id;
	_event := _event || jsonb_build_array(device_emit('device.added', d, d.id));
END $$;

-- A device of an account by its id, or by the name its client gave it; null when there is none in use.
CREATE OR REPLACE FUNCTION device_of(p_account uuid, p_name text) RETURNS uuid
LANGUAGE sql STABLE AS $$
	SELECT d.id FROM device d
	WHERE d.account_id = p_account AND d.revoked_at IS NULL
		AND (d.fingerprint = p_name OR d.id::text = lower(p_name))
	ORDER BY d.fingerprint = p_name DESC NULLS LAST LIMIT 1
$$;

-- The id of a device that comes in under its client's own name: that name, if it is a UUID and nobody's id yet.
CREATE OR REPLACE FUNCTION device_id_for(p_name text) RETURNS uuid
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	IF p_name ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
		AND NOT EXISTS (SELECT FROM device WHERE id = p_name::uuid) THEN
		RETURN p_name::uuid;
	END IF;
	RETURN uuid7();
END $$;

-- device_enter for a device that says what it is.
CREATE OR REPLACE FUNCTION device_enter_as(p_account uuid, p_id uuid, p_name text, p_fingerprint text, p_key text, p_form text,
	p_max integer, OUT device_id uuid, OUT sessions uuid[], OUT _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	SELECT e.device_id, e.sessions, e._event INTO device_id, sessions, _event
	FROM device_enter(p_account, p_id, p_name, p_fingerprint, p_key, p_max) e;
	IF p_form IS NOT NULL THEN
		UPDATE device d SET name = coalesce(p_name, d.name), form = p_form WHERE d.id = device_enter_as.device_id;
	END IF;
END $$;

-- ---- PINs ---------------------------------------------------------------------------------------

-- Take one of the attempts at a PIN before it is looked at, so that guesses made at once are counted too; the right
-- PIN gives them back (challenge_passed).  No row: the factor is not enabled.  Without hash: locked until next_at.
CREATE OR REPLACE FUNCTION challenge_take(p_account uuid, p_factor text, p_attempts integer, p_lock interval)
RETURNS TABLE (hash text, attempts_left integer, next_at timestamptz)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
DECLARE
	a account;
	v_tries integer;
BEGIN
	SELECT * INTO a FROM account WHERE id = p_account AND deleted_at IS NULL FOR NO KEY UPDATE;
	hash := CASE p_factor WHEN 'pin' THEN a.pin_hash ELSE a.two_factor_hash END;
	next_at := CASE p_factor WHEN 'pin' THEN a.pin_next_attempt_at ELSE a.two_factor_next_attempt_at END;
	v_tries := CASE p_factor WHEN 'pin' THEN a.pin_attempts ELSE a.two_factor_attempts END;
	IF hash IS NULL THEN
		RETURN;
	END IF;
	IF next_at > clock_timestamp() THEN
		hash := NULL;
		attempts_left := 0;
		RETURN NEXT;
		RETURN;
	END IF;
	v_tries := CASE WHEN next_at IS NULL THEN v_tries ELSE 0 END + 1;
	attempts_left := greatest(p_attempts - v_tries, 0);
	next_at := CASE WHEN attempts_left = 0 THEN clock_timestamp() + p_lock END;
	IF p_factor = 'pin' THEN
		UPDATE account SET pin_attempts = v_tries, pin_next_attempt_at = next_at WHERE id = p_account;
	ELSE
		UPDATE account SET two_factor_attempts = v_tries, two_factor_next_attempt_at = next_at
		WHERE id = p_account;
	END IF;
	RETURN NEXT;
END $$;

-- The right PIN gives its attempts back.
CREATE OR REPLACE FUNCTION challenge_passed(p_account uuid, p_factor text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	IF p_factor = 'pin' THEN
		UPDATE account SET pin_attempts = 0, pin_next_attempt_at = NULL WHERE id = p_account;
	ELSE
		UPDATE account SET two_factor_attempts = 0, two_factor_next_attempt_at = NULL WHERE id = p_account;
	END IF;
END $$;
