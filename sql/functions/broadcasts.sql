-- Broadcast lists: whom their owner writes to at once (docs/conversations.md).

-- With an account go its lists.
CREATE OR REPLACE FUNCTION broadcast_list_end() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM broadcast_list WHERE owner_id = NEW.id;
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER account_deleted_broadcast_list AFTER UPDATE OF deleted_at ON account FOR EACH ROW
	WHEN (NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL) EXECUTE FUNCTION broadcast_list_end();

-- Tell the owner's other devices of a change.
CREATE OR REPLACE FUNCTION broadcast_emit(l broadcast_list, p_type text, p_more jsonb, p_device uuid) RETURNS jsonb
LANGUAGE sql VOLATILE AS $$
	SELECT emit(p_type, NULL, NULL, ARRAY[l.owner_id], jsonb_strip_nulls(jsonb_build_object('broadcastId', l.id,
	'name', l.name, 'description', l.description, 'recipientCount', l.recipient_count,
	'createdAt', rfc3339(l.created_at), 'updatedAt', rfc3339(l.updated_at))) || p_more, NULL, p_device)
$$;

-- A list, locked for its owner.
--	404	no such list, or somebody else's
CREATE OR REPLACE FUNCTION broadcast_lock(p_list uuid, p_owner uuid) RETURNS broadcast_list
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	l broadcast_list;
BEGIN
	SELECT * INTO l FROM broadcast_list WHERE id = p_list AND owner_id = p_owner FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such list');
	END IF;
	RETURN l;
END $$;

-- A list, for its owner to look at.
--	404	no such list, or somebody else's
CREATE OR REPLACE FUNCTION broadcast_seen(p_list uuid, p_owner uuid) RETURNS broadcast_list
LANGUAGE plpgsql STABLE AS $$
DECLARE
	l broadcast_list;
BEGIN
	SELECT * INTO l FROM broadcast_list WHERE id = p_list AND owner_id = p_owner;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such list');
	END IF;
	RETURN l;
END $$;

-- Make a list, empty as yet.
CREATE OR REPLACE FUNCTION broadcast_create(p_id uuid, p_owner uuid, p_name text, p_description text, p_device uuid DEFAULT NULL)
RETURNS TABLE (list broadcast_list, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
BEGIN
	INSERT INTO broadcast_list (id, owner_id, name, description)
	VALUES (coalesce(p_id, uuid7()), p_owner, p_name, nullif(p_description, '')) RETURNING * INTO list;
	_event := broadcast_emit(list, 'broadcast.created', '{}', p_device);
	RETURN NEXT;
END $$;

-- Change name and description; NULL leaves as is, an empty description takes it away.
--	404	no such list
CREATE OR REPLACE FUNCTION broadcast_update(p_list uuid, p_owner uuid, p_name text, p_description text, p_device uuid DEFAULT NULL)
RETURNS TABLE (list broadcast_list, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
BEGIN
	PERFORM broadcast_lock(p_list, p_owner);
	UPDATE broadcast_list l SET name = coalesce(p_name, l.name),
		description = nullif(coalesce(p_description, l.description), ''), updated_at = now()
	WHERE l.id = p_list RETURNING l.* INTO list;
	_event := broadcast_emit(list, 'broadcast.updated', '{}', p_device);
	RETURN NEXT;
END $$;

-- Delete a list and tell the owner's other devices.
--	404	no such list
CREATE OR REPLACE FUNCTION broadcast_delete(p_list uuid, p_owner uuid, p_device uuid DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	l broadcast_list := broadcast_lock(p_list, p_owner);
BEGIN
	DELETE FROM broadcast_list WHERE id = p_list;
	RETURN emit('broadcast.deleted', NULL, NULL, ARRAY[l.owner_id], jsonb_build_object('broadcastId', l.id), NULL, p_device);
END $$;

-- Note a change of the recipients, tell of it, and answer how many there are.
CREATE OR REPLACE FUNCTION broadcast_recount(p_list uuid, p_by integer, p_more jsonb, p_device uuid, OUT recipients integer,
	OUT _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	l broadcast_list;
BEGIN
	UPDATE broadcast_list u SET recipient_count = u.recipient_count + p_by,
		updated_at = CASE WHEN p_by <> 0 THEN now() ELSE u.updated_at END
	WHERE u.id = p_list RETURNING u.* INTO l;
	recipients := l.recipient_count;
	_event := CASE WHEN p_by <> 0 THEN broadcast_emit(l, 'broadcast.recipients', p_more, p_device) END;
END $$;

-- Add recipients, one by one: each is added, was there already, or is nobody to write to (unknown, the owner, or somebody who
-- blocked the owner: who did that is not told).  An id that is named twice counts once.
--	404	no such list	400	userIds: there would be more than p_most, and none is added
CREATE OR REPLACE FUNCTION broadcast_add(p_list uuid, p_owner uuid, p_accounts uuid[], p_most integer, p_device uuid DEFAULT NULL)
RETURNS TABLE (added uuid[], already uuid[], unknown uuid[], recipients integer, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
BEGIN
	PERFORM broadcast_lock(p_list, p_owner);
	SELECT coalesce(array_agg(u.id) FILTER (WHERE r.list_id IS NOT NULL), '{}'),
		coalesce(array_agg(u.id) FILTER (WHERE r.list_id IS NULL AND f.ok), '{}'),
		coalesce(array_agg(u.id) FILTER (WHERE r.list_id IS NULL AND f.ok IS NULL), '{}')
	INTO already, added, unknown
	FROM (SELECT DISTINCT x FROM unnest(p_accounts) x) AS u (id)
	LEFT JOIN broadcast_recipient r ON r.list_id = p_list AND r.account_id = u.id
	LEFT JOIN LATERAL (SELECT true AS ok FROM account a
		WHERE a.id = u.id AND a.id <> p_owner AND account_findable(p_owner, a)) f ON true;
	INSERT INTO broadcast_recipient (list_id, account_id) SELECT p_list, x FROM unnest(added) x;
	SELECT n.recipients, n._event INTO recipients, _event FROM broadcast_recount(p_list, cardinality(added),
		jsonb_build_object('added', to_jsonb(added)), p_device) n;
	IF recipients > p_most AND added <> '{}' THEN
		PERFORM fail(400, 'A list has at most ' || p_most || ' recipients', 'userIds');
	END IF;
	RETURN NEXT;
END $$;

-- Take recipients off, one by one: each is removed, or was missing.
--	404	no such list
CREATE OR REPLACE FUNCTION broadcast_remove(p_list uuid, p_owner uuid, p_accounts uuid[], p_device uuid DEFAULT NULL)
RETURNS TABLE (removed uuid[], missing uuid[], recipients integer, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
BEGIN
	PERFORM broadcast_lock(p_list, p_owner);
	WITH gone AS (DELETE FROM broadcast_recipient r WHERE r.list_id = p_list AND r.account_id = ANY (p_accounts)
		RETURNING r.account_id)
	SELECT coalesce(array_agg(g.account_id), '{}') INTO removed FROM gone g;
	missing := ARRAY(SELECT DISTINCT x FROM unnest(p_accounts) x WHERE x <> ALL (removed));
	SELECT n.recipients, n._event INTO recipients, _event FROM broadcast_recount(p_list, -cardinality(removed),
		jsonb_build_object('removed', to_jsonb(removed)), p_device) n;
	RETURN NEXT;
END $$;
