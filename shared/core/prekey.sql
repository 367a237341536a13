-- Key material of devices; the functions are in sql/functions/keys.sql.

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

-- name: signed_prekey_publish :one
SELECT id, device_id, key_id, public_key, signature, created_at, _event
FROM signed_prekey_publish(:me::uuid, :device::uuid, :deviceId::uuid, :identity, :signedPreKey, :signature,
	:keyId::integer);

-- name: one_time_prekeys_publish :one
SELECT one_time_prekeys_publish(:me::uuid, :devices::uuid[], :keys::text[], :keyIds::integer[], :max::integer) AS added;
