-- Conversations: how they come into being, what one account makes of them for itself, and how they are shown
-- (docs/conversations.md).
--
-- The row of a conversation is its lock: whoever sends into it or changes its members holds the row until commit.  A
-- transaction that needs several takes them by ascending id, after it has opened missing direct conversations.

-- Kind and pair of a conversation go together.  (A trigger, for the table has no CHECK: PostgreSQL would parse it again at
-- every update, and neither changes later.)
CREATE OR REPLACE FUNCTION conversation_new() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	IF (NEW.kind = 'direct') <> (NEW.direct_low IS NOT NULL OR NEW.direct_high IS NOT NULL)
		OR (NEW.kind = 'direct' AND coalesce(NEW.direct_low >= NEW.direct_high, true)) THEN
		RAISE check_violation USING CONSTRAINT = 'conversation_direct_pair', TABLE = 'conversation',
			MESSAGE = 'a direct conversation, and no other, has two accounts in order';
	END IF;
	RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER conversation_new BEFORE INSERT ON conversation FOR EACH ROW EXECUTE FUNCTION conversation_new();

-- Who owns a group at its beginning founded it.
CREATE OR REPLACE FUNCTION conversation_founded() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE conversation SET creator_id = NEW.owner_id WHERE id = NEW.conversation_id;
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER conversation_founded AFTER INSERT ON conversation_profile FOR EACH ROW
	EXECUTE FUNCTION conversation_founded();

-- Note a change under the lock, and, when members come or go, raise the version; answers the row.
CREATE OR REPLACE FUNCTION conversation_touch(p_conversation uuid, p_versions integer) RETURNS conversation
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	c conversation;
BEGIN
	UPDATE conversation u SET member_version = u.member_version + p_versions,
		changed_xid = greatest(u.changed_xid, pg_current_xact_id())
	WHERE u.id = p_conversation RETURNING u.* INTO c;
	RETURN c;
END $$;

-- ---- direct conversations -----------------------------------------------------------------------

-- Whether nobody may post between two accounts.
CREATE OR REPLACE FUNCTION direct_closed(a uuid, b uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM block WHERE (account_id, blocked_id) IN ((a, b), (b, a)))
		OR EXISTS (SELECT FROM account WHERE id IN (a, b) AND deleted_at IS NOT NULL)
$$;

