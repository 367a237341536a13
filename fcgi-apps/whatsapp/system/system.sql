-- name: startup_state :one
-- What the caller's own start depends on.
SELECT coalesce(:locale, a.locale, 'en') AS locale, a.two_factor_enabled_at IS NOT NULL AS two_factor,
	a.pin_enabled_at IS NOT NULL AS pin, coalesce(d.keys_registered_at IS NOT NULL, false) AS keys,
	(SELECT count(*) FROM one_time_prekey k WHERE k.device_id = d.id) AS one_time, q.id AS queue
FROM account a
LEFT JOIN device d ON d.id = :device::uuid AND d.account_id = a.id AND d.revoked_at IS NULL
LEFT JOIN offline_queue q ON q.device_id = d.id
WHERE a.id = :me::uuid;
