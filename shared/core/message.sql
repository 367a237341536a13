-- Messages: sending; see sql/005-messages.sql for what the function does.

-- name: message_send :many
SELECT item, status, message_id, conversation_id, seq, member_version, created_at, conversation_kind,
	recipients, problem
FROM message_send(:ids::uuid[], :senders::uuid[], :devices::uuid[], :conversations::uuid[],
	:recipients::uuid[], :clientIds::text[], :kinds::text[], :bodies::text[], :metas::jsonb[],
	:ttls::integer[], :expires::timestamptz[], :replies::uuid[], :mentions::text[]);
