-- Who talks to whom, and how much: the shape of all conversations.  Rows follow in messages.sql and members.sql.

CREATE TEMP TABLE seed_conversation (
	c bigint PRIMARY KEY,	-- 1 is the largest
	id uuid, kind text, low bigint, high bigint, size integer, narrow boolean, closed boolean, at timestamptz,
	end_at timestamptz, deleted_at timestamptz, n bigint, changed bigint, versions integer
) ON COMMIT DROP;
CREATE TEMP TABLE seed_stay (
	c bigint, person bigint, place integer,	-- among the members; 0 is the owner
	began float8, ended float8		-- parts of the conversation's time; NULL: from the start, until now
) ON COMMIT DROP;

-- Groups: the first has a fifth of all messages, the second as many members as there may be; of the others most are
-- small and some large.  A few are lists and channels, where only the owner posts.
INSERT INTO seed_conversation (c, kind, size, narrow, deleted_at)
SELECT g, CASE WHEN g % 100 = 50 THEN 'broadcast' WHEN g % 100 = 51 THEN 'channel' ELSE 'group' END,
	CASE g WHEN 1 THEN least(200, pg_temp.users() / 4) WHEN 2 THEN least(1024, pg_temp.users() / 2)
		ELSE least(1024, pg_temp.users() / 2, 2 + 2 / (pg_temp.u(g, 20) + 1e-9) ^ 0.75) END,
	g % 100 IN (50, 51, 52),
	CASE WHEN g % 100 = 60 THEN pg_temp.until() - interval '20 days' * pg_temp.u(g, 21) END
FROM generate_series(1, greatest(pg_temp.users() / 12, 4)) g;

-- The first two take their members evenly, the others prefer the active.
INSERT INTO seed_stay (c, person, place)
SELECT g.c, p.n, p.place FROM seed_conversation g
CROSS JOIN LATERAL (SELECT p.n, row_number() OVER (ORDER BY p.place % greatest(pg_temp.users() / g.size, 1), p.place) - 1 AS place
	FROM seed_person p WHERE NOT p.gone) p
WHERE g.c <= 2 AND p.place < g.size
UNION ALL
SELECT x.c, x.n, row_number() OVER (PARTITION BY x.c ORDER BY pg_temp.u(x.c * 2000 + x.n, 22)) - 1
FROM (SELECT DISTINCT g.c, pg_temp.person(floor(pg_temp.users() * pg_temp.u(g.c * 2000 + k, 23) ^ 1.6)::bigint) AS n
	FROM seed_conversation g CROSS JOIN LATERAL generate_series(1, g.size) k WHERE g.c > 2) x
JOIN seed_person p ON p.n = x.n AND NOT p.gone;
DELETE FROM seed_conversation g WHERE NOT EXISTS (SELECT FROM seed_stay s WHERE s.c = g.c);
UPDATE seed_conversation g SET size = s.size FROM (SELECT c, count(*) AS size FROM seed_stay GROUP BY c) s WHERE s.c = g.c;

-- In the later half of the members one in eight came later, one in ten left, and every third of these came back.
INSERT INTO seed_stay (c, person, place, began)
SELECT s.c, s.person, s.place, 0.6 + 0.4 * pg_temp.u(s.c * 2000 + s.place, 24)
FROM seed_stay s JOIN seed_conversation g ON g.c = s.c
WHERE s.place > g.size / 2 AND (s.c + s.place) % 30 = 0 AND s.c <> 2 AND g.deleted_at IS NULL;
UPDATE seed_stay s SET ended = 0.2 + 0.3 * pg_temp.u(s.c * 2000 + s.place, 25) FROM seed_conversation g
WHERE g.c = s.c AND s.place > g.size / 2 AND (s.c + s.place) % 10 = 0 AND s.c <> 2
	AND s.began IS NULL AND g.deleted_at IS NULL;
UPDATE seed_stay s SET began = 0.5 * pg_temp.u(s.c * 2000 + s.place, 26) FROM seed_conversation g
WHERE g.c = s.c AND s.place > g.size / 2 AND (s.c + s.place) % 8 = 1 AND s.ended IS NULL AND s.began IS NULL
	AND s.c <> 2 AND g.deleted_at IS NULL;

-- Pairs: the most active know thousands, most know a few.
INSERT INTO seed_conversation (c, kind, low, high, size, narrow, closed)
SELECT 1000000 + row_number() OVER (ORDER BY low, high), 'direct', low, high, 2, false, false
FROM (SELECT DISTINCT least(a, b) AS low, greatest(a, b) AS high
	FROM (SELECT pg_temp.person(floor(pg_temp.users() * pg_temp.u(k, 27) ^ 2.2)::bigint) AS a,
			pg_temp.person(floor(pg_temp.users() * pg_temp.u(k, 28) ^ 1.8)::bigint) AS b
		FROM generate_series(1, 3 * pg_temp.users()) k) pair WHERE a <> b) d;
