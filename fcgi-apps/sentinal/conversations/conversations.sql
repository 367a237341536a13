-- What the caller sees of conversations, and does to them; sql/functions/{conversations,groups,members}.sql hold the rules.

-- name: conversation_list :list
SELECT v.* FROM conversation_card v
WHERE v.viewer_id = :me::uuid AND v.kind IN ('direct', 'group') AND NOT v.hidden
	AND CASE :archived WHEN 'all' THEN true WHEN 'true' THEN v.archived ELSE NOT v.archived END
ORDER BY v.pinned DESC, v.active_at DESC, v.id DESC;

-- name: conversation_search :list
-- The caller's own conversations are found by the index member_account; an index over texts would find other people's first.
SELECT v.* FROM conversation_card v
WHERE v.viewer_id = :me::uuid AND v.kind IN ('direct', 'group') AND NOT v.hidden
	AND strpos(lower(concat_ws(E'\n', v.title, v.peer_name, v.peer_username)), lower(:query)) > 0
ORDER BY v.active_at DESC, v.id DESC;

-- name: conversation_show :one
SELECT v.* FROM conversation_card v
WHERE v.viewer_id = :me::uuid AND v.id = :id::uuid AND v.kind IN ('direct', 'group');

-- name: conversation_between :one
SELECT v.* FROM conversation c JOIN conversation_card v ON v.viewer_id = :me::uuid AND v.id = c.id
WHERE c.kind = 'direct' AND c.direct_low = least(:me::uuid, :other::uuid) AND c.direct_high = greatest(:me::uuid, :other::uuid);

-- name: conversation_open :one
SELECT v.*, d.created AS _created, d._event
FROM direct_begin(:me::uuid, :other::uuid, :device::uuid) d
CROSS JOIN LATERAL conversation_card_now(:me::uuid, d.conversation_id) v;

-- name: conversation_found :one
-- The farm's own limit is checked beside the one of the group.
SELECT v.*, g._event
FROM group_create(:newid::uuid, :me::uuid, :subject, :description, :members::uuid[], NULL, NULL, false, :device::uuid) g
CROSS JOIN LATERAL conversation_card_now(:me::uuid, g.id) v
WHERE CASE WHEN g.member_count > :most::integer
	THEN fail(400, 'A group has at most ' || :most || ' members', 'memberIds') ELSE true END;

-- name: conversation_change :one
SELECT v.*, u._event
FROM group_for(:me::uuid, :id::uuid) g
CROSS JOIN LATERAL group_update(g.id, :me::uuid, :subject, :description, NULL, NULL, :device::uuid, :avatar_url) u
CROSS JOIN LATERAL conversation_card_now(:me::uuid, u.id) v;

-- name: conversation_delete :exec
SELECT conversation_drop(:me::uuid, :id::uuid, :device::uuid) AS _event;

-- name: conversation_face :one
-- What anybody with the link may know of a group.
SELECT g.conversation_id AS id, 'GROUP' AS type, g.title AS subject, nullif(g.description, '') AS description, g.avatar_url,
	g.member_count AS participant_count, g.created_at, EXISTS (SELECT FROM member m WHERE m.conversation_id = g.conversation_id
		AND m.account_id = :me::uuid AND m.left_version IS NULL) AS is_participant
FROM group_by_invite(invite_code_of(:link)) g;

-- name: conversation_invite :one
SELECT code AS _code, _event FROM group_invite(:id::uuid, :me::uuid, :device::uuid);

-- name: conversation_join :one
SELECT v.*, j.joined AS _joined, j._event
FROM group_join(invite_code_of(:link), :me::uuid, :most::integer, :device::uuid) j
CROSS JOIN LATERAL conversation_card_now(:me::uuid, j.group_id) v;

-- name: participant_list :many
-- conversation_seen answers 404 to who is not in it; the outer joins make sure that it is asked.
SELECT m.account_id AS user_id, a.username, coalesce(k.display_name, a.display_name) AS display_name, m.role, m.joined_at
FROM conversation_seen(:me::uuid, :id::uuid) c
LEFT JOIN member m ON m.conversation_id = c.id AND m.left_version IS NULL
LEFT JOIN account a ON a.id = m.account_id
LEFT JOIN contact k ON k.account_id = :me::uuid AND k.contact_id = m.account_id
ORDER BY array_position('{owner,admin,member}', m.role), m.joined_at, m.account_id;

-- name: participant_enter :one
SELECT m.account_id AS user_id, a.username, coalesce(k.display_name, a.display_name) AS display_name, m.role, m.joined_at,
	m._event
FROM member_enter(:id::uuid, :me::uuid, :user_id::uuid, :role, :most::integer, :device::uuid) m
JOIN account a ON a.id = m.account_id
LEFT JOIN contact k ON k.account_id = :me::uuid AND k.contact_id = m.account_id;

-- name: participant_role :one
SELECT m.account_id AS user_id, a.username, coalesce(k.display_name, a.display_name) AS display_name, m.role, m.joined_at,
	m._event
FROM member_role_set(:id::uuid, :me::uuid, :user_id::uuid, :role, :device::uuid) m
JOIN account a ON a.id = m.account_id
LEFT JOIN contact k ON k.account_id = :me::uuid AND k.contact_id = m.account_id;

-- name: participant_out :exec
SELECT member_out(:id::uuid, :me::uuid, :user_id::uuid, :device::uuid) AS _event;

-- name: conversation_mute :one
SELECT conversation_id AS id, muted AS is_muted, muted_until, pinned AS is_pinned, archived AS is_archived, _event
FROM conversation_set(:me::uuid, :id::uuid, 'muted', coalesce(:until::timestamptz, 'infinity'), :device::uuid);

-- name: conversation_unmute :one
SELECT conversation_id AS id, muted AS is_muted, muted_until, pinned AS is_pinned, archived AS is_archived, _event
FROM conversation_set(:me::uuid, :id::uuid, 'muted', NULL, :device::uuid);

-- name: conversation_pin :one
SELECT conversation_id AS id, muted AS is_muted, muted_until, pinned AS is_pinned, archived AS is_archived, _event
FROM conversation_set(:me::uuid, :id::uuid, 'pinned', now(), :device::uuid);

-- name: conversation_unpin :one
SELECT conversation_id AS id, muted AS is_muted, muted_until, pinned AS is_pinned, archived AS is_archived, _event
FROM conversation_set(:me::uuid, :id::uuid, 'pinned', NULL, :device::uuid);

-- name: conversation_archive :one
SELECT conversation_id AS id, muted AS is_muted, muted_until, pinned AS is_pinned, archived AS is_archived, _event
FROM conversation_set(:me::uuid, :id::uuid, 'archived', now(), :device::uuid);

-- name: conversation_unarchive :one
SELECT conversation_id AS id, muted AS is_muted, muted_until, pinned AS is_pinned, archived AS is_archived, _event
FROM conversation_set(:me::uuid, :id::uuid, 'archived', NULL, :device::uuid);

-- name: conversation_sequence :one
SELECT last_seq AS sequence FROM conversation_seen(:me::uuid, :id::uuid);

-- name: conversation_next_sequence :one
SELECT last_seq + 1 AS sequence FROM conversation_seen(:me::uuid, :id::uuid);
