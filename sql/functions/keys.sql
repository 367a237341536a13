-- Key material of devices: bundles stored whole, identities and prekeys published piece by piece, and one-time prekeys
-- that are handed out once for ever (docs/devices.md).
--
-- The columns of device are what is in force, whichever surface wrote them; a trigger keeps the history beside them.

-- ---- the history --------------------------------------------------------------------------------

-- The history has what the device has now as its active rows.  Fifty of what was before are kept.
CREATE OR REPLACE FUNCTION device_keys_kept() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
	v_identity uuid;
BEGIN
	SELECT i.id INTO v_identity FROM device_identity i
	WHERE i.device_id = NEW.id AND i.deactivated_at IS NULL AND i.public_key = NEW.identity_key;
	IF v_identity IS NULL THEN
		UPDATE device_identity SET deactivated_at = now() WHERE device_id = NEW.id AND deactivated_at IS NULL;
		INSERT INTO device_identity (device_id, public_key)
		SELECT NEW.id, NEW.identity_key WHERE NEW.identity_key IS NOT NULL RETURNING id INTO v_identity;
		DELETE FROM device_identity WHERE id IN (SELECT i.id FROM device_identity i
			WHERE i.device_id = NEW.id ORDER BY i.deactivated_at DESC NULLS FIRST, i.id DESC OFFSET 51);
	END IF;
	UPDATE device_signed_prekey SET signature = NEW.signed_prekey_signature
	WHERE device_id = NEW.id AND replaced_at IS NULL AND identity_id = v_identity
		AND public_key = NEW.signed_prekey AND NEW.signed_prekey_signature IS NOT NULL;
	IF NOT FOUND THEN
		UPDATE device_signed_prekey SET replaced_at = now() WHERE device_id = NEW.id AND replaced_at IS NULL;
		INSERT INTO device_signed_prekey (device_id, identity_id, public_key, signature)
		SELECT NEW.id, v_identity, NEW.signed_prekey, NEW.signed_prekey_signature
		WHERE v_identity IS NOT NULL AND NEW.signed_prekey IS NOT NULL
			AND NEW.signed_prekey_signature IS NOT NULL;
		DELETE FROM device_signed_prekey WHERE id IN (SELECT s.id FROM device_signed_prekey s
			WHERE s.device_id = NEW.id ORDER BY s.replaced_at DESC NULLS FIRST, s.id DESC OFFSET 51);
	END IF;
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER device_keys_new AFTER INSERT ON device FOR EACH ROW
	WHEN (NEW.identity_key IS NOT NULL) EXECUTE FUNCTION device_keys_kept();
CREATE OR REPLACE TRIGGER device_keys_kept AFTER UPDATE OF identity_key, signed_prekey, signed_prekey_signature ON device
	FOR EACH ROW WHEN (OLD.identity_key IS DISTINCT FROM NEW.identity_key
		OR OLD.signed_prekey IS DISTINCT FROM NEW.signed_prekey
		OR OLD.signed_prekey_signature IS DISTINCT FROM NEW.signed_prekey_signature)
	EXECUTE FUNCTION device_keys_kept();

-- With a device goes its history.
CREATE OR REPLACE FUNCTION device_keys_gone() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM device_identity WHERE device_id = NEW.id;
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER device_keys_gone AFTER UPDATE OF revoked_at ON device FOR EACH ROW
	WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION device_keys_gone();

-- ---- taking -------------------------------------------------------------------------------------

-- A key that leaves the shelf is spent, whoever took it and however it went.
CREATE OR REPLACE FUNCTION one_time_prekey_spend() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO one_time_prekey_spent (device_id, public_key, key_id) VALUES (OLD.device_id, OLD.public_key, OLD.key_id)
	ON CONFLICT DO NOTHING;
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER one_time_prekey_spend AFTER DELETE ON one_time_prekey
	FOR EACH ROW EXECUTE FUNCTION one_time_prekey_spend();