INSERT INTO seed_stay (c, person, place)
SELECT c, low, 0 FROM seed_conversation WHERE kind = 'direct'
UNION ALL SELECT c, high, 1 FROM seed_conversation WHERE kind = 'direct';

-- One pair in two hundred is blocked by one of the two, and so are some who never talked.
INSERT INTO block (id, account_id, blocked_id, reason, created_at)
SELECT pg_temp.id(at, k, 29), a, b, CASE k % 3 WHEN 0 THEN 'spam' END, at
FROM (SELECT c.c AS k, p.id AS a, o.id AS b, pg_temp.until() - interval '300 days' * pg_temp.u(c.c, 29) AS at
	FROM seed_conversation c JOIN seed_person p ON p.n = c.low JOIN seed_person o ON o.n = c.high
	WHERE c.kind = 'direct' AND c.c % 200 = 17
	UNION ALL
	SELECT p.n, p.id, o.id, pg_temp.until() - interval '300 days' * pg_temp.u(p.n * 1000 + k, 30)
	FROM seed_person p CROSS JOIN LATERAL generate_series(1, CASE WHEN p.place < 5 THEN 200 ELSE p.n % 25 / 24 END) k
	JOIN seed_person o ON o.n = 1 + (p.n + k * 17 + pg_temp.users() / 3) % pg_temp.users() AND o.n <> p.n AND NOT o.gone
	WHERE NOT p.gone AND NOT EXISTS (SELECT FROM seed_conversation c
		WHERE c.low = least(p.n, o.n) AND c.high = greatest(p.n, o.n))) x
ON CONFLICT DO NOTHING;
UPDATE seed_conversation c SET closed = true FROM seed_person l, seed_person h
WHERE c.kind = 'direct' AND l.n = c.low AND h.n = c.high
	AND (l.gone OR h.gone OR c.c % 200 = 17);

-- When: from some time after both were there until lately, the talkative until now.  How much: the weight of the conversation
-- at place r is 1 / (r + 2)^1.1, the large groups a little before their turn.
UPDATE seed_conversation c SET at = x.at, id = pg_temp.id(x.at, c.c, 31)
FROM (SELECT c.c, f.at + (pg_temp.until() - f.at) * 0.3 * pg_temp.u(c.c, 31) AS at FROM seed_conversation c
	CROSS JOIN LATERAL (SELECT max(p.at) AS at FROM seed_person p WHERE p.n IN (c.low, c.high)) f WHERE c.kind = 'direct'
	UNION ALL
	SELECT s.c, max(p.at) + (pg_temp.until() - max(p.at)) * 0.3 * pg_temp.u(s.c, 31) FROM seed_stay s
	JOIN seed_person p ON p.n = s.person WHERE s.c < 1000000 GROUP BY s.c) x
WHERE x.c = c.c;
UPDATE seed_conversation c SET n = x.n, versions = coalesce(v.n, 0) + CASE WHEN c.deleted_at IS NULL THEN 1 ELSE 2 END,
	end_at = coalesce(c.deleted_at, c.at + (pg_temp.until() - c.at) * (1 - CASE WHEN x.r < 100 THEN 0 ELSE 0.9 * pg_temp.u(c.c, 32) ^ 2 END))
FROM (SELECT c, r, CASE WHEN c = 1 THEN pg_temp.messages() / 5 ELSE round(pg_temp.messages() / 5 * 4 * w)
		- round(pg_temp.messages() / 5 * 4 * lag(w, 1, 0) OVER (ORDER BY r)) END AS n
	FROM (SELECT c, r, sum(CASE WHEN c > 1 THEN (r + 2) ^ -1.1 ELSE 0 END) OVER (ORDER BY r)
			/ sum(CASE WHEN c > 1 THEN (r + 2) ^ -1.1 ELSE 0 END) OVER () AS w
		FROM (SELECT c, row_number() OVER (ORDER BY c > 1, pg_temp.u(c, 33) / sqrt(size), c)::float8 AS r
			FROM seed_conversation) ranked) weighed) x
LEFT JOIN (SELECT c, count(began) + count(ended) AS n FROM seed_stay GROUP BY c) v ON v.c = x.c
WHERE x.c = c.c;
-- A hundred to compare the million with.
UPDATE seed_conversation SET n = 100 WHERE c = 2;
ANALYZE seed_conversation;
CREATE INDEX ON seed_stay (c, place);
ANALYZE seed_stay;
