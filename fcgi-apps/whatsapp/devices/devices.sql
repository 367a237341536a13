-- name: device_list :list
SELECT id, "deviceName", platform, "deviceFingerprint", "registrationId", "websocketCapable", "oneTimePreKeysLeft",
	"createdAt", CASE id WHEN :device::uuid THEN now() ELSE "lastSeenAt" END AS "lastSeenAt",
	id = :device::uuid AS current
FROM device_card WHERE account_id = :me::uuid
ORDER BY "createdAt", id;

-- name: device_get :one
SELECT id, "deviceName", platform, "deviceFingerprint", "registrationId", "websocketCapable", "oneTimePreKeysLeft",
	"createdAt", CASE id WHEN :device::uuid THEN now() ELSE "lastSeenAt" END AS "lastSeenAt",
	id = :device::uuid AS current
FROM device_card WHERE id = :deviceId::uuid AND account_id = :me::uuid;

-- name: device_add :one
SELECT id, _event FROM device_add(:me::uuid, :device::uuid, :name, :platform, :fingerprint, :identityKey,
	:registrationId::bigint, :pushToken, :websocketCapable::boolean, :max::integer);

-- name: device_change :one
SELECT id, _event FROM device_update(:me::uuid, :deviceId::uuid, :device::uuid, :name, :platform, :pushToken,
	:websocketCapable::boolean);
