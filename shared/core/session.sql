-- Sessions: what an access token's sid names.

-- name: session_live :many
-- Does the caller's session still live?  Asked when Redis cannot say.
SELECT 1 AS live FROM session WHERE id = :session::uuid AND revoked_at IS NULL;

-- name: session_open :one
INSERT INTO session (id, account_id, device_id, surface, refresh_hash, user_agent, remote, expires_at)
VALUES (:id::uuid, :account::uuid, :deviceId::uuid, :surface, :refreshHash, :userAgent, :remote,
	now() + make_interval(secs => :lifetime::float8))
RETURNING id;

-- name: session_rotate :one
-- Exchange a refresh token for the next one.
UPDATE session s SET previous_refresh_hash = s.refresh_hash, refresh_hash = :newHash, last_used_at = now(),
	expires_at = now() + make_interval(secs => :lifetime::float8)
FROM account a
WHERE s.refresh_hash = :oldHash AND s.surface = :surface AND (:ofSession::uuid IS NULL OR s.id = :ofSession::uuid)
	AND s.revoked_at IS NULL AND s.expires_at > now()
	AND a.id = s.account_id AND a.deleted_at IS NULL
RETURNING s.id, s.account_id, s.device_id;

-- name: session_reused :many
-- A refresh token that was exchanged before is shown again: it was stolen, the session ends.
WITH ended AS (
	UPDATE session SET revoked_at = now()
	WHERE previous_refresh_hash = :oldHash AND revoked_at IS NULL
	RETURNING id, account_id)
SELECT id, emit('session.revoked', NULL, NULL, ARRAY[account_id],
	jsonb_build_object('sessionId', id, 'reason', 'refresh_reused')) AS _event
FROM ended;

-- name: session_end :many
-- End one session of the caller, or with no id all of them, or with a device all of that device; never the one excepted.
WITH ended AS (
	UPDATE session SET revoked_at = now()
	WHERE account_id = :me::uuid AND revoked_at IS NULL
		AND (:id::uuid IS NULL OR id = :id::uuid)
		AND (:ofDevice::uuid IS NULL OR device_id = :ofDevice::uuid)
		AND (:except::uuid IS NULL OR id <> :except::uuid)
	RETURNING id, account_id, revoked_at)
SELECT id, revoked_at, emit('session.revoked', NULL, NULL, ARRAY[account_id],
	jsonb_build_object('sessionId', id, 'reason', :reason::text)) AS _event
FROM ended;
