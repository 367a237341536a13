-- Queries of the test family.

-- name: thing_list :list
SELECT id, name AS "name:x", ':no' AS t, seen::text AS "seenAt" -- not :this
FROM thing WHERE owner = :me::uuid AND tag = :X_Tag AND kind = ANY (:kinds::text[])
ORDER BY created DESC; -- the end

-- name: thing_update :one
-- Rename a thing
-- of the caller.
UPDATE thing SET name = :name, x = :default::boolean, y = :score::float8 /* :c /* :d */ :e */
WHERE id = :thingId::uuid AND owner = :me::uuid AND id <> :thingId::uuid AND :thingId_body::text IS NULL
    AND more = :more::jsonb AND size = :size::int
RETURNING id, name, seen AS "seenAt";

-- name: thing_insert :one
SELECT $$ :nope $$ || $x$ $$ :nor $x$ || E'\':n' || 'it''s :fine' || :code || :newid::text || :surface || f(a := 1);

-- name: thing_touch :exec
UPDATE thing SET seen = now() WHERE id = :device::uuid AND name = :r;

-- name: thing_after :many
SELECT id FROM thing WHERE id > :after LIMIT :limit;
