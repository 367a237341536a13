-- What an account asks for beyond the code sent to its phone.  Its other devices are told of every change.

-- name: two_factor_enable :one
UPDATE account SET two_factor_hash = :hash, two_factor_enabled_at = now(), two_factor_attempts = 0,
	two_factor_next_attempt_at = NULL, updated_at = now()
WHERE id = :me::uuid AND two_factor_hash IS NULL
RETURNING id AS "userId", true AS "twoFactorEnabled", two_factor_enabled_at AS "enabledAt",
	emit('account.security', NULL, NULL, ARRAY[id], jsonb_build_object('twoFactorEnabled', true), NULL,
		:device::uuid) AS _event;

-- name: two_factor_disable :one
UPDATE account SET two_factor_hash = NULL, two_factor_enabled_at = NULL, updated_at = now()
WHERE id = :me::uuid AND two_factor_hash IS NOT NULL
RETURNING id AS "userId", false AS "twoFactorEnabled", updated_at AS "disabledAt",
	emit('account.security', NULL, NULL, ARRAY[id], jsonb_build_object('twoFactorEnabled', false), NULL,
		:device::uuid) AS _event;

-- name: two_factor_status :one
SELECT id AS "userId", two_factor_hash IS NOT NULL AS "twoFactorEnabled", two_factor_enabled_at AS "enabledAt"
FROM account WHERE id = :me::uuid AND deleted_at IS NULL;

-- name: pin_enable :one
UPDATE account SET pin_hash = :hash, pin_hint = :pinHint, pin_enabled_at = now(), pin_updated_at = now(),
	pin_attempts = 0, pin_next_attempt_at = NULL, updated_at = now()
WHERE id = :me::uuid AND pin_hash IS NULL
RETURNING id AS "userId", true AS "pinEnabled", pin_enabled_at AS "enabledAt",
	emit('account.security', NULL, NULL, ARRAY[id], jsonb_build_object('pinEnabled', true), NULL,
		:device::uuid) AS _event;

-- name: pin_change :one
UPDATE account SET pin_hash = :hash, pin_hint = :pinHint, pin_updated_at = now(), updated_at = now()
WHERE id = :me::uuid AND pin_hash IS NOT NULL
RETURNING id AS "userId", true AS "pinEnabled", pin_updated_at AS "updatedAt",
	emit('account.security', NULL, NULL, ARRAY[id], jsonb_build_object('pinEnabled', true), NULL,
		:device::uuid) AS _event;

-- name: pin_disable :one
UPDATE account SET pin_hash = NULL, pin_hint = NULL, pin_enabled_at = NULL, pin_updated_at = NULL, updated_at = now()
WHERE id = :me::uuid AND pin_hash IS NOT NULL
RETURNING id AS "userId", false AS "pinEnabled", updated_at AS "disabledAt",
	emit('account.security', NULL, NULL, ARRAY[id], jsonb_build_object('pinEnabled', false), NULL,
		:device::uuid) AS _event;

-- name: pin_status :one
SELECT id AS "userId", pin_hash IS NOT NULL AS "pinEnabled", pin_enabled_at AS "enabledAt",
	pin_updated_at AS "updatedAt", pin_hint AS "pinHint"
FROM account WHERE id = :me::uuid AND deleted_at IS NULL;
