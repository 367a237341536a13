-- People, their devices, sessions and keys.

-- One in 200 has closed the account, and nobody among the thousand most active of a hundred thousand.
CREATE TEMP TABLE seed_person ON COMMIT DROP AS
SELECT p.n, p.place, pg_temp.id(p.at, p.n, 1) AS id, p.at, p.place > pg_temp.users() / 100 AND p.n % 200 = 7 AS gone
FROM (SELECT pg_temp.person(place) AS n, place,
		pg_temp.until() - interval '730 days' * (1 - 0.95 * pg_temp.person(place)::float8 / pg_temp.users()) AS at
	FROM generate_series(0, pg_temp.users() - 1) place) p;
ALTER TABLE seed_person ADD PRIMARY KEY (n);
ANALYZE seed_person;

INSERT INTO account (id, phone, username, email, display_name, info_text, avatar_id, read_receipts, locale, last_seen_at,
	created_at, updated_at, read_receipts_updated_at, deleted_at)
SELECT id, CASE WHEN NOT gone THEN '+8835100' || lpad(n::text, 8, '0') END,
	CASE WHEN NOT gone AND n % 2 = 0 THEN 'seed' || n END,
	CASE WHEN NOT gone AND n % 3 = 0 THEN 'seed' || n || '@example.org' END,
	CASE WHEN NOT gone THEN 'Seeded ' || n END,
	CASE WHEN NOT gone AND n % 4 = 0 THEN 'one of many' END,
	CASE WHEN NOT gone AND n % 5 = 0 THEN pg_temp.id(at, n, 2) END,
	n % 10 <> 3, (ARRAY['en', 'de', 'fr', 'pt'])[1 + n % 4],
	greatest(at, pg_temp.until() - interval '60 days' * pg_temp.u(n, 1) ^ 4), at, at, at,
	CASE WHEN gone THEN greatest(at, pg_temp.until() - interval '90 days' * pg_temp.u(n, 2)) END
FROM seed_person ORDER BY n;

-- Two thirds have one device, the others up to five; some of the later ones are revoked.
CREATE TEMP TABLE seed_device ON COMMIT DROP AS
SELECT p.n, j, p.id AS account_id, pg_temp.id(p.at + interval '7 days' * (j - 1), p.n * 5 + j, 3) AS id,
	p.at + interval '7 days' * (j - 1) AS at,
	p.gone OR (j > 1 AND pg_temp.u(p.n * 5 + j, 4) < 0.1 AND p.place > 9) AS revoked
FROM seed_person p
CROSS JOIN LATERAL generate_series(1, CASE WHEN p.place < 10 THEN 5
	ELSE 1 + floor(5 * greatest(0, pg_temp.u(p.n, 3) - 0.65) / 0.35)::integer END) j;
ALTER TABLE seed_device ADD PRIMARY KEY (n, j);
ANALYZE seed_device;

INSERT INTO device (id, account_id, name, platform, fingerprint, identity_key, registration_id, signed_prekey,
	signed_prekey_signature, keys_registered_at, push_token, websocket_capable, created_at, updated_at, last_seen_at,
	synced_at, revoked_at)
SELECT d.id, d.account_id, 'Device ' || d.j, (ARRAY['android', 'ios', 'web', 'desktop'])[1 + (d.n + d.j) % 4], 'seed-' || d.j,
	pg_temp.key(d.n * 5 + d.j, 5), (d.n * 5 + d.j) % 16380 + 1, pg_temp.key(d.n * 5 + d.j, 6),
	pg_temp.key(d.n * 5 + d.j, 7), d.at, CASE WHEN d.j = 1 AND NOT d.revoked THEN 'seed-push-' || d.n END, d.j > 1, d.at,
	d.at, d.seen, d.seen, CASE WHEN d.revoked THEN d.seen END
FROM (SELECT *, greatest(at, pg_temp.until() - interval '120 days' * pg_temp.u(n * 5 + j, 8) ^ 3) AS seen
	FROM seed_device) d ORDER BY d.at, d.n, d.j;

-- The history of their keys begins with those they have; one in ten has changed its signed key once.
INSERT INTO device_identity (id, device_id, public_key, created_at)
SELECT pg_temp.id(at, n * 5 + j, 19), id, pg_temp.key(n * 5 + j, 5), at FROM seed_device WHERE NOT revoked ORDER BY at, n, j;
INSERT INTO device_signed_prekey (id, device_id, identity_id, key_id, public_key, signature, created_at, replaced_at)
SELECT pg_temp.id(d.at, (d.n * 5 + d.j) * 2 + k, 20), d.id, pg_temp.id(d.at, d.n * 5 + d.j, 19), 2 - k,
	pg_temp.key(d.n * 5 + d.j, CASE k WHEN 0 THEN 6 ELSE 21 END), pg_temp.key(d.n * 5 + d.j, CASE k WHEN 0 THEN 7 ELSE 22 END),
	d.at, CASE k WHEN 1 THEN d.at END
FROM seed_device d CROSS JOIN LATERAL generate_series(0, CASE d.n % 10 WHEN 1 THEN 1 ELSE 0 END) k
WHERE NOT d.revoked ORDER BY d.at, d.n, d.j, k;

-- Each device has the session it lives by, every third an earlier one that ended not long ago.
INSERT INTO session (id, account_id, device_id, surface, refresh_hash, previous_refresh_hash, user_agent, created_at,
	last_used_at, expires_at, revoked_at)
