-- Messages: sending, changing, deleting and reactions.
--
-- A message is written once, whatever the number of members.  It has a dense sequence number in its conversation, taken under
-- the conversation's lock; delivery and reading are positions (delivery.sql).

-- ---- sending ------------------------------------------------------------------------------------

-- May an account send into a conversation?  status 0, or as message_send has it.
CREATE OR REPLACE FUNCTION message_may(p_sender uuid, p_conversation uuid, p_reply_to uuid, p_mentions uuid[],
	OUT status integer, OUT problem text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_kind text;
	v_closed boolean;
	v_admins_only boolean;
	v_role text;
BEGIN
	SELECT c.kind, c.closed, c.admins_only, m.role INTO v_kind, v_closed, v_admins_only, v_role
	FROM conversation c LEFT JOIN member m ON m.conversation_id = c.id AND m.account_id = p_sender
		AND m.left_version IS NULL
	WHERE c.id = p_conversation AND c.deleted_at IS NULL;
	status := 403;
	IF v_kind IS NULL THEN
		status := 404;
		problem := 'conversationId';
	ELSIF v_role IS NULL THEN
		problem := 'not_member';
	ELSIF v_closed THEN
		problem := 'closed';
	ELSIF v_role = 'member' AND (v_admins_only OR v_kind IN ('broadcast', 'channel')) THEN
		problem := 'not_allowed';
	ELSIF p_reply_to IS NOT NULL AND NOT EXISTS (SELECT FROM message m
		WHERE m.id = p_reply_to AND m.conversation_id = p_conversation) THEN
		status := 404;
		problem := 'replyTo';
	ELSIF p_mentions IS NOT NULL AND EXISTS (SELECT FROM unnest(p_mentions) u WHERE NOT EXISTS (
		SELECT FROM member m WHERE m.conversation_id = p_conversation AND m.account_id = u
			AND m.left_version IS NULL)) THEN
		status := 400;
		problem := 'mentions';
	ELSE
		status := 0;
	END IF;
END $$;

-- Send n messages, one commit for all.  Each item stands alone: a bad one has its status, the others are sent.
-- Arrays have one element an item; an array that is NULL means NULL for each.
--	p_conversations		where to, or NULL and
--	p_recipients		the account to send to; the direct conversation comes into being with its first message
--	p_reply_to		a message of the same conversation
--	p_mentions		each a uuid[] as text; all must be members
-- One row an item, in the order they were worked on:
--	item			its place in the arrays, from 1
--	status			0, or the HTTP status of this item; problem then names the input at fault, or says
--				not_member, closed (by a block) or not_allowed (only admins post)
--	message_id, seq …	the message; with 409 the first one that had the client id
--	recipients		direct: both accounts, comma separated, as an event's "to"
-- Statuses: 400 yourself, or mentions; 403 not a member, closed by a block, or only admins post;
-- 404 conversation, recipient or reply; 409 the sender has used the client id in this conversation before.
--
-- A message to a direct conversation is two statements: the number, which is the lock, with all there is to check, and
-- the message; to a group it is three.  Whoever may not send changes nothing.  Plans are kept as long as the connection;
-- enable_seqscan is off so that one made while a table was nearly empty still fits when it is full.
CREATE OR REPLACE FUNCTION message_send(p_ids uuid[], p_senders uuid[], p_devices uuid[], p_conversations uuid[],
	p_recipients uuid[], p_client_ids text[], p_kinds text[], p_bodies text[], p_metas jsonb[] DEFAULT NULL,
	p_ttls integer[] DEFAULT NULL, p_expires timestamptz[] DEFAULT NULL, p_reply_to uuid[] DEFAULT NULL,
	p_mentions text[] DEFAULT NULL)
RETURNS TABLE (item integer, status integer, message_id uuid, conversation_id uuid, seq bigint,
	member_version integer, created_at timestamptz, conversation_kind text, recipients text, problem text)
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
	n integer := cardinality(p_ids);
	v_xid xid8 := pg_current_xact_id();
	v_targets uuid[] := p_conversations;
	v_order integer[] := '{1}';
	v_statuses integer[];
	v_moved boolean;
BEGIN
	IF p_recipients IS NOT NULL THEN
		v_targets := coalesce(v_targets, array_fill(NULL::uuid, ARRAY[n]));
		v_statuses := array_fill(0, ARRAY[n]);
		FOR item IN
			SELECT k FROM generate_series(1, n) k
			WHERE p_conversations[k] IS NULL AND p_recipients[k] IS NOT NULL
			ORDER BY direct_lock_key(p_senders[k], p_recipients[k])
		LOOP
			SELECT d.conversation_id, d.status INTO conversation_id, status
			FROM direct_open(p_senders[item], p_recipients[item]) d;
			v_targets[item] := conversation_id;
			v_statuses[item] := status;
		END LOOP;
	END IF;
	IF n > 1 THEN
		SELECT array_agg(k ORDER BY v_targets[k], k) INTO v_order FROM generate_series(1, n) k;
	END IF;

	FOREACH item IN ARRAY v_order LOOP
		conversation_id := v_targets[item];
		seq := NULL;
		status := coalesce(v_statuses[item], 0);
		problem := CASE status WHEN 0 THEN NULL WHEN 403 THEN 'closed' ELSE 'recipientId' END;
		IF status = 0 AND (p_reply_to[item] IS NOT NULL OR p_mentions[item] IS NOT NULL) THEN
			SELECT m.status, m.problem INTO status, problem FROM message_may(p_senders[item],
				v_targets[item], p_reply_to[item], p_mentions[item]::uuid[]) m;
		END IF;

		IF status = 0 THEN
			UPDATE conversation c SET
				last_seq = c.last_seq + 1,
				last_message_at = greatest(c.last_message_at, clock_timestamp()),
				changed_xid = greatest(c.changed_xid, v_xid)
			WHERE c.id = v_targets[item] AND p_senders[item] IN (c.direct_low, c.direct_high)
				AND NOT c.closed AND c.deleted_at IS NULL
			RETURNING c.last_seq, c.member_version, c.last_message_at, c.direct_low || ',' || c.direct_high
			INTO seq, member_version, created_at, recipients;
			conversation_kind := 'direct';
		END IF;
		IF status = 0 AND seq IS NULL THEN
			-- When this waits for the lock, c is the row as the holder left it, m and o are as they were before.
			UPDATE conversation c SET
				last_seq = c.last_seq + 1,
				last_message_at = greatest(c.last_message_at, clock_timestamp()),
				changed_xid = greatest(c.changed_xid, v_xid)
			FROM member m, conversation o
			WHERE c.id = v_targets[item] AND c.direct_low IS NULL AND c.deleted_at IS NULL
				AND m.conversation_id = v_targets[item] AND m.account_id = p_senders[item]
				AND m.left_version IS NULL
				AND (m.role <> 'member' OR (c.kind = 'group' AND NOT c.admins_only))
				AND o.id = v_targets[item]
			RETURNING c.last_seq, c.member_version, c.last_message_at, c.kind,
				c.member_version <> o.member_version
			INTO seq, member_version, created_at, conversation_kind, v_moved;
			IF seq IS NULL OR v_moved THEN
				SELECT m.status, m.problem INTO status, problem
				FROM message_may(p_senders[item], v_targets[item], NULL, NULL) m;
				IF seq IS NULL AND status = 0 THEN
					status := 403; -- allowed since a moment ago
					problem := 'not_member';
				END IF;
			END IF;
		END IF;

		IF status = 0 THEN
			INSERT INTO message (id, conversation_id, sender_id, sender_device_id, reply_to_id, seq,
				changed_xid, created_at, expires_at, ttl_seconds, kind, client_id, body, meta)
			VALUES (p_ids[item], v_targets[item], p_senders[item], p_devices[item], p_reply_to[item], seq,
				v_xid, created_at, p_expires[item], p_ttls[item], p_kinds[item], p_client_ids[item],
				p_bodies[item], p_metas[item])
			ON CONFLICT (sender_id, client_id, conversation_id) WHERE client_id IS NOT NULL DO NOTHING;
			IF FOUND THEN
				message_id := p_ids[item];
				RETURN NEXT;
				CONTINUE;
			END IF;
			status := 409;
			problem := 'clientMessageId';
		END IF;
		IF seq IS NOT NULL THEN
			-- Give the number back; nobody else can have taken one since, for the lock is ours.
			UPDATE conversation c SET last_seq = c.last_seq - 1, last_message_at = (SELECT m.created_at
				FROM message m WHERE m.conversation_id = c.id AND m.seq = c.last_seq - 1)
			WHERE c.id = v_targets[item];
		END IF;
		SELECT m.id, m.seq, m.created_at INTO message_id, seq, created_at
		FROM message m WHERE status = 409 AND m.sender_id = p_senders[item]
			AND m.client_id = p_client_ids[item] AND m.conversation_id = v_targets[item];
		RETURN NEXT;
	END LOOP;
END $$;

-- ---- showing and finding ------------------------------------------------------------------------

-- A message as events and sync show it.  What meta holds lies beside the fixed fields.
CREATE OR REPLACE FUNCTION message_json(m message) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT coalesce(m.meta, '{}') || jsonb_strip_nulls(jsonb_build_object(
	'messageId', m.id, 'conversationId', m.conversation_id, 'senderId', m.sender_id,
	'senderDeviceId', m.sender_device_id, 'quotedMessageId', m.reply_to_id, 'seq', m.seq,
	'type', m.kind, 'clientMessageId', m.client_id, 'ciphertext', m.body, 'version', m.version,
	'reactionCount', nullif(m.reaction_count, 0), 'ttlSeconds', m.ttl_seconds,
	'createdAt', rfc3339(m.created_at), 'editedAt', rfc3339(m.edited_at),
	'deletedAt', rfc3339(m.deleted_at), 'expiresAt', rfc3339(m.expires_at)))
$$;

-- The message, if the account may see it: one of its stays covers it and it was not deleted for the account.
-- Tombstones are seen too; look at deleted_at.
CREATE OR REPLACE FUNCTION message_visible(p_account uuid, p_message uuid) RETURNS SETOF message
LANGUAGE sql STABLE ROWS 1 AS $$
	SELECT m.* FROM message m
	JOIN conversation c ON c.id = m.conversation_id
	WHERE m.id = p_message AND c.deleted_at IS NULL
		AND EXISTS (SELECT FROM member s WHERE s.conversation_id = m.conversation_id
			AND s.account_id = p_account AND s.joined_seq < m.seq
			AND (s.left_seq IS NULL OR m.seq <= s.left_seq))
		AND NOT EXISTS (SELECT FROM message_hidden h WHERE h.message_id = m.id AND h.account_id = p_account)
$$;

-- ---- changing -----------------------------------------------------------------------------------

-- Lock the conversation of a visible message for a change to the message, and answer the message as it is then.
--	404	not visible, or deleted already when p_alive
CREATE OR REPLACE FUNCTION message_lock(p_actor uuid, p_message uuid, p_alive boolean DEFAULT true) RETURNS message
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	m message;
BEGIN
	SELECT * INTO m FROM message_visible(p_actor, p_message);
	IF FOUND THEN
		UPDATE conversation SET changed_xid = greatest(changed_xid, pg_current_xact_id())
		WHERE id = m.conversation_id;
		SELECT * INTO m FROM message_visible(p_actor, p_message);
	END IF;
	IF m.id IS NULL OR (p_alive AND (m.deleted_at IS NOT NULL OR m.expires_at <= now())) THEN
		PERFORM fail(404, 'There is no such message');
	END IF;
	RETURN m;
END $$;

-- The event of a change to a message, to the members of now.
CREATE OR REPLACE FUNCTION message_emit(p_type text, m message, p_payload jsonb, p_device uuid) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN emit(p_type, c.id, c.member_version, NULL, p_payload, NULL, p_device)
	FROM conversation c WHERE c.id = m.conversation_id;
END $$;

-- Replace the body of one's own message.  p_meta NULL keeps the fields; p_version, when given, is the version the
-- client edited.
--	403	not the sender, or no longer a member	404	no such message
--	409	another version, or p_client_edit_id seen before (message_edit_once)
CREATE OR REPLACE FUNCTION message_edit(p_actor uuid, p_message uuid, p_body text, p_meta jsonb DEFAULT NULL,
	p_client_edit_id text DEFAULT NULL, p_version integer DEFAULT NULL, p_device uuid DEFAULT NULL)
RETURNS TABLE (message_id uuid, conversation_id uuid, version integer, edited_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
#variable_conflict use_column
DECLARE
	m message := message_lock(p_actor, p_message);
BEGIN
	IF m.sender_id <> p_actor THEN
		PERFORM fail(403, 'Only the sender edits a message');
	ELSIF NOT EXISTS (SELECT FROM member s WHERE s.conversation_id = m.conversation_id
		AND s.account_id = p_actor AND s.left_version IS NULL) THEN
		PERFORM fail(403, 'You are not a member of this conversation');
	ELSIF p_version <> m.version THEN
		PERFORM fail(409, 'The message has been edited since');
	END IF;
	IF p_client_edit_id IS NOT NULL THEN
		INSERT INTO message_edit (message_id, client_edit_id, version)
		VALUES (p_message, p_client_edit_id, m.version + 1);
	END IF;
	UPDATE message u SET body = p_body, meta = coalesce(p_meta, u.meta), version = u.version + 1,
		edited_at = clock_timestamp(), changed_xid = pg_current_xact_id()
	WHERE u.id = p_message RETURNING u.* INTO m;
	RETURN QUERY SELECT m.id, m.conversation_id, m.version, m.edited_at,
		message_emit('message.edited', m, message_json(m), p_device);
END $$;

-- Take what a message said away and leave a tombstone, under the lock of its conversation.
CREATE OR REPLACE FUNCTION message_wipe(m message, p_by uuid, p_reason text, p_device uuid) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	UPDATE message u SET body = NULL, meta = NULL, reaction_count = 0, deleted_at = clock_timestamp(),
		deleted_by = p_by, changed_xid = pg_current_xact_id()
	WHERE u.id = m.id RETURNING u.* INTO m;
	DELETE FROM reaction r WHERE r.message_id = m.id;
	DELETE FROM message_edit e WHERE e.message_id = m.id;
	RETURN message_emit('message.deleted', m, jsonb_strip_nulls(jsonb_build_object('messageId', m.id,
		'conversationId', m.conversation_id, 'seq', m.seq, 'deletedAt', rfc3339(m.deleted_at),
		'by', p_by, 'reason', p_reason)), p_device);
END $$;

-- Delete a message, for 'me' or for 'everyone'.  For everyone: the sender, or owner and admins of a group.
--	403	not allowed	404	no such message		409	deleted already
CREATE OR REPLACE FUNCTION message_delete(p_actor uuid, p_message uuid, p_scope text, p_reason text DEFAULT NULL,
	p_device uuid DEFAULT NULL)
RETURNS TABLE (message_id uuid, conversation_id uuid, deleted_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
#variable_conflict use_column
DECLARE
	m message;
BEGIN
	IF p_scope = 'me' THEN
		IF EXISTS (SELECT FROM message_hidden h
			WHERE h.message_id = p_message AND h.account_id = p_actor) THEN
			PERFORM fail(409, 'The message has been deleted already');
		END IF;
		SELECT v.* INTO m FROM message_visible(p_actor, p_message) v;
		IF NOT FOUND THEN
			PERFORM fail(404, 'There is no such message');
		END IF;
		INSERT INTO message_hidden (account_id, message_id) VALUES (p_actor, p_message)
		ON CONFLICT DO NOTHING;
		RETURN QUERY SELECT m.id, m.conversation_id, now(), emit('message.hidden', NULL, NULL,
			ARRAY[p_actor], jsonb_build_object('messageId', m.id, 'conversationId', m.conversation_id,
			'seq', m.seq), NULL, p_device);
		RETURN;
	END IF;
	m := message_lock(p_actor, p_message, false);
	IF m.sender_id <> p_actor AND NOT EXISTS (SELECT FROM member s
		WHERE s.conversation_id = m.conversation_id AND s.account_id = p_actor
			AND s.role IN ('owner', 'admin') AND s.left_version IS NULL) THEN
		PERFORM fail(403, 'You may not delete this message for everyone');
	ELSIF m.deleted_at IS NOT NULL THEN
		PERFORM fail(409, 'The message has been deleted already');
	END IF;
	RETURN QUERY SELECT m.id, m.conversation_id, now(), message_wipe(m, p_actor, p_reason, p_device);
END $$;

-- Delete a message for everyone, tombstone and all; one that is deleted already may still be erased.
--	403	not allowed	404	no such message
CREATE OR REPLACE FUNCTION message_erase(p_actor uuid, p_message uuid, p_device uuid DEFAULT NULL)
RETURNS TABLE (message_id uuid, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
#variable_conflict use_column
DECLARE
	m message := message_lock(p_actor, p_message, false);
BEGIN
	IF m.erased_at IS NOT NULL THEN
		PERFORM fail(404, 'There is no such message');
	ELSIF m.sender_id <> p_actor AND NOT EXISTS (SELECT FROM member s
		WHERE s.conversation_id = m.conversation_id AND s.account_id = p_actor
			AND s.role IN ('owner', 'admin') AND s.left_version IS NULL) THEN
		PERFORM fail(403, 'You may not delete this message for everyone');
	END IF;
	IF m.deleted_at IS NULL THEN
		_event := message_wipe(m, p_actor, 'erased', p_device);
	END IF;
	UPDATE message u SET erased_at = clock_timestamp(), changed_xid = pg_current_xact_id() WHERE u.id = p_message;
	message_id := p_message;
	RETURN NEXT;
END $$;

-- Change how long one's own message lives, as long as nobody has it: p_ttl seconds after delivery, or until
-- p_expires; both NULL lets it live.
--	403	not the sender, or delivered	404	no such message
CREATE OR REPLACE FUNCTION message_self_destruct(p_actor uuid, p_message uuid, p_ttl integer, p_expires timestamptz,
	p_device uuid DEFAULT NULL)
RETURNS TABLE (message_id uuid, ttl_seconds integer, expires_at timestamptz, updated_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
#variable_conflict use_column
DECLARE
	m message := message_lock(p_actor, p_message);
BEGIN
	IF m.sender_id <> p_actor THEN
		PERFORM fail(403, 'Only the sender changes this');
	ELSIF message_delivered(m) THEN
		PERFORM fail(403, 'The message has been delivered');
	END IF;
	UPDATE message u SET ttl_seconds = p_ttl, expires_at = p_expires, changed_xid = pg_current_xact_id()
	WHERE u.id = p_message RETURNING u.* INTO m;
	RETURN QUERY SELECT m.id, m.ttl_seconds, m.expires_at, now(), message_emit('message.self_destruct', m,
		jsonb_build_object('messageId', m.id, 'conversationId', m.conversation_id, 'seq', m.seq,
		'ttlSeconds', m.ttl_seconds, 'expiresAt', rfc3339(m.expires_at)), p_device);
END $$;

-- ---- reactions ----------------------------------------------------------------------------------

-- React to a message; an account has at most one reaction on it (reaction_once, 23505).
--	404	no such message, or no longer a member
CREATE OR REPLACE FUNCTION reaction_add(p_actor uuid, p_message uuid, p_emoji text, p_payload text DEFAULT NULL,
	p_client_id text DEFAULT NULL, p_device uuid DEFAULT NULL)
RETURNS TABLE (id uuid, message_id uuid, account_id uuid, emoji text, created_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
#variable_conflict use_column
DECLARE
	m message := message_lock(p_actor, p_message);
	x reaction;
BEGIN
	IF NOT EXISTS (SELECT FROM member s WHERE s.conversation_id = m.conversation_id
		AND s.account_id = p_actor AND s.left_version IS NULL) THEN
		PERFORM fail(404, 'There is no such message');
	END IF;
	INSERT INTO reaction (message_id, account_id, emoji, encrypted_payload, client_id)
	VALUES (p_message, p_actor, p_emoji, p_payload, p_client_id) RETURNING * INTO x;
	UPDATE message u SET reaction_count = u.reaction_count + 1, changed_xid = pg_current_xact_id()
	WHERE u.id = p_message;
	RETURN QUERY SELECT x.id, x.message_id, x.account_id, x.emoji, x.created_at,
		message_emit('reaction.added', m, jsonb_strip_nulls(jsonb_build_object('reactionId', x.id,
		'messageId', m.id, 'conversationId', m.conversation_id, 'seq', m.seq, 'userId', p_actor,
		'emoji', x.emoji, 'encryptedPayload', x.encrypted_payload,
		'createdAt', rfc3339(x.created_at))), p_device);
END $$;

-- Take a reaction back.
--	404	no such reaction	403	somebody else's
CREATE OR REPLACE FUNCTION reaction_remove(p_actor uuid, p_message uuid, p_reaction uuid, p_device uuid DEFAULT NULL)
RETURNS TABLE (id uuid, message_id uuid, deleted_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
#variable_conflict use_column
DECLARE
	m message := message_lock(p_actor, p_message);
	v_owner uuid;
BEGIN
	SELECT x.account_id INTO v_owner FROM reaction x WHERE x.id = p_reaction AND x.message_id = p_message;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such reaction');
	ELSIF v_owner <> p_actor THEN
		PERFORM fail(403, 'This is not your reaction');
	END IF;
	DELETE FROM reaction x WHERE x.id = p_reaction;
	UPDATE message u SET reaction_count = u.reaction_count - 1, changed_xid = pg_current_xact_id()
	WHERE u.id = p_message;
	RETURN QUERY SELECT p_reaction, p_message, now(), message_emit('reaction.removed', m,
		jsonb_build_object('reactionId', p_reaction, 'messageId', m.id,
		'conversationId', m.conversation_id, 'seq', m.seq, 'userId', p_actor), p_device);
END $$;
