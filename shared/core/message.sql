-- Messages: sending; see sql/functions/messages.sql for what the function does.

-- name: message_send :many
SELECT item, status, message_id, conversation_id, seq, member_version, created_at, conversation_kind,
	recipients, problem
FROM message_send(:ids::uuid[], :senders::uuid[], :devices::uuid[], :conversations::uuid[],
	:recipients::uuid[], :clientIds::text[], :kinds::text[], :bodies::text[], :metas::jsonb[],
	:ttls::integer[], :expires::timestamptz[], :replies::uuid[], :mentions::text[]);

-- name: message_send_sealed :one
-- One message, encrypted for each device alone; see sql/functions/sealed-messages.sql.
SELECT status, problem, message_id, conversation_id, seq, member_version, created_at, conversation_kind, recipients,
	missing, stale, bodies
FROM message_send_sealed(:newid::uuid, :me::uuid, :device::uuid, :conversation::uuid, :recipient::uuid, :clientId, :kind,
	:meta::jsonb, :ttl::integer, :expires::timestamptz, :reply::uuid, :mentions::uuid[], :bodies::jsonb, :key);

-- name: message_bodies :many
-- What the caller's device is given of these messages; each is looked up by itself, for a device may have been given much.
SELECT b.message_id, b.body, b.header FROM unnest(:ids::uuid[]) AS i (id)
CROSS JOIN LATERAL (SELECT * FROM message_body b WHERE b.message_id = i.id AND b.device_id = :device::uuid LIMIT 1) b;
