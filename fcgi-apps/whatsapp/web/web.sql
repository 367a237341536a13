-- name: web_session_open :one
SELECT id AS "sessionId", created_at AS "createdAt", expires_at AS "expiresAt"
FROM web_session_open(:me::uuid, :session::uuid, :device::uuid, :deviceName, :userAgent, :publicKey,
	:lifetime::float8);

-- name: web_session_live :one
-- A socket that its ticket opens ends with it.
SELECT floor(extract(epoch FROM least(w.expires_at, s.expires_at)))::bigint AS ends
FROM web_session_live(:me::uuid, :sessionId::uuid) w JOIN session s ON s.id = :session::uuid;
