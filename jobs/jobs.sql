-- What the jobs daemon asks the database; the rules lie in the functions of sql/.

-- name: jobs_lead :one
-- Is this the daemon that works?  The lock belongs to the connection; another daemon gets it when that ends.
SELECT CASE WHEN EXISTS (SELECT FROM pg_locks
		WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND classid = hashtext('rookery')::oid
			AND objid = hashtext('jobs')::oid AND objsubid = 2)
	THEN true ELSE pg_try_advisory_lock(hashtext('rookery'), hashtext('jobs')) END AS leads;

-- name: jobs_horizon :one
-- Until when everything is visible to the statements that follow: now, or when the oldest transaction began that has
-- written something and is still open.
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now,
	(extract(epoch FROM least(clock_timestamp(), min(xact_start))) * 1000)::bigint AS horizon
FROM pg_stat_activity
WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid();

-- name: jobs_recent :one
-- A page of the ids of events and messages made since a moment and before an id, 32 digits each, the newest first.
SELECT (SELECT encode(coalesce(string_agg(uuid_send(id), NULL), ''), 'hex') FROM (
		SELECT id FROM event WHERE id >= uuid7_floor(to_timestamp(greatest(:events::bigint, 0) / 1000.0))
			AND id < :events_before::uuid
		ORDER BY id DESC LIMIT :events_page::integer) e) AS events,
	(SELECT encode(coalesce(string_agg(uuid_send(id), NULL), ''), 'hex') FROM (
		SELECT id FROM message WHERE id >= uuid7_floor(to_timestamp(greatest(:messages::bigint, 0) / 1000.0))
			AND id < :messages_before::uuid
		ORDER BY id DESC LIMIT :messages_page::integer) m) AS messages;

-- name: jobs_events :many
SELECT e.id, e.created_at, event_json(e) AS event FROM event e WHERE e.id = ANY (:ids::uuid[])
ORDER BY e.created_at, e.id;

-- name: jobs_messages :many
-- Messages as message_announce() wants them.  The member version of their time follows from who had come and gone
-- before their place in the sequence.
SELECT m.id, m.conversation_id, m.seq, m.sender_id, m.sender_device_id, m.kind, m.body, m.client_id, m.created_at,
	m.reply_to_id, m.expires_at, m.ttl_seconds, m.version, m.edited_at, m.deleted_at, m.reaction_count, m.meta,
	CASE WHEN m.meta ? 'sealed' THEN sealed_lines(m.id) END AS bodies,
	c.direct_low || ',' || c.direct_high AS recipients,
	CASE WHEN c.kind = 'direct' THEN c.member_version ELSE (
		SELECT greatest(max(s.joined_version) FILTER (WHERE coalesce(s.entered_seq, s.joined_seq) < m.seq),
			max(s.left_version) FILTER (WHERE s.left_seq < m.seq))
		FROM member s WHERE s.conversation_id = m.conversation_id) END AS member_version
FROM message m JOIN conversation c ON c.id = m.conversation_id
WHERE m.id = ANY (:ids::uuid[])
ORDER BY m.created_at, m.conversation_id, m.seq;

-- name: jobs_expire_messages :many
SELECT message_id, _event FROM message_expire(now(), :batch::integer);

-- name: jobs_calls_unanswered :many
SELECT call_id, _event FROM call_ring_out(make_interval(secs => :ring::double precision), :batch::integer);

-- name: jobs_calls_vanished :many
SELECT call_id, _event FROM call_vanish(make_interval(secs => :idle::double precision), :batch::integer);

-- ---- what is taken away: at most batch rows, after age seconds --------------------------------------

-- name: purge_conversations :one
SELECT conversation_purge(make_interval(secs => :age::double precision), :batch::integer) AS rows;

-- name: purge_messages :one
SELECT message_prune(make_interval(secs => :age::double precision), :batch::integer) AS rows;

-- name: purge_queues :one
SELECT offline_queue_prune(make_interval(secs => :age::double precision), :batch::integer) AS rows;

-- name: purge_registrations :one
SELECT phone_registration_prune(make_interval(secs => :age::double precision), :batch::integer) AS rows;

-- name: purge_logins :one
SELECT login_session_prune(make_interval(secs => :age::double precision), :batch::integer) AS rows;

-- name: purge_web_sessions :one
SELECT web_session_prune(make_interval(secs => :age::double precision), :batch::integer) AS rows;

-- name: purge_sessions :one
SELECT session_prune(make_interval(secs => :age::double precision), :batch::integer) AS rows;

-- name: purge_codes :one
SELECT qr_code_prune(make_interval(secs => :age::double precision), :batch::integer) AS rows;

-- name: purge_invitations :one
-- Expired ones after a month, those that could not be delivered after age.
SELECT invitation_prune('30 days', :batch::integer, make_interval(secs => :age::double precision)) AS rows;

-- name: purge_mails :one
SELECT mail_prune(make_interval(secs => :age::double precision), :batch::integer) AS rows;

-- name: purge_password_resets :one
SELECT password_reset_prune(make_interval(secs => :age::double precision), :batch::integer) AS rows;

-- name: purge_message_keys :one
SELECT message_key_prune(make_interval(secs => :age::double precision), :batch::integer) AS rows;

-- name: purge_contact_syncs :one
SELECT contact_sync_prune(make_interval(secs => :age::double precision), :batch::integer) AS rows;

-- name: purge_prekeys :one
SELECT one_time_prekey_spent_prune(make_interval(secs => :age::double precision), :batch::integer) AS rows;

-- name: purge_calls :one
SELECT call_prune(make_interval(secs => :age::double precision), :batch::integer) AS rows;

-- name: purge_call_quality :one
SELECT call_quality_prune(make_interval(secs => :age::double precision), :batch::integer) AS rows;

-- name: purge_events :one
-- Those that have been in the stream, but for the newest.
SELECT event_trim(:keep::bigint, to_timestamp(:swept::bigint / 1000.0), :batch::integer) AS rows;

-- name: media_expire :one
-- Files that nothing names are given up; how many were looked at.
SELECT media_expire(make_interval(secs => :keep::double precision), :batch::integer) AS rows;

-- name: media_purgeable :many
SELECT id FROM media_purgeable(:batch::integer);

-- name: media_forget :one
SELECT media_forget(:ids::uuid[]) AS rows;

-- name: uploads_abandon :one
SELECT upload_abandon(make_interval(secs => :keep::double precision), :batch::integer) AS rows;

-- name: uploads_purgeable :many
SELECT id FROM upload_purgeable(:batch::integer);

-- name: uploads_emptied :one
SELECT upload_emptied(:ids::uuid[]) AS rows;

-- name: purge_uploads :one
SELECT upload_prune(make_interval(secs => :age::double precision), :batch::integer) AS rows;

-- name: settle_positions :one
SELECT position_settle(p_limit => :batch::integer) AS rows;

-- name: note_moment :one
-- How many old moments went.
SELECT sync_note() AS rows;

-- ---- what leaves the house --------------------------------------------------------------------------

-- name: jobs_revoked :many
-- Sessions that ended within age seconds, and for how long their mark is needed: lifetime seconds from then.
SELECT id, ceil(extract(epoch FROM revoked_at - now()) + :lifetime::integer)::bigint AS seconds
FROM session WHERE revoked_at > now() - make_interval(secs => :age::double precision);

-- name: jobs_outgoing :many
SELECT id, channel, destination, subject, body FROM outgoing_claim(:most::integer, :link);

-- name: jobs_outgoing_done :many
SELECT id, status, _event FROM outgoing_settle(:id::uuid, :outcome);
