-- Calls; the rules lie in sql/functions/{calls,call-signals}.sql.

-- name: calls_begin :one
SELECT c.id, c.conversation_id, upper(c.media) AS type, upper(c.status) AS status, c.initiator_id,
	c.created_at, c.connected_at AS started_at, c.ended_at, c.duration, upper(c.reason) AS end_reason, c.ended_by,
	c._event
FROM call_begin(:newid::uuid, own_id(:initiator_id::uuid, :me::uuid, 'initiator_id'), :device::uuid,
	:conversation_id::uuid, lower(:type), :participants::uuid[], :most::integer) c;

-- name: calls_get :one
SELECT c.id, c.conversation_id, upper(c.media) AS type, upper(c.status) AS status, c.initiator_id,
	c.created_at, c.connected_at AS started_at, c.ended_at, call_seconds(c) AS duration, upper(c.reason) AS end_reason,
	c.ended_by, CASE WHEN EXISTS (SELECT FROM call_participant p WHERE p.call_id = c.id AND p.account_id = :me::uuid)
		THEN call_quality_summary(c.id) END AS quality
FROM call c WHERE c.id = :id::uuid AND call_visible(:me::uuid, c);

-- name: calls_duration :one
SELECT call_seconds(c) AS duration FROM call c WHERE c.id = :id::uuid AND call_visible(:me::uuid, c);

-- name: calls_of_conversation :list
-- Those since the caller came, and those it took part in.
SELECT c.id, c.conversation_id, upper(c.media) AS type, upper(c.status) AS status, c.initiator_id,
	c.created_at, c.connected_at AS started_at, c.ended_at, call_seconds(c) AS duration, upper(c.reason) AS end_reason,
	c.ended_by
FROM call c WHERE c.conversation_id = :conversation_id::uuid AND call_visible(:me::uuid, c)
ORDER BY c.id DESC;

-- name: calls_of_user :list
SELECT c.id, c.conversation_id, upper(c.media) AS type, upper(c.status) AS status, c.initiator_id,
	c.created_at, c.connected_at AS started_at, c.ended_at, call_seconds(c) AS duration, upper(c.reason) AS end_reason,
	c.ended_by
FROM call_participant p JOIN call c ON c.id = p.call_id
WHERE p.account_id = :me::uuid
ORDER BY p.call_id DESC;

-- name: calls_active :list
SELECT c.id, c.conversation_id, upper(c.media) AS type, upper(c.status) AS status, c.initiator_id,
	c.created_at, c.connected_at AS started_at, c.ended_at, call_seconds(c) AS duration, upper(c.reason) AS end_reason,
	c.ended_by
FROM call_participant p JOIN call c ON c.id = p.call_id
WHERE p.account_id = :me::uuid AND p.status <> 'left' AND c.status <> 'ended'
ORDER BY p.call_id DESC;

-- name: calls_missed :list
SELECT c.id, c.conversation_id, upper(c.media) AS type, upper(c.status) AS status, c.initiator_id,
	c.created_at, c.connected_at AS started_at, c.ended_at, call_seconds(c) AS duration, upper(c.reason) AS end_reason,
	c.ended_by, p.missed_seen_at IS NOT NULL AS seen
FROM call_participant p JOIN call c ON c.id = p.call_id
WHERE p.account_id = :me::uuid AND p.missed
ORDER BY p.call_id DESC;

-- name: calls_missed_seen :one
WITH seen AS (
	UPDATE call_participant p SET missed_seen_at = now()
	WHERE p.account_id = :me::uuid AND p.missed AND p.missed_seen_at IS NULL RETURNING 1)
SELECT count(*) AS seen FROM seen;

-- name: calls_connected :one
SELECT c.id, c.conversation_id, upper(c.media) AS type, upper(c.status) AS status, c.initiator_id,
	c.created_at, c.connected_at AS started_at, c.ended_at, c.duration, upper(c.reason) AS end_reason, c.ended_by,
	c._event
FROM call_connect(:id::uuid, :me::uuid, :most::integer, :device::uuid) c;

-- name: calls_end :one
SELECT c.id, c.conversation_id, upper(c.media) AS type, upper(c.status) AS status, c.initiator_id,
	c.created_at, c.connected_at AS started_at, c.ended_at, c.duration, upper(c.reason) AS end_reason, c.ended_by,
	c._event
FROM call_end(:id::uuid, :me::uuid, lower(:reason), :device::uuid) c;

-- ---- participants ------------------------------------------------------------------------------------

-- name: calls_participants :many
SELECT p.account_id AS user_id, upper(p.status) AS status, p.audio_muted, p.video_muted, p.invited_at, p.joined_at,
	p.left_at
FROM call_participant p WHERE p.call_id = :id::uuid ORDER BY p.invited_at, p.account_id;

-- name: calls_seen_by :one
SELECT c.id FROM call c WHERE c.id = :id::uuid AND call_visible(:me::uuid, c);

-- name: calls_participant_add :one
SELECT p.account_id AS user_id, upper(p.status) AS status, p.audio_muted, p.video_muted, p.invited_at, p.joined_at,
	p.left_at, p._event
FROM call_add(:id::uuid, :me::uuid, :user_id::uuid, :most::integer, :device::uuid) p;

-- name: calls_participant_remove :one
SELECT p.account_id AS user_id, upper(p.status) AS status, p.audio_muted, p.video_muted, p.invited_at, p.joined_at,
	p.left_at, p._event
FROM call_remove(:id::uuid, :me::uuid, :user_id::uuid, :device::uuid) p;

-- name: calls_participant_status :one
SELECT p.account_id AS user_id, upper(p.status) AS status, p.audio_muted, p.video_muted, p.invited_at, p.joined_at,
	p.left_at, p._event
FROM call_status_set(:id::uuid, :me::uuid, :user_id::uuid, lower(:status), :most::integer, :device::uuid) p;

-- name: calls_participant_mute :one
SELECT p.account_id AS user_id, upper(p.status) AS status, p.audio_muted, p.video_muted, p.invited_at, p.joined_at,
	p.left_at, p._event
FROM call_mute(:id::uuid, :me::uuid, :audio_muted::boolean, :video_muted::boolean, :device::uuid) p;

-- ---- what devices say and measure --------------------------------------------------------------------

-- name: calls_signal :one
SELECT s.id, s.sent_at, s._event
FROM call_signal(:id::uuid, :me::uuid, :device::uuid, :to_id::uuid, :to_device, :signal_type, :data, :most::integer) s;

-- name: calls_quality :one
SELECT q.call_id, q.account_id AS user_id, q.measured_at AS timestamp, q.packet_loss, q.jitter, q.latency, q.bitrate,
	q.frame_rate, q.resolution, q.audio_level
FROM call_measure(own_id(:user_id::uuid, :me::uuid, 'user_id'), ROW(:call_id, NULL, :timestamp, :packet_loss, :jitter,
	:latency, :bitrate, :frame_rate, :resolution, :audio_level)::call_quality) q;
