-- name: media_begin :one
-- Room for a file whose bytes are not there yet.
INSERT INTO media (account_id, kind, mime_type, size, meta, deleted_at)
VALUES (:me::uuid, :kind, :mimeType, :size::bigint, coalesce(:meta::jsonb, '{}'), now())
RETURNING id;

-- name: media_finish :one
-- The bytes are there: from now on messages can name the file.  It expires unless one does.
UPDATE media SET sha256 = :sha256, deleted_at = NULL WHERE id = :id::uuid
RETURNING id, id AS "mediaId", kind AS "mediaType", mime_type AS "mimeType", size AS "sizeBytes",
	created_at AS "createdAt", created_at + make_interval(secs => :keep::double precision) AS "expiresAt";

-- name: media_get :one
SELECT f.id AS "mediaId", f.kind AS "mediaType", f.mime_type AS "mimeType", f.size AS "contentLength",
	coalesce((f.meta ->> 'hd')::boolean, false) AS hd
FROM media_visible(:me::uuid, :mediaId::uuid) f;

-- name: media_content :one
SELECT mime_type, sha256 FROM media WHERE id = :mediaId::uuid AND deleted_at IS NULL AND sha256 IS NOT NULL;
