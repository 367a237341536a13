-- People who sign up with an e-mail address, a user name and a password, and the devices they name themselves.

-- A number that nobody has proven: it lets its owner sign in with the password, and is given up when somebody proves
-- the number (account.phone).
ALTER TABLE account ADD phone_claim text CONSTRAINT account_phone_claim_key UNIQUE
		CONSTRAINT account_phone_claim_form CHECK (phone_claim ~ '^\+[1-9][0-9]{6,14}$'),
	ADD avatar_url text,	-- a picture that lies elsewhere
	ADD bio text;

ALTER TABLE device ADD form text
	CONSTRAINT device_form CHECK (form IN ('mobile', 'desktop', 'web', 'tablet'));

CREATE FUNCTION account_phone_proven() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE account SET phone_claim = NULL WHERE phone_claim = NEW.phone;
	RETURN NULL;
END $$;
CREATE TRIGGER account_phone_proven AFTER INSERT OR UPDATE OF phone ON account FOR EACH ROW
	WHEN (NEW.phone IS NOT NULL) EXECUTE FUNCTION account_phone_proven();

-- An account with a password.  Names are held once, however they are spelt (account_email_key, account_username_key,
-- account_phone_claim_key).
--	409	the number is somebody's, proven
CREATE FUNCTION account_register(p_email text, p_username text, p_phone text, p_password_hash text, p_name text)
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
CREATE FUNCTION account_by_identity(p_identity text) RETURNS SETOF account
LANGUAGE sql STABLE AS $$
	SELECT a.* FROM account a
	WHERE a.deleted_at IS NULL AND CASE
		WHEN p_identity LIKE '%@%' THEN lower(a.email) = lower(p_identity)
		WHEN p_identity LIKE '+%' THEN a.id = coalesce((SELECT b.id FROM account b WHERE b.phone = p_identity),
			(SELECT b.id FROM account b WHERE b.phone_claim = p_identity))
		ELSE lower(a.username) = lower(p_identity) END
$$;

-- ---- devices that name themselves ----------------------------------------------------------------

-- A device of an account by its id, or by the name its client gave it; null when there is none in use.
CREATE FUNCTION device_of(p_account uuid, p_name text) RETURNS uuid
LANGUAGE sql STABLE AS $$
	SELECT d.id FROM device d
	WHERE d.account_id = p_account AND d.revoked_at IS NULL
		AND (d.fingerprint = p_name OR d.id::text = lower(p_name))
	ORDER BY d.fingerprint = p_name DESC NULLS LAST LIMIT 1
$$;

-- The id of a device that comes in under its client's own name: that name, if it is a UUID and nobody's id yet.
CREATE FUNCTION device_id_for(p_name text) RETURNS uuid
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	IF p_name ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
		AND NOT EXISTS (SELECT FROM device WHERE id = p_name::uuid) THEN
		RETURN p_name::uuid;
	END IF;
	RETURN uuid7();
END $$;

