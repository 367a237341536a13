-- What one account makes of a conversation for itself, and how conversations are shown to it.

-- ---- who began it --------------------------------------------------------------------------------

ALTER TABLE conversation ADD creator_id uuid;	-- who opened or founded it
UPDATE conversation c SET creator_id = coalesce(
	(SELECT p.owner_id FROM conversation_profile p WHERE p.conversation_id = c.id),
	(SELECT m.sender_id FROM message m WHERE m.conversation_id = c.id ORDER BY m.seq LIMIT 1), c.direct_low);

CREATE FUNCTION conversation_founded() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE conversation SET creator_id = NEW.owner_id WHERE id = NEW.conversation_id;
	RETURN NULL;
END $$;
CREATE TRIGGER conversation_founded AFTER INSERT ON conversation_profile FOR EACH ROW
	EXECUTE FUNCTION conversation_founded();

-- The direct conversation of two accounts (004), and whether it was made just now.
DROP FUNCTION direct_open(uuid, uuid);
CREATE FUNCTION direct_open(p_from uuid, p_to uuid, OUT conversation_id uuid, OUT status integer, OUT created boolean)
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

-- ---- what groups show ----------------------------------------------------------------------------

ALTER TABLE conversation_profile
	ADD avatar_url text,	-- a picture that lies elsewhere
	ADD invite_code text CONSTRAINT invite_code_key UNIQUE,	-- whoever has it may come in
	ADD invite_by uuid REFERENCES account,
	ADD invite_at timestamptz;

CREATE OR REPLACE FUNCTION group_json(g conversation_profile) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('groupId', g.conversation_id, 'name', g.title,
	'description', g.description, 'avatarId', g.avatar_id, 'avatarUrl', g.avatar_url, 'ownerId', g.owner_id,
	'memberCount', g.member_count, 'createdAt', rfc3339(g.created_at), 'updatedAt', rfc3339(g.updated_at)))
	|| jsonb_build_object('settings', g.settings)
$$;

-- group_update (004) with a picture that lies elsewhere; an empty text takes it away.
DROP FUNCTION group_update(uuid, uuid, text, text, jsonb, uuid, uuid);
CREATE FUNCTION group_update(p_group uuid, p_actor uuid, p_title text, p_description text,
	p_settings jsonb DEFAULT NULL, p_avatar uuid DEFAULT NULL, p_device uuid DEFAULT NULL,
	p_avatar_url text DEFAULT NULL)
RETURNS SETOF group_row
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	g conversation_profile := group_lock(p_group, p_actor, '{owner,admin}');
	c conversation;
BEGIN
	g.settings := jsonb_strip_nulls(g.settings || coalesce(p_settings, '{}'));
	PERFORM group_settings_check(g.settings);
	IF (g.settings ->> 'maxMembers')::numeric < g.member_count THEN
		PERFORM fail(400, 'The group has more members than that', 'maxMembers');
	END IF;
	UPDATE conversation_profile u SET
		title = coalesce(p_title, u.title),
		title_key = CASE WHEN u.title_key IS NOT NULL THEN lower(coalesce(p_title, u.title)) END,
		description = coalesce(p_description, u.description),
		settings = g.settings,
		avatar_id = coalesce(p_avatar, u.avatar_id),
		avatar_url = nullif(coalesce(p_avatar_url, u.avatar_url), ''),
		updated_at = now()
	WHERE u.conversation_id = p_group RETURNING u.* INTO g;
	UPDATE conversation u SET changed_xid = greatest(u.changed_xid, pg_current_xact_id()),
		admins_only = coalesce(g.settings ->> 'memberPostingPolicy' = 'adminsOnly', false)
	WHERE u.id = p_group RETURNING u.* INTO c;
	RETURN NEXT group_row(g, c.member_version, emit('group.updated', p_group, c.member_version, NULL,
		group_json(g) || jsonb_build_object('by', p_actor), NULL, p_device));
END $$;

-- ---- what one account makes of it ----------------------------------------------------------------

