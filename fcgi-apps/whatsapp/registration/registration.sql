-- name: registration_start :one
SELECT problem, next_at, ceil(extract(epoch FROM next_at - now()))::bigint AS wait
FROM registration_start(:id::uuid, :phone, :deviceId, :locale, :channel, :purpose, :hash, :remote,
	make_interval(secs => :lifetime::float8), make_interval(secs => :resend::float8),
	:codes::integer, make_interval(secs => :codesWindow::float8));

-- name: registration_resend :one
SELECT problem, next_at, ceil(extract(epoch FROM next_at - now()))::bigint AS wait, phone, locale, channel
FROM registration_resend(:id::uuid, :channel, :hash, make_interval(secs => :lifetime::float8),
	make_interval(secs => :resend::float8), :sends::integer, :attempts::integer,
	:codes::integer, make_interval(secs => :codesWindow::float8));

-- name: registration_verify :one
SELECT problem, attempts_left, account_id, fingerprint
FROM registration_verify(:id::uuid, :hash, :attempts::integer);
