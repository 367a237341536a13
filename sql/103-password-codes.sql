-- As in 100, but codes that were not sent neither count against the limit nor take the place of the one that was: otherwise
-- whoever keeps asking could keep somebody from ever using theirs.

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
