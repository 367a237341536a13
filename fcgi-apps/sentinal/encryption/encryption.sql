-- Keys of devices, one by one; the rules lie in sql/functions/keys.sql.

-- name: identity_publish :one
SELECT i.id, :me::uuid AS user_id, i.device_id, i.public_key, i.deactivated_at IS NULL AS is_active, i.created_at
FROM identity_publish(:me::uuid, :deviceId::uuid, :key) i;

-- name: identity_active :one
SELECT i.id, :user_id::uuid AS user_id, i.device_id, i.public_key, true AS is_active, i.created_at
FROM device_identity i
WHERE i.device_id = device_seen_by(:me::uuid, :user_id::uuid, :device_id) AND i.deactivated_at IS NULL;

-- name: identity_deactivate :one
SELECT i.id, :me::uuid AS user_id, i.device_id, i.public_key, false AS is_active, i.created_at, i._event
FROM identity_end(:me::uuid, :device::uuid, :id::uuid, false) i;

-- name: identity_delete :one
SELECT i.id, i._event FROM identity_end(:me::uuid, :device::uuid, :id::uuid, true) i;

-- name: signed_prekey_get :one
SELECT s.id, :user_id::uuid AS user_id, s.device_id, s.key_id, s.public_key, s.signature, s.replaced_at IS NULL AS is_active,
	s.created_at
FROM device_signed_prekey s
WHERE s.device_id = device_seen_by(:me::uuid, :user_id::uuid, :device_id) AND s.key_id = :key_id::integer;

-- name: signed_prekey_active :one
SELECT s.id, u.id AS user_id, s.device_id, s.key_id, s.public_key, s.signature, true AS is_active, s.created_at
FROM (SELECT coalesce(:user_id::uuid, :me::uuid) AS id) u JOIN device_signed_prekey s
	ON s.device_id = device_seen_by(:me::uuid, u.id, coalesce(:device_id, CASE u.id WHEN :me::uuid THEN :device END))
WHERE s.replaced_at IS NULL;

-- name: prekey_count :one
SELECT count(*) AS count FROM one_time_prekey o WHERE o.device_id = :deviceId::uuid;

-- name: device_seen :one
SELECT device_seen_by(:me::uuid, :userId::uuid, :name) AS id;

-- name: prekey_consume :one
SELECT :userId::uuid AS user_id, :deviceId::uuid AS device_id, k.key_id, k.public_key, k._event
FROM prekey_consume(:me::uuid, :mine::uuid, :userId::uuid, :deviceId::uuid, :low::integer) k;

-- name: bundle_take :one
SELECT :userId::uuid AS user_id, b.device_id, b.registration_id,
	jsonb_build_object('id', b.identity_id, 'public_key', b.identity_key) AS identity_key,
	jsonb_build_object('key_id', b.signed_prekey_id, 'public_key', b.signed_prekey, 'signature', b.signature)
		AS signed_prekey,
	CASE WHEN b.one_time_prekey IS NOT NULL THEN jsonb_build_object('key_id', b.one_time_prekey_id,
		'public_key', b.one_time_prekey) END AS one_time_prekey,
	b._event
FROM prekey_bundle_of(:me::uuid, :mine::uuid, :userId::uuid, :deviceId::uuid, :low::integer) b;

-- name: keys_active :one
SELECT d.keys_registered_at IS NOT NULL AS has_active_keys
FROM device d WHERE d.id = device_seen_by(:me::uuid, :user_id::uuid, :device_id);
