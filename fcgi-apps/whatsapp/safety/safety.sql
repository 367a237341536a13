-- name: block_insert :one
-- The trigger block_close closes the direct conversation of the two in the same transaction.
INSERT INTO block (account_id, blocked_id, reason) VALUES (:me::uuid, :contactId::uuid, :reason)
RETURNING id AS "blockId", account_id AS "userId", blocked_id AS "contactId", created_at AS "createdAt",
	emit('contact.blocked', NULL, NULL, ARRAY[account_id],
		jsonb_build_object('contactId', blocked_id), NULL, :device::uuid) AS _event;

-- name: block_list :list
SELECT b.id AS "blockId", b.blocked_id AS "contactId", coalesce(c.display_name, a.display_name) AS "displayName",
	b.reason, b.created_at AS "createdAt"
FROM block b
JOIN account a ON a.id = b.blocked_id
LEFT JOIN contact c ON c.account_id = b.account_id AND c.contact_id = b.blocked_id
WHERE b.account_id = :me::uuid
ORDER BY b.created_at DESC, b.id DESC;

-- name: block_delete :one
DELETE FROM block WHERE account_id = :me::uuid AND blocked_id = :contactId::uuid
RETURNING account_id AS "userId", blocked_id AS "contactId", true AS deleted, now() AS "deletedAt",
	emit('contact.unblocked', NULL, NULL, ARRAY[account_id],
		jsonb_build_object('contactId', blocked_id), NULL, :device::uuid) AS _event;
