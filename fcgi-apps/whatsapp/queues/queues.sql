-- name: offline_queue_open :one
SELECT id AS "queueId", device_id AS "deviceId", created_at AS "createdAt"
FROM offline_queue_open(:me::uuid, :deviceId::uuid, :clientPublicKey);

-- name: offline_queue_put :one
SELECT message_id AS "messageId", position AS "queuePosition", queued_at AS "queuedAt"
FROM offline_queue_put(:me::uuid, :queueId::uuid, :messageId, :ciphertext, :metadata::jsonb, :max::bigint);

-- name: offline_queue_items :list
SELECT message_id AS "messageId", ciphertext, metadata, position AS "queuePosition", queued_at AS "queuedAt",
	(SELECT q.item_count FROM offline_queue q WHERE q.id = :queueId::uuid) AS _total
FROM offline_queue_item WHERE queue_id = (SELECT offline_queue_own(:me::uuid, :queueId::uuid))
ORDER BY position;

-- name: offline_queue_ack :one
SELECT acknowledged AS "acknowledgedCount", remaining AS "remainingCount"
FROM offline_queue_ack(:me::uuid, :queueId::uuid, ARRAY(SELECT jsonb_array_elements_text(:messageIds::jsonb)));

-- name: offline_queue_delete :one
DELETE FROM offline_queue WHERE id = :queueId::uuid AND account_id = :me::uuid RETURNING true AS deleted;

-- name: waiting_page :many
SELECT q.* FROM device_queue(:me::uuid, :device::uuid, :limit::integer, :offset::integer) q;

-- name: waiting_count :one
SELECT device_queue_count(:me::uuid, :device::uuid) AS total;

-- name: waiting_ack :one
SELECT cardinality(acked) AS acknowledged, to_jsonb(already || unknown) AS missing, _event
FROM message_ack(:me::uuid, :device::uuid, :queueIds::uuid[]);
