-- Uploads in pieces: a file is announced with its size, arrives, and becomes one that messages can name (docs/uploads.md).
--
-- The row is there before the first byte and goes after the last one, as that of a file does.  While partial is
-- set, bytes may lie in the store that belong to no row of media.  Who writes bytes holds the row's lock.

-- ---- what their owners do -----------------------------------------------------------------------

-- Announce a file.  p_open is how many unfinished uploads an account may have, p_quota how many bytes in all, those
-- that are only announced counted.
--	409	too many, or too much
CREATE OR REPLACE FUNCTION upload_begin(p_account uuid, p_name text, p_kind text, p_type text, p_size bigint, p_sha256 text,
	p_open integer, p_quota bigint) RETURNS SETOF upload
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_open bigint;
	v_bytes numeric;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended(p_account::text, 133));
	SELECT count(*) FILTER (WHERE u.status <> 'completed'), coalesce(sum(u.size), 0) INTO v_open, v_bytes
	FROM upload u WHERE u.account_id = p_account AND u.deleted_at IS NULL
		AND u.status IN ('pending', 'in_progress', 'completed');
	IF v_open >= p_open THEN
		PERFORM fail(409, 'Finish or delete one of your ' || p_open || ' unfinished uploads first');
	ELSIF v_bytes + p_size > p_quota THEN
		PERFORM fail(409, 'is more than the ' || greatest(p_quota - v_bytes, 0) || ' bytes you have left', 'file_size');
	END IF;
	RETURN QUERY INSERT INTO upload (account_id, file_name, kind, mime_type, size, sha256)
		VALUES (p_account, p_name, p_kind, p_type, p_size, p_sha256) RETURNING *;
END $$;

-- Lock an upload for its owner, or with p_account null for whoever has its address, while it is unfinished.
--	404	there is none	409	it has ended
CREATE OR REPLACE FUNCTION upload_lock(p_id uuid, p_account uuid) RETURNS upload
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	u upload;
BEGIN
	SELECT * INTO u FROM upload o WHERE o.id = p_id AND o.deleted_at IS NULL AND o.account_id = coalesce(p_account, o.account_id)
	FOR NO KEY UPDATE;
	IF u.id IS NULL THEN
		PERFORM fail(404, 'There is no such upload');
	ELSIF u.status NOT IN ('pending', 'in_progress') THEN
		PERFORM fail(409, 'The upload is ' || u.status);
	END IF;
	RETURN u;
END $$;

-- Bytes are on disk up to there.  Under the lock.
CREATE OR REPLACE FUNCTION upload_arrived(p_id uuid, p_upto bigint) RETURNS SETOF upload
LANGUAGE sql VOLATILE AS $$
	UPDATE upload u SET uploaded = greatest(u.uploaded, p_upto), status = 'in_progress', updated_at = now()
	WHERE u.id = p_id RETURNING u.*
$$;

-- The owner says how far it is.  What has arrived is known better here: less is a sign of life, more is wrong.
--	400	more than the file has	404, 409	as upload_lock	409	more than has arrived
CREATE OR REPLACE FUNCTION upload_report(p_id uuid, p_account uuid, p_bytes bigint) RETURNS SETOF upload
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	u upload := upload_lock(p_id, p_account);
BEGIN
	IF p_bytes > u.size THEN
		PERFORM fail(400, 'is more than the ' || u.size || ' bytes of the file', 'uploaded_bytes');
	ELSIF p_bytes > u.uploaded THEN
		PERFORM fail(409, 'is more than the ' || u.uploaded || ' bytes that have arrived', 'uploaded_bytes');
	END IF;
	RETURN QUERY SELECT * FROM upload_arrived(p_id, 0);
END $$;

-- All bytes are in their place, under the lock: from now on messages can name the file.
CREATE OR REPLACE FUNCTION upload_complete(p_id uuid, p_sha256 text) RETURNS SETOF upload
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	INSERT INTO media (id, account_id, kind, mime_type, size, sha256)
	SELECT u.id, u.account_id, u.kind, u.mime_type, u.size, p_sha256 FROM upload u WHERE u.id = p_id;
	RETURN QUERY UPDATE upload u SET status = 'completed', partial = false, sha256 = p_sha256, completed_at = now(),
		updated_at = now() WHERE u.id = p_id RETURNING u.*;
END $$;