-- Changed under the lock of the conversation.  No row means: nothing of all this.
CREATE TABLE conversation_setting (
	account_id uuid NOT NULL REFERENCES account,
	conversation_id uuid NOT NULL REFERENCES conversation,
	muted_until timestamptz,	-- infinity: until it is unmuted
	pinned_at timestamptz,
	archived_at timestamptz,
	hidden_seq bigint,		-- not listed until a message comes after this one
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (account_id, conversation_id)
);
CREATE INDEX conversation_setting_conversation ON conversation_setting (conversation_id);

-- A stay that its account cleared begins, for the eyes, later than it did: joined_seq is where sight begins, entered_seq
-- (null when they are the same) where the stay did.
ALTER TABLE member ADD entered_seq bigint,
	ADD removed_by uuid;	-- who ended the stay, unless it was the member

-- What becomes of it when a stay, a conversation or an account ends.
CREATE FUNCTION conversation_setting_drop() RETURNS trigger
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
CREATE TRIGGER member_left_setting AFTER UPDATE OF left_version ON member FOR EACH ROW
	WHEN (NEW.left_version IS NOT NULL AND OLD.left_version IS NULL) EXECUTE FUNCTION conversation_setting_drop();
CREATE TRIGGER conversation_deleted_setting AFTER UPDATE OF deleted_at ON conversation FOR EACH ROW
	WHEN (NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL) EXECUTE FUNCTION conversation_setting_drop();
CREATE TRIGGER account_deleted_setting AFTER UPDATE OF deleted_at ON account FOR EACH ROW
	WHEN (NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL) EXECUTE FUNCTION conversation_setting_drop();

-- Whether an account wants to hear of new messages now: what sends notifications asks this first.
CREATE FUNCTION conversation_muted(p_account uuid, p_conversation uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM conversation_setting s WHERE s.account_id = p_account
		AND s.conversation_id = p_conversation AND s.muted_until > now())
$$;

-- The conversation, for those who are in it.
--	404	for everybody else
CREATE FUNCTION conversation_seen(p_account uuid, p_conversation uuid) RETURNS conversation
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

-- The same for what only groups have.
--	404	not in it	403	a direct conversation
CREATE FUNCTION group_for(p_account uuid, p_conversation uuid) RETURNS conversation
LANGUAGE plpgsql STABLE AS $$
DECLARE
	c conversation := conversation_seen(p_account, p_conversation);
BEGIN
	IF c.kind <> 'group' THEN
		PERFORM fail(403, 'This is a conversation of two, not a group');
	END IF;
	RETURN c;
END $$;

-- A setting as events show it, and replies.
CREATE FUNCTION conversation_setting_json(s conversation_setting) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('conversationId', s.conversation_id,
	'muted', coalesce(s.muted_until > now(), false),
	'mutedUntil', CASE WHEN s.muted_until > now() THEN rfc3339(nullif(s.muted_until, 'infinity')) END,
	'pinned', s.pinned_at IS NOT NULL, 'archived', s.archived_at IS NOT NULL,
	'hidden', nullif(s.hidden_seq IS NOT NULL, false)))
$$;

-- Mute (until p_value, infinity for ever), pin or archive (since p_value) a conversation for one account; NULL undoes it.
-- The account's other devices are told.
--	400	p_what, or a moment that has passed	404	not in the conversation
CREATE FUNCTION conversation_set(p_account uuid, p_conversation uuid, p_what text, p_value timestamptz,
	p_device uuid DEFAULT NULL)
