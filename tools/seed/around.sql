-- What people keep of each other, and what changed lately.

-- Of two who talk most know each other by name, some also of those who do not.
INSERT INTO contact (id, account_id, contact_id, display_name, created_at, updated_at)
SELECT pg_temp.id(at, k, 80), a, b, CASE WHEN k % 3 = 0 THEN 'Friend ' || k END, at, at
FROM (SELECT c.c * 2 + side AS k, CASE side WHEN 0 THEN l.id ELSE h.id END AS a, CASE side WHEN 0 THEN h.id ELSE l.id END AS b, c.at
	FROM seed_conversation c JOIN seed_person l ON l.n = c.low JOIN seed_person h ON h.n = c.high
	CROSS JOIN generate_series(0, 1) side
	WHERE c.kind = 'direct' AND pg_temp.u(c.c * 2 + side, 81) < 0.7 AND NOT l.gone AND NOT h.gone) x ORDER BY at, k;

INSERT INTO contact_label (id, account_id, name, color, created_at, updated_at)
SELECT pg_temp.id(p.at, p.n * 50 + k, 82), p.id, 'Label ' || k, '#3366' || 10 + k, p.at, p.at FROM seed_person p
CROSS JOIN LATERAL generate_series(1, CASE WHEN p.place < 10 THEN 30 WHEN p.n % 20 = 1 THEN 3 ELSE 0 END) k
WHERE NOT p.gone ORDER BY p.n, k;
INSERT INTO contact_label_assignment (label_id, contact_id, assigned_at)
SELECT l.id, c.id, c.created_at
FROM (SELECT l.*, row_number() OVER (PARTITION BY account_id ORDER BY id) AS k FROM contact_label l) l
JOIN (SELECT c.*, row_number() OVER (PARTITION BY account_id ORDER BY id) AS k FROM contact c) c
	ON c.account_id = l.account_id AND c.k % 7 = l.k % 7;

INSERT INTO contact_sync (id, account_id, device_identifier, matched, unmatched, client_timestamp, created_at, processed_at)
SELECT pg_temp.id(at, n * 10 + k, 83), id, 'seed-1', '[]', '["nobody"]', at, at, at
FROM (SELECT p.n, p.id, k, pg_temp.until() - interval '29 days' * pg_temp.u(p.n * 10 + k, 83) AS at FROM seed_person p
	CROSS JOIN generate_series(1, 3) k WHERE p.n % 10 = 6 AND NOT p.gone) x ORDER BY at;

-- Some show only to a few that they are there.
UPDATE account a SET presence_visibility = 'custom' FROM seed_person p
WHERE p.id = a.id AND NOT p.gone AND (p.place < 10 OR p.n % 100 = 14);
INSERT INTO presence_rule (account_id, other_id, allowed, created_at)
SELECT c.account_id, c.contact_id, c.k % 4 > 0, c.created_at
FROM (SELECT c.*, row_number() OVER (PARTITION BY c.account_id ORDER BY c.id) AS k FROM contact c
	JOIN account a ON a.id = c.account_id AND a.presence_visibility = 'custom') c
WHERE c.k <= 100 ORDER BY c.account_id, c.contact_id;

-- None is still to be sent: the seed writes to nobody.
INSERT INTO invitation (id, account_id, channel, destination, message, status, expires_at, created_at, sent_at, attempts,
	next_attempt_at)
SELECT pg_temp.id(at, n * 100 + k, 84), id, 'email', 'nobody' || n * 100 + k || '@example.org', 'Come and join',
	(ARRAY['sent', 'failed', 'accepted'])[1 + (n + k) % 3], at + interval '30 days', at, CASE WHEN (n + k) % 3 <> 1 THEN at END, 1, at
FROM (SELECT p.n, p.id, k, pg_temp.until() - interval '25 days' * pg_temp.u(p.n * 100 + k, 84) AS at FROM seed_person p
	CROSS JOIN LATERAL generate_series(1, CASE WHEN p.place < 10 THEN 50 WHEN p.n % 15 = 1 THEN 2 ELSE 0 END) k WHERE NOT p.gone) x
ORDER BY at;

INSERT INTO qr_code (id, account_id, token, format, size, expires_at, created_at)
SELECT pg_temp.id(at, n, 85), id, 'seed' || md5('qr' || n), 'png', 256, at + interval '25 days', at
FROM (SELECT n, id, pg_temp.until() - interval '30 days' * pg_temp.u(n, 85) AS at FROM seed_person WHERE n % 6 = 1 AND NOT gone) x
ORDER BY at;

-- As many events as a farm keeps, the newest of what people received and read.
INSERT INTO event (id, type, recipients, device_ids, payload, created_at)
SELECT pg_temp.id(at, n, 86), CASE n % 2 WHEN 0 THEN 'message.delivered' ELSE 'conversation.read' END, ARRAY[account_id], NULL,
	CASE n % 2 WHEN 0 THEN jsonb_build_object('conversationId', conversation_id, 'messageIds', jsonb_build_array(message_id),
		'userId', reader, 'seq', seq, 'deliveredAt', rfc3339(at))
	ELSE jsonb_build_object('conversationId', conversation_id, 'seq', seq, 'readAt', rfc3339(at)) END, at
FROM (SELECT m.n, m.seq, c.id AS conversation_id, pg_temp.id(m.at, m.n, 41) AS message_id, v.account_id, r.account_id AS reader,
		least(m.at + interval '3 seconds', pg_temp.until()) AS at
	FROM seed_message m JOIN seed_conversation c ON c.c = m.c JOIN seed_choir h ON h.c = m.c
	JOIN seed_voice v ON v.c = m.c AND v.k = m.k JOIN seed_voice r ON r.c = m.c AND r.k = (m.k + 1) % h.voices
	WHERE m.n > pg_temp.messages() - least(20000, pg_temp.messages() / 10)) x ORDER BY at, n;