SELECT pg_temp.id(d.created_at, k * 10000000 + x.n * 5 + x.j, 9), d.account_id, d.id, 'whatsapp',
	md5(k || '.r.' || d.id), CASE WHEN (x.n + x.j) % 2 = 0 THEN md5(k || '.p.' || d.id) END, 'seed/1.0', d.created_at,
	CASE k WHEN 1 THEN d.last_seen_at ELSE d.created_at END,
	CASE k WHEN 1 THEN pg_temp.until() + interval '90 days' ELSE pg_temp.until() - interval '20 days' * pg_temp.u(x.n, 9) END,
	CASE WHEN k = 1 THEN d.revoked_at WHEN x.n % 2 = 0 THEN pg_temp.until() - interval '25 days' * pg_temp.u(x.n, 10) END
FROM seed_device x JOIN device d ON d.id = x.id
CROSS JOIN generate_series(1, 2) k
WHERE k = 1 OR (x.n + x.j) % 3 = 0 ORDER BY d.created_at, x.n, x.j, k;

INSERT INTO one_time_prekey (device_id, public_key, created_at)
SELECT d.id, pg_temp.key((d.n * 5 + d.j) * 200 + k, 11), d.at FROM seed_device d
CROSS JOIN LATERAL generate_series(1, CASE WHEN d.n % 20 = 1 THEN 100 ELSE 4 END) k
WHERE NOT d.revoked AND d.n % 11 <> 5 ORDER BY d.n, d.j, k;

INSERT INTO one_time_prekey_spent (device_id, public_key, spent_at)
SELECT d.id, pg_temp.key((d.n * 5 + d.j) * 200 + k, 12), greatest(d.at, pg_temp.until() - interval '80 days' * pg_temp.u(d.n * 5 + k, 12))
FROM seed_device d CROSS JOIN generate_series(1, 3) k WHERE NOT d.revoked AND d.n % 4 = 1;

INSERT INTO web_session (id, account_id, session_id, device_id, device_name, user_agent, public_key, created_at, expires_at,
	revoked_at)
SELECT pg_temp.id(d.at, d.n, 13), d.account_id, s.id, d.id, 'Browser', 'seed/1.0', pg_temp.key(d.n, 13),
	s.last_used_at, pg_temp.until() + interval '20 days' * (pg_temp.u(d.n, 13) - 0.2),
	CASE WHEN d.n % 7 = 3 THEN pg_temp.until() - interval '6 days' * pg_temp.u(d.n, 14) END
FROM seed_device d JOIN session s ON s.device_id = d.id AND s.expires_at > pg_temp.until() WHERE d.j = 1 AND NOT d.revoked AND d.n % 8 = 3
ORDER BY d.n;

-- Stores, one of them long.
INSERT INTO offline_queue (id, account_id, device_id, client_public_key, created_at, last_position, item_count)
SELECT pg_temp.id(d.at, d.n, 15), d.account_id, d.id, pg_temp.key(d.n, 15), d.at, c.n, c.n
FROM seed_device d JOIN seed_person p ON p.n = d.n
CROSS JOIN LATERAL (SELECT CASE p.place WHEN 0 THEN least(5000, pg_temp.messages() / 10)
	ELSE floor(30 * pg_temp.u(d.n, 15) ^ 2)::integer END AS n) c
WHERE d.j = 1 AND NOT d.revoked AND (d.n % 30 = 2 OR p.place = 0) ORDER BY d.n;

INSERT INTO offline_queue_item (id, queue_id, position, message_id, ciphertext, queued_at)
SELECT pg_temp.id(pg_temp.until() - interval '20 days' + interval '1 second' * k, k + q.k0 * 100000, 16), q.id, k, 'item-' || k,
	pg_temp.key(k, 16), pg_temp.until() - interval '20 days' + interval '1 second' * k
FROM (SELECT o.*, row_number() OVER (ORDER BY o.id) AS k0 FROM offline_queue o) q
CROSS JOIN LATERAL generate_series(1, q.item_count) k ORDER BY q.id, k;

-- On the way in: codes of the last hours, sign-ins half done.
INSERT INTO phone_registration (id, phone, device_identifier, locale, channel, purpose, code_hash, sends, expires_at,
	verified_at, account_id, created_at)
SELECT pg_temp.id(at, n, 17), '+8835100' || lpad((CASE n % 3 WHEN 0 THEN n ELSE n + 90000000 END)::text, 8, '0'), 'seed-1',
	'en', 'sms', CASE n % 3 WHEN 0 THEN 'signin' ELSE 'register' END, md5(n::text), 1 + n % 2, at + interval '10 minutes',
	CASE WHEN n % 3 = 0 THEN at + interval '1 minute' END, CASE WHEN n % 3 = 0 THEN id END, at
FROM (SELECT n, id, pg_temp.until() - interval '20 hours' * pg_temp.u(n, 17) AS at FROM seed_person
	WHERE n % 50 = 4 AND NOT gone) p ORDER BY at;

INSERT INTO login_session (id, token_hash, account_id, purpose, expires_at, created_at)
SELECT pg_temp.id(at, n, 18), md5('login' || n), id, CASE n % 2 WHEN 0 THEN 'pin' ELSE 'two_factor' END,
	at + interval '2 hours', at
FROM (SELECT n, id, pg_temp.until() - interval '1 hour' * pg_temp.u(n, 18) AS at FROM seed_person
	WHERE n % 100 = 9 AND NOT gone) p ORDER BY at;
