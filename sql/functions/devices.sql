-- Devices under their account's limit, and browser sessions (docs/devices.md).  Keys are in keys.sql.

-- ---- seen ---------------------------------------------------------------------------------------

-- A device shows itself by signing in and by refreshing its tokens, which every client in use does within the
-- lifetime of an access token.
CREATE OR REPLACE FUNCTION device_seen() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE device SET last_seen_at = NEW.last_used_at
	WHERE id = NEW.device_id AND last_seen_at < NEW.last_used_at;
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER device_seen_opened AFTER INSERT ON session
	FOR EACH ROW WHEN (NEW.device_id IS NOT NULL) EXECUTE FUNCTION device_seen();
CREATE OR REPLACE TRIGGER device_seen_used AFTER UPDATE OF last_used_at ON session
	FOR EACH ROW WHEN (NEW.device_id IS NOT NULL) EXECUTE FUNCTION device_seen();

-- ---- devices ------------------------------------------------------------------------------------

-- A device as replies show it to its account.
CREATE OR REPLACE VIEW device_card AS
SELECT d.id, d.account_id, d.name AS "deviceName", d.platform, d.fingerprint AS "deviceFingerprint",
	d.registration_id AS "registrationId", d.websocket_capable AS "websocketCapable",
	(SELECT count(*) FROM one_time_prekey k WHERE k.device_id = d.id) AS "oneTimePreKeysLeft",
	d.created_at AS "createdAt", d.last_seen_at AS "lastSeenAt"
FROM device d WHERE d.revoked_at IS NULL;

-- Tell the other devices of an account about one of them.
CREATE OR REPLACE FUNCTION device_emit(p_type text, d device, p_by uuid) RETURNS jsonb
LANGUAGE sql VOLATILE AS $$
	SELECT emit(p_type, NULL, NULL, ARRAY[d.account_id], jsonb_strip_nulls(jsonb_build_object(
		'deviceId', d.id, 'deviceName', d.name, 'platform', d.platform,
		'websocketCapable', d.websocket_capable, 'registrationId', d.registration_id,
		'hasKeys', d.keys_registered_at IS NOT NULL,
		'createdAt', rfc3339(d.created_at), 'removedAt', rfc3339(d.revoked_at))), NULL, p_by)
$$;

-- One more device of an account that has fewer than p_max.
--	409	fingerprint registered already (device_fingerprint_once), or as many devices as there may be
CREATE OR REPLACE FUNCTION device_add(p_account uuid, p_by uuid, p_name text, p_platform text, p_fingerprint text,
	p_identity_key text, p_registration_id bigint, p_push_token text, p_websocket boolean, p_max integer)