-- Take the oldest one-time prekey of a device for an account's device; no row when none is left.  Two callers never get
-- the same one.
CREATE OR REPLACE FUNCTION one_time_prekey_take(p_device uuid, p_by uuid, p_by_device uuid)
RETURNS TABLE (public_key text, key_id integer)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
	WITH oldest AS MATERIALIZED (
		SELECT o.device_id, o.id FROM one_time_prekey o WHERE o.device_id = p_device
		ORDER BY o.id LIMIT 1 FOR UPDATE SKIP LOCKED)
	DELETE FROM one_time_prekey t USING oldest
	WHERE t.device_id = oldest.device_id AND t.id = oldest.id
	RETURNING t.public_key, t.key_id INTO one_time_prekey_take.public_key, one_time_prekey_take.key_id;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	UPDATE one_time_prekey_spent s SET consumed_by = p_by, consumed_device_id = p_by_device
	WHERE s.device_id = p_device AND s.public_key = one_time_prekey_take.public_key;
	RETURN NEXT;
END $$;

-- Take one prekey bundle of an account: of the device asked for, else of the one seen last that still has a
-- one-time key; never of p_except, the device that asks and that is noted with the key.  Two callers never get the same key;
-- one whose transaction fails gives it back.
--	404	no account, no device, or no key material	409	no one-time key is left
CREATE OR REPLACE FUNCTION prekey_take(p_account uuid, p_device uuid DEFAULT NULL, p_except uuid DEFAULT NULL)
RETURNS TABLE (device_id uuid, registration_id bigint, identity_key text, signed_prekey text,
	signed_prekey_signature text, one_time_prekey text, key_id integer)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	d device;
	k record;
	v_by uuid := (SELECT o.account_id FROM device o WHERE o.id = p_except);
	found_bundle boolean := false;
BEGIN
	FOR d IN
		SELECT o.* FROM device o
		WHERE o.account_id = p_account AND o.revoked_at IS NULL AND o.keys_registered_at IS NOT NULL
			AND (p_device IS NULL OR o.id = p_device) AND o.id IS DISTINCT FROM p_except
		ORDER BY o.last_seen_at DESC, o.id
	LOOP
		found_bundle := true;
		SELECT t.public_key, t.key_id INTO k FROM one_time_prekey_take(d.id, v_by, p_except) t;
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

-- Tell the account when fewer than p_low one-time prekeys of its device are left.
CREATE OR REPLACE FUNCTION prekey_low(p_account uuid, p_device uuid, p_low integer) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_left bigint;
BEGIN
	SELECT count(*) INTO v_left FROM (SELECT FROM one_time_prekey o WHERE o.device_id = p_device LIMIT p_low) o;
	RETURN CASE WHEN v_left < p_low THEN emit('prekeys.low', NULL, NULL, ARRAY[p_account],
		jsonb_build_object('deviceId', p_device, 'remaining', v_left)) END;
END $$;

-- A device that p_me may encrypt for, by its id or its own name.
--	404	no such account or device, or a block in either direction
CREATE OR REPLACE FUNCTION device_seen_by(p_me uuid, p_account uuid, p_name text) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_device uuid := device_of(p_account, p_name);
BEGIN
	IF v_device IS NULL OR direct_closed(p_me, p_account) THEN
		PERFORM fail(404, 'There is no such device');
	END IF;
	RETURN v_device;
END $$;

