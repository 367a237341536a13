-- Stores that a device fills for itself while it is offline, each with a limit (docs/devices.md).

-- Make a store for a device of the account.
--	400	not a device of the account	23505	offline_queue_once
CREATE OR REPLACE FUNCTION offline_queue_open(p_account uuid, p_device uuid, p_key text) RETURNS SETOF offline_queue
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
BEGIN
	-- Held against device_revoke, or the store would outlive its device.
	PERFORM FROM device d WHERE d.id = p_device AND d.account_id = p_account AND d.revoked_at IS NULL FOR SHARE;
	IF NOT FOUND THEN
		PERFORM fail(400, 'This is none of your devices', 'deviceId');
	END IF;
	RETURN QUERY INSERT INTO offline_queue (account_id, device_id, client_public_key)
	VALUES (p_account, p_device, p_key) RETURNING *;
END $$;

-- The store, if it is the account's; 404 otherwise.
CREATE OR REPLACE FUNCTION offline_queue_own(p_account uuid, p_queue uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM FROM offline_queue q WHERE q.id = p_queue AND q.account_id = p_account;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such queue');
	END IF;
	RETURN p_queue;
END $$;

-- Put a message in a store.  A message id that is there already answers the first entry when it says the same.
--	404	no such store	409	the id stands for another message, or the store is full
CREATE OR REPLACE FUNCTION offline_queue_put(p_account uuid, p_queue uuid, p_message text, p_ciphertext text, p_metadata jsonb,
	p_max bigint)
RETURNS SETOF offline_queue_item
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
DECLARE
	q offline_queue;
	i offline_queue_item;
BEGIN
	SELECT o.* INTO q FROM offline_queue o WHERE o.id = p_queue AND o.account_id = p_account FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such queue');
	END IF;
	SELECT o.* INTO i FROM offline_queue_item o WHERE o.queue_id = p_queue AND o.message_id = p_message;
	IF FOUND AND (i.ciphertext <> p_ciphertext OR i.metadata <> coalesce(p_metadata, '{}')) THEN
		PERFORM fail(409, 'This id stands for another message in the queue', 'messageId');
	ELSIF FOUND THEN
		RETURN NEXT i;
		RETURN;
	ELSIF q.item_count >= p_max THEN
		PERFORM fail(409, 'The queue is full');
	END IF;
	UPDATE offline_queue o SET last_position = o.last_position + 1, item_count = o.item_count + 1
	WHERE o.id = p_queue;
	RETURN QUERY INSERT INTO offline_queue_item (queue_id, position, message_id, ciphertext, metadata)
	VALUES (p_queue, q.last_position + 1, p_message, p_ciphertext, coalesce(p_metadata, '{}')) RETURNING *;
END $$;

-- Take messages out of a store by their ids; ids that are not in it do not count.  Each is looked up by itself, for a store
-- may be much longer than the list.
--	404	no such store
CREATE OR REPLACE FUNCTION offline_queue_ack(p_account uuid, p_queue uuid, p_messages text[])
RETURNS TABLE (acknowledged bigint, remaining bigint)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
BEGIN
	PERFORM FROM offline_queue o WHERE o.id = p_queue AND o.account_id = p_account FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such queue');
	END IF;
	DELETE FROM offline_queue_item o WHERE o.id = ANY (ARRAY(SELECT i.id FROM unnest(p_messages) AS w (message_id)
		CROSS JOIN LATERAL (SELECT i.id FROM offline_queue_item i
			WHERE i.queue_id = p_queue AND i.message_id = w.message_id LIMIT 1) i));
	GET DIAGNOSTICS acknowledged = ROW_COUNT;
	UPDATE offline_queue o SET item_count = o.item_count - acknowledged
	WHERE o.id = p_queue RETURNING o.item_count INTO remaining;
	RETURN NEXT;
END $$;
