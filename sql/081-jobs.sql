-- What the jobs do touches what is due and no more (see 007 and 040, whose functions are replaced here).

-- Conversations whose messages have all been removed are not looked at again.
ALTER TABLE conversation ADD COLUMN purged boolean NOT NULL DEFAULT false;
CREATE INDEX conversation_to_purge ON conversation (deleted_at) WHERE deleted_at IS NOT NULL AND NOT purged;
DROP INDEX conversation_deleted_at;

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

-- Rows that end in one of several ways are sought by each way in its own index: of an OR the planner makes a reading of
-- the whole table.

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

-- Those that could not be delivered are kept for p_failed after they were made.
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

-- Of "id IN (SELECT … LIMIT n)" with an n that it does not know the planner makes a join with the whole table; an array
-- is looked up.

CREATE OR REPLACE FUNCTION phone_registration_prune(p_age interval DEFAULT '1 day', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM phone_registration WHERE id = ANY (ARRAY(
			SELECT g.id FROM phone_registration g WHERE g.expires_at < now() - p_age
			ORDER BY g.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

CREATE OR REPLACE FUNCTION login_session_prune(p_age interval DEFAULT '1 hour', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM login_session WHERE id = ANY (ARRAY(
			SELECT l.id FROM login_session l WHERE l.expires_at < now() - p_age
			ORDER BY l.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
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

CREATE OR REPLACE FUNCTION contact_sync_prune(p_age interval DEFAULT '30 days', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM contact_sync WHERE id = ANY (ARRAY(
			SELECT s.id FROM contact_sync s WHERE s.created_at < now() - p_age
			ORDER BY s.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
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

-- Drop what has waited in stores longer than p_age; answers how many.
CREATE OR REPLACE FUNCTION offline_queue_prune(p_age interval, p_limit integer DEFAULT 5000) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_queues uuid[] := ARRAY(SELECT i.queue_id FROM offline_queue_item i WHERE i.queued_at < now() - p_age
		ORDER BY i.queued_at LIMIT p_limit);
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

-- How far position_settle has come in its round through all devices.
CREATE TABLE position_round (
	singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	device_id uuid NOT NULL
);
INSERT INTO position_round (device_id) VALUES (uuid7_floor('epoch'));

-- Positions that lag far behind because their devices mostly send: moved up over what they are not owed.  A call looks at
-- the next p_limit devices and answers how many there were; after the last one, which is told by fewer, it begins anew.
CREATE OR REPLACE FUNCTION position_settle(p_gap bigint DEFAULT 200, p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_devices uuid[];
	r record;
	v_old bigint;
BEGIN
	v_devices := ARRAY(SELECT d.id FROM device d
		WHERE d.id > (SELECT p.device_id FROM position_round p) ORDER BY d.id LIMIT p_limit);
	UPDATE position_round SET device_id = CASE WHEN cardinality(v_devices) < p_limit THEN uuid7_floor('epoch')
		ELSE v_devices[p_limit] END;
	FOR r IN
		SELECT d.account_id, d.id AS device_id, w.conversation_id
		FROM device d CROSS JOIN LATERAL device_waiting(d.account_id, d.id) w
		WHERE d.id = ANY (v_devices) AND d.revoked_at IS NULL AND w.upto_seq - w.after_seq > p_gap
			AND NOT EXISTS (SELECT FROM device_owed(d.account_id, d.id, w.conversation_id,
				w.after_seq, w.after_seq + p_gap))
		ORDER BY w.conversation_id, d.id
	LOOP
		v_old := position_lock(r.device_id, r.conversation_id);
		PERFORM position_advance(r.account_id, r.device_id, r.conversation_id, v_old, '{}');
	END LOOP;
	RETURN cardinality(v_devices);
END $$;