-- Give an upload up: failed, or cancelled.  Its bytes go with the next round of the jobs.
CREATE OR REPLACE FUNCTION upload_give_up(p_id uuid, p_account uuid, p_status text) RETURNS SETOF upload
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM upload_lock(p_id, p_account);
	RETURN QUERY UPDATE upload u SET status = p_status, updated_at = now() WHERE u.id = p_id RETURNING u.*;
END $$;

-- Nobody sees these any more, and their files go unless a message names them.
CREATE OR REPLACE FUNCTION upload_drop(p_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_dropped bigint;
BEGIN
	UPDATE upload u SET deleted_at = now(), updated_at = now() WHERE u.id = ANY (p_ids) AND u.deleted_at IS NULL;
	GET DIAGNOSTICS v_dropped = ROW_COUNT;
	UPDATE media f SET deleted_at = now()
	WHERE f.id = ANY (p_ids) AND f.deleted_at IS NULL AND NOT media_named(f.id);
	RETURN v_dropped;
END $$;

-- An unfinished upload is cancelled, another one goes.
--	404	there is none
CREATE OR REPLACE FUNCTION upload_delete(p_id uuid, p_account uuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	u upload;
BEGIN
	SELECT * INTO u FROM upload o WHERE o.id = p_id AND o.account_id = p_account AND o.deleted_at IS NULL
	FOR NO KEY UPDATE;
	IF u.id IS NULL THEN
		PERFORM fail(404, 'There is no such upload');
	ELSIF u.status IN ('pending', 'in_progress') THEN
		PERFORM upload_give_up(p_id, p_account, 'cancelled');
	ELSE
		PERFORM upload_drop(ARRAY[p_id]);
	END IF;
END $$;

-- Delete unfinished uploads that nothing came for.  How many.
CREATE OR REPLACE FUNCTION upload_delete_stale(p_account uuid, p_age interval) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	SELECT upload_drop(ARRAY(SELECT u.id FROM upload u
		WHERE u.account_id = p_account AND u.deleted_at IS NULL AND u.status IN ('pending', 'in_progress')
			AND u.updated_at <= now() - p_age ORDER BY u.id FOR NO KEY UPDATE))
$$;

-- With an account go its uploads.
CREATE OR REPLACE FUNCTION upload_account_deleted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM upload_drop(ARRAY(SELECT u.id FROM upload u WHERE u.account_id = NEW.id AND u.deleted_at IS NULL
		ORDER BY u.id FOR NO KEY UPDATE));
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER upload_account_deleted AFTER UPDATE OF deleted_at ON account FOR EACH ROW
	WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION upload_account_deleted();

-- ---- jobs ---------------------------------------------------------------------------------------

-- Unfinished uploads that nothing came for have failed.  How many.
CREATE OR REPLACE FUNCTION upload_abandon(p_age interval, p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH late AS (SELECT u.id FROM upload u
		WHERE u.status IN ('pending', 'in_progress') AND u.deleted_at IS NULL AND u.updated_at < now() - p_age
		ORDER BY u.updated_at LIMIT p_limit FOR NO KEY UPDATE SKIP LOCKED),
	done AS (UPDATE upload u SET status = 'failed', updated_at = now() FROM late WHERE u.id = late.id RETURNING 1)
	SELECT count(*) FROM done
$$;

-- Uploads whose bytes can go.  Nobody writes to them any more: that takes the lock, and another status.
CREATE OR REPLACE FUNCTION upload_purgeable(p_limit integer DEFAULT 500) RETURNS TABLE (id uuid)
LANGUAGE sql STABLE AS $$
	SELECT u.id FROM upload u
	WHERE (u.status IN ('failed', 'cancelled') OR u.deleted_at IS NOT NULL) AND u.partial
	ORDER BY u.updated_at LIMIT p_limit
$$;

-- Their bytes are gone.
CREATE OR REPLACE FUNCTION upload_emptied(p_ids uuid[]) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH done AS (UPDATE upload u SET partial = false WHERE u.id = ANY (p_ids) RETURNING 1)
	SELECT count(*) FROM done
$$;

-- Rows of deleted uploads, and p_age after their end those that failed or were cancelled.
CREATE OR REPLACE FUNCTION upload_prune(p_age interval, p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM upload WHERE id IN (
			SELECT u.id FROM upload u
			WHERE (u.status IN ('failed', 'cancelled') OR u.deleted_at IS NOT NULL) AND NOT u.partial
				AND (u.deleted_at IS NOT NULL OR u.updated_at < now() - p_age)
			ORDER BY u.updated_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
		RETURNING 1)
	SELECT count(*) FROM gone
$$;
