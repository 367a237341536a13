-- Messages as this surface shows them; the rules lie in sql/functions/{messages,sealed-messages,histories}.sql.

-- name: message_page :many
SELECT m.id, m.conversation_id, m.sender_id, m.client_id AS client_message_id, m.seq AS sequence_number,
	m.deleted_at IS NOT NULL AS is_deleted, m.edited_at IS NOT NULL AS is_edited,
	coalesce(m.body, b.body) AS ciphertext, CASE WHEN m.body IS NULL THEN b.header ELSE m.meta ->> 'header' END AS header,
	CASE WHEN m.body IS NULL THEN b.device_id END AS recipient_device_id, m.created_at,
	coalesce(m.deleted_at, m.edited_at, m.created_at) AS updated_at, m.kind AS message_type,
	m.reply_to_id, coalesce(m.meta -> 'mentions', '[]') AS mentions, m.reaction_count
FROM conversation_before(:me::uuid, :conversation_id::uuid, :before::bigint, :most::integer) m
LEFT JOIN message_body b ON b.message_id = m.id AND b.device_id = :device::uuid
ORDER BY m.seq DESC;

-- name: message_one :one
SELECT m.id, m.conversation_id, m.sender_id, m.client_id AS client_message_id, m.seq AS sequence_number,
	m.deleted_at IS NOT NULL AS is_deleted, m.edited_at IS NOT NULL AS is_edited,
	coalesce(m.body, b.body) AS ciphertext, CASE WHEN m.body IS NULL THEN b.header ELSE m.meta ->> 'header' END AS header,
	CASE WHEN m.body IS NULL THEN b.device_id END AS recipient_device_id, m.created_at,
	coalesce(m.deleted_at, m.edited_at, m.created_at) AS updated_at, m.kind AS message_type,
	m.reply_to_id, coalesce(m.meta -> 'mentions', '[]') AS mentions, m.reaction_count
FROM message_visible(:me::uuid, :id::uuid) m
LEFT JOIN message_body b ON b.message_id = m.id AND b.device_id = :device::uuid
WHERE m.erased_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > now() OR m.deleted_at IS NOT NULL);

-- name: message_edit_open :one
SELECT message_id, _event
FROM message_edit(:me::uuid, :id::uuid, :ciphertext,
	(SELECT coalesce(m.meta, '{}') - 'sealed' FROM message m WHERE m.id = :id::uuid), NULL, NULL, :device::uuid);

-- name: message_edit_sealed :one
SELECT missing, stale, _event FROM message_edit_sealed(:me::uuid, :device::uuid, :id::uuid, :bodies::jsonb);

-- name: message_delete_soft :exec
SELECT _event FROM message_delete(:me::uuid, :id::uuid, 'everyone', NULL, :device::uuid);

-- name: message_delete_hard :exec
SELECT _event FROM message_erase(:me::uuid, :id::uuid, :device::uuid);

-- name: message_mark_read :exec
SELECT r._event FROM (SELECT coalesce((SELECT v FROM message_visible(:me::uuid, :id::uuid) v WHERE v.erased_at IS NULL),
		CASE WHEN fail(404, 'There is no such message') THEN NULL::message END) AS m) f
CROSS JOIN LATERAL conversation_read(:me::uuid, (f.m).conversation_id, (f.m).seq, :device::uuid) r;

-- name: message_mark_delivered :exec
SELECT a._event, CASE WHEN cardinality(a.unknown) > 0 THEN fail(404, 'There is no such message') END AS _known
FROM message_ack(:me::uuid, :device::uuid, ARRAY[:id::uuid]) a;

-- name: message_reactions :many
SELECT x.id, x.message_id, x.account_id AS user_id, x.emoji, x.created_at
FROM (SELECT coalesce((SELECT v.id FROM message_visible(:me::uuid, :id::uuid) v WHERE v.erased_at IS NULL),
		CASE WHEN fail(404, 'There is no such message') THEN NULL::uuid END) AS id) f
JOIN reaction x ON x.message_id = f.id
ORDER BY x.created_at, x.id;

-- name: message_react :one
SELECT id, message_id, account_id AS user_id, emoji, created_at, _event
FROM reaction_add(:me::uuid, :id::uuid, :emoji, NULL, NULL, :device::uuid);

-- name: message_unreact :exec
SELECT r._event FROM (SELECT coalesce((SELECT x.id FROM reaction x
		WHERE x.message_id = :id::uuid AND x.account_id = :me::uuid),
		CASE WHEN fail(404, 'You have not reacted to such a message') THEN NULL::uuid END) AS id) f
CROSS JOIN LATERAL reaction_remove(:me::uuid, :id::uuid, f.id, :device::uuid) r;
