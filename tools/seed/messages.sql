-- The messages, in the order of their time, and what hangs on single ones.

-- Who posts: those who are in from the start and stay, at the first places more often.
CREATE TEMP TABLE seed_voice ON COMMIT DROP AS
SELECT s.c, row_number() OVER (PARTITION BY s.c ORDER BY s.place) - 1 AS k, p.n AS person, p.id AS account_id, d.id AS device_id
FROM seed_stay s JOIN seed_conversation c ON c.c = s.c JOIN seed_person p ON p.n = s.person
LEFT JOIN seed_device d ON d.n = p.n AND d.j = 1
WHERE s.began IS NULL AND s.ended IS NULL AND (s.place = 0 OR NOT c.narrow);
ALTER TABLE seed_voice ADD PRIMARY KEY (c, k);
CREATE TEMP TABLE seed_choir ON COMMIT DROP AS SELECT c, count(*) AS voices FROM seed_voice GROUP BY c;
ANALYZE seed_voice, seed_choir;

-- The n-th message of all, and what became of it.  One in 64 between two is sealed for each device alone.  Tombstones are those of the last 29 days: earlier ones have been
-- taken away by the jobs.  The message in the middle of the largest conversation is everybody's favourite.
CREATE TEMP TABLE seed_message ON COMMIT DROP AS
SELECT m.*, n % 32 = 7 AND NOT hot AND at > pg_temp.until() - interval '29 days' AS dead, n % 100 = 21 AS edited, n % 50 = 2 AS liked,
	c > 1000000 AND n % 64 = 9 AS sealed
FROM (SELECT row_number() OVER (ORDER BY at, c, seq) AS n, c, seq, at, hot, floor(voices * pg_temp.u(c * 5000000 + seq, 46) ^ 1.5)::bigint AS k
	FROM (SELECT t.c, seq, t.at + (t.end_at - t.at) * ((seq - 1 + pg_temp.u(t.c * 5000000 + seq, 40)) / t.n) AS at,
			t.c = 1 AND seq = t.n / 2 AS hot, h.voices
		FROM seed_conversation t JOIN seed_choir h ON h.c = t.c CROSS JOIN LATERAL generate_series(1, t.n) seq) x) m;
ANALYZE seed_message;

-- Indexes are made anew behind the rows; that takes half as long.
CREATE TEMP TABLE seed_index ON COMMIT DROP AS
SELECT x.indexrelid::regclass::text AS name, pg_get_indexdef(x.indexrelid) AS definition, k.conname,
	x.indrelid::regclass::text AS home, pg_get_constraintdef(k.oid) AS clause
FROM pg_index x LEFT JOIN pg_constraint k ON k.conindid = x.indexrelid AND k.contype IN ('p', 'u')
WHERE x.indrelid IN ('message'::regclass, 'member'::regclass, 'device_position'::regclass);
DO $$
DECLARE
	x record;
BEGIN
	FOR x IN SELECT * FROM seed_index LOOP
		EXECUTE CASE WHEN x.conname IS NULL THEN 'DROP INDEX ' || x.name
			ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', x.home, x.conname) END;
	END LOOP;
END $$;

INSERT INTO message (id, conversation_id, sender_id, sender_device_id, deleted_by, seq, changed_xid, created_at, edited_at,
	deleted_at, expires_at, ttl_seconds, version, reaction_count, kind, client_id, body, meta)
SELECT pg_temp.id(m.at, m.n, 41), c.id, v.account_id, v.device_id, CASE WHEN m.dead THEN v.account_id END, m.seq,
	pg_temp.xid(CASE WHEN m.dead OR m.edited OR m.liked THEN least(m.n + pg_temp.messages() / 1000, pg_temp.messages()) ELSE m.n END),
	m.at, CASE WHEN m.edited THEN least(m.at + interval '2 minutes', pg_temp.until()) END,
	CASE WHEN m.dead THEN least(m.at + interval '1 hour', pg_temp.until()) END,
	CASE WHEN m.n % 400 = 11 AND NOT m.dead THEN pg_temp.until() + interval '30 days' * (0.1 + pg_temp.u(m.n, 42)) END,
	CASE WHEN m.n % 400 = 11 THEN 2592000 END, CASE WHEN m.edited THEN 2 ELSE 1 END,
	CASE WHEN m.dead THEN 0 WHEN m.hot THEN h.voices WHEN m.liked THEN 1 ELSE 0 END,
	CASE WHEN m.n % 16 = 3 THEN (ARRAY['image', 'video', 'audio', 'document'])[1 + m.n / 16 % 4] ELSE 'text' END, md5(m.n::text),
	CASE WHEN NOT m.dead AND NOT m.sealed THEN substr(b.body, 1 + (m.n % 997)::integer, 40 + (240 * pg_temp.u(m.n, 43) ^ 2)::integer) END,
	CASE WHEN m.dead THEN NULL WHEN m.sealed THEN '{"sealed": true}'
		WHEN m.n % 16 = 3 THEN jsonb_build_object('mediaId', pg_temp.id(m.at, m.n, 44)) END
