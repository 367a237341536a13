-- name: qr_code_create :one
INSERT INTO qr_code (id, account_id, token, format, size, expires_at)
VALUES (:newid::uuid, :me::uuid, :token, :format, :size::integer, now() + make_interval(secs => :validity::double precision))
RETURNING id AS "qrCodeId", account_id AS "userId", created_at AS "createdAt", expires_at AS "expiresAt",
	token AS _token, format AS _format, size AS _size, false AS _expired;

-- name: qr_code_get :one
SELECT id AS "qrCodeId", account_id AS "userId", created_at AS "createdAt", expires_at AS "expiresAt",
	token AS _token, format AS _format, size AS _size, expires_at <= now() AS _expired
FROM qr_code WHERE id = :qrCodeId::uuid AND account_id = :me::uuid;
