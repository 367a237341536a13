-- Uploads; the rules lie in sql/functions/uploads.sql.

-- name: uploads_begin :one
SELECT u.id, u.file_name, u.size AS file_size, u.mime_type AS content_type, u.account_id AS uploader_id,
	upper(u.status) AS status, u.uploaded AS uploaded_bytes, u.sha256 AS checksum, u.created_at, u.updated_at, u.completed_at
FROM upload_begin(own_id(:uploader_id::uuid, :me::uuid, 'uploader_id'), :fileName, :kind, :type, :size::bigint,
	:sha256, :open::integer, :quota::bigint) u;

-- name: uploads_own :one
SELECT u.id, u.file_name, u.size AS file_size, u.mime_type AS content_type, u.account_id AS uploader_id,
	upper(u.status) AS status, u.uploaded AS uploaded_bytes, u.sha256 AS checksum, u.created_at, u.updated_at, u.completed_at
FROM upload u WHERE u.id = :id::uuid AND u.account_id = :me::uuid AND u.deleted_at IS NULL;

-- name: uploads_of :list
-- Those of the caller: all, of one status, or stale: unfinished, and nothing came for so many seconds.
SELECT u.id, u.file_name, u.size AS file_size, u.mime_type AS content_type, u.account_id AS uploader_id,
	upper(u.status) AS status, u.uploaded AS uploaded_bytes, u.sha256 AS checksum, u.created_at, u.updated_at, u.completed_at
FROM upload u WHERE u.account_id = :me::uuid AND u.deleted_at IS NULL
	AND CASE :which::text WHEN 'all' THEN true
		WHEN 'stale' THEN u.status IN ('pending', 'in_progress')
			AND u.updated_at <= now() - make_interval(secs => :seconds::double precision)
		ELSE u.status = :which::text END
ORDER BY u.id DESC;

-- name: uploads_lock :one
-- An unfinished upload, of this owner or (null) of whoever knows its address; nobody else writes until the commit.
SELECT u.id, u.size, u.uploaded, u.mime_type, u.sha256 FROM upload_lock(:id::uuid, :owner::uuid) u;

-- name: uploads_arrived :one
SELECT u.id, u.file_name, u.size AS file_size, u.mime_type AS content_type, u.account_id AS uploader_id,
	upper(u.status) AS status, u.uploaded AS uploaded_bytes, u.sha256 AS checksum, u.created_at, u.updated_at, u.completed_at
FROM upload_arrived(:id::uuid, :upto::bigint) u;

-- name: uploads_report :one
SELECT u.id, u.file_name, u.size AS file_size, u.mime_type AS content_type, u.account_id AS uploader_id,
	upper(u.status) AS status, u.uploaded AS uploaded_bytes, u.sha256 AS checksum, u.created_at, u.updated_at, u.completed_at
FROM upload_report(:id::uuid, :me::uuid, :bytes::bigint) u;

-- name: uploads_complete :one
SELECT u.id, u.file_name, u.size AS file_size, u.mime_type AS content_type, u.account_id AS uploader_id,
	upper(u.status) AS status, u.uploaded AS uploaded_bytes, u.sha256 AS checksum, u.created_at, u.updated_at, u.completed_at
FROM upload_complete(:id::uuid, :sha256) u;

-- name: uploads_fail :one
SELECT u.id, u.file_name, u.size AS file_size, u.mime_type AS content_type, u.account_id AS uploader_id,
	upper(u.status) AS status, u.uploaded AS uploaded_bytes, u.sha256 AS checksum, u.created_at, u.updated_at, u.completed_at
FROM upload_give_up(:id::uuid, :me::uuid, 'failed') u;

-- name: uploads_delete :exec
SELECT upload_delete(:id::uuid, :me::uuid);

-- name: uploads_stale_delete :one
SELECT upload_delete_stale(:me::uuid, make_interval(secs => :older_than_sec::double precision)) AS deleted;

-- name: uploads_file :one
SELECT f.mime_type, f.sha256 FROM upload u JOIN media f ON f.id = u.id
WHERE u.id = :id::uuid AND u.deleted_at IS NULL AND f.deleted_at IS NULL AND f.sha256 IS NOT NULL;

-- name: uploads_state :one
-- For whoever knows the address.
SELECT u.id, u.file_name, u.size AS file_size, u.mime_type AS content_type, u.account_id AS uploader_id,
	upper(u.status) AS status, u.uploaded AS uploaded_bytes, u.sha256 AS checksum, u.created_at, u.updated_at, u.completed_at
FROM upload u WHERE u.id = :id::uuid;
