-- name: web_session_open :one
SELECT id AS "sessionId", created_at AS "createdAt", expires_at AS "expiresAt"
FROM web_session_open(:me::uuid, :session::uuid, :device::uuid, :deviceName, :userAgent, :publicKey,
	:lifetime::float8);

-- name: web_session_live :one
SELECT id FROM web_session_live(:me::uuid, :sessionId::uuid);
