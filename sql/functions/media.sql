-- Uploaded files: who may fetch them, and which nobody needs any more (docs/media.md).
--
-- A row is there before its bytes and goes after them.  While they are written, and from when nobody needs them, it has
-- deleted_at; without sha256 the bytes never came.

-- Does anything name the file?  Deleting a message empties its meta; an upload keeps its file as a message does.
CREATE OR REPLACE FUNCTION media_named(p_media uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM message m WHERE m.meta ? 'mediaId' AND m.meta ->> 'mediaId' = p_media::text)
		OR EXISTS (SELECT FROM account a WHERE a.avatar_id = p_media)
		OR EXISTS (SELECT FROM conversation_profile p WHERE p.avatar_id = p_media)
		OR EXISTS (SELECT FROM upload u WHERE u.id = p_media AND u.status = 'completed' AND u.deleted_at IS NULL)
$$;

-- The file, if the account uploaded it or may see a message that names it.  What may be viewed once only is not
-- fetched this way.
CREATE OR REPLACE FUNCTION media_visible(p_account uuid, p_media uuid) RETURNS SETOF media
LANGUAGE sql STABLE ROWS 1 AS $$
	SELECT f.* FROM media f
	WHERE f.id = p_media AND f.deleted_at IS NULL AND (f.account_id = p_account OR EXISTS (
		SELECT FROM message n CROSS JOIN LATERAL message_visible(p_account, n.id) m
		WHERE n.meta ? 'mediaId' AND n.meta ->> 'mediaId' = p_media::text
			AND m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > now())
			AND NOT coalesce((m.meta ->> 'viewOnce')::boolean, false)))
$$;

-- Give up files that nothing names, p_keep after they were uploaded at the earliest; each is looked at once a day, or
-- once in p_keep when that is shorter.  The number of files looked at.
CREATE OR REPLACE FUNCTION media_expire(p_keep interval, p_limit integer DEFAULT 500) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH due AS (SELECT f.id FROM media f
		WHERE f.deleted_at IS NULL AND f.checked_at < now() - least(p_keep, interval '1 day')
		ORDER BY f.checked_at LIMIT p_limit FOR UPDATE SKIP LOCKED),
	done AS (UPDATE media f SET checked_at = now(), deleted_at =
		CASE WHEN f.created_at < now() - p_keep AND NOT media_named(f.id) THEN now() END
		FROM due WHERE f.id = due.id RETURNING 1)
	SELECT count(*) FROM done
$$;

-- The files given up an hour ago: their bytes can go, then their rows.  A message that was being sent
-- while its file was given up has been committed by now, and the file is taken back.
CREATE OR REPLACE FUNCTION media_purgeable(p_limit integer DEFAULT 500) RETURNS TABLE (id uuid)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	v_ids uuid[] := ARRAY(SELECT f.id FROM media f WHERE f.deleted_at < now() - interval '1 hour'
		ORDER BY f.deleted_at LIMIT p_limit);
BEGIN
	UPDATE media f SET deleted_at = NULL, checked_at = now()
	WHERE f.id = ANY (v_ids) AND f.sha256 IS NOT NULL AND media_named(f.id);
	RETURN QUERY SELECT f.id FROM media f WHERE f.id = ANY (v_ids) AND f.deleted_at IS NOT NULL;
END $$;

-- Their bytes are gone.
CREATE OR REPLACE FUNCTION media_forget(p_ids uuid[]) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM media f WHERE f.id = ANY (p_ids) AND f.deleted_at IS NOT NULL RETURNING 1)
	SELECT count(*) FROM gone
$$;
