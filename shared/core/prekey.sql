-- Key material of devices; the functions are in sql/021-devices.sql.

-- name: prekey_identity :one
SELECT identity_key FROM device
WHERE id = :deviceId::uuid AND account_id = :me::uuid AND revoked_at IS NULL;

-- name: prekey_store :one
SELECT added, remaining, first, _event FROM prekey_store(:me::uuid, :device::uuid, :deviceId::uuid, :identity, :signedPreKey, :signature,
	:oneTime::text[], :registrationId::bigint, :max::integer);

-- name: prekey_bundle :one
SELECT :recipientId::uuid AS "recipientId", device_id AS "deviceId", registration_id AS "registrationId",
	identity_key AS "identityKey", signed_prekey AS "signedPreKey",
	signed_prekey_signature AS "signedPreKeySignature", one_time_prekey AS "oneTimePreKey", devices, _event
FROM prekey_bundle(:me::uuid, :device::uuid, :recipientId::uuid, :ofDevice::uuid, :low::integer);
