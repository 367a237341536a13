-- The caller's profile, settings, contacts and devices; the rules lie in sql/functions/{accounts,account-end}.sql.

-- name: user_me :one
SELECT a.id, a.email, a.username, a.display_name, a.avatar_url, a.info_text AS status, a.bio,
	coalesce(a.phone, a.phone_claim) AS phone_number, a.created_at, a.avatar_id AS _picture
FROM account a WHERE a.id = :me::uuid AND a.deleted_at IS NULL;

-- name: user_change :exec
-- The body in the core's names.
SELECT _event FROM account_profile_set(:me::uuid, (
	SELECT jsonb_object_agg(n.core, b.value)
	FROM jsonb_each(:body::jsonb) b JOIN (VALUES ('display_name', 'displayName'), ('status', 'infoText'),
		('bio', 'bio'), ('avatar_url', 'avatarUrl'), ('avatar_id', 'avatarId')) AS n (given, core) ON n.given = b.key), :device::uuid);

-- name: user_picture_own :one
-- A picture that the caller has uploaded, on whichever surface.
SELECT f.id FROM media f
WHERE f.id = :picture::uuid AND f.account_id = :me::uuid AND f.kind = 'image' AND f.deleted_at IS NULL
	AND f.sha256 IS NOT NULL;

-- name: user_picture :one
-- The file, as long as it is the picture of the account and the viewer may see it.
SELECT f.mime_type, f.sha256 FROM media f
WHERE f.id = :picture::uuid AND f.id = picture_seen(:viewer::uuid, :id::uuid) AND f.deleted_at IS NULL
	AND f.sha256 IS NOT NULL;

-- name: user_settings :one
SELECT a.notifications AS notifications_enabled, coalesce(a.theme, 'system') AS theme, a.locale AS language
FROM account a WHERE a.id = :me::uuid AND a.deleted_at IS NULL;

-- name: user_settings_change :exec
-- Nobody is told of settings of an account that was deleted while a token of it is still good.
SELECT s._event
FROM (SELECT a.id FROM account a WHERE a.id = :me::uuid AND a.deleted_at IS NULL FOR NO KEY UPDATE) own
CROSS JOIN LATERAL account_settings_set(own.id, (
	SELECT jsonb_object_agg(n.core, b.value)
	FROM jsonb_each(:body::jsonb) b JOIN (VALUES ('notifications_enabled', 'notifications'), ('theme', 'theme'),
		('language', 'language')) AS n (given, core) ON n.given = b.key), :device::uuid) s;

-- ---- contacts --------------------------------------------------------------------------------------

-- name: user_contacts :many
-- All of them, or a page when the caller asks for pages.
SELECT p.id, p.email, p.username, p.display_name, p.avatar_url, p.info_text AS status, p.created_at, p.contact_id,
	p.blocked_at IS NOT NULL AS is_blocked, picture_seen(:me::uuid, p.id) AS _picture
FROM contact c CROSS JOIN LATERAL profile_seen(:me::uuid, c.contact_id) p
WHERE c.account_id = :me::uuid
ORDER BY lower(p.display_name), p.id
LIMIT :most::bigint OFFSET (coalesce(:page::bigint, 1) - 1) * coalesce(:most::bigint, 20);

-- name: user_contact :one
SELECT p.id, p.email, p.username, p.display_name, p.avatar_url, p.info_text AS status, p.created_at, p.contact_id,
	p.blocked_at IS NOT NULL AS is_blocked, picture_seen(:me::uuid, p.id) AS _picture
FROM profile_seen(:me::uuid, :userId::uuid) p;

-- name: user_contact_add :one
SELECT account_id, _event FROM contact_add(:me::uuid, :userId::uuid, NULL, :most::integer, :device::uuid);

-- name: user_contact_remove :one
SELECT account_id AS id, _event FROM contact_remove(:me::uuid, contact_named(:me::uuid, :id::uuid), :device::uuid);

-- name: user_block :one
SELECT blocked_id AS id, created_at AS blocked_at, _event
FROM block_add(:me::uuid, contact_named(:me::uuid, :id::uuid), NULL, :device::uuid);

-- name: user_unblock :one
SELECT blocked_id AS id, _event FROM block_remove(:me::uuid, contact_named(:me::uuid, :id::uuid), :device::uuid);

-- name: user_blocked :many
SELECT p.id, p.email, p.username, p.display_name, p.avatar_url, p.info_text AS status, p.created_at, p.contact_id,
	true AS is_blocked, p.blocked_at, picture_seen(:me::uuid, p.id) AS _picture
FROM block b CROSS JOIN LATERAL profile_seen(:me::uuid, b.blocked_id) p
WHERE b.account_id = :me::uuid
ORDER BY b.created_at DESC, b.id
LIMIT :most::bigint OFFSET (coalesce(:page::bigint, 1) - 1) * coalesce(:most::bigint, 20);

-- ---- devices ---------------------------------------------------------------------------------------

-- name: user_devices :many
-- A device that other surfaces know by its platform only is of the kind that follows from it.
SELECT d.id, d.name AS device_name, coalesce(d.form, CASE d.platform WHEN 'web' THEN 'web' WHEN 'ios' THEN 'mobile'
		WHEN 'android' THEN 'mobile' END) AS device_type, d.fingerprint AS device_id,
	CASE d.id WHEN :device::uuid THEN now() ELSE d.last_seen_at END AS last_active,
	EXISTS (SELECT FROM session s WHERE s.device_id = d.id AND s.revoked_at IS NULL AND s.expires_at > now()) AS is_active,
	d.id = :device::uuid AS is_current
FROM device d WHERE d.account_id = :me::uuid AND d.revoked_at IS NULL
ORDER BY d.created_at, d.id;
