-- Devices under their account's limit, key material that is handed out once for ever, and stores with a limit.

-- ---- seen --------------------------------------------------------------------------------------

-- A device shows itself by signing in and by refreshing its tokens, which every client in use does within the
-- lifetime of an access token.
CREATE FUNCTION device_seen() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE device SET last_seen_at = NEW.last_used_at
	WHERE id = NEW.device_id AND last_seen_at < NEW.last_used_at;
	RETURN NULL;
END $$;
CREATE TRIGGER device_seen_opened AFTER INSERT ON session
	FOR EACH ROW WHEN (NEW.device_id IS NOT NULL) EXECUTE FUNCTION device_seen();
CREATE TRIGGER device_seen_used AFTER UPDATE OF last_used_at ON session
	FOR EACH ROW WHEN (NEW.device_id IS NOT NULL) EXECUTE FUNCTION device_seen();

-- ---- devices -----------------------------------------------------------------------------------

-- A device as replies show it to its account.
CREATE VIEW device_card AS
SELECT d.id, d.account_id, d.name AS "deviceName", d.platform, d.fingerprint AS "deviceFingerprint",
	d.registration_id AS "registrationId", d.websocket_capable AS "websocketCapable",
	(SELECT count(*) FROM one_time_prekey k WHERE k.device_id = d.id) AS "oneTimePreKeysLeft",
	d.created_at AS "createdAt", d.last_seen_at AS "lastSeenAt"
FROM device d WHERE d.revoked_at IS NULL;

-- Tell the other devices of an account about one of them.
CREATE FUNCTION device_emit(p_type text, d device, p_by uuid) RETURNS jsonb
LANGUAGE sql VOLATILE AS $$
	SELECT emit(p_type, NULL, NULL, ARRAY[d.account_id], jsonb_strip_nulls(jsonb_build_object(
		'deviceId', d.id, 'deviceName', d.name, 'platform', d.platform,
		'websocketCapable', d.websocket_capable, 'registrationId', d.registration_id,
		'hasKeys', d.keys_registered_at IS NOT NULL,
		'createdAt', rfc3339(d.created_at), 'removedAt', rfc3339(d.revoked_at))), NULL, p_by)
$$;

-- One more device of an account that has fewer than p_max.
--	409	fingerprint registered already (device_fingerprint_once), or as many devices as there may be
CREATE FUNCTION device_add(p_account uuid, p_by uuid, p_name text, p_platform text, p_fingerprint text,
	p_identity_key text, p_registration_id bigint, p_push_token text, p_websocket boolean, p_max integer)
