-- What the jobs daemon ends and takes away, a bounded number of rows at a time (docs/jobs.md); files and uploads have theirs
-- beside them, in media.sql and uploads.sql.
--
-- p_age is how long after its end a row is kept, p_limit how many rows go at most; each function passes over rows that others
-- hold and answers how many went.  The caller goes on while there are more.
--
-- Of "id IN (SELECT … LIMIT n)" with an n that it does not know the planner makes a join with the whole table; an array is
-- looked up.  Rows that end in one of several ways are sought by each way in its own index: of an OR the planner makes a
-- reading of the whole table.

-- ---- messages and conversations -----------------------------------------------------------------

-- Delete messages whose time is up, leaving tombstones; each answers its event.
CREATE OR REPLACE FUNCTION message_expire(p_now timestamptz DEFAULT now(), p_limit integer DEFAULT 500)
RETURNS TABLE (message_id uuid, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	v_conversation uuid;
	m message;
	v_left integer := p_limit;
BEGIN
	FOR v_conversation IN
		SELECT DISTINCT d.conversation_id FROM (SELECT e.conversation_id FROM message e
			WHERE e.expires_at <= p_now AND e.deleted_at IS NULL
			ORDER BY e.expires_at LIMIT p_limit) d
		ORDER BY 1
	LOOP
		UPDATE conversation c SET changed_xid = greatest(c.changed_xid, pg_current_xact_id())
		WHERE c.id = v_conversation;
		FOR m IN
			SELECT * FROM message e WHERE e.conversation_id = v_conversation
				AND e.expires_at <= p_now AND e.deleted_at IS NULL
			ORDER BY e.seq LIMIT v_left
		LOOP
			RETURN QUERY SELECT m.id, message_wipe(m, NULL, 'expired', NULL);
			v_left := v_left - 1;
		END LOOP;
		EXIT WHEN v_left <= 0;
	END LOOP;
END $$;

-- The tombstones of messages deleted longer than p_age ago.  The last message of a conversation stays, for the
-- conversation is shown with it.
CREATE OR REPLACE FUNCTION message_prune(p_age interval, p_limit integer DEFAULT 500) RETURNS bigint
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

-- Keys of sends: repeated later, a send is a new one.
CREATE OR REPLACE FUNCTION message_key_prune(p_age interval DEFAULT '30 days', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM message_key WHERE ctid = ANY (ARRAY(
			SELECT k.ctid FROM message_key k WHERE k.created_at < now() - p_age
			ORDER BY k.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

-- Remove the messages of conversations deleted more than p_age ago, and what refers to them.
CREATE OR REPLACE FUNCTION conversation_purge(p_age interval DEFAULT '0', p_limit integer DEFAULT 5000) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_conversation uuid;
	v_ids uuid[];
	v_gone bigint := 0;
BEGIN
	FOR v_conversation IN
		SELECT c.id FROM conversation c WHERE c.deleted_at <= now() - p_age AND NOT c.purged
		ORDER BY c.deleted_at LIMIT p_limit FOR NO KEY UPDATE SKIP LOCKED
	LOOP
		v_ids := ARRAY(SELECT m.id FROM message m WHERE m.conversation_id = v_conversation
			ORDER BY m.seq LIMIT p_limit - v_gone);
		DELETE FROM reaction WHERE message_id = ANY (v_ids);
		DELETE FROM message_edit WHERE message_id = ANY (v_ids);
		DELETE FROM message_hidden WHERE message_id = ANY (v_ids);
		DELETE FROM message WHERE id = ANY (v_ids);
		v_gone := v_gone + cardinality(v_ids);
		EXIT WHEN v_gone >= p_limit;
		UPDATE conversation SET purged = true WHERE id = v_conversation;
	END LOOP;
	RETURN v_gone;
END $$;

-- ---- signing in ---------------------------------------------------------------------------------

-- Registrations, verified or not.
CREATE OR REPLACE FUNCTION phone_registration_prune(p_age interval DEFAULT '1 day', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM phone_registration WHERE id = ANY (ARRAY(
			SELECT g.id FROM phone_registration g WHERE g.expires_at < now() - p_age
			ORDER BY g.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

-- Sign-ins that still owed the second factor.
CREATE OR REPLACE FUNCTION login_session_prune(p_age interval DEFAULT '1 hour', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM login_session WHERE id = ANY (ARRAY(
			SELECT l.id FROM login_session l WHERE l.expires_at < now() - p_age
			ORDER BY l.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

-- Codes for a forgotten password.
CREATE OR REPLACE FUNCTION password_reset_prune(p_age interval DEFAULT '1 day', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM password_reset WHERE id = ANY (ARRAY(
			SELECT r.id FROM password_reset r WHERE r.expires_at < now() - p_age
			ORDER BY r.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

-- Sessions that expired or were revoked, once no browser session hangs on them.
CREATE OR REPLACE FUNCTION session_prune(p_age interval DEFAULT '30 days', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH due AS MATERIALIZED (
		SELECT id FROM (SELECT s.id FROM session s WHERE s.expires_at < now() - p_age
				AND NOT EXISTS (SELECT FROM web_session w WHERE w.session_id = s.id)
			ORDER BY s.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED) s
		UNION
		SELECT id FROM (SELECT s.id FROM session s WHERE s.revoked_at < now() - p_age
				AND NOT EXISTS (SELECT FROM web_session w WHERE w.session_id = s.id)
			ORDER BY s.revoked_at LIMIT p_limit FOR UPDATE SKIP LOCKED) s
		LIMIT p_limit),
	gone AS (DELETE FROM session WHERE id = ANY (ARRAY(SELECT id FROM due)) RETURNING 1)
	SELECT count(*) FROM gone
$$;

-- Browser sessions that expired or were revoked.
CREATE OR REPLACE FUNCTION web_session_prune(p_age interval DEFAULT '7 days', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH due AS MATERIALIZED (
		SELECT id FROM (SELECT w.id FROM web_session w WHERE w.expires_at < now() - p_age
			ORDER BY w.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED) w
		UNION
		SELECT id FROM (SELECT w.id FROM web_session w WHERE w.revoked_at < now() - p_age
			ORDER BY w.revoked_at LIMIT p_limit FOR UPDATE SKIP LOCKED) w
		LIMIT p_limit),
	gone AS (DELETE FROM web_session WHERE id = ANY (ARRAY(SELECT id FROM due)) RETURNING 1)
	SELECT count(*) FROM gone
$$;

-- ---- people -------------------------------------------------------------------------------------

-- Uploads of an address book.
CREATE OR REPLACE FUNCTION contact_sync_prune(p_age interval DEFAULT '30 days', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM contact_sync WHERE id = ANY (ARRAY(
			SELECT s.id FROM contact_sync s WHERE s.created_at < now() - p_age
			ORDER BY s.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

-- Invitations past their time.  Those that could not be delivered are kept for p_failed after they were made.
CREATE OR REPLACE FUNCTION invitation_prune(p_age interval DEFAULT '30 days', p_limit integer DEFAULT 500,
	p_failed interval DEFAULT '30 days') RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH due AS MATERIALIZED (
		SELECT id FROM (SELECT i.id FROM invitation i WHERE i.expires_at < now() - p_age
			ORDER BY i.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED) i
		UNION
		SELECT id FROM (SELECT i.id FROM invitation i WHERE i.status = 'failed' AND i.created_at < now() - p_failed
			ORDER BY i.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED) i
		LIMIT p_limit),
	gone AS (DELETE FROM invitation WHERE id = ANY (ARRAY(SELECT id FROM due)) RETURNING 1)
	SELECT count(*) FROM gone
$$;

-- Expired codes are answered with 410 for p_age, then forgotten.
CREATE OR REPLACE FUNCTION qr_code_prune(p_age interval DEFAULT '30 days', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM qr_code WHERE id = ANY (ARRAY(
			SELECT q.id FROM qr_code q WHERE q.expires_at < now() - p_age
			ORDER BY q.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

-- Mails, sent or not.
CREATE OR REPLACE FUNCTION mail_prune(p_age interval DEFAULT '7 days', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM mail WHERE id = ANY (ARRAY(
			SELECT m.id FROM mail m WHERE m.created_at < now() - p_age AND m.expires_at < now()
			ORDER BY m.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

-- ---- devices ------------------------------------------------------------------------------------

-- Keys that were handed out.
CREATE OR REPLACE FUNCTION one_time_prekey_spent_prune(p_age interval DEFAULT '90 days', p_limit integer DEFAULT 500)
RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM one_time_prekey_spent WHERE ctid = ANY (ARRAY(
			SELECT k.ctid FROM one_time_prekey_spent k WHERE k.spent_at < now() - p_age
			ORDER BY k.spent_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

-- Drop what has waited in stores longer than p_age; answers how many.
CREATE OR REPLACE FUNCTION offline_queue_prune(p_age interval, p_limit integer DEFAULT 5000) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_queues uuid[] := ARRAY(SELECT DISTINCT d.queue_id FROM (SELECT i.queue_id FROM offline_queue_item i
		WHERE i.queued_at < now() - p_age ORDER BY i.queued_at LIMIT p_limit) d);
	v_queue uuid;
	v_gone bigint;
	v_all bigint := 0;
BEGIN
	-- Stores are locked before their entries, as everywhere.
	FOR v_queue IN
		SELECT q.id FROM offline_queue q WHERE q.id = ANY (v_queues) FOR UPDATE SKIP LOCKED
	LOOP
		DELETE FROM offline_queue_item o WHERE o.id = ANY (ARRAY(SELECT i.id FROM offline_queue_item i
			WHERE i.queue_id = v_queue AND i.queued_at < now() - p_age ORDER BY i.position LIMIT p_limit - v_all));
		GET DIAGNOSTICS v_gone = ROW_COUNT;
		UPDATE offline_queue q SET item_count = q.item_count - v_gone WHERE q.id = v_queue;
		v_all := v_all + v_gone;
		EXIT WHEN v_all >= p_limit;
	END LOOP;
	RETURN v_all;
END $$;

-- ---- calls and events ---------------------------------------------------------------------------

-- Calls that ended, with all that was noted of them.
CREATE OR REPLACE FUNCTION call_prune(p_age interval, p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM call WHERE id = ANY (ARRAY(
			SELECT c.id FROM call c WHERE c.status = 'ended' AND c.ended_at < now() - p_age
			ORDER BY c.ended_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

-- Measurements.
CREATE OR REPLACE FUNCTION call_quality_prune(p_age interval, p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM call_quality WHERE ctid = ANY (ARRAY(
			SELECT q.ctid FROM call_quality q WHERE q.measured_at < now() - p_age
			ORDER BY q.measured_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

-- All events but the newest p_keep, as far as they were made before p_before.
CREATE OR REPLACE FUNCTION event_trim(p_keep bigint, p_before timestamptz, p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM event WHERE id = ANY (ARRAY(
			SELECT e.id FROM event e
			WHERE e.created_at < p_before AND e.created_at <= (
				SELECT k.created_at FROM event k ORDER BY k.created_at DESC OFFSET p_keep LIMIT 1)
			ORDER BY e.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone
$$;
