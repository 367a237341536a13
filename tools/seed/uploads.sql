-- Uploads: every fourth file came in pieces, and some people left one unfinished, or gave one up.

INSERT INTO upload (id, account_id, file_name, kind, mime_type, size, sha256, uploaded, status, partial, created_at, updated_at,
	completed_at)
SELECT id, account_id, kind || '.bin', kind, mime_type, size, sha256, size, 'completed', false, created_at, created_at, created_at
FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM media) m WHERE n % 4 = 1 ORDER BY id;

INSERT INTO upload (id, account_id, file_name, kind, mime_type, size, uploaded, status, partial, created_at, updated_at)
SELECT pg_temp.id(at, n * 10 + k, 95), id, 'video-' || k || '.bin', 'video', 'video/mp4', 1000000, (k - 1) * 1000,
	(ARRAY['pending', 'in_progress', 'failed'])[k], true, at, at
FROM (SELECT p.n, p.id, k, pg_temp.until() - interval '1 hour' * k AS at FROM seed_person p CROSS JOIN generate_series(1, 3) k
	WHERE p.n % 40 = 8 AND NOT p.gone) x ORDER BY at, n, k;