RETURNS TABLE (id uuid, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
#variable_conflict use_column
DECLARE
	d device;
BEGIN
	-- The account's lock: two at once must not both find the last place free.
	PERFORM FROM account a WHERE a.id = p_account FOR NO KEY UPDATE;
	INSERT INTO device (account_id, name, platform, fingerprint, identity_key, registration_id, push_token,
		websocket_capable)
	VALUES (p_account, p_name, p_platform, p_fingerprint, p_identity_key, p_registration_id, p_push_token,
		coalesce(p_websocket, false))
	RETURNING device.* INTO d;
	IF (SELECT count(*) FROM device o WHERE o.account_id = p_account AND o.revoked_at IS NULL) > p_max THEN
		PERFORM fail(409, 'An account has at most ' || p_max || ' devices');
	END IF;
	RETURN QUERY SELECT d.id, device_emit('device.added', d, p_by);
END $$;

-- Change what is not null.  An empty push token takes the token away.
--	404	the account has no such device
CREATE OR REPLACE FUNCTION device_update(p_account uuid, p_device uuid, p_by uuid, p_name text, p_platform text,
	p_push_token text, p_websocket boolean)
RETURNS TABLE (id uuid, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
#variable_conflict use_column
DECLARE
	d device;
BEGIN
	UPDATE device u SET name = coalesce(p_name, u.name), platform = coalesce(p_platform, u.platform),
		push_token = nullif(coalesce(p_push_token, u.push_token), ''),
		websocket_capable = coalesce(p_websocket, u.websocket_capable), updated_at = now()
	WHERE u.id = p_device AND u.account_id = p_account AND u.revoked_at IS NULL
	RETURNING u.* INTO d;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such device');
	END IF;
	RETURN QUERY SELECT d.id, device_emit('device.updated', d, p_by);
END $$;

-- Revoke a device of an account: its sessions end, its keys and stores go.  p_by is not told.
--	404	the account has no such device
CREATE OR REPLACE FUNCTION device_revoke(p_account uuid, p_device uuid, p_by uuid DEFAULT NULL)
RETURNS TABLE (id uuid, revoked_at timestamptz, sessions uuid[], _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
#variable_conflict use_column
DECLARE
	d device;
	v_sessions uuid[];
BEGIN
	UPDATE device u SET revoked_at = now(), updated_at = now(), push_token = NULL
	WHERE u.id = p_device AND u.account_id = p_account AND u.revoked_at IS NULL
	RETURNING u.* INTO d;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such device');
	END IF;
	_event := jsonb_build_array(device_emit('device.removed', d, p_by));
	WITH ended AS (
		UPDATE session s SET revoked_at = d.revoked_at
		WHERE s.device_id = p_device AND s.revoked_at IS NULL
		RETURNING s.id)
	SELECT coalesce(array_agg(ended.id), '{}') INTO v_sessions FROM ended;
	UPDATE web_session w SET revoked_at = d.revoked_at
	WHERE w.device_id = p_device AND w.revoked_at IS NULL;
	DELETE FROM one_time_prekey o WHERE o.device_id = p_device;
	DELETE FROM one_time_prekey_spent o WHERE o.device_id = p_device;
	DELETE FROM offline_queue q WHERE q.device_id = p_device;
	DELETE FROM device_ack a WHERE a.device_id = p_device;
	DELETE FROM device_position p WHERE p.device_id = p_device;
	RETURN QUERY SELECT d.id, d.revoked_at, v_sessions, _event
		|| (SELECT coalesce(jsonb_agg(emit('session.revoked', NULL, NULL, ARRAY[p_account],
			jsonb_build_object('sessionId', s, 'deviceId', p_device, 'reason', 'device_removed'))), '[]')
		FROM unnest(v_sessions) s);
END $$;

-- ---- browser sessions ---------------------------------------------------------------------------

-- Open a browser session.  A key serves one at a time; one that expired, or whose sign-in ended, gives its key free.
--	23505	web_session_once
CREATE OR REPLACE FUNCTION web_session_open(p_account uuid, p_session uuid, p_device uuid, p_name text, p_agent text,
	p_key text, p_lifetime double precision)
RETURNS SETOF web_session
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
BEGIN
	UPDATE web_session w SET revoked_at = least(w.expires_at, now())
	WHERE w.account_id = p_account AND w.public_key = p_key AND w.revoked_at IS NULL
		AND NOT EXISTS (SELECT FROM web_session_live(p_account, w.id));
	RETURN QUERY INSERT INTO web_session (account_id, session_id, device_id, device_name, user_agent, public_key,
		expires_at)
	VALUES (p_account, p_session, p_device, p_name, p_agent, p_key, now() + make_interval(secs => p_lifetime))
	RETURNING *;
END $$;

-- The browser session, if it is the account's and lives: so does the sign-in that opened it.
CREATE OR REPLACE FUNCTION web_session_live(p_account uuid, p_id uuid) RETURNS SETOF web_session
LANGUAGE sql STABLE ROWS 1 AS $$
	SELECT w.* FROM web_session w
	WHERE w.id = p_id AND w.account_id = p_account AND w.revoked_at IS NULL AND w.expires_at > now()
		AND NOT EXISTS (SELECT FROM session s WHERE s.id = w.session_id
			AND (s.revoked_at IS NOT NULL OR s.expires_at <= now()))
$$;
