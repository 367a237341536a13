-- Calls between two who talk, lists, and what people make of their conversations for themselves.

-- One call for twenty messages of a pair, ten at most; the newest of a few goes on.
CREATE TEMP TABLE seed_call ON COMMIT DROP AS
SELECT c.c, c.id AS conversation_id, k, pg_temp.id(x.at, c.c * 10 + k, 90) AS id, x.at,
	CASE k % 2 WHEN 0 THEN l.id ELSE h.id END AS from_id, CASE k % 2 WHEN 0 THEN h.id ELSE l.id END AS to_id, x.lives,
	(c.c + k) % 3 = 0 AND NOT x.lives AS missed
FROM seed_conversation c JOIN seed_person l ON l.n = c.low JOIN seed_person h ON h.n = c.high
CROSS JOIN LATERAL (SELECT least(10, c.n / 20) AS calls) n
CROSS JOIN LATERAL generate_series(1, n.calls) k
CROSS JOIN LATERAL (SELECT k = n.calls AND c.c % 10 = 1 AND NOT c.closed AS lives, CASE WHEN k = n.calls AND c.c % 10 = 1
	THEN pg_temp.until() - interval '1 minute' ELSE c.at + (c.end_at - c.at) * (k - pg_temp.u(c.c * 10 + k, 91)) / 11 END AS at) x
WHERE c.kind = 'direct';

INSERT INTO call (id, conversation_id, initiator_id, media, direct, status, reason, created_at, rung_at, alive_at, connected_at, ended_at)
SELECT id, conversation_id, from_id, CASE k % 2 WHEN 0 THEN 'audio' ELSE 'video' END, true,
	CASE WHEN lives THEN 'connected' ELSE 'ended' END, CASE WHEN lives THEN NULL WHEN missed THEN 'missed' ELSE 'completed' END,
	at, at, CASE WHEN lives THEN pg_temp.until() ELSE at END, CASE WHEN lives OR NOT missed THEN at + interval '10 seconds' END,
	CASE WHEN NOT lives THEN at + interval '30 seconds' END
FROM seed_call c ORDER BY c.at, c.id;
INSERT INTO call_participant (call_id, account_id, status, missed, invited_at, joined_at, left_at)
SELECT id, CASE side WHEN 0 THEN from_id ELSE to_id END, CASE WHEN lives THEN 'joined' ELSE 'left' END,
	side = 1 AND missed, at, CASE WHEN side = 0 OR lives OR NOT missed THEN at END,
	CASE WHEN NOT lives THEN at + interval '30 seconds' END
FROM seed_call c CROSS JOIN generate_series(0, 1) side ORDER BY c.at, c.id, side;
INSERT INTO call_quality (call_id, account_id, measured_at, packet_loss, latency)
SELECT c.id, from_id, at + interval '5 seconds' * s, 0.01, 40 FROM seed_call c CROSS JOIN generate_series(2, 4) s
WHERE NOT missed AND at > pg_temp.until() - interval '20 days' ORDER BY at, c.id, s;

INSERT INTO conversation_setting (account_id, conversation_id, muted_until, pinned_at, archived_at, updated_at)
SELECT account_id, conversation_id, CASE WHEN c % 3 = 0 THEN 'infinity'::timestamptz END, CASE WHEN c % 3 = 1 THEN joined_at END,
	CASE WHEN c % 3 = 2 THEN joined_at END, joined_at
FROM seed_member WHERE left_version IS NULL AND (c + person) % 25 = 4 ORDER BY c, person;

-- Lists for writing to many, one of them long.
INSERT INTO broadcast_list (id, owner_id, name, recipient_count, created_at, updated_at)
SELECT pg_temp.id(at, n * 100 + k, 92), id, 'List ' || k, 0, at, at
FROM (SELECT p.n, p.id, p.at + interval '1 day' * k AS at, k FROM seed_person p
	CROSS JOIN LATERAL generate_series(1, CASE WHEN p.place < 10 THEN 40 WHEN p.n % 40 = 6 THEN 2 ELSE 0 END) k WHERE NOT p.gone) x
ORDER BY at, n, k;
INSERT INTO broadcast_recipient (list_id, account_id, added_at)
SELECT l.id, c.contact_id, l.created_at
FROM (SELECT *, row_number() OVER (PARTITION BY owner_id ORDER BY created_at) AS k FROM broadcast_list) l
JOIN (SELECT *, row_number() OVER (PARTITION BY account_id ORDER BY id) AS k FROM contact) c
	ON c.account_id = l.owner_id AND c.k <= CASE l.k WHEN 1 THEN 200 ELSE 5 END ORDER BY l.id, c.contact_id;
UPDATE broadcast_list l SET recipient_count = r.n FROM (SELECT list_id, count(*) AS n FROM broadcast_recipient GROUP BY list_id) r
WHERE r.list_id = l.id;
