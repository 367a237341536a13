-- name: session_list :list
SELECT s.id AS "sessionId", s.device_id AS "deviceId", d.name AS "deviceName", s.surface, s.user_agent AS "userAgent",
	s.remote AS "remoteAddress", s.created_at AS "createdAt", s.last_used_at AS "lastUsedAt",
	s.expires_at AS "expiresAt", s.id = :session::uuid AS "isCurrent"
FROM session s
LEFT JOIN device d ON d.id = s.device_id
WHERE s.account_id = :me::uuid AND s.revoked_at IS NULL AND s.expires_at > now()
ORDER BY s.id = :session::uuid DESC, s.last_used_at DESC, s.id;
