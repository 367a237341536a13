-- What the jobs daemon takes away, a bounded number of rows at a time (007 has the rest).  p_age is how long after
-- its end a row is kept, p_limit how many rows go at most; each function passes over rows that others hold and answers
-- how many went.

CREATE INDEX session_revoked_at ON session (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX web_session_revoked_at ON web_session (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX invitation_expires_at ON invitation (expires_at);
CREATE INDEX contact_sync_created_at ON contact_sync (created_at);
CREATE INDEX message_deleted_at ON message (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE FUNCTION phone_registration_prune(p_age interval DEFAULT '1 day', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM phone_registration WHERE id IN (
			SELECT g.id FROM phone_registration g WHERE g.expires_at < now() - p_age
			ORDER BY g.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

CREATE FUNCTION login_session_prune(p_age interval DEFAULT '1 hour', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM login_session WHERE id IN (
			SELECT l.id FROM login_session l WHERE l.expires_at < now() - p_age
			ORDER BY l.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

-- Expired codes are answered with 410 for p_age, then forgotten.
CREATE FUNCTION qr_code_prune(p_age interval DEFAULT '30 days', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM qr_code WHERE id IN (
			SELECT q.id FROM qr_code q WHERE q.expires_at < now() - p_age
			ORDER BY q.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

CREATE FUNCTION web_session_prune(p_age interval DEFAULT '7 days', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM web_session WHERE id IN (
			SELECT w.id FROM web_session w WHERE w.expires_at < now() - p_age OR w.revoked_at < now() - p_age
			LIMIT p_limit FOR UPDATE SKIP LOCKED)
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

CREATE FUNCTION session_prune(p_age interval DEFAULT '30 days', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM session WHERE id IN (
			SELECT s.id FROM session s
			WHERE (s.expires_at < now() - p_age OR s.revoked_at < now() - p_age)
				AND NOT EXISTS (SELECT FROM web_session w WHERE w.session_id = s.id)
			LIMIT p_limit FOR UPDATE SKIP LOCKED)
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

-- Those that could not be delivered are kept for p_failed after they were made.
CREATE FUNCTION invitation_prune(p_age interval DEFAULT '30 days', p_limit integer DEFAULT 500,
	p_failed interval DEFAULT '30 days') RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM invitation WHERE id IN (
			SELECT i.id FROM invitation i WHERE i.expires_at < now() - p_age
				OR (i.status = 'failed' AND i.created_at < now() - p_failed)
			LIMIT p_limit FOR UPDATE SKIP LOCKED)
		RETURNING 1)
	SELECT count(*) FROM gone
$$;
CREATE INDEX invitation_failed ON invitation (created_at) WHERE status = 'failed';

CREATE FUNCTION contact_sync_prune(p_age interval DEFAULT '30 days', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM contact_sync WHERE id IN (
			SELECT s.id FROM contact_sync s WHERE s.created_at < now() - p_age
			ORDER BY s.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

CREATE FUNCTION one_time_prekey_spent_prune(p_age interval DEFAULT '90 days', p_limit integer DEFAULT 500)
RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM one_time_prekey_spent WHERE ctid IN (
			SELECT k.ctid FROM one_time_prekey_spent k WHERE k.spent_at < now() - p_age
			ORDER BY k.spent_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

-- The tombstones of messages deleted longer than p_age ago.  The last message of a conversation stays, for the
-- conversation is shown with it.
CREATE FUNCTION message_prune(p_age interval, p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_ids uuid[];
BEGIN
	v_ids := ARRAY(SELECT m.id FROM message m WHERE m.deleted_at < now() - p_age
		AND m.seq < (SELECT c.last_seq FROM conversation c WHERE c.id = m.conversation_id)
		ORDER BY m.deleted_at LIMIT p_limit FOR UPDATE OF m SKIP LOCKED);
	DELETE FROM message_hidden WHERE message_id = ANY (v_ids);
	DELETE FROM message WHERE id = ANY (v_ids);
	RETURN cardinality(v_ids);
END $$;

-- All events but the newest p_keep, as far as they were made before p_before.
CREATE FUNCTION event_trim(p_keep bigint, p_before timestamptz, p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM event WHERE id IN (
			SELECT e.id FROM event e
			WHERE e.created_at < p_before AND e.created_at <= (
				SELECT k.created_at FROM event k ORDER BY k.created_at DESC OFFSET p_keep LIMIT 1)
			ORDER BY e.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
		RETURNING 1)
	SELECT count(*) FROM gone
$$;
