-- name: session_live :many
-- Does the caller's session still live?  Asked when Redis cannot say.
SELECT 1 AS live FROM session WHERE id = :session::uuid AND revoked_at IS NULL
