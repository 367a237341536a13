-- Messages that are encrypted for each device alone ("sealed", docs/decisions/sealed-messages.md): the row of the message
-- has no body, and meta says sealed; message_body has what each device is given.

-- Bodies go with what they belong to: a message that loses its own, or is deleted, and a device that ends.
CREATE OR REPLACE FUNCTION message_body_drop() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM message_body WHERE message_id = OLD.id;
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER message_body_wiped AFTER UPDATE OF meta ON message FOR EACH ROW
	WHEN (OLD.meta ? 'sealed' AND NEW.meta ? 'sealed' IS NOT TRUE) EXECUTE FUNCTION message_body_drop();
CREATE OR REPLACE TRIGGER message_body_gone AFTER DELETE ON message FOR EACH ROW
	WHEN (OLD.meta ? 'sealed') EXECUTE FUNCTION message_body_drop();

CREATE OR REPLACE FUNCTION device_body_drop() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM message_body WHERE device_id = OLD.id;
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER device_body_gone AFTER UPDATE OF revoked_at ON device FOR EACH ROW
	WHEN (NEW.revoked_at IS NOT NULL AND OLD.revoked_at IS NULL) EXECUTE FUNCTION device_body_drop();

-- ---- for whom -----------------------------------------------------------------------------------

-- Find the devices that p_bodies, [{"device", "body", "header"}], names by id or by their client's own name.  Every device
-- of the other members that has keys must be there (missing), and none that is not in use by a member (stale).
-- The sender's own devices may be.
CREATE OR REPLACE FUNCTION sealed_bodies(p_sender uuid, p_device uuid, p_conversation uuid, p_bodies jsonb,
	OUT bodies sealed_body[], OUT missing jsonb, OUT stale jsonb)
LANGUAGE sql STABLE AS $$
	WITH given AS MATERIALIZED (
		SELECT b ->> 'device' AS name, b ->> 'body' AS body, b ->> 'header' AS header
		FROM jsonb_array_elements(p_bodies) b),
	present AS MATERIALIZED (
		SELECT d.id, d.account_id, d.fingerprint, d.keys_registered_at IS NOT NULL AS keyed
		FROM member m JOIN device d ON d.account_id = m.account_id AND d.revoked_at IS NULL
		WHERE m.conversation_id = p_conversation AND m.left_version IS NULL),
	matched AS MATERIALIZED (
		SELECT g.*, coalesce(p.id, f.id) AS device_id
		FROM given g LEFT JOIN present p ON p.id::text = lower(g.name)
		LEFT JOIN LATERAL (SELECT x.id FROM present x
			WHERE p.id IS NULL AND x.fingerprint = g.name ORDER BY x.id LIMIT 1) f ON true)
	SELECT (SELECT array_agg(ROW(x.device_id, x.body, x.header)::sealed_body) FROM (
			SELECT DISTINCT ON (m.device_id) m.* FROM matched m WHERE m.device_id IS NOT NULL
			ORDER BY m.device_id) x),
		(SELECT jsonb_agg(jsonb_build_object('user_id', p.account_id, 'device_id', p.id) ORDER BY p.account_id, p.id)
		FROM present p WHERE p.keyed AND p.account_id <> p_sender
			AND NOT EXISTS (SELECT FROM matched m WHERE m.device_id = p.id)),
		(SELECT jsonb_agg(m.name) FROM matched m WHERE m.device_id IS NULL)
$$;

-- ---- sending ------------------------------------------------------------------------------------

-- Send a sealed message; status, problem and the rest as message_send has them, and beside these
--	200			p_key, or p_client_id here, was used before: the message of that send
--	409	devices		missing and stale say which; nothing was sent
CREATE OR REPLACE FUNCTION message_send_sealed(p_id uuid, p_sender uuid, p_device uuid, p_conversation uuid, p_recipient uuid,
	p_client_id text, p_kind text, p_meta jsonb, p_ttl integer, p_expires timestamptz, p_reply_to uuid,
	p_mentions uuid[], p_bodies jsonb, p_key text,
	OUT status integer, OUT problem text, OUT message_id uuid, OUT conversation_id uuid, OUT seq bigint,
	OUT member_version integer, OUT created_at timestamptz, OUT conversation_kind text, OUT recipients text,
	OUT missing jsonb, OUT stale jsonb, OUT bodies text)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	v_bodies sealed_body[];