RETURNS TABLE (conversation_id uuid, muted boolean, muted_until timestamptz, pinned boolean, archived boolean,
	_event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
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
CREATE FUNCTION conversation_clear(p_account uuid, p_conversation uuid, p_device uuid DEFAULT NULL)
RETURNS TABLE (conversation_id uuid, seq bigint, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
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
CREATE FUNCTION conversation_drop(p_account uuid, p_conversation uuid, p_device uuid DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM conversation_seen(p_account, p_conversation);
	IF EXISTS (SELECT FROM member m WHERE m.conversation_id = p_conversation AND m.account_id = p_account
		AND m.left_version IS NULL AND m.role = 'owner') THEN
		RETURN d._event FROM group_delete(p_conversation, p_account, p_device) d;
	END IF;
	RETURN d._event FROM conversation_clear(p_account, p_conversation, p_device) d;
END $$;

-- Open the direct conversation with somebody before there is anything to say.  Until the first message it is on the
-- list of those who opened it only; whoever deleted theirs has it back, empty.
--	400	oneself, or no such account	403	a block stands between the two
CREATE FUNCTION direct_begin(p_from uuid, p_to uuid, p_device uuid DEFAULT NULL)
RETURNS TABLE (conversation_id uuid, created boolean, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	d record;
	s conversation_setting;
BEGIN
	SELECT * INTO d FROM direct_open(p_from, p_to);
	IF d.status = 403 OR EXISTS (SELECT FROM conversation c WHERE c.id = d.conversation_id AND c.closed) THEN
		PERFORM fail(403, 'One of you has blocked the other');
	ELSIF d.status = 400 THEN
		PERFORM fail(400, 'must be somebody else', 'memberIds');
	ELSIF d.status <> 0 THEN
		PERFORM fail(400, 'does not exist', 'memberIds');
	END IF;
	IF d.created THEN
		INSERT INTO conversation_setting (account_id, conversation_id, hidden_seq) VALUES (p_to, d.conversation_id, 0);
		_event := emit('conversation.created', NULL, NULL, ARRAY[p_from], jsonb_build_object('conversationId',
			d.conversation_id, 'kind', 'direct', 'userId', p_to), NULL, p_device);
	ELSE
		UPDATE conversation_setting x SET hidden_seq = NULL, updated_at = now()
		WHERE x.account_id = p_from AND x.conversation_id = d.conversation_id AND x.hidden_seq IS NOT NULL
		RETURNING x.* INTO s;
		IF FOUND THEN
			_event := emit('conversation.settings', NULL, NULL, ARRAY[p_from], conversation_setting_json(s),
				NULL, p_device);
		END IF;
	END IF;
	RETURN QUERY SELECT d.conversation_id, d.created, _event;
END $$;

-- Delivered and read are about those who were there, whatever they have cleared since.
CREATE OR REPLACE FUNCTION message_delivered(m message) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM member s WHERE s.conversation_id = m.conversation_id
			AND s.account_id <> m.sender_id AND coalesce(s.entered_seq, s.joined_seq) < m.seq
			AND s.delivered_seq >= m.seq AND (s.left_seq IS NULL OR m.seq <= s.left_seq))
		OR EXISTS (SELECT FROM member s JOIN device d ON d.account_id = s.account_id
			JOIN device_ack a ON a.device_id = d.id AND a.conversation_id = s.conversation_id
			WHERE s.conversation_id = m.conversation_id AND s.account_id <> m.sender_id
				AND a.seq = m.seq)
$$;

CREATE OR REPLACE FUNCTION message_status(m message) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN min(s.shown_read_seq) >= m.seq THEN 'read'
		WHEN min(greatest(s.delivered_seq, s.shown_read_seq)) >= m.seq THEN 'delivered' ELSE 'sent' END
	FROM member s WHERE s.conversation_id = m.conversation_id AND s.account_id <> m.sender_id
		AND coalesce(s.entered_seq, s.joined_seq) < m.seq AND s.left_version IS NULL
$$;

-- ---- coming, going and roles, one person at a time -------------------------------------------------

-- Bring somebody into a group, as a member or an admin; p_most is the farm's own limit.
--	404	not in the group	403	as group_member_add and group_roles
--	400	memberIds: unknown, or no room; role		409	memberIds: in already
CREATE FUNCTION member_enter(p_group uuid, p_actor uuid, p_account uuid, p_role text, p_most integer,
	p_device uuid DEFAULT NULL)
RETURNS TABLE (account_id uuid, role text, joined_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	a group_change;
	v_events jsonb;
BEGIN
	PERFORM group_for(p_actor, p_group);
	IF coalesce(p_role, 'member') NOT IN ('member', 'admin') THEN
		PERFORM fail(400, 'A group has one owner: bring them in, then hand it over', 'role');
	END IF;
	SELECT * INTO a FROM group_member_add(p_group, p_actor, ARRAY[p_account], p_device);
	IF a.changed = 0 THEN
		PERFORM fail(409, 'is in the group already', 'memberIds');
	ELSIF (a._event #>> '{j,memberCount}')::integer > p_most THEN
		PERFORM fail(400, 'A group has at most ' || p_most || ' members', 'memberIds');
	END IF;
	v_events := jsonb_build_array(a._event);
	IF p_role = 'admin' THEN
		v_events := v_events || (SELECT r._event FROM group_roles(p_group, p_actor, ARRAY[p_account],
			ARRAY['admin'], p_device) r);
	END IF;
	RETURN QUERY SELECT p_account, m.role::text, m.joined_at, v_events FROM member m
	WHERE m.conversation_id = p_group AND m.account_id = p_account AND m.left_version IS NULL;
END $$;

-- Give a member another role; the owner gives "owner" away and is an admin then.
--	404	not in the group, or no such member	403	as group_roles and group_transfer
--	400	roles: the owner has no other
CREATE FUNCTION member_role_set(p_group uuid, p_actor uuid, p_account uuid, p_role text, p_device uuid DEFAULT NULL)
RETURNS TABLE (account_id uuid, role text, joined_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	v_role text;
BEGIN
	PERFORM group_for(p_actor, p_group);
	SELECT m.role INTO v_role FROM member m WHERE m.conversation_id = p_group AND m.account_id = p_account
		AND m.left_version IS NULL;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such member');
	ELSIF p_role <> 'owner' THEN
		SELECT r._event INTO _event FROM group_roles(p_group, p_actor, ARRAY[p_account], ARRAY[p_role], p_device) r;
	ELSIF p_account <> p_actor OR v_role <> 'owner' THEN
		SELECT r._event INTO _event FROM group_transfer(p_group, p_actor, p_account, p_device) r;
	END IF;
	RETURN QUERY SELECT p_account, m.role::text, m.joined_at, _event FROM member m
	WHERE m.conversation_id = p_group AND m.account_id = p_account AND m.left_version IS NULL;
END $$;

-- Take somebody out of a group; oneself is leaving.
--	404	not in the group, or no such member	403	as group_member_remove and group_leave
CREATE FUNCTION member_out(p_group uuid, p_actor uuid, p_account uuid, p_device uuid DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM group_for(p_actor, p_group);
	IF p_account = p_actor THEN
		RETURN r._event FROM group_leave(p_group, p_actor, false, p_device) r;
	END IF;
	RETURN r._event FROM group_member_remove(p_group, p_actor, p_account, p_device) r;
END $$;

-- group_member_remove (004), which notes who it was.
CREATE OR REPLACE FUNCTION group_member_remove(p_group uuid, p_actor uuid, p_member uuid, p_device uuid DEFAULT NULL)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	g conversation_profile := group_lock(p_group, p_actor, '{owner,admin}');
	v_role text;
BEGIN
	SELECT role INTO v_role FROM member
	WHERE conversation_id = p_group AND account_id = p_member AND left_version IS NULL;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such member');
	ELSIF v_role = 'owner' OR (v_role = 'admin' AND p_actor NOT IN (g.owner_id, p_member)) THEN
		PERFORM fail(403, 'Your role in this group does not allow this');
	END IF;
	UPDATE member SET removed_by = nullif(p_actor, p_member)
	WHERE conversation_id = p_group AND account_id = p_member AND left_version IS NULL;
	RETURN QUERY SELECT * FROM member_end(p_group, p_member, 'member.removed',
		jsonb_build_object('by', p_actor), false, p_device);
END $$;

-- ---- how a conversation is shown -------------------------------------------------------------------

-- Each conversation as each of its members sees it: ask for one viewer_id, and an id where there is one.
CREATE VIEW conversation_card AS
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
		coalesce(c.last_seq <= o.hidden_seq, false) AS hidden
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
CREATE FUNCTION conversation_card_now(p_account uuid, p_conversation uuid) RETURNS SETOF conversation_card
LANGUAGE sql VOLATILE AS $$
	SELECT * FROM conversation_card WHERE viewer_id = p_account AND id = p_conversation
$$;
