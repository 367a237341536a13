-- Broadcast lists of the caller; sql/functions/broadcasts.sql holds the rules.

-- name: broadcast_create :one
SELECT (b.list).id, (b.list).name, (b.list).description, (b.list).owner_id, (b.list).recipient_count, (b.list).created_at,
	(b.list).updated_at, b._event
FROM broadcast_create(:newid::uuid, :me::uuid, :name, :description, :device::uuid) b;

-- name: broadcast_list :list
SELECT l.id, l.name, l.description, l.owner_id, l.recipient_count, l.created_at, l.updated_at
FROM broadcast_list l WHERE l.owner_id = :me::uuid
ORDER BY l.created_at DESC, l.id DESC;

-- name: broadcast_search :list
-- The caller's own lists are found by the index broadcast_list_owner.
SELECT l.id, l.name, l.description, l.owner_id, l.recipient_count, l.created_at, l.updated_at
FROM broadcast_list l
WHERE l.owner_id = :me::uuid AND strpos(lower(concat_ws(E'\n', l.name, l.description)), lower(:query)) > 0
ORDER BY l.created_at DESC, l.id DESC;

-- name: broadcast_get :one
SELECT l.id, l.name, l.description, l.owner_id, l.recipient_count, l.created_at, l.updated_at
FROM broadcast_seen(:id::uuid, :me::uuid) l;

-- name: broadcast_update :one
SELECT (b.list).id, (b.list).name, (b.list).description, (b.list).owner_id, (b.list).recipient_count, (b.list).created_at,
	(b.list).updated_at, b._event
FROM broadcast_update(:id::uuid, :me::uuid, :name, :description, :device::uuid) b;

-- name: broadcast_delete :exec
SELECT broadcast_delete(:id::uuid, :me::uuid, :device::uuid) AS _event;

-- name: recipient_list :list
-- The outer joins make sure that broadcast_seen is asked when the list is empty, too; the row that they leave then is dropped.
SELECT r.account_id AS user_id, a.username, coalesce(k.display_name, a.display_name) AS display_name, r.added_at
FROM broadcast_seen(:id::uuid, :me::uuid) l
LEFT JOIN broadcast_recipient r ON r.list_id = l.id
LEFT JOIN account a ON a.id = r.account_id
LEFT JOIN contact k ON k.account_id = :me::uuid AND k.contact_id = r.account_id
WHERE r.account_id IS NOT NULL OR l.id IS NULL
ORDER BY r.added_at, r.account_id;

-- name: recipient_count :one
SELECT l.recipient_count AS count FROM broadcast_seen(:id::uuid, :me::uuid) l;

-- name: recipient_get :one
SELECT :user_id::uuid AS user_id, r.account_id IS NOT NULL AS is_recipient, r.added_at
FROM broadcast_seen(:id::uuid, :me::uuid) l
LEFT JOIN broadcast_recipient r ON r.list_id = l.id AND r.account_id = :user_id::uuid;

-- name: recipient_add :one
SELECT a.id AS user_id, a.username, coalesce(k.display_name, a.display_name) AS display_name, now() AS added_at, b._event
FROM broadcast_add(:id::uuid, :me::uuid, ARRAY[:user_id::uuid], :most::integer, :device::uuid) b
LEFT JOIN account a ON a.id = b.added[1]
LEFT JOIN contact k ON k.account_id = :me::uuid AND k.contact_id = a.id
WHERE CASE WHEN cardinality(b.already) > 0 THEN fail(409, 'is on the list already', 'userIds')
	WHEN cardinality(b.unknown) > 0 THEN fail(400, 'is nobody you can write to', 'userIds') ELSE true END;

-- name: recipient_remove :exec
SELECT b._event FROM broadcast_remove(:id::uuid, :me::uuid, ARRAY[:user_id::uuid], :device::uuid) b
WHERE CASE WHEN cardinality(b.missing) > 0 THEN fail(404, 'There is no such recipient') ELSE true END;

-- name: recipients_add :one
SELECT cardinality(b.added) AS added, cardinality(b.already) AS already, cardinality(b.unknown) AS unknown,
	to_jsonb(b.unknown) AS unknown_ids, b.recipients AS recipient_count, b._event
FROM broadcast_add(:id::uuid, :me::uuid, ARRAY(SELECT jsonb_array_elements_text(:user_ids::jsonb)::uuid), :most::integer,
	:device::uuid) b;

-- name: recipients_remove :one
SELECT cardinality(b.removed) AS removed, cardinality(b.missing) AS missing, to_jsonb(b.missing) AS missing_ids,
	b.recipients AS recipient_count, b._event
FROM broadcast_remove(:id::uuid, :me::uuid, ARRAY(SELECT jsonb_array_elements_text(:user_ids::jsonb)::uuid), :device::uuid) b;

-- name: recipients_now :many
-- Whom a message to the list is for.
SELECT r.account_id, a.deleted_at IS NOT NULL AS gone
FROM broadcast_seen(:id::uuid, :me::uuid) l
LEFT JOIN broadcast_recipient r ON r.list_id = l.id
LEFT JOIN account a ON a.id = r.account_id
WHERE r.account_id IS NOT NULL OR l.id IS NULL
ORDER BY r.added_at, r.account_id;
