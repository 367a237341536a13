-- name: histories :binary
-- A page of a history for each of several requests: n is its place, from 1.
SELECT w.n, h.* FROM unnest(:accounts::uuid[], :conversations::uuid[], :dates::timestamptz[], :directions::text[],
	:pages::bigint[], :sizes::bigint[], :devices::uuid[])
	WITH ORDINALITY AS w (account, conversation, date, direction, page, size, device, n)
CROSS JOIN LATERAL conversation_page(w.account, w.conversation, w.date, w.direction, w.size, (w.page - 1) * w.size,
	w.device) h;

-- name: changes :binary
-- What is new for each of several requests.
SELECT w.n, s.* FROM unnest(:accounts::uuid[], :cursors::text[], :since::timestamptz[], :pages::integer[], :sizes::integer[],
	:devices::uuid[]) WITH ORDINALITY AS w (account, cursor, since, page, size, device, n)
CROSS JOIN LATERAL message_changes_page(w.account, w.cursor, w.since, w.size,
	least((w.page - 1)::bigint * w.size, 1000000000)::integer, w.device) s;

-- name: queue_page :many
SELECT q.*, (SELECT device_queue_count(:me::uuid, :device::uuid)) AS _total
FROM device_queue(:me::uuid, :device::uuid, :limit::integer, :offset::integer) q;

-- name: queue_count :one
SELECT device_queue_count(:me::uuid, :device::uuid) AS total;

-- name: media_owned :many
-- Which of these files are the sender's own?
SELECT w.n FROM unnest(:ids::uuid[], :owners::uuid[]) WITH ORDINALITY AS w (id, owner, n)
JOIN media f ON f.id = w.id AND f.account_id = w.owner AND f.deleted_at IS NULL;

-- name: groups_among :many
-- Which of these conversations are groups?
SELECT w.n FROM unnest(:ids::uuid[]) WITH ORDINALITY AS w (id, n)
JOIN conversation c ON c.id = w.id AND c.kind = 'group' AND c.deleted_at IS NULL;

-- name: message_forwardable :one
SELECT m.id, m.kind, m.body, m.meta
FROM message_visible(:me::uuid, :messageId::uuid) m
WHERE m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > now())
	AND NOT coalesce((m.meta ->> 'viewOnce')::boolean, false);

-- name: message_edit :one
SELECT message_id AS "messageId", edited_at AS "editedAt", version, 'accepted' AS status, _event
FROM message_edit(:me::uuid, :messageId::uuid, :ciphertext,
	(SELECT coalesce(m.meta, '{}') - 'sealed' || jsonb_strip_nulls(jsonb_build_object('nonce', :nonce::text,
		'clientEditedAt', :editedAt::text)) FROM message m WHERE m.id = :messageId::uuid),
	:clientEditId, :version::integer, :device::uuid);

-- name: message_delete :one
SELECT message_id AS id, deleted_at AS "deletedAt", 'deleted' AS status, _event
FROM message_delete(:me::uuid, :messageId::uuid, :scope, :reason, :device::uuid);

-- name: message_ack :one
-- The device must be one of the caller's; a message that is not the account's to see is not in its queue.
SELECT :messageId::uuid AS "messageId", 'acknowledged' AS status, a._event
FROM message_ack(:me::uuid, (SELECT coalesce((SELECT d.id FROM device d
		WHERE d.id = :deviceId::uuid AND d.account_id = :me::uuid AND d.revoked_at IS NULL),
		CASE WHEN fail(400, 'is not one of your devices', 'deviceId') THEN NULL::uuid END)),
	ARRAY[:messageId::uuid]) a
WHERE cardinality(a.unknown) = 0;

-- name: conversations_sync :one
SELECT next_cursor AS "nextCursor", has_more AS "hasMore", conversations
FROM conversation_sync(:me::uuid, :cursor, :since::timestamptz, :limit::integer, :offset::integer);

-- name: messages_sync_ack :one
SELECT acknowledged AS "acknowledgedCount", at AS "serverTimestamp", _event
FROM sync_ack(:me::uuid, :device::uuid, ARRAY(SELECT jsonb_array_elements_text(:messageIds::jsonb)::uuid),
	:lastSyncTimestamp::timestamptz);

-- name: reaction_add :one
SELECT id AS "reactionId", message_id AS "messageId", emoji, account_id AS "userId", created_at AS "createdAt", _event
FROM reaction_add(:me::uuid, :messageId::uuid, :emoji, :encryptedPayload, :clientMessageId, :device::uuid);

-- name: reaction_list :list
-- The check stands in OFFSET because that is evaluated once even when there is no reaction.
SELECT x.id AS "reactionId", x.message_id AS "messageId", x.emoji, x.account_id AS "userId",
	x.encrypted_payload AS "encryptedPayload", x.created_at AS "createdAt"
FROM reaction x
WHERE x.message_id = :messageId::uuid
ORDER BY x.created_at, x.id
OFFSET CASE WHEN EXISTS (SELECT FROM message_visible(:me::uuid, :messageId::uuid)) THEN 0
	ELSE fail(404, 'There is no such message')::integer END;

-- name: reaction_remove :one
SELECT id AS "reactionId", message_id AS "messageId", deleted_at AS "deletedAt", _event
FROM reaction_remove(:me::uuid, :messageId::uuid, :reactionId::uuid, :device::uuid);

-- name: self_destruct_update :one
SELECT message_id AS id, jsonb_build_object('ttlSeconds', ttl_seconds, 'expiresAt', rfc3339(expires_at)) AS "selfDestruct",
	updated_at AS "updatedAt", _event
FROM message_self_destruct(:me::uuid, :messageId::uuid, :ttlSeconds::integer,
	CASE WHEN :expiresAt::timestamptz <= now()
		THEN fail(400, 'must lie in the future', 'expiresAt')::text::timestamptz
	WHEN :ttlSeconds::integer IS NULL AND :expiresAt::timestamptz IS NULL
		THEN fail(400, 'or expiresAt is required', 'ttlSeconds')::text::timestamptz
	ELSE :expiresAt::timestamptz END, :device::uuid);

-- name: conversation_read :one
SELECT conversation_id AS "conversationId", read_seq AS "readSeq", read_at AS "readAt", _event
FROM conversation_read(:me::uuid, :conversationId::uuid, :seq::bigint, :device::uuid);
