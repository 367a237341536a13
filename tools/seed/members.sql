-- Conversations, who is in them, and how far they have received and read.

-- Places in the sequence, versions and times of those who come and go follow from their part of the conversation's time.
CREATE TEMP TABLE seed_turn ON COMMIT DROP AS
SELECT c, person, part, leaving, 1 + row_number() OVER (PARTITION BY c ORDER BY part, person) AS version
FROM (SELECT c, person, began AS part, false AS leaving FROM seed_stay WHERE began IS NOT NULL
	UNION ALL SELECT c, person, ended, true FROM seed_stay WHERE ended IS NOT NULL) t;
ANALYZE seed_turn;

INSERT INTO conversation (id, direct_low, direct_high, last_seq, last_message_at, changed_xid, created_at, deleted_at,
	member_version, closed, admins_only, kind, creator_id)
SELECT c.id, least(l.id, h.id), greatest(l.id, h.id), c.n, m.at, coalesce(pg_temp.xid(m.n), pg_temp.xid(c.c % pg_temp.messages())),
	c.at, c.deleted_at, c.versions, coalesce(c.closed, false), c.narrow AND c.kind = 'group', c.kind,
	coalesce(l.id, o.id)
FROM seed_conversation c
LEFT JOIN seed_person l ON l.n = c.low
LEFT JOIN seed_person h ON h.n = c.high
LEFT JOIN seed_stay t ON t.c = c.c AND t.place = 0
LEFT JOIN seed_person o ON o.n = t.person
LEFT JOIN (SELECT c, max(at) AS at, max(CASE WHEN dead OR edited OR liked THEN least(n + pg_temp.messages() / 1000, pg_temp.messages())
		ELSE n END) AS n FROM seed_message GROUP BY c) m ON m.c = c.c
ORDER BY c.at, c.c;

INSERT INTO conversation_profile (conversation_id, owner_id, title, title_key, description, settings, member_count, created_at,
	updated_at, invite_code, invite_by, invite_at)
SELECT c.id, p.id, CASE WHEN c.deleted_at IS NULL THEN 'Seeded group ' || c.c END, CASE WHEN c.deleted_at IS NULL THEN 'seeded group ' || c.c END,
	CASE WHEN c.deleted_at IS NULL AND c.c % 3 = 0 THEN 'a group among many' END,
	CASE WHEN c.deleted_at IS NULL AND c.narrow AND c.kind = 'group' THEN '{"memberPostingPolicy": "adminsOnly"}'
		WHEN c.deleted_at IS NULL AND c.c % 4 = 0 THEN '{"invitePolicy": "all"}' ELSE '{}' END::jsonb,
	CASE WHEN c.deleted_at IS NULL THEN (SELECT count(*) FROM seed_stay s WHERE s.c = c.c AND s.ended IS NULL) ELSE 0 END, c.at,
	coalesce(c.deleted_at, c.at), i.code, CASE WHEN i.code IS NOT NULL THEN p.id END, CASE WHEN i.code IS NOT NULL THEN c.at END
FROM seed_conversation c JOIN seed_stay o ON o.c = c.c AND o.place = 0 JOIN seed_person p ON p.n = o.person
CROSS JOIN LATERAL (SELECT CASE WHEN c.kind = 'group' AND c.deleted_at IS NULL AND c.c % 5 = 0
	THEN substr(md5('invite' || c.c), 1, 20) END AS code) i
WHERE c.kind <> 'direct' ORDER BY c.at, c.c;

-- Moments, a thousand of them.  What was changed later than it was made was so with a place at most a thousandth of all
-- further on (messages.sql), so a moment that lies two thousandths back is not too late for any.
INSERT INTO sync_moment (at, xid)
SELECT at, pg_temp.xid(greatest(n - pg_temp.messages() / 500, 0)) FROM seed_message
WHERE n % greatest(pg_temp.messages() / 1000, 1) = 0 AND at > pg_temp.until() - interval '390 days'
ON CONFLICT DO NOTHING;

