-- Messages, and the function that sends them.
--
-- A message is written once, whatever the number of members.  It has a dense sequence number in its conversation,
-- taken under the conversation's lock; delivery and reading are positions (006).
--
-- No foreign keys lead out of the tables of this file: their rows are written by the functions here only, under the
-- lock of the conversation, and accounts are never deleted as rows.

CREATE TABLE message (
	id uuid PRIMARY KEY,		-- UUIDv7, given by the application
	conversation_id uuid NOT NULL,
	sender_id uuid NOT NULL,
	sender_device_id uuid,
	reply_to_id uuid,
	deleted_by uuid,
	seq bigint NOT NULL,
	changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	created_at timestamptz NOT NULL,	-- never falls as seq rises
	edited_at timestamptz,
	deleted_at timestamptz,
	expires_at timestamptz,
	ttl_seconds integer,		-- of life after the first delivery
	version integer NOT NULL DEFAULT 1,
	reaction_count integer NOT NULL DEFAULT 0,
	kind text NOT NULL,
	client_id text,
	body text,			-- as the sender gave it: ciphertext, or text on surfaces without encryption
	meta jsonb			-- further fields of the kind: mediaId, caption, formatting, mentions, viewOnce …
);
CREATE UNIQUE INDEX message_conversation_seq ON message (conversation_id, seq);
-- The conversation is in the key so that only transactions which hold its lock can meet in the index: a
-- client that reuses an id across conversations cannot make two batches wait for each other.
CREATE UNIQUE INDEX message_client_id_once ON message (sender_id, client_id, conversation_id)
	WHERE client_id IS NOT NULL;
CREATE INDEX message_changed ON message (conversation_id, changed_xid);
CREATE INDEX message_expires_at ON message (expires_at) WHERE expires_at IS NOT NULL AND deleted_at IS NULL;

-- Edits by the id their client gave them, so that one sent twice counts once.
CREATE TABLE message_edit (
	message_id uuid NOT NULL,
	client_edit_id text NOT NULL,
	version integer NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT message_edit_once PRIMARY KEY (message_id, client_edit_id)
);

-- Deleted for one account alone.
CREATE TABLE message_hidden (
	account_id uuid NOT NULL,
	message_id uuid NOT NULL,
	hidden_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (message_id, account_id)
);

CREATE TABLE reaction (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	message_id uuid NOT NULL,
	account_id uuid NOT NULL,
	emoji text NOT NULL,
	encrypted_payload text,
	client_id text,
	created_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT reaction_once UNIQUE (message_id, account_id, emoji)
);

-- How far a device has acknowledged a conversation; without a row, from where its account joined.
CREATE TABLE device_position (
	device_id uuid NOT NULL,
	conversation_id uuid NOT NULL,
	acked_seq bigint NOT NULL,
	PRIMARY KEY (device_id, conversation_id)
) WITH (fillfactor = 80);

-- Acknowledgements ahead of the position, until the gap before them closes.
CREATE TABLE device_ack (
	device_id uuid NOT NULL,
	conversation_id uuid NOT NULL,
	seq bigint NOT NULL,
	PRIMARY KEY (device_id, conversation_id, seq)
);

-- A new device is owed what comes after it: it starts at the end of every conversation its account is in.
CREATE FUNCTION device_start() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO device_position (device_id, conversation_id, acked_seq)
	SELECT NEW.id, c.id, max(least(c.last_seq, m.left_seq))
	FROM member m JOIN conversation c ON c.id = m.conversation_id
	WHERE m.account_id = NEW.account_id AND c.last_seq > 0
	GROUP BY c.id;
	RETURN NULL;
END $$;
CREATE TRIGGER device_start AFTER INSERT ON device FOR EACH ROW EXECUTE FUNCTION device_start();

-- ---- sending -----------------------------------------------------------------------------------

CREATE TYPE message_sent AS (
	item integer,			-- place in the arrays, from 1
	status integer,			-- 0, or the HTTP status of this item
	message_id uuid,		-- with 409: of the first message with that client id
	conversation_id uuid,
	seq bigint,
	member_version integer,
	created_at timestamptz,
	conversation_kind text,
	recipients text,		-- direct: both accounts, comma separated, as an event's "to"
	problem text);			-- the input at fault, or not_member, closed, not_allowed

-- Send n messages, one commit for all.  Each item stands alone: a bad one has its status, the others are sent.
-- Arrays have one element an item; an array that is NULL means NULL for each.
--	p_conversations		where to, or NULL and
--	p_recipients		the account to send to; the direct conversation comes into being with its first message
--	p_reply_to		a message of the same conversation
--	p_mentions		each a uuid[] as text; all must be members
-- Statuses: 400 yourself, or mentions; 403 not a member, closed by a block, or only admins post;
-- 404 conversation, recipient or reply; 409 client id seen before, in whatever conversation.
CREATE FUNCTION message_send(p_ids uuid[], p_senders uuid[], p_devices uuid[], p_conversations uuid[],
	p_recipients uuid[], p_client_ids text[], p_kinds text[], p_bodies text[], p_metas jsonb[] DEFAULT NULL,
	p_ttls integer[] DEFAULT NULL, p_expires timestamptz[] DEFAULT NULL, p_reply_to uuid[] DEFAULT NULL,
	p_mentions text[] DEFAULT NULL)
