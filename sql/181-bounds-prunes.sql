-- As 081, for what came later: an array is looked up, a join with the whole table is not made.

CREATE OR REPLACE FUNCTION call_prune(p_age interval, p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM call WHERE id = ANY (ARRAY(
			SELECT c.id FROM call c WHERE c.status = 'ended' AND c.ended_at < now() - p_age
			ORDER BY c.ended_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

CREATE OR REPLACE FUNCTION call_quality_prune(p_age interval, p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM call_quality WHERE ctid = ANY (ARRAY(
			SELECT q.ctid FROM call_quality q WHERE q.measured_at < now() - p_age
			ORDER BY q.measured_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

CREATE OR REPLACE FUNCTION message_key_prune(p_age interval DEFAULT '30 days', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM message_key WHERE ctid = ANY (ARRAY(
			SELECT k.ctid FROM message_key k WHERE k.created_at < now() - p_age
			ORDER BY k.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

CREATE OR REPLACE FUNCTION one_time_prekey_spent_prune(p_age interval DEFAULT '90 days', p_limit integer DEFAULT 500)
RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM one_time_prekey_spent WHERE ctid = ANY (ARRAY(
			SELECT k.ctid FROM one_time_prekey_spent k WHERE k.spent_at < now() - p_age
			ORDER BY k.spent_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

CREATE OR REPLACE FUNCTION mail_prune(p_age interval DEFAULT '7 days', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM mail WHERE id = ANY (ARRAY(
			SELECT m.id FROM mail m WHERE m.created_at < now() - p_age AND m.expires_at < now()
			ORDER BY m.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone
$$;

CREATE OR REPLACE FUNCTION password_reset_prune(p_age interval DEFAULT '1 day', p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM password_reset WHERE id = ANY (ARRAY(
			SELECT r.id FROM password_reset r WHERE r.expires_at < now() - p_age
			ORDER BY r.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
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
