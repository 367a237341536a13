-- sql/functions/contacts.sql holds the rules.

-- name: account_by_phone :one
SELECT id FROM account WHERE phone = :phone;

-- name: account_by_username :one
SELECT id FROM account WHERE lower(username) = lower(:username);

-- name: account_by_code :one
-- A code serves any number of people until it expires.
SELECT account_id AS id FROM qr_code WHERE token = :token AND expires_at > now();

-- name: contact_add :one
SELECT account_id AS "contactId", account_id AS "userId", display_name AS "displayName", created_at AS "createdAt",
	_event
FROM contact_add(:me::uuid, :account::uuid, :name, :most::integer, :device::uuid);

-- name: contact_sync :one
-- Hashes are hex, NULL where a number is none.  The device is named by its id or by its fingerprint.
INSERT INTO contact_sync AS s (id, account_id, device_identifier, client_timestamp, processed_at, matched, unmatched)
SELECT :newid::uuid, :me::uuid, CASE WHEN :deviceId::text IS NULL OR EXISTS (SELECT FROM device d
			WHERE d.id = :device::uuid AND :deviceId IN (d.id::text, d.fingerprint))
		THEN coalesce(:deviceId, :device::text) ELSE fail(400, 'is not the device that sends', 'deviceId')::text END,
	:clientTimestamp::timestamptz, now(),
	coalesce(jsonb_agg(jsonb_build_object('contactId', u.contact, 'userId', a.id, 'displayName', a.display_name)
		ORDER BY u.n) FILTER (WHERE a.id IS NOT NULL), '[]'),
	coalesce(jsonb_agg(u.contact ORDER BY u.n) FILTER (WHERE a.id IS NULL), '[]')
FROM unnest(:contacts::text[], :hashes::text[]) WITH ORDINALITY AS u (contact, hash, n)
LEFT JOIN account a ON phone_hash(a.phone) = decode(u.hash, 'hex') AND a.id <> :me::uuid
	AND account_findable(:me::uuid, a)
RETURNING s.id AS "syncId", s.status, s.matched AS "matchedUsers", s.unmatched AS "unmatchedContactIds",
	s.processed_at AS "processedAt";

-- name: contact_sync_get :one
SELECT id AS "syncId", status, matched AS "matchedUsers", unmatched AS "unmatchedContactIds",
	processed_at AS "processedAt"
FROM contact_sync WHERE id = :syncId::uuid AND account_id = :me::uuid;

-- name: invitation_create :one
SELECT id AS "invitationId", status, expires_at AS "expiresAt"
FROM invitation_create(:newid::uuid, :me::uuid, :channel, :destination, :message, :lifetime::double precision);