RETURNS SETOF message_sent
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	n integer := cardinality(p_ids);
	r message_sent;
	v_xid xid8 := pg_current_xact_id();
	v_targets uuid[] := p_conversations;
	v_order integer[];
	v_statuses integer[];
	i integer;
	v_closed boolean;
	v_admins_only boolean;
	v_low uuid;
	v_high uuid;
	v_role text;
BEGIN
	IF p_recipients IS NOT NULL THEN
		IF v_targets IS NULL THEN
			v_targets := array_fill(NULL::uuid, ARRAY[n]);
		END IF;
		v_statuses := array_fill(0, ARRAY[n]);
		FOR i IN
			SELECT k FROM generate_series(1, n) k
			WHERE p_conversations[k] IS NULL AND p_recipients[k] IS NOT NULL
			ORDER BY direct_lock_key(p_senders[k], p_recipients[k])
		LOOP
			SELECT d.conversation_id, d.status INTO v_targets[i], v_statuses[i]
			FROM direct_open(p_senders[i], p_recipients[i]) d;
		END LOOP;
	END IF;
	IF n > 1 THEN
		SELECT array_agg(k ORDER BY v_targets[k]) INTO v_order FROM generate_series(1, n) k;
	ELSE
		v_order := '{1}';
	END IF;

	FOREACH i IN ARRAY v_order LOOP
		r := NULL;
		r.item := i;
		r.conversation_id := v_targets[i];
		r.status := coalesce(v_statuses[i], 0);
		IF r.status <> 0 THEN
			r.problem := CASE WHEN r.status = 403 THEN 'closed' ELSE 'recipientId' END;
			RETURN NEXT r;
			CONTINUE;
		END IF;

		UPDATE conversation c SET
			last_seq = c.last_seq + 1,
			last_message_at = greatest(c.last_message_at, clock_timestamp()),
			changed_xid = greatest(c.changed_xid, v_xid)
		WHERE c.id = v_targets[i] AND c.deleted_at IS NULL
		RETURNING c.last_seq, c.member_version, c.last_message_at, c.kind, c.closed, c.admins_only,
			c.direct_low, c.direct_high
		INTO r.seq, r.member_version, r.created_at, r.conversation_kind, v_closed, v_admins_only,
			v_low, v_high;
		IF NOT FOUND THEN
			r.status := 404;
			r.problem := 'conversationId';
			RETURN NEXT r;
			CONTINUE;
		END IF;

		IF r.conversation_kind = 'direct' THEN
			IF p_senders[i] <> v_low AND p_senders[i] <> v_high THEN
				r.status := 403;
				r.problem := 'not_member';
			ELSIF v_closed THEN
				r.status := 403;
				r.problem := 'closed';
			END IF;
			r.recipients := v_low || ',' || v_high;
		ELSE
			SELECT m.role INTO v_role FROM member m WHERE m.conversation_id = v_targets[i]
				AND m.account_id = p_senders[i] AND m.left_version IS NULL;
			IF NOT FOUND THEN
				r.status := 403;
				r.problem := 'not_member';
			ELSIF v_role = 'member' AND (v_admins_only OR r.conversation_kind <> 'group') THEN
				r.status := 403;
				r.problem := 'not_allowed';
			END IF;
		END IF;
		IF r.status = 0 AND p_reply_to[i] IS NOT NULL AND NOT EXISTS (SELECT FROM message m
			WHERE m.id = p_reply_to[i] AND m.conversation_id = v_targets[i]) THEN
			r.status := 404;
			r.problem := 'replyTo';
		END IF;
		IF r.status = 0 AND p_mentions[i] IS NOT NULL AND EXISTS (SELECT FROM unnest(p_mentions[i]::uuid[]) u
			WHERE NOT EXISTS (SELECT FROM member m WHERE m.conversation_id = v_targets[i]
				AND m.account_id = u AND m.left_version IS NULL)) THEN
			r.status := 400;
			r.problem := 'mentions';
		END IF;
		IF r.status = 0 THEN
			INSERT INTO message (id, conversation_id, sender_id, sender_device_id, reply_to_id, seq,
				changed_xid, created_at, expires_at, ttl_seconds, kind, client_id, body, meta)
			SELECT p_ids[i], v_targets[i], p_senders[i], p_devices[i], p_reply_to[i], r.seq,
				v_xid, r.created_at, p_expires[i], p_ttls[i], p_kinds[i], p_client_ids[i],
				p_bodies[i], p_metas[i]
			WHERE NOT EXISTS (SELECT FROM message m
				WHERE m.sender_id = p_senders[i] AND m.client_id = p_client_ids[i]);
			IF FOUND THEN
				r.message_id := p_ids[i];
				RETURN NEXT r;
				CONTINUE;
			END IF;
			r.status := 409;
			r.problem := 'clientMessageId';
			SELECT m.id, m.conversation_id, m.seq, m.created_at
			INTO r.message_id, r.conversation_id, r.seq, r.created_at
			FROM message m WHERE m.sender_id = p_senders[i] AND m.client_id = p_client_ids[i]
			ORDER BY m.created_at LIMIT 1;
		END IF;
		-- Nobody else can have taken a number since: the lock is ours.
		UPDATE conversation c SET last_seq = c.last_seq - 1 WHERE c.id = v_targets[i];
		RETURN NEXT r;
	END LOOP;
END $$;