-- One prekey bundle of an account for another, or for another device of the same account, and the list of the
-- account's devices.  Below p_low keys the account's devices are told.
--	404	no account, no keys, or a block in either direction	409	no one-time key is left
CREATE OR REPLACE FUNCTION prekey_bundle(p_me uuid, p_my_device uuid, p_account uuid, p_device uuid, p_low integer)
RETURNS TABLE (device_id uuid, registration_id bigint, identity_key text, signed_prekey text,
	signed_prekey_signature text, one_time_prekey text, devices jsonb, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
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

-- The bundle of one device for a device of p_me.  The one-time prekey is NULL when none is left.
--	404	as device_seen_by, or its keys are not complete
CREATE OR REPLACE FUNCTION prekey_bundle_of(p_me uuid, p_my_device uuid, p_account uuid, p_device uuid, p_low integer)
RETURNS TABLE (device_id uuid, registration_id bigint, identity_id uuid, identity_key text, signed_prekey_id integer,
	signed_prekey text, signature text, one_time_prekey text, one_time_prekey_id integer, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	k record;
BEGIN
	SELECT d.id, d.registration_id, i.id, i.public_key, s.key_id, s.public_key, s.signature
	INTO device_id, registration_id, identity_id, identity_key, signed_prekey_id, signed_prekey, signature
	FROM device d JOIN device_identity i ON i.device_id = d.id AND i.deactivated_at IS NULL
	JOIN device_signed_prekey s ON s.device_id = d.id AND s.replaced_at IS NULL
	WHERE d.id = device_seen_by(p_me, p_account, p_device::text) AND d.keys_registered_at IS NOT NULL;
	IF NOT FOUND THEN
		PERFORM fail(404, 'The device has not published its keys');
	END IF;
	SELECT t.public_key, t.key_id INTO one_time_prekey, one_time_prekey_id
	FROM one_time_prekey_take(p_device, p_me, p_my_device) t;
	_event := prekey_low(p_account, p_device, p_low);
	RETURN NEXT;
END $$;

-- One one-time prekey alone.
--	404	as device_seen_by, or none is left
CREATE OR REPLACE FUNCTION prekey_consume(p_me uuid, p_my_device uuid, p_account uuid, p_device uuid, p_low integer)
RETURNS TABLE (public_key text, key_id integer, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
	SELECT t.public_key, t.key_id INTO public_key, key_id
	FROM one_time_prekey_take(device_seen_by(p_me, p_account, p_device::text), p_me, p_my_device) t;
	IF NOT FOUND THEN
		PERFORM fail(404, 'No one-time prekey is left');
	END IF;
	_event := prekey_low(p_account, p_device, p_low);
	RETURN NEXT;
END $$;

-- ---- storing a bundle ---------------------------------------------------------------------------

-- Put one-time keys of a device on the shelf; keys that are or were there are passed over.  Answers how many are new.
CREATE OR REPLACE FUNCTION prekey_add(p_device uuid, p_keys text[]) RETURNS integer
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
CREATE OR REPLACE FUNCTION prekey_store(p_account uuid, p_by uuid, p_device uuid, p_identity text, p_signed text, p_signature text,
	p_keys text[], p_registration_id bigint, p_max integer)
RETURNS TABLE (added integer, remaining bigint, first boolean, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
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

-- ---- publishing piece by piece ------------------------------------------------------------------

-- The device, locked, if it is the account's and in use; 404 otherwise.
CREATE OR REPLACE FUNCTION device_own_lock(p_account uuid, p_device uuid) RETURNS device
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	d device;
BEGIN
	SELECT o.* INTO d FROM device o
	WHERE o.id = p_device AND o.account_id = p_account AND o.revoked_at IS NULL FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such device');
	END IF;
	RETURN d;
END $$;

-- Set a device's identity.  The one it has may be set again.
--	404	no such device	409	another identity is active
CREATE OR REPLACE FUNCTION identity_publish(p_account uuid, p_device uuid, p_key text) RETURNS SETOF device_identity
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	d device := device_own_lock(p_account, p_device);
BEGIN
	IF d.identity_key <> p_key THEN
		PERFORM fail(409, 'The device has another identity key; deactivate that first');
	END IF;
	UPDATE device o SET identity_key = p_key, updated_at = now() WHERE o.id = p_device AND o.identity_key IS NULL;
	RETURN QUERY SELECT i.* FROM device_identity i WHERE i.device_id = p_device AND i.deactivated_at IS NULL;
END $$;

-- Take an identity out of use, and out of the history too when p_delete.  With the active one go the device's prekeys,
-- which belong to it; the audience is told that what it verified holds no more.
--	404	the account has no such identity
CREATE OR REPLACE FUNCTION identity_end(p_account uuid, p_by uuid, p_id uuid, p_delete boolean)
RETURNS TABLE (id uuid, device_id uuid, public_key text, created_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	i device_identity;
	d device;
BEGIN
	SELECT o.* INTO d FROM device o JOIN device_identity x ON x.device_id = o.id
	WHERE x.id = p_id AND o.account_id = p_account AND o.revoked_at IS NULL FOR NO KEY UPDATE OF o;
	SELECT x.* INTO i FROM device_identity x WHERE x.id = p_id AND x.device_id = d.id;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such identity key');
	END IF;
	IF i.deactivated_at IS NULL THEN
		UPDATE device o SET identity_key = NULL, signed_prekey = NULL, signed_prekey_signature = NULL,
			keys_registered_at = NULL, updated_at = now()
		WHERE o.id = d.id RETURNING o.* INTO d;
		DELETE FROM one_time_prekey o WHERE o.device_id = d.id;
		_event := jsonb_build_array(device_emit('device.updated', d, p_by), emit('identity.changed', NULL, NULL,
			array_remove(account_audience(p_account), p_account),
			jsonb_build_object('userId', p_account, 'deviceId', d.id)));
	END IF;
	IF p_delete THEN
		DELETE FROM device_identity x WHERE x.id = p_id;
	END IF;
	RETURN QUERY SELECT i.id, i.device_id, i.public_key, i.created_at, _event;
END $$;

-- Put a signed prekey into force; its signature has been verified under p_identity.  The one in force may come again.
--	404	no such device	409	the identity has changed meanwhile, or the number stands for another key
CREATE OR REPLACE FUNCTION signed_prekey_publish(p_account uuid, p_by uuid, p_device uuid, p_identity text, p_key text,
	p_signature text, p_key_id integer)
RETURNS TABLE (id uuid, device_id uuid, key_id integer, public_key text, signature text, created_at timestamptz,
	_event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	d device := device_own_lock(p_account, p_device);
	v_first boolean := d.keys_registered_at IS NULL;
BEGIN
	IF d.identity_key IS DISTINCT FROM p_identity THEN
		PERFORM fail(409, 'The identity key has changed meanwhile');
	ELSIF EXISTS (SELECT FROM device_signed_prekey s WHERE s.device_id = p_device AND s.key_id = p_key_id
		AND (s.public_key <> p_key OR s.replaced_at IS NOT NULL)) THEN
		PERFORM fail(409, 'stands for another signed prekey', 'keyId');
	END IF;
	UPDATE device o SET signed_prekey = p_key, signed_prekey_signature = p_signature,
		keys_registered_at = coalesce(o.keys_registered_at, now()), updated_at = now()
	WHERE o.id = p_device RETURNING o.* INTO d;
	UPDATE device_signed_prekey s SET key_id = p_key_id
	WHERE s.device_id = p_device AND s.replaced_at IS NULL AND s.key_id IS DISTINCT FROM p_key_id;
	RETURN QUERY SELECT s.id, s.device_id, s.key_id, s.public_key, s.signature, s.created_at,
		CASE WHEN v_first THEN device_emit('device.updated', d, p_by) END
	FROM device_signed_prekey s WHERE s.device_id = p_device AND s.replaced_at IS NULL;
END $$;

-- Put numbered one-time prekeys of devices on the shelf, all or none; keys that are or were there are passed over.
-- Answers how many are new.
--	404	no such device	400	a device would have more than p_max
--	23505	one_time_prekey_number: the number stands for another key
CREATE OR REPLACE FUNCTION one_time_prekeys_publish(p_account uuid, p_devices uuid[], p_keys text[], p_ids integer[], p_max integer)
RETURNS integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_device uuid;
	v_added integer;
BEGIN
	FOR v_device IN SELECT DISTINCT u FROM unnest(p_devices) u ORDER BY u LOOP
		PERFORM device_own_lock(p_account, v_device);
	END LOOP;
	INSERT INTO one_time_prekey (device_id, public_key, key_id)
	SELECT u.device, u.key, u.key_id
	FROM unnest(p_devices, p_keys, p_ids) WITH ORDINALITY AS u (device, key, key_id, n)
	WHERE NOT EXISTS (SELECT FROM one_time_prekey_spent s WHERE s.device_id = u.device AND s.public_key = u.key)
	ORDER BY u.n
	ON CONFLICT (device_id, public_key) DO NOTHING;
	GET DIAGNOSTICS v_added = ROW_COUNT;
	IF EXISTS (SELECT FROM one_time_prekey o WHERE o.device_id = ANY (p_devices)
		GROUP BY o.device_id HAVING count(*) > p_max) THEN
		PERFORM fail(400, 'A device keeps at most ' || p_max || ' one-time prekeys', 'oneTimePreKeys');
	END IF;
	RETURN v_added;
END $$;
