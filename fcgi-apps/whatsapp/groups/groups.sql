-- sql/functions/{groups,members}.sql hold the rules.  Settings without a value
-- are shown with what then holds.

-- name: group_create :one
-- The farm's own limit is checked beside the one of the group.
SELECT g.id, g.title AS name, g.description,
	'{"memberPostingPolicy": "all", "invitePolicy": "adminsOnly"}' || g.settings AS settings,
	g.owner_id AS "ownerId", 'owner' AS role, g.member_count AS "memberCount",
	:encryption::jsonb AS "encryptionMetadata", g.created_at AS "createdAt", g.updated_at AS "updatedAt", g._event
FROM group_create(:newid::uuid, :me::uuid, :name, :description, :members::uuid[], NULL, :encryption::jsonb, true,
	:device::uuid) g
WHERE CASE WHEN g.member_count > :most::integer
	THEN fail(400, 'A group has at most ' || :most || ' members', 'memberIds') ELSE true END;

-- name: group_list :list
SELECT c.id, g.title AS name, g.description,
	'{"memberPostingPolicy": "all", "invitePolicy": "adminsOnly"}' || g.settings AS settings,
	g.owner_id AS "ownerId", m.role, g.member_count AS "memberCount",
	g.encryption_metadata AS "encryptionMetadata", g.created_at AS "createdAt", g.updated_at AS "updatedAt"
FROM member m
JOIN conversation c ON c.id = m.conversation_id
JOIN conversation_profile g ON g.conversation_id = m.conversation_id
WHERE m.account_id = :me::uuid AND m.left_version IS NULL AND c.kind = 'group' AND c.deleted_at IS NULL
ORDER BY g.created_at DESC, c.id DESC;

-- name: group_get :one
SELECT c.id, g.title AS name, g.description,
	'{"memberPostingPolicy": "all", "invitePolicy": "adminsOnly"}' || g.settings AS settings,
	g.owner_id AS "ownerId", m.role, g.member_count AS "memberCount",
	g.encryption_metadata AS "encryptionMetadata", g.created_at AS "createdAt", g.updated_at AS "updatedAt"
FROM conversation c
JOIN conversation_profile g ON g.conversation_id = c.id
JOIN member m ON m.conversation_id = c.id AND m.account_id = :me::uuid AND m.left_version IS NULL
WHERE c.id = :groupId::uuid AND c.kind = 'group' AND c.deleted_at IS NULL;

-- name: group_update :one
-- What the function leaves alone is read beside it.
SELECT g.id, g.title AS name, g.description,
	'{"memberPostingPolicy": "all", "invitePolicy": "adminsOnly"}' || g.settings AS settings,
	g.owner_id AS "ownerId", m.role, g.member_count AS "memberCount",
	p.encryption_metadata AS "encryptionMetadata", g.created_at AS "createdAt", g.updated_at AS "updatedAt", g._event
FROM group_update(:groupId::uuid, :me::uuid, :name, :description, :settings::jsonb, NULL, :device::uuid) g
LEFT JOIN conversation_profile p ON p.conversation_id = g.id
LEFT JOIN member m ON m.conversation_id = g.id AND m.account_id = :me::uuid AND m.left_version IS NULL;

-- name: group_delete :one
SELECT id, true AS deleted, _event FROM group_delete(:groupId::uuid, :me::uuid, :device::uuid);

-- name: group_members :list
-- group_seen answers 404 to who is not a member; the outer joins make sure that it is asked.
SELECT m.account_id AS "memberId", m.role, coalesce(k.display_name, a.display_name) AS "displayName",
	m.joined_at AS "joinedAt"
FROM group_seen(:groupId::uuid, :me::uuid) g
LEFT JOIN member m ON m.conversation_id = g.id AND m.left_version IS NULL
LEFT JOIN account a ON a.id = m.account_id
LEFT JOIN contact k ON k.account_id = :me::uuid AND k.contact_id = m.account_id
ORDER BY array_position('{owner,admin,member}', m.role), m.joined_at, m.account_id;

-- name: group_member_add :one
SELECT g.group_id AS "groupId", g.changed AS "addedCount", to_jsonb(g.accounts) AS "memberIds", g._event
FROM group_member_add(:groupId::uuid, :me::uuid, :members::uuid[], :device::uuid) g
WHERE CASE WHEN (g._event #>> '{j,memberCount}')::integer > :most::integer
	THEN fail(400, 'A group has at most ' || :most || ' members', 'memberIds') ELSE true END;

-- name: group_member_remove :one
SELECT group_id AS "groupId", accounts[1] AS "memberId", true AS removed, _event
FROM group_member_remove(:groupId::uuid, :me::uuid, :memberId::uuid, :device::uuid);

-- name: group_leave :one
-- Nobody is told either when the last one goes, which deletes the group.
SELECT group_id AS "groupId", accounts[1] AS "memberId", at AS "leftAt",
	NOT :silent::boolean AND coalesce((_event #>> '{j,memberCount}')::integer > 0, false) AS "notificationSent",
	_event
FROM group_leave(:groupId::uuid, :me::uuid, :silent::boolean, :device::uuid);

-- name: group_roles :one
SELECT group_id AS "groupId", changed AS "updatedCount", _event
FROM group_roles(:groupId::uuid, :me::uuid,
	ARRAY(SELECT r ->> 'memberId' FROM jsonb_array_elements(:roles::jsonb) WITH ORDINALITY AS u (r, n)
		ORDER BY n)::uuid[],
	ARRAY(SELECT r ->> 'role' FROM jsonb_array_elements(:roles::jsonb) WITH ORDINALITY AS u (r, n) ORDER BY n),
	:device::uuid);

-- name: group_owner :one
SELECT group_id AS "groupId", accounts[1] AS "ownerId", _event
FROM group_transfer(:groupId::uuid, :me::uuid, :newOwnerId::uuid, :device::uuid);