-- device_enter (020) for a device that says what it is.
CREATE FUNCTION device_enter_as(p_account uuid, p_id uuid, p_name text, p_fingerprint text, p_key text, p_form text,
	p_max integer, OUT device_id uuid, OUT sessions uuid[], OUT _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	SELECT e.device_id, e.sessions, e._event INTO device_id, sessions, _event
	FROM device_enter(p_account, p_id, p_name, p_fingerprint, p_key, p_max) e;
	IF p_form IS NOT NULL THEN
		UPDATE device d SET name = coalesce(p_name, d.name), form = p_form WHERE d.id = device_enter_as.device_id;
	END IF;
END $$;

-- ---- a forgotten password ------------------------------------------------------------------------

-- A code is on its way to the account's e-mail address.  What was asked for an unknown identity has no account: a row
-- all the same, so that asking takes as long.
CREATE TABLE password_reset (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	identity_key text NOT NULL,	-- as it was given, lower case
	account_id uuid REFERENCES account,
	code_hash text NOT NULL,
	attempts integer NOT NULL DEFAULT 0,
	used_at timestamptz,
	expires_at timestamptz NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX password_reset_identity ON password_reset (identity_key, created_at);
CREATE INDEX password_reset_expires_at ON password_reset (expires_at);

-- What the jobs daemon sends by mail.  The body is forgotten when it has gone, or cannot go.
CREATE TABLE mail (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	account_id uuid REFERENCES account,
	destination text NOT NULL,
	subject text NOT NULL,
	body text,
	status text NOT NULL DEFAULT 'queued' CONSTRAINT mail_status CHECK (status IN ('queued', 'sent', 'failed')),
	attempts integer NOT NULL DEFAULT 0,
	next_attempt_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX mail_due ON mail (next_attempt_at) WHERE status = 'queued';
CREATE INDEX mail_created_at ON mail (created_at);
CREATE INDEX mail_account ON mail (account_id);

-- Ask for a code.  Beyond p_most codes in p_window nothing is sent, and the answer is the same.
CREATE FUNCTION password_reset_start(p_identity text, p_code_hash text, p_subject text, p_body text,
	p_lifetime interval, p_most integer, p_window interval, OUT destination text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_account uuid;
	v_email text;
BEGIN
	SELECT a.id, a.email INTO v_account, v_email FROM account_by_identity(p_identity) a;
	IF v_email IS NULL OR (SELECT count(*) FROM password_reset r
		WHERE r.identity_key = lower(p_identity) AND r.created_at > now() - p_window) >= p_most THEN
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
CREATE FUNCTION password_reset_finish(p_identity text, p_code_hash text, p_password_hash text, p_attempts integer,
	OUT problem text, OUT sessions uuid[], OUT _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	r password_reset;
BEGIN
	sessions := '{}';
	SELECT * INTO r FROM password_reset p WHERE p.identity_key = lower(p_identity)
	ORDER BY p.created_at DESC, p.id DESC LIMIT 1 FOR UPDATE;
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

-- ---- what the jobs daemon sends --------------------------------------------------------------------

-- Mails and invitations to be sent now, mails first; each is the caller's for two minutes.
CREATE FUNCTION outgoing_claim(p_limit integer, p_link text)
RETURNS TABLE (id uuid, channel text, destination text, subject text, body text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_mails integer;
BEGIN
	RETURN QUERY
		WITH due AS MATERIALIZED (
			SELECT o.id FROM mail o
			WHERE o.status = 'queued' AND o.next_attempt_at <= clock_timestamp()
				AND o.expires_at > clock_timestamp()
			ORDER BY o.next_attempt_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
		UPDATE mail m SET attempts = m.attempts + 1, next_attempt_at = clock_timestamp() + interval '2 minutes'
		FROM due WHERE m.id = due.id
		RETURNING m.id, 'email'::text, m.destination, m.subject, m.body;
	GET DIAGNOSTICS v_mails = ROW_COUNT;
	RETURN QUERY SELECT * FROM invitation_claim(p_limit - v_mails, p_link);
END $$;

-- What became of one: 'sent', 'failed' for good, or 'later' (again and again until it expires, ever further apart).
CREATE FUNCTION outgoing_settle(p_id uuid, p_outcome text)
RETURNS TABLE (id uuid, status text, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN QUERY UPDATE mail m SET
		status = CASE p_outcome WHEN 'later' THEN 'queued' ELSE p_outcome END,
		body = CASE p_outcome WHEN 'later' THEN m.body END,
		next_attempt_at = clock_timestamp() + least(interval '5 seconds' * 2 ^ least(m.attempts, 20), '1 hour')
	WHERE m.id = p_id AND m.status = 'queued' RETURNING m.id, m.status, NULL::jsonb;
	IF NOT FOUND THEN
		RETURN QUERY SELECT * FROM invitation_settle(p_id, p_outcome);
	END IF;
END $$;

CREATE FUNCTION mail_prune(p_age interval DEFAULT '7 days', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM mail WHERE id IN (
			SELECT m.id FROM mail m WHERE m.created_at < now() - p_age AND m.expires_at < now()
			ORDER BY m.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

CREATE FUNCTION password_reset_prune(p_age interval DEFAULT '1 day', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM password_reset WHERE id IN (
			SELECT r.id FROM password_reset r WHERE r.expires_at < now() - p_age
			ORDER BY r.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
		RETURNING 1)
	SELECT count(*) FROM gone
$$;
