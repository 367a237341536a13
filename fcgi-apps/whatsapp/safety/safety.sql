-- name: block_insert :one
SELECT id AS "blockId", account_id AS "userId", blocked_id AS "contactId", created_at AS "createdAt", _event
FROM block_add(:me::uuid, :contactId::uuid, :reason, :device::uuid);

-- name: block_list :list
SELECT b.id AS "blockId", b.blocked_id AS "contactId",
	coalesce((SELECT c.display_name FROM contact c WHERE c.account_id = b.account_id AND c.contact_id = b.blocked_id),
		(SELECT a.display_name FROM account a WHERE a.id = b.blocked_id)) AS "displayName",
	b.reason, b.created_at AS "createdAt", (SELECT count(*) FROM block n WHERE n.account_id = :me::uuid) AS _total
FROM block b
WHERE b.account_id = :me::uuid
ORDER BY b.created_at DESC, b.id DESC;

-- name: block_delete :one
SELECT account_id AS "userId", blocked_id AS "contactId", true AS deleted, now() AS "deletedAt", _event
FROM block_remove(:me::uuid, :contactId::uuid, :device::uuid);