RETURNS TABLE (id uuid, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	d device;
BEGIN
	-- The account's lock: two at once must not both find the last place free.
	PERFORM FROM account a WHERE a.id = p_account FOR NO KEY UPDATE;
	INSERT INTO device (account_id, name, platform, fingerprint, identity_key, registration_id, push_token,
		websocket_capable)
	VALUES (p_account, p_name, p_platform, p_fingerprint, p_identity_key, p_registration_id, p_push_token,
		coalesce(p_websocket, false))
	RETURNING device.* INTO d;
	IF (SELECT count(*) FROM device o WHERE o.account_id = p_account AND o.revoked_at IS NULL) > p_max THEN
		PERFORM fail(409, 'An account has at most ' || p_max || ' devices');
	END IF;
	RETURN QUERY SELECT d.id, device_emit('device.added', d, p_by);
END $$;

-- Change what is not null.  An empty push token takes the token away.
--	404	the account has no such device
CREATE FUNCTION device_update(p_account uuid, p_device uuid, p_by uuid, p_name text, p_platform text,
	p_push_token text, p_websocket boolean)
RETURNS TABLE (id uuid, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	d device;
BEGIN
	UPDATE device u SET name = coalesce(p_name, u.name), platform = coalesce(p_platform, u.platform),
		push_token = nullif(coalesce(p_push_token, u.push_token), ''),
		websocket_capable = coalesce(p_websocket, u.websocket_capable), updated_at = now()
	WHERE u.id = p_device AND u.account_id = p_account AND u.revoked_at IS NULL
	RETURNING u.* INTO d;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such device');
	END IF;
	RETURN QUERY SELECT d.id, device_emit('device.updated', d, p_by);
END $$;

-- Revoke a device of an account: its sessions end, its keys and stores go.  p_by is not told.
--	404	the account has no such device
CREATE FUNCTION device_revoke(p_account uuid, p_device uuid, p_by uuid DEFAULT NULL)
RETURNS TABLE (id uuid, revoked_at timestamptz, sessions uuid[], _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	d device;
	v_sessions uuid[];
BEGIN
	UPDATE device u SET revoked_at = now(), updated_at = now(), push_token = NULL
	WHERE u.id = p_device AND u.account_id = p_account AND u.revoked_at IS NULL
	RETURNING u.* INTO d;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such device');
	END IF;
	_event := jsonb_build_array(device_emit('device.removed', d, p_by));
	WITH ended AS (
		UPDATE session s SET revoked_at = d.revoked_at
		WHERE s.device_id = p_device AND s.revoked_at IS NULL
		RETURNING s.id)
	SELECT coalesce(array_agg(ended.id), '{}') INTO v_sessions FROM ended;
	UPDATE web_session w SET revoked_at = d.revoked_at
	WHERE w.device_id = p_device AND w.revoked_at IS NULL;
	DELETE FROM one_time_prekey o WHERE o.device_id = p_device;
	DELETE FROM one_time_prekey_spent o WHERE o.device_id = p_device;
	DELETE FROM offline_queue q WHERE q.device_id = p_device;
	DELETE FROM device_ack a WHERE a.device_id = p_device;
	DELETE FROM device_position p WHERE p.device_id = p_device;
	RETURN QUERY SELECT d.id, d.revoked_at, v_sessions, _event
		|| (SELECT coalesce(jsonb_agg(emit('session.revoked', NULL, NULL, ARRAY[p_account],
			jsonb_build_object('sessionId', s, 'deviceId', p_device, 'reason', 'device_removed'))), '[]')
		FROM unnest(v_sessions) s);
END $$;

-- ---- key material --------------------------------------------------------------------------------

-- Keys that were handed out.  A client that repeats an upload, because the answer to the first was lost, must not
-- put a key back on the shelf that somebody has taken in between.
CREATE TABLE one_time_prekey_spent (
	device_id uuid NOT NULL REFERENCES device,
	public_key text NOT NULL,
	spent_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (device_id, public_key)
);
CREATE INDEX one_time_prekey_spent_at ON one_time_prekey_spent (spent_at);

CREATE FUNCTION one_time_prekey_spend() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO one_time_prekey_spent (device_id, public_key) VALUES (OLD.device_id, OLD.public_key)
	ON CONFLICT DO NOTHING;
	RETURN NULL;
END $$;
CREATE TRIGGER one_time_prekey_spend AFTER DELETE ON one_time_prekey
	FOR EACH ROW EXECUTE FUNCTION one_time_prekey_spend();

-- Take one prekey bundle of an account: of the device asked for, else of the one seen last that still has a
-- one-time key; never of p_except, the device that asks.  Two callers never get the same key; one whose transaction
-- fails gives it back.
--	404	no account, no device, or no key material	409	no one-time key is left
CREATE FUNCTION prekey_take(p_account uuid, p_device uuid DEFAULT NULL, p_except uuid DEFAULT NULL)
RETURNS TABLE (device_id uuid, registration_id bigint, identity_key text, signed_prekey text,
	signed_prekey_signature text, one_time_prekey text, key_id integer)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	d device;
	k record;
	found_bundle boolean := false;
BEGIN
	FOR d IN
		SELECT o.* FROM device o
		WHERE o.account_id = p_account AND o.revoked_at IS NULL AND o.keys_registered_at IS NOT NULL
			AND (p_device IS NULL OR o.id = p_device) AND o.id IS DISTINCT FROM p_except
		ORDER BY o.last_seen_at DESC, o.id
	LOOP
		found_bundle := true;
		WITH oldest AS MATERIALIZED (
			SELECT o.device_id, o.id FROM one_time_prekey o WHERE o.device_id = d.id
			ORDER BY o.id LIMIT 1 FOR UPDATE SKIP LOCKED)
		DELETE FROM one_time_prekey t USING oldest
		WHERE t.device_id = oldest.device_id AND t.id = oldest.id
		RETURNING t.public_key, t.key_id INTO k;
		IF FOUND THEN
			RETURN QUERY SELECT d.id, d.registration_id, d.identity_key, d.signed_prekey,
				d.signed_prekey_signature, k.public_key, k.key_id;
			RETURN;
		END IF;
	END LOOP;
	IF found_bundle THEN
		PERFORM fail(409, 'No one-time prekey is left');
	END IF;
	PERFORM fail(404, 'No prekeys are registered for this user');
END $$;

-- Put one-time keys of a device on the shelf; keys that are or were there are passed over.  Answers how many are new.
CREATE FUNCTION prekey_add(p_device uuid, p_keys text[]) RETURNS integer
LANGUAGE sql VOLATILE AS $$
	WITH added AS (
		INSERT INTO one_time_prekey (device_id, public_key)
		SELECT p_device, k FROM unnest(p_keys) WITH ORDINALITY AS u (k, n)
		WHERE NOT EXISTS (SELECT FROM one_time_prekey_spent s
			WHERE s.device_id = p_device AND s.public_key = k)
		ORDER BY n
		ON CONFLICT (device_id, public_key) DO NOTHING
		RETURNING 1)
	SELECT count(*)::integer FROM added
$$;

-- Store a device's bundle: the identity key p_identity, under which the signed prekey has been verified, and one-time
-- keys, at most p_max with those that are there.  An identity is for ever once the bundle is whole, and the other devices
-- are told when it is.
--	404	no such device	409	another identity	400	too many one-time keys
CREATE FUNCTION prekey_store(p_account uuid, p_by uuid, p_device uuid, p_identity text, p_signed text, p_signature text,
	p_keys text[], p_registration_id bigint, p_max integer)
RETURNS TABLE (added integer, remaining bigint, first boolean, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	d device;
BEGIN
	SELECT o.* INTO d FROM device o
	WHERE o.id = p_device AND o.account_id = p_account AND o.revoked_at IS NULL FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such device');
	ELSIF d.keys_registered_at IS NOT NULL AND d.identity_key <> p_identity THEN
		PERFORM fail(409, 'Keys of another identity are registered for this device', 'identityKey');
	END IF;
	first := d.keys_registered_at IS NULL;
	UPDATE device o SET identity_key = p_identity, signed_prekey = p_signed,
		signed_prekey_signature = p_signature, keys_registered_at = coalesce(o.keys_registered_at, now()),
		registration_id = coalesce(p_registration_id, o.registration_id), updated_at = now()
	WHERE o.id = p_device RETURNING o.* INTO d;
	IF first THEN
		_event := device_emit('device.updated', d, p_by);
	END IF;
	added := prekey_add(p_device, p_keys);
	SELECT count(*) INTO remaining FROM one_time_prekey o WHERE o.device_id = p_device;
	IF remaining > p_max THEN
		PERFORM fail(400, 'A device keeps at most ' || p_max || ' one-time prekeys', 'oneTimePreKeys');
	END IF;
	RETURN NEXT;
END $$;

-- One prekey bundle of an account for another, or for another device of the same account, and the list of the
-- account's devices.  Below p_low keys the account's devices are told.
--	404	no account, no keys, or a block in either direction	409	no one-time key is left
CREATE FUNCTION prekey_bundle(p_me uuid, p_my_device uuid, p_account uuid, p_device uuid, p_low integer)
RETURNS TABLE (device_id uuid, registration_id bigint, identity_key text, signed_prekey text,
	signed_prekey_signature text, one_time_prekey text, devices jsonb, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	k record;
	v_left bigint;
BEGIN
	IF direct_closed(p_me, p_account) THEN
		PERFORM fail(404, 'No prekeys are registered for this user');
	END IF;
	SELECT t.* INTO k FROM prekey_take(p_account, p_device, p_my_device) t;
	SELECT count(*) INTO v_left FROM (SELECT FROM one_time_prekey o WHERE o.device_id = k.device_id LIMIT p_low) o;
	IF v_left < p_low THEN
		_event := emit('prekeys.low', NULL, NULL, ARRAY[p_account],
			jsonb_build_object('deviceId', k.device_id, 'remaining', v_left));
	END IF;
	RETURN QUERY SELECT k.device_id, k.registration_id, k.identity_key, k.signed_prekey, k.signed_prekey_signature,
		k.one_time_prekey,
		(SELECT jsonb_agg(jsonb_build_object('deviceId', d.id, 'registrationId', d.registration_id,
			'hasKeys', d.keys_registered_at IS NOT NULL) ORDER BY d.created_at, d.id)
		FROM device d WHERE d.account_id = p_account AND d.revoked_at IS NULL),
		_event;
END $$;

-- ---- browser sessions ------------------------------------------------------------------------------

-- Open a browser session.  A key serves one at a time; one that expired, or whose sign-in ended, gives its key free.
--	23505	web_session_once
CREATE FUNCTION web_session_open(p_account uuid, p_session uuid, p_device uuid, p_name text, p_agent text,
	p_key text, p_lifetime double precision)
RETURNS SETOF web_session
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	UPDATE web_session w SET revoked_at = least(w.expires_at, now())
	WHERE w.account_id = p_account AND w.public_key = p_key AND w.revoked_at IS NULL
		AND NOT EXISTS (SELECT FROM web_session_live(p_account, w.id));
	RETURN QUERY INSERT INTO web_session (account_id, session_id, device_id, device_name, user_agent, public_key,
		expires_at)
	VALUES (p_account, p_session, p_device, p_name, p_agent, p_key, now() + make_interval(secs => p_lifetime))
	RETURNING *;
END $$;

-- The browser session, if it is the account's and lives: so does the sign-in that opened it.
CREATE FUNCTION web_session_live(p_account uuid, p_id uuid) RETURNS SETOF web_session
LANGUAGE sql STABLE AS $$
	SELECT w.* FROM web_session w
	WHERE w.id = p_id AND w.account_id = p_account AND w.revoked_at IS NULL AND w.expires_at > now()
		AND NOT EXISTS (SELECT FROM session s WHERE s.id = w.session_id
			AND (s.revoked_at IS NOT NULL OR s.expires_at <= now()))
$$;

-- ---- stores of a device ----------------------------------------------------------------------------

ALTER TABLE offline_queue ADD item_count bigint NOT NULL DEFAULT 0;

-- Make a store for a device of the account.
--	400	not a device of the account	23505	offline_queue_once
CREATE FUNCTION offline_queue_open(p_account uuid, p_device uuid, p_key text) RETURNS SETOF offline_queue
LANGUAGE plpgsql VOLATILE AS $$
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
CREATE FUNCTION offline_queue_own(p_account uuid, p_queue uuid) RETURNS uuid
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
CREATE FUNCTION offline_queue_put(p_account uuid, p_queue uuid, p_message text, p_ciphertext text, p_metadata jsonb,
	p_max bigint)
RETURNS SETOF offline_queue_item
LANGUAGE plpgsql VOLATILE AS $$
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

-- Take messages out of a store by their ids; ids that are not in it do not count.
--	404	no such store
CREATE FUNCTION offline_queue_ack(p_account uuid, p_queue uuid, p_messages text[])
RETURNS TABLE (acknowledged bigint, remaining bigint)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM FROM offline_queue o WHERE o.id = p_queue AND o.account_id = p_account FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such queue');
	END IF;
	DELETE FROM offline_queue_item o WHERE o.queue_id = p_queue AND o.message_id = ANY (p_messages);
	GET DIAGNOSTICS acknowledged = ROW_COUNT;
	UPDATE offline_queue o SET item_count = o.item_count - acknowledged
	WHERE o.id = p_queue RETURNING o.item_count INTO remaining;
	RETURN NEXT;
END $$;

-- Drop what has waited in stores longer than p_age; answers how many.
CREATE FUNCTION offline_queue_prune(p_age interval, p_limit integer DEFAULT 5000) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_queue uuid;
	v_gone bigint;
	v_all bigint := 0;
BEGIN
	-- Stores are locked before their entries, as everywhere above.
	FOR v_queue IN
		SELECT q.id FROM offline_queue q
		WHERE q.id IN (SELECT i.queue_id FROM offline_queue_item i WHERE i.queued_at < now() - p_age
			ORDER BY i.queued_at LIMIT p_limit)
		FOR UPDATE SKIP LOCKED
	LOOP
		DELETE FROM offline_queue_item i WHERE i.queue_id = v_queue AND i.queued_at < now() - p_age;
		GET DIAGNOSTICS v_gone = ROW_COUNT;
		UPDATE offline_queue q SET item_count = q.item_count - v_gone WHERE q.id = v_queue;
		v_all := v_all + v_gone;
	END LOOP;
	RETURN v_all;
END $$;
CREATE INDEX offline_queue_item_queued_at ON offline_queue_item (queued_at);
