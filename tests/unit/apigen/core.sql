-- name: account_find :one
SELECT id FROM account WHERE id = :id::uuid
