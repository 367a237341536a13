-- Accounts with a password; the rules lie in sql/functions/signin.sql.

-- name: auth_account_new :one
SELECT account_register(:email, :username, :phone, :passwordHash, :displayName) AS id;

-- name: auth_account_find :one
-- The account to sign in to, and which further factors it asks for.
SELECT a.id, a.password_hash, a.two_factor_hash IS NOT NULL AS two_factor, a.pin_hash IS NOT NULL AS pin
FROM account_by_identity(:identity) a;

-- name: auth_session_list :many
SELECT s.id, s.device_id, d.name AS device_name, d.form AS device_type, s.remote AS ip_address,
	s.last_used_at AS last_active, s.created_at, s.id = :session::uuid AS is_current
FROM session s LEFT JOIN device d ON d.id = s.device_id
WHERE s.account_id = :me::uuid AND s.revoked_at IS NULL AND s.expires_at > now()
ORDER BY s.last_used_at DESC, s.id;

-- name: auth_reset_start :one
SELECT destination FROM password_reset_start(:identity, :codeHash, :subject, :body,
	make_interval(secs => :lifetime::float8), :most::integer, make_interval(secs => :window::float8));

-- name: auth_reset_finish :one
SELECT problem, to_jsonb(sessions) AS sessions, _event
FROM password_reset_finish(:identity, :codeHash, :passwordHash, :attempts::integer);