FROM seed_message m
JOIN seed_conversation c ON c.c = m.c
JOIN seed_choir h ON h.c = m.c
JOIN seed_voice v ON v.c = m.c AND v.k = m.k
CROSS JOIN (SELECT string_agg(pg_temp.key(k, 45), '' ORDER BY k) AS body FROM generate_series(1, 40) k) b
ORDER BY m.n;

INSERT INTO reaction (id, message_id, account_id, emoji, created_at)
SELECT pg_temp.id(r.at, m.n * 2000 + v.k, 47), pg_temp.id(m.at, m.n, 41), v.account_id, (ARRAY['👍', '❤', '😂'])[1 + v.k % 3], r.at
FROM seed_message m
JOIN seed_choir h ON h.c = m.c
JOIN seed_voice v ON v.c = m.c AND (m.hot OR v.k = (m.k + 1) % h.voices)
CROSS JOIN LATERAL (SELECT least(m.at + interval '1 minute' * (1 + v.k), pg_temp.until()) AS at) r
WHERE (m.hot OR m.liked) AND NOT m.dead ORDER BY r.at, m.n, v.k;

INSERT INTO message_edit (message_id, client_edit_id, version, created_at)
SELECT pg_temp.id(at, n, 41), 'edit-' || n, 2, least(at + interval '2 minutes', pg_temp.until()) FROM seed_message
WHERE edited AND NOT dead ORDER BY n;

-- Deleted for one alone, who did not write it.
INSERT INTO message_hidden (account_id, message_id, hidden_at)
SELECT v.account_id, pg_temp.id(m.at, m.n, 41), least(m.at + interval '1 day', pg_temp.until())
FROM seed_message m JOIN seed_choir h ON h.c = m.c JOIN seed_voice v ON v.c = m.c AND v.k = (m.k + 1) % h.voices
WHERE m.n % 200 = 33 AND h.voices > 1 AND NOT m.dead ORDER BY m.n;

INSERT INTO message_body (message_id, device_id, body)
SELECT pg_temp.id(m.at, m.n, 41), d.id, pg_temp.key(m.n * 10 + d.j, 49)
FROM seed_message m JOIN seed_voice v ON v.c = m.c
JOIN seed_device d ON d.n = v.person AND NOT d.revoked AND NOT (v.k = m.k AND d.j = 1)
WHERE m.sealed AND NOT m.dead ORDER BY m.n, d.n, d.j;

-- Files have rows and no bytes.
INSERT INTO media (id, account_id, kind, mime_type, size, sha256, created_at, checked_at)
SELECT pg_temp.id(m.at, m.n, 44), v.account_id, (ARRAY['image', 'video', 'audio', 'document'])[1 + m.n / 16 % 4],
	(ARRAY['image/jpeg', 'video/mp4', 'audio/ogg', 'application/pdf'])[1 + m.n / 16 % 4], 1000 + floor(4000000 * pg_temp.u(m.n, 48) ^ 3),
	md5(m.n::text) || md5('.' || m.n), m.at, pg_temp.until()
FROM seed_message m JOIN seed_voice v ON v.c = m.c AND v.k = m.k
WHERE m.n % 16 = 3 AND NOT m.dead ORDER BY m.n;
INSERT INTO media (id, account_id, kind, mime_type, size, sha256, created_at, checked_at)
SELECT pg_temp.id(at, n, 2), id, 'image', 'image/jpeg', 40000, md5('avatar' || n) || md5(n::text), at, pg_temp.until()
FROM seed_person WHERE n % 5 = 0 AND NOT gone ORDER BY n;