-- The advisory lock under which a pair's conversation is opened, and its blocks change.
CREATE OR REPLACE FUNCTION direct_lock_key(a uuid, b uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN hashtextextended(least(a, b)::text || greatest(a, b)::text, 0);

-- The direct conversation of two accounts, made when there is none, and whether it was made just now.  It never raises for
-- what a client can cause, because it works for batches: status is 0, or 400 (yourself), 404 (no such account), 403 (blocked).
-- A transaction that opens several goes by direct_lock_key, and opens them before it locks a conversation.
CREATE OR REPLACE FUNCTION direct_open(p_from uuid, p_to uuid, OUT conversation_id uuid, OUT status integer, OUT created boolean)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_low uuid := least(p_from, p_to);
	v_high uuid := greatest(p_from, p_to);
BEGIN
	status := 0;
	created := false;
	SELECT id INTO conversation_id FROM conversation
	WHERE kind = 'direct' AND direct_low = v_low AND direct_high = v_high;
	IF FOUND THEN
		RETURN;
	END IF;
	IF p_from = p_to THEN
		status := 400;
		RETURN;
	END IF;
	PERFORM pg_advisory_xact_lock(direct_lock_key(v_low, v_high));
	SELECT id INTO conversation_id FROM conversation
	WHERE kind = 'direct' AND direct_low = v_low AND direct_high = v_high;
	IF FOUND THEN
		RETURN;
	END IF;
	PERFORM FROM account WHERE id IN (v_low, v_high) AND deleted_at IS NULL ORDER BY id FOR SHARE;
	IF (SELECT count(*) FROM account WHERE id IN (v_low, v_high) AND deleted_at IS NULL) < 2 THEN
		status := 404;
		RETURN;
	END IF;
	IF direct_closed(v_low, v_high) THEN
		status := 403;
		RETURN;
	END IF;
	conversation_id := uuid7();
	created := true;
	INSERT INTO conversation (id, kind, direct_low, direct_high, creator_id)
	VALUES (conversation_id, 'direct', v_low, v_high, p_from);
	INSERT INTO member (conversation_id, account_id, joined_version)
	VALUES (conversation_id, v_low, 1), (conversation_id, v_high, 1);
END $$;

-- Open the direct conversation with somebody before there is anything to say; whoever deleted theirs has it back, empty.
-- Until the first message it is on the list of those who opened it only (conversation_card), hidden_seq -1 puts it there.
--	400	memberIds: oneself, or no such account	403	a block stands between the two
CREATE OR REPLACE FUNCTION direct_begin(p_from uuid, p_to uuid, p_device uuid DEFAULT NULL)
RETURNS TABLE (conversation_id uuid, created boolean, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
#variable_conflict use_column
DECLARE
	d record;
	s conversation_setting;
BEGIN
	SELECT * INTO d FROM direct_open(p_from, p_to);
	IF d.status = 400 THEN
		PERFORM fail(400, 'must be somebody else', 'memberIds');
	ELSIF NOT EXISTS (SELECT FROM account a WHERE a.id = p_to AND a.deleted_at IS NULL) THEN
		PERFORM fail(400, 'does not exist', 'memberIds');
	ELSIF d.status <> 0 OR EXISTS (SELECT FROM conversation c WHERE c.id = d.conversation_id AND c.closed) THEN
		PERFORM fail(403, 'One of you has blocked the other');
	END IF;
	IF d.created THEN
		_event := emit('conversation.created', NULL, NULL, ARRAY[p_from], jsonb_build_object('conversationId',
			d.conversation_id, 'kind', 'direct', 'userId', p_to), NULL, p_device);
	ELSIF EXISTS (SELECT FROM conversation_card v
		WHERE v.viewer_id = p_from AND v.id = d.conversation_id AND v.hidden) THEN
		INSERT INTO conversation_setting AS x (account_id, conversation_id, hidden_seq)
		VALUES (p_from, d.conversation_id, -1)
		ON CONFLICT (account_id, conversation_id) DO UPDATE SET hidden_seq = -1, updated_at = now()
		RETURNING x.* INTO s;
		_event := emit('conversation.settings', NULL, NULL, ARRAY[p_from], conversation_setting_json(s), NULL, p_device);
	END IF;
	RETURN QUERY SELECT d.conversation_id, d.created, _event;
END $$;

-- A block, or its end, closes or opens the direct conversation of the two at once: the send reads one column.  An account's
-- end closes for good: its blocks may go without a look at its conversations, and who unblocks it at the same moment waits
-- for the conversation before looking whether it is to be opened.
CREATE OR REPLACE FUNCTION block_close() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
	b block := coalesce(NEW, OLD);
BEGIN
	IF EXISTS (SELECT FROM account WHERE id IN (b.account_id, b.blocked_id) AND deleted_at IS NOT NULL) THEN
		RETURN NULL;
	END IF;
	PERFORM pg_advisory_xact_lock(direct_lock_key(b.account_id, b.blocked_id));
	PERFORM FROM conversation WHERE kind = 'direct' AND direct_low = least(b.account_id, b.blocked_id)
		AND direct_high = greatest(b.account_id, b.blocked_id) FOR NO KEY UPDATE;
	UPDATE conversation SET closed = direct_closed(b.account_id, b.blocked_id)
	WHERE kind = 'direct' AND direct_low = least(b.account_id, b.blocked_id)
		AND direct_high = greatest(b.account_id, b.blocked_id);
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER block_close AFTER INSERT OR DELETE ON block FOR EACH ROW EXECUTE FUNCTION block_close();

-- An account that ends closes its direct conversations; one that comes back opens those without a block.
CREATE OR REPLACE FUNCTION account_close() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
	v_id uuid;
BEGIN
	FOR v_id IN
		SELECT c.id FROM member m JOIN conversation c ON c.id = m.conversation_id
		WHERE m.account_id = NEW.id AND c.kind = 'direct' ORDER BY c.id
	LOOP
		UPDATE conversation SET closed = direct_closed(direct_low, direct_high) WHERE id = v_id;
	END LOOP;
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER account_close AFTER UPDATE OF deleted_at ON account FOR EACH ROW
	WHEN (OLD.deleted_at IS DISTINCT FROM NEW.deleted_at) EXECUTE FUNCTION account_close();

-- ---- what one account makes of it ---------------------------------------------------------------

-- The conversation, for those who are in it.
--	404	for everybody else
CREATE OR REPLACE FUNCTION conversation_seen(p_account uuid, p_conversation uuid) RETURNS conversation
LANGUAGE plpgsql STABLE AS $$
DECLARE
	c conversation;
BEGIN
	SELECT o.* INTO c FROM conversation o
	JOIN member m ON m.conversation_id = o.id AND m.account_id = p_account AND m.left_version IS NULL
	WHERE o.id = p_conversation AND o.deleted_at IS NULL;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such conversation');
	END IF;
	RETURN c;
END $$;

-- A setting as events show it, and replies.
CREATE OR REPLACE FUNCTION conversation_setting_json(s conversation_setting) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('conversationId', s.conversation_id,
	'muted', coalesce(s.muted_until > now(), false),
	'mutedUntil', CASE WHEN s.muted_until > now() THEN rfc3339(nullif(s.muted_until, 'infinity')) END,
	'pinned', s.pinned_at IS NOT NULL, 'archived', s.archived_at IS NOT NULL,
	'hidden', (SELECT true FROM conversation c WHERE c.id = s.conversation_id AND c.last_seq <= s.hidden_seq)))
$$;

-- Whether an account wants to hear of new messages now: what sends notifications asks this first.
CREATE OR REPLACE FUNCTION conversation_muted(p_account uuid, p_conversation uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM conversation_setting s WHERE s.account_id = p_account
		AND s.conversation_id = p_conversation AND s.muted_until > now())
$$;

-- Mute (until p_value, infinity for ever), pin or archive (since p_value) a conversation for one account; NULL undoes it.
-- The account's other devices are told.
--	400	p_what, or a moment that has passed	404	not in the conversation
CREATE OR REPLACE FUNCTION conversation_set(p_account uuid, p_conversation uuid, p_what text, p_value timestamptz,
	p_device uuid DEFAULT NULL)
RETURNS TABLE (conversation_id uuid, muted boolean, muted_until timestamptz, pinned boolean, archived boolean,
	_event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
#variable_conflict use_column
DECLARE
	o conversation_setting;
	s conversation_setting;
BEGIN
	PERFORM conversation_seen(p_account, p_conversation);
	IF p_what NOT IN ('muted', 'pinned', 'archived') THEN
		PERFORM fail(400, 'A conversation is muted, pinned or archived', 'what');
	ELSIF p_what = 'muted' AND p_value <= now() THEN
		PERFORM fail(400, 'must lie in the future', 'mutedUntil');
	END IF;
	PERFORM conversation_touch(p_conversation, 0);
	SELECT * INTO o FROM conversation_setting x
	WHERE x.account_id = p_account AND x.conversation_id = p_conversation;
	INSERT INTO conversation_setting AS x (account_id, conversation_id, muted_until, pinned_at, archived_at)
	VALUES (p_account, p_conversation, CASE p_what WHEN 'muted' THEN p_value END,
		CASE p_what WHEN 'pinned' THEN p_value END, CASE p_what WHEN 'archived' THEN p_value END)
	ON CONFLICT (account_id, conversation_id) DO UPDATE SET
		muted_until = CASE p_what WHEN 'muted' THEN p_value ELSE x.muted_until END,
		-- The first pin counts.
		pinned_at = CASE WHEN p_what <> 'pinned' THEN x.pinned_at
			WHEN p_value IS NOT NULL THEN coalesce(x.pinned_at, p_value) END,
		archived_at = CASE WHEN p_what <> 'archived' THEN x.archived_at
			WHEN p_value IS NOT NULL THEN coalesce(x.archived_at, p_value) END,
		updated_at = now()
	RETURNING x.* INTO s;
	RETURN QUERY SELECT p_conversation, coalesce(s.muted_until > now(), false),
		CASE WHEN s.muted_until > now() THEN nullif(s.muted_until, 'infinity') END,
		s.pinned_at IS NOT NULL, s.archived_at IS NOT NULL,
		CASE WHEN (o.muted_until, o.pinned_at, o.archived_at) IS DISTINCT FROM
			(s.muted_until, s.pinned_at, s.archived_at) THEN
			emit('conversation.settings', NULL, NULL, ARRAY[p_account], conversation_setting_json(s),
				NULL, p_device) END;
END $$;

-- Empty a conversation for one account and take it off its list until the next message: what was said so far is not
-- shown to it any more, whichever way it asks.  Others keep theirs.  Pin and archive are given up, muting stays.
--	404	not in the conversation
CREATE OR REPLACE FUNCTION conversation_clear(p_account uuid, p_conversation uuid, p_device uuid DEFAULT NULL)
RETURNS TABLE (conversation_id uuid, seq bigint, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
#variable_conflict use_column
DECLARE
	c conversation;
BEGIN
	PERFORM conversation_seen(p_account, p_conversation);
	c := conversation_touch(p_conversation, 0);
	UPDATE member m SET entered_seq = coalesce(m.entered_seq, m.joined_seq),
		joined_seq = least(coalesce(m.left_seq, c.last_seq), c.last_seq)
	WHERE m.conversation_id = p_conversation AND m.account_id = p_account
		AND m.joined_seq < least(coalesce(m.left_seq, c.last_seq), c.last_seq);
	INSERT INTO conversation_setting (account_id, conversation_id, hidden_seq)
	VALUES (p_account, p_conversation, c.last_seq)
	ON CONFLICT (account_id, conversation_id) DO UPDATE SET hidden_seq = c.last_seq, pinned_at = NULL,
		archived_at = NULL, updated_at = now();
	RETURN QUERY SELECT p_conversation, c.last_seq, emit('conversation.cleared', NULL, NULL, ARRAY[p_account],
		jsonb_build_object('conversationId', p_conversation, 'seq', c.last_seq, 'hidden', true), NULL, p_device);
END $$;

-- Delete a conversation as far as the account may: the owner of a group deletes it for all (group_delete), everybody
-- else for themselves (conversation_clear).
--	404	not in the conversation
CREATE OR REPLACE FUNCTION conversation_drop(p_account uuid, p_conversation uuid, p_device uuid DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM conversation_seen(p_account, p_conversation);
	IF EXISTS (SELECT FROM member m WHERE m.conversation_id = p_conversation AND m.account_id = p_account
		AND m.left_version IS NULL AND m.role = 'owner') THEN
		RETURN d._event FROM group_delete(p_conversation, p_account, p_device) d;
	END IF;
	RETURN d._event FROM conversation_clear(p_account, p_conversation, p_device) d;
END $$;

-- What one account makes of a conversation goes when a stay, the conversation or the account ends.
CREATE OR REPLACE FUNCTION conversation_setting_drop() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	IF TG_TABLE_NAME = 'member' THEN
		DELETE FROM conversation_setting WHERE account_id = NEW.account_id AND conversation_id = NEW.conversation_id;
	ELSIF TG_TABLE_NAME = 'conversation' THEN
		DELETE FROM conversation_setting WHERE conversation_id = NEW.id;
		UPDATE conversation_profile SET avatar_url = NULL, invite_code = NULL, invite_by = NULL, invite_at = NULL
		WHERE conversation_id = NEW.id;
	ELSE
		DELETE FROM conversation_setting WHERE account_id = NEW.id;
	END IF;
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER member_left_setting AFTER UPDATE OF left_version ON member FOR EACH ROW
	WHEN (NEW.left_version IS NOT NULL AND OLD.left_version IS NULL) EXECUTE FUNCTION conversation_setting_drop();
CREATE OR REPLACE TRIGGER conversation_deleted_setting AFTER UPDATE OF deleted_at ON conversation FOR EACH ROW
	WHEN (NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL) EXECUTE FUNCTION conversation_setting_drop();
CREATE OR REPLACE TRIGGER account_deleted_setting AFTER UPDATE OF deleted_at ON account FOR EACH ROW
	WHEN (NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL) EXECUTE FUNCTION conversation_setting_drop();

-- ---- how a conversation is shown ----------------------------------------------------------------

-- Each conversation as each of its members sees it: ask for one viewer_id, and an id where there is one.
CREATE OR REPLACE VIEW conversation_card AS
	SELECT m.account_id AS viewer_id, c.id, c.kind::text AS kind, g.title, nullif(g.description, '') AS description,
		g.avatar_id, g.avatar_url, c.creator_id, g.owner_id, m.role::text AS role, coalesce(g.member_count, 2) AS member_count,
		-- Whoever may bring people in sees the code that brings them in.
		CASE WHEN m.role <> 'member' OR g.settings ->> 'invitePolicy' = 'all' THEN g.invite_code END AS invite_code,
		p.id AS peer_id, p.username AS peer_username, coalesce(k.display_name, p.display_name) AS peer_name,
		c.closed, c.last_seq, s.last_message_at, greatest(m.joined_at, s.last_message_at) AS active_at,
		c.created_at, coalesce(g.updated_at, c.created_at) AS updated_at,
		coalesce(o.muted_until > now(), false) AS muted,
		CASE WHEN o.muted_until > now() THEN nullif(o.muted_until, 'infinity') END AS muted_until,
		o.pinned_at IS NOT NULL AS pinned, o.archived_at IS NOT NULL AS archived,
		c.last_seq <= coalesce(o.hidden_seq, CASE WHEN c.direct_low IS NOT NULL AND c.creator_id <> m.account_id
			THEN 0 ELSE -1 END) AS hidden
	FROM member m
	JOIN conversation c ON c.id = m.conversation_id AND c.deleted_at IS NULL
	LEFT JOIN conversation_profile g ON g.conversation_id = c.id
	LEFT JOIN conversation_setting o ON o.account_id = m.account_id AND o.conversation_id = c.id
	LEFT JOIN account p ON p.id = CASE m.account_id WHEN c.direct_low THEN c.direct_high WHEN c.direct_high THEN c.direct_low END
	LEFT JOIN contact k ON k.account_id = m.account_id AND k.contact_id = p.id
	-- What was said before one came, or cleared, is not there.
	CROSS JOIN LATERAL (SELECT CASE WHEN c.last_seq > m.joined_seq THEN c.last_message_at END AS last_message_at) s
	WHERE m.left_version IS NULL;

-- One of them as it is after what the same statement has changed.
CREATE OR REPLACE FUNCTION conversation_card_now(p_account uuid, p_conversation uuid) RETURNS SETOF conversation_card
LANGUAGE sql VOLATILE ROWS 1 AS $$
	SELECT * FROM conversation_card WHERE viewer_id = p_account AND id = p_conversation
$$;
