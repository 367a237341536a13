-- name: block_insert :one
SELECT id AS "blockId", account_id AS "userId", blocked_id AS "contactId", created_at AS "createdAt", _event
FROM block_add(:me::uuid, :contactId::uuid, :reason, :device::uuid);

-- name: block_list :list
SELECT b.id AS "blockId", b.blocked_id AS "contactId", coalesce(c.display_name, a.display_name) AS "displayName",
	b.reason, b.created_at AS "createdAt"
FROM block b
JOIN account a ON a.id = b.blocked_id
LEFT JOIN contact c ON c.account_id = b.account_id AND c.contact_id = b.blocked_id
WHERE b.account_id = :me::uuid
ORDER BY b.created_at DESC, b.id DESC;

-- name: block_delete :one
SELECT account_id AS "userId", blocked_id AS "contactId", true AS deleted, now() AS "deletedAt", _event
FROM block_remove(:me::uuid, :contactId::uuid, :device::uuid);
