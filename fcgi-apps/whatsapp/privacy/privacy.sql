-- name: read_receipts_get :one
SELECT account_id AS "userId", enabled AS "globalEnabled", overrides AS "conversationOverrides", updated_at AS "updatedAt"
FROM read_receipts_of(:me::uuid);

-- name: read_receipts_set :one
SELECT account_id AS "userId", enabled AS "globalEnabled", overrides AS "conversationOverrides", updated_at AS "updatedAt"
FROM read_receipts_set(:me::uuid, :globalEnabled::boolean, coalesce(:conversationOverrides::jsonb, '[]'),
	:updatedAt::timestamptz);
