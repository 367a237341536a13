-- PINs asked of an account: two_factor (six digits) and pin; see sql/functions/signin.sql.

-- name: challenge_take :one
SELECT hash, attempts_left, next_at, greatest(1, ceil(extract(epoch FROM next_at - clock_timestamp())))::bigint AS wait
FROM challenge_take(:account::uuid, :factor, :attempts::integer, make_interval(secs => :lock::float8));

-- name: challenge_passed :exec
SELECT challenge_passed(:account::uuid, :factor);