-- How far each device has got in each stay: most are up to date, some behind, some have not been seen for long.
CREATE TEMP TABLE seed_member ON COMMIT DROP AS
SELECT s.c, s.person, s.place, c.id AS conversation_id, p.id AS account_id, c.kind, coalesce(b.version, 1) AS joined_version,
	coalesce(floor(s.began * c.n), 0)::bigint AS joined_seq, c.at + (c.end_at - c.at) * coalesce(s.began, 0) AS joined_at,
	CASE WHEN c.deleted_at IS NOT NULL THEN c.versions ELSE e.version END AS left_version,
	CASE WHEN c.deleted_at IS NOT NULL THEN c.n ELSE floor(s.ended * c.n)::bigint END AS left_seq,
	coalesce(c.deleted_at, c.at + (c.end_at - c.at) * s.ended) AS left_at,
	CASE WHEN c.deleted_at IS NOT NULL THEN c.n ELSE coalesce(floor(s.ended * c.n)::bigint, c.n) END AS upto_seq
FROM seed_stay s
JOIN seed_conversation c ON c.c = s.c
JOIN seed_person p ON p.n = s.person
LEFT JOIN seed_turn b ON b.c = s.c AND b.person = s.person AND NOT b.leaving AND b.part = s.began
LEFT JOIN seed_turn e ON e.c = s.c AND e.person = s.person AND e.leaving AND e.part = s.ended;
ANALYZE seed_member;

INSERT INTO device_position (device_id, conversation_id, acked_seq)
SELECT d.id, m.conversation_id, max(m.joined_seq + floor((m.upto_seq - m.joined_seq) *
	CASE WHEN d.j = 1 AND d.n % 10 < 7 THEN 1 WHEN pg_temp.u(d.n * 5 + d.j, 60) < 0.6 THEN 1 - 0.2 * pg_temp.u(m.c * 5 + d.n, 61) ^ 6
		ELSE pg_temp.u(d.n * 5 + d.j, 62) END)::bigint)
FROM seed_member m JOIN seed_device d ON d.n = m.person AND NOT d.revoked
WHERE m.upto_seq > 0 GROUP BY d.id, m.conversation_id, d.at, d.n, d.j ORDER BY d.at, d.n, d.j, m.conversation_id;

-- Some came out of turn.
INSERT INTO device_ack (device_id, conversation_id, seq)
SELECT x.device_id, x.conversation_id, x.acked_seq + 1 + k
FROM (SELECT p.*, row_number() OVER (ORDER BY p.device_id, p.conversation_id) AS n FROM device_position p) x
JOIN conversation c ON c.id = x.conversation_id AND x.acked_seq + 3 < c.last_seq AND c.deleted_at IS NULL
CROSS JOIN generate_series(1, 2) k WHERE x.n % 10 = 3;

INSERT INTO member (conversation_id, account_id, role, joined_version, joined_seq, joined_at, left_version, left_seq, left_at,
	delivered_seq, read_seq, shown_read_seq, read_receipts)
SELECT m.conversation_id, m.account_id, CASE WHEN m.kind = 'direct' THEN 'member' WHEN m.place = 0 THEN 'owner'
		WHEN m.place % 40 = 1 AND m.place < 200 THEN 'admin' ELSE 'member' END,
	m.joined_version, m.joined_seq, m.joined_at, m.left_version, m.left_seq, m.left_at, r.delivered, r.seen,
	CASE WHEN m.person % 10 = 3 THEN m.joined_seq ELSE r.seen END, CASE WHEN m.person % 50 = 3 AND m.c % 3 = 0 THEN false END
FROM (SELECT m.*, greatest(m.joined_seq, least(m.upto_seq, coalesce(a.seq, 0))) AS acked
	FROM seed_member m LEFT JOIN (SELECT d.n, p.conversation_id, max(p.acked_seq) AS seq
		FROM device_position p JOIN seed_device d ON d.id = p.device_id GROUP BY d.n, p.conversation_id) a
		ON a.n = m.person AND a.conversation_id = m.conversation_id) m
CROSS JOIN LATERAL (SELECT m.acked AS delivered, CASE WHEN m.person % 6 = 4 THEN m.joined_seq + (m.acked - m.joined_seq) / 2
	ELSE m.acked END AS seen) r
ORDER BY m.joined_at, m.c, m.place, m.joined_version;

DO $$
DECLARE
	x record;
BEGIN
	FOR x IN SELECT * FROM seed_index ORDER BY home, name LOOP
		EXECUTE CASE WHEN x.conname IS NULL THEN x.definition
			ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', x.home, x.conname, x.clause) END;
	END LOOP;
END $$;
