-- Signing in to an account: what is owed after the primary proof, and the device that enters.

-- name: login_owed :one
SELECT two_factor_hash IS NOT NULL AS two_factor, pin_hash IS NOT NULL AS pin, pin_hint
FROM account WHERE id = :account::uuid AND deleted_at IS NULL;

-- name: login_start :exec
INSERT INTO login_session (token_hash, account_id, purpose, surface, device_name, device_fingerprint,
	device_public_key, expires_at)
VALUES (:tokenHash, :account::uuid, :purpose, :surface, :name, :fingerprint, :publicKey,
	now() + make_interval(secs => :lifetime::float8));

-- name: device_enter :one
SELECT device_id, to_jsonb(sessions) AS sessions, _event
FROM device_enter_as(:account::uuid,
	CASE WHEN :namesItself::boolean THEN device_id_for(:fingerprint) ELSE :newid::uuid END,
	:name, :fingerprint, :publicKey, :form, :max::integer);

-- name: login_find :one
SELECT id, account_id, device_name, device_fingerprint, device_public_key
FROM login_session
WHERE token_hash = :tokenHash AND purpose = :purpose AND used_at IS NULL AND expires_at > now();

-- name: login_use :one
-- Once only: of two answers at the same time one gets the row.
UPDATE login_session SET used_at = now()
WHERE id = :login::uuid AND used_at IS NULL AND expires_at > now()
RETURNING id;

-- name: device_named :one
-- A device of the caller, by its id or by the name its client gave it.
SELECT device_of(:me::uuid, :name) AS id;

-- name: device_revoke :one
SELECT id, revoked_at AS "revokedAt", to_jsonb(sessions) AS _sessions, _event
FROM device_revoke(:me::uuid, :deviceId::uuid, :device::uuid);

-- name: account_erase :one
SELECT to_jsonb(sessions) AS sessions, _event FROM account_erase(:me::uuid, :device::uuid);