BEGIN
	conversation_id := p_conversation;
	status := 0;
	IF p_key IS NOT NULL THEN
		PERFORM pg_advisory_xact_lock(hashtextextended(p_sender || p_key, 101));
		SELECT m.id, m.conversation_id, m.seq, m.created_at, c.kind, 200
		INTO message_id, conversation_id, seq, created_at, conversation_kind, status
		FROM message_key k JOIN message m ON m.id = k.message_id JOIN conversation c ON c.id = m.conversation_id
		WHERE k.sender_id = p_sender AND k.key = p_key;
		IF FOUND THEN
			RETURN;
		END IF;
		conversation_id := p_conversation;
		status := 0;
	END IF;
	IF conversation_id IS NULL THEN
		SELECT o.conversation_id, o.status INTO conversation_id, status FROM direct_open(p_sender, p_recipient) o;
		problem := CASE status WHEN 0 THEN NULL WHEN 403 THEN 'closed' ELSE 'recipientId' END;
	END IF;
	IF status = 0 THEN
		-- Nobody comes or goes between the look at the devices and the send.
		PERFORM FROM conversation c WHERE c.id = message_send_sealed.conversation_id FOR NO KEY UPDATE;
		SELECT m.status, m.problem INTO status, problem
		FROM message_may(p_sender, message_send_sealed.conversation_id, p_reply_to, p_mentions) m;
	END IF;
	IF status <> 0 THEN
		RETURN;
	END IF;
	SELECT m.id, m.seq, m.created_at, 200 INTO message_id, seq, created_at, status
	FROM message m WHERE m.sender_id = p_sender AND m.client_id = p_client_id
		AND m.conversation_id = message_send_sealed.conversation_id;
	IF FOUND THEN
		RETURN;
	END IF;
	SELECT 0, s.bodies, s.missing, s.stale INTO status, v_bodies, missing, stale
	FROM sealed_bodies(p_sender, p_device, message_send_sealed.conversation_id, p_bodies) s;
	IF missing IS NOT NULL OR stale IS NOT NULL THEN
		status := 409;
		problem := 'devices';
		RETURN;
	END IF;
	SELECT s.status, s.problem, s.message_id, s.seq, s.member_version, s.created_at, s.conversation_kind, s.recipients
	INTO status, problem, message_id, seq, member_version, created_at, conversation_kind, recipients
	FROM message_send(ARRAY[p_id], ARRAY[p_sender], ARRAY[p_device], ARRAY[message_send_sealed.conversation_id], NULL,
		ARRAY[p_client_id], ARRAY[p_kind], NULL, ARRAY[coalesce(p_meta, '{}') || '{"sealed": true}'], ARRAY[p_ttl],
		ARRAY[p_expires], ARRAY[p_reply_to], CASE WHEN p_mentions IS NOT NULL THEN ARRAY[p_mentions::text] END) s;
	IF status <> 0 THEN
		RETURN;
	END IF;
	INSERT INTO message_body (message_id, device_id, body, header)
	SELECT message_send_sealed.message_id, b.device_id, b.body, b.header FROM unnest(v_bodies) b;
	IF p_key IS NOT NULL THEN
		INSERT INTO message_key (sender_id, key, message_id) VALUES (p_sender, p_key, message_id);
	END IF;
	bodies := sealed_lines(message_id);
END $$;

-- Edit one's own message, sealed anew; p_bodies as for sending.  Everything else is message_edit's.
--	403, 404		as message_edit
--	missing or stale	say which devices; nothing was changed
CREATE OR REPLACE FUNCTION message_edit_sealed(p_actor uuid, p_device uuid, p_message uuid, p_bodies jsonb,
	OUT missing jsonb, OUT stale jsonb, OUT version integer, OUT edited_at timestamptz, OUT _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	m message := message_lock(p_actor, p_message);
	v_bodies sealed_body[];
BEGIN
	IF m.sender_id <> p_actor THEN
		PERFORM fail(403, 'Only the sender edits a message');
	END IF;
	SELECT s.bodies, s.missing, s.stale INTO v_bodies, missing, stale
	FROM sealed_bodies(p_actor, p_device, m.conversation_id, p_bodies) s;
	IF missing IS NOT NULL OR stale IS NOT NULL THEN
		RETURN;
	END IF;
	SELECT e.version, e.edited_at, e._event INTO version, edited_at, _event
	FROM message_edit(p_actor, p_message, NULL, coalesce(m.meta, '{}') || '{"sealed": true}', NULL, NULL, p_device) e;
	DELETE FROM message_body b WHERE b.message_id = p_message;
	INSERT INTO message_body (message_id, device_id, body, header)
	SELECT p_message, b.device_id, b.body, b.header FROM unnest(v_bodies) b;
END $$;

-- ---- showing ------------------------------------------------------------------------------------

-- What each device is given, a line each, as events carry it: the device, a blank, the members of an object.
CREATE OR REPLACE FUNCTION sealed_lines(p_message uuid) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT string_agg(b.device_id || ' ' || jsonb_strip_nulls(jsonb_build_object('ciphertext', b.body,
		'header', b.header))::text, E'\n')
	FROM message_body b WHERE b.message_id = p_message
$$;

-- What a device is given of a sealed message, as members of an object with a comma before each; NULL when nothing.
CREATE OR REPLACE FUNCTION message_sealed_text(p_message uuid, p_device uuid) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT concat(',"ciphertext":', to_json(b.body), ',"header":' || to_json(b.header)) FROM message_body b
		WHERE b.message_id = p_message AND b.device_id = p_device);
END $$;

-- A message as message_json has it, a sealed one with what that device is given.
CREATE OR REPLACE FUNCTION message_for_device(m message, p_device uuid) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT message_json(m) || CASE WHEN m.body IS NULL AND m.meta ? 'sealed' THEN coalesce((
		SELECT jsonb_strip_nulls(jsonb_build_object('ciphertext', b.body, 'header', b.header))
		FROM message_body b WHERE b.message_id = m.id AND b.device_id = p_device), '{}') ELSE '{}' END
$$;
