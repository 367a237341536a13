-- name: read_receipts_get :one
SELECT account_id AS "userId", enabled AS "globalEnabled", overrides AS "conversationOverrides", updated_at AS "updatedAt"
FROM read_receipts_of(:me::uuid);

-- name: read_receipts_set :one
-- An account that was deleted while a token of it is still good sets nothing.
SELECT s.account_id AS "userId", s.enabled AS "globalEnabled", s.overrides AS "conversationOverrides",
	s.updated_at AS "updatedAt"
FROM (SELECT a.id FROM account a WHERE a.id = :me::uuid AND a.deleted_at IS NULL FOR UPDATE) own
CROSS JOIN LATERAL read_receipts_set(own.id, :globalEnabled::boolean, coalesce(:conversationOverrides::jsonb, '[]'),
	:updatedAt::timestamptz) s;

-- name: presence_visibility_get :one
SELECT account_id AS "userId", visibility, allowed AS "customAllowListCount", denied AS "customDenyListCount",
	updated_at AS "updatedAt"
FROM presence_setting(:me::uuid);

-- name: presence_visibility_set :one
-- As above: a deleted account sets nothing.
SELECT s.account_id AS "userId", s.visibility, s.allowed AS "customAllowListCount", s.denied AS "customDenyListCount",
	s.updated_at AS "updatedAt", s._event
FROM (SELECT a.id FROM account a WHERE a.id = :me::uuid AND a.deleted_at IS NULL FOR NO KEY UPDATE) own
CROSS JOIN LATERAL presence_set(own.id, :visibility,
	CASE WHEN :customAllowList::jsonb IS NOT NULL
		THEN ARRAY(SELECT jsonb_array_elements_text(:customAllowList::jsonb)::uuid) END,
	CASE WHEN :customDenyList::jsonb IS NOT NULL
		THEN ARRAY(SELECT jsonb_array_elements_text(:customDenyList::jsonb)::uuid) END, :device::uuid) s;

-- name: presence_allowed :list
SELECT r.other_id AS "userId", a.display_name AS "displayName", r.created_at AS "createdAt"
FROM presence_rule r JOIN account a ON a.id = r.other_id
WHERE r.account_id = :me::uuid AND r.allowed ORDER BY r.created_at, r.other_id;

-- name: presence_denied :list
SELECT r.other_id AS "userId", a.display_name AS "displayName", r.created_at AS "createdAt"
FROM presence_rule r JOIN account a ON a.id = r.other_id
WHERE r.account_id = :me::uuid AND NOT r.allowed ORDER BY r.created_at, r.other_id;
