-- Conversations, who is in them, and the functions that change membership.
--
-- The row of a conversation is its lock: whoever sends into it or changes its members holds the row until commit.  A
-- transaction that needs several takes them by ascending id, after it has opened missing direct conversations.

CREATE TABLE conversation (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	kind text NOT NULL CONSTRAINT conversation_kind CHECK (kind IN ('direct', 'group', 'broadcast', 'channel')),

	-- What a send changes.  No index has these, so that the update stays on its page (HOT).
	last_seq bigint NOT NULL DEFAULT 0,
	last_message_at timestamptz,
	changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),	-- newest change of the row or of a message

	member_version integer NOT NULL DEFAULT 1,	-- raised whenever somebody comes or goes
	member_count integer NOT NULL DEFAULT 0,
	closed boolean NOT NULL DEFAULT false,		-- direct: a block stands, or an account is gone
	admins_only boolean NOT NULL DEFAULT false,	-- only owner and admins may post

	direct_low uuid,	-- direct: the two accounts, the smaller id first
	direct_high uuid,
	owner_id uuid REFERENCES account,
	title text,
	title_key text,		-- the title as its owner may use it once; NULL where titles may repeat
	description text,
	avatar_id uuid,
	settings jsonb NOT NULL DEFAULT '{}',
	encryption_metadata jsonb,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz,
	CONSTRAINT conversation_direct_pair CHECK ((kind = 'direct') = (direct_low IS NOT NULL)
		AND (kind = 'direct') = (direct_high IS NOT NULL) AND direct_low < direct_high),
	CONSTRAINT conversation_owner CHECK (kind = 'direct' OR owner_id IS NOT NULL),
	CONSTRAINT group_member_limit CHECK (kind <> 'group' OR member_count <= 1024),
	CONSTRAINT conversation_member_count CHECK (member_count >= 0)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX conversation_direct_key ON conversation (direct_low, direct_high) WHERE kind = 'direct';
CREATE UNIQUE INDEX group_title_taken ON conversation (owner_id, title_key)
	WHERE title_key IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX conversation_deleted_at ON conversation (deleted_at) WHERE deleted_at IS NOT NULL;

-- One row a stay.  An account is a member at version v when joined_version <= v < left_version, and may see
-- the messages with joined_seq < seq <= left_seq.  delivered_seq and read_seq are all that delivery and reading write.
CREATE TABLE member (
	conversation_id uuid NOT NULL REFERENCES conversation,
	account_id uuid NOT NULL REFERENCES account,
	role text NOT NULL DEFAULT 'member' CONSTRAINT member_role CHECK (role IN ('owner', 'admin', 'member')),
	joined_version integer NOT NULL,
	joined_seq bigint NOT NULL DEFAULT 0,
	joined_at timestamptz NOT NULL DEFAULT now(),
	left_version integer,
	left_seq bigint,
	left_at timestamptz,
	delivered_seq bigint NOT NULL DEFAULT 0,
	read_seq bigint NOT NULL DEFAULT 0,
	read_receipts boolean,		-- overrides the account's for this conversation
	PRIMARY KEY (conversation_id, account_id, joined_version),
	CONSTRAINT member_left_whole CHECK ((left_version IS NULL) = (left_seq IS NULL)
		AND (left_version IS NULL) = (left_at IS NULL) AND left_version > joined_version)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX member_current ON member (conversation_id, account_id) WHERE left_version IS NULL;
CREATE UNIQUE INDEX member_one_owner ON member (conversation_id) WHERE role = 'owner' AND left_version IS NULL;
CREATE INDEX member_account ON member (account_id, conversation_id);

-- ---- direct conversations ----------------------------------------------------------------------

-- Whether nobody may post between two accounts.
CREATE FUNCTION direct_closed(a uuid, b uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM block WHERE (account_id, blocked_id) IN ((a, b), (b, a)))
		OR EXISTS (SELECT FROM account WHERE id IN (a, b) AND deleted_at IS NOT NULL)
$$;

-- The advisory lock under which a pair's conversation is opened, and its blocks change.
CREATE FUNCTION direct_lock_key(a uuid, b uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN hashtextextended(least(a, b)::text || greatest(a, b)::text, 0);

-- The direct conversation of two accounts, made when there is none.  It never raises for what a client can
-- cause, because it works for batches: status is 0, or 400 (yourself), 404 (no such account), 403 (blocked).
-- A transaction that opens several goes by direct_lock_key, and opens them before it locks a conversation.
CREATE FUNCTION direct_open(p_from uuid, p_to uuid, OUT conversation_id uuid, OUT status integer)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_low uuid := least(p_from, p_to);
	v_high uuid := greatest(p_from, p_to);
BEGIN
	status := 0;
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
	INSERT INTO conversation (id, kind, direct_low, direct_high, member_count)
	VALUES (conversation_id, 'direct', v_low, v_high, 2);
	INSERT INTO member (conversation_id, account_id, joined_version)
	VALUES (conversation_id, v_low, 1), (conversation_id, v_high, 1);
END $$;

-- A block, or its end, closes or opens the direct conversation of the two at once: the send reads one column.
CREATE FUNCTION block_close() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
	b block := coalesce(NEW, OLD);
BEGIN
	PERFORM pg_advisory_xact_lock(direct_lock_key(b.account_id, b.blocked_id));
	UPDATE conversation SET closed = direct_closed(b.account_id, b.blocked_id)
	WHERE kind = 'direct' AND direct_low = least(b.account_id, b.blocked_id)
		AND direct_high = greatest(b.account_id, b.blocked_id);
	RETURN NULL;
END $$;
CREATE TRIGGER block_close AFTER INSERT OR DELETE ON block FOR EACH ROW EXECUTE FUNCTION block_close();

CREATE FUNCTION account_close() RETURNS trigger
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
CREATE TRIGGER account_close AFTER UPDATE OF deleted_at ON account FOR EACH ROW
	WHEN (OLD.deleted_at IS DISTINCT FROM NEW.deleted_at) EXECUTE FUNCTION account_close();

-- ---- groups ------------------------------------------------------------------------------------

CREATE TYPE group_row AS (
	id uuid, title text, description text, settings jsonb, avatar_id uuid, owner_id uuid,
	member_count integer, member_version integer, created_at timestamptz, updated_at timestamptz,
	_event jsonb);

CREATE FUNCTION group_row(c conversation, ev jsonb DEFAULT NULL) RETURNS group_row
LANGUAGE sql IMMUTABLE
RETURN ROW(c.id, c.title, c.description, c.settings, c.avatar_id, c.owner_id, c.member_count,
	c.member_version, c.created_at, c.updated_at, ev)::group_row;

-- The settings that the database itself obeys must make sense; 400 otherwise.  Others are the surface's.
--	memberPostingPolicy	all, adminsOnly: who may post
--	invitePolicy		all, adminsOnly: who may add members
--	maxMembers		1 to 1024
CREATE FUNCTION group_settings_check(s jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	IF jsonb_typeof(s) <> 'object' THEN
		PERFORM fail(400, 'Settings are an object', 'settings');
	ELSIF coalesce(s -> 'memberPostingPolicy', '"all"') NOT IN ('"all"', '"adminsOnly"') THEN
		PERFORM fail(400, 'memberPostingPolicy is all or adminsOnly', 'memberPostingPolicy');
	ELSIF coalesce(s -> 'invitePolicy', '"all"') NOT IN ('"all"', '"adminsOnly"') THEN
		PERFORM fail(400, 'invitePolicy is all or adminsOnly', 'invitePolicy');
	ELSIF s ? 'maxMembers' AND NOT coalesce(jsonb_typeof(s -> 'maxMembers') = 'number'
		AND (s ->> 'maxMembers')::numeric BETWEEN 1 AND 1024
		AND (s ->> 'maxMembers')::numeric % 1 = 0, false) THEN
		PERFORM fail(400, 'maxMembers is a number from 1 to 1024', 'maxMembers');
	END IF;
END $$;

-- Lock a group for p_actor, who must hold one of p_roles there; answers the row.
--	404	no such group	403	not a member, or not in that role
CREATE FUNCTION group_lock(p_group uuid, p_actor uuid, p_roles text[]) RETURNS conversation
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	g conversation;
	v_role text;
BEGIN
	SELECT * INTO g FROM conversation
	WHERE id = p_group AND kind = 'group' AND deleted_at IS NULL FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such group');
	END IF;
	SELECT role INTO v_role FROM member
	WHERE conversation_id = p_group AND account_id = p_actor AND left_version IS NULL;
	IF v_role IS NULL THEN
		PERFORM fail(403, 'You are not a member of this group');
	ELSIF v_role <> ALL (p_roles) THEN
		PERFORM fail(403, 'Your role in this group does not allow this');
	END IF;
	RETURN g;
END $$;

-- Accounts that p_actor may bring into a group: distinct, known (else 400), and none that blocked them (else 403).
CREATE FUNCTION group_invitees(p_actor uuid, p_members uuid[]) RETURNS uuid[]
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_members uuid[];
BEGIN
	SELECT coalesce(array_agg(DISTINCT u), '{}') INTO v_members FROM unnest(p_members) u
	WHERE u IS NOT NULL AND u <> p_actor;
	IF (SELECT count(*) FROM account WHERE id = ANY (v_members) AND deleted_at IS NULL)
		< cardinality(v_members) THEN
		PERFORM fail(400, 'One of the members does not exist', 'memberIds');
	END IF;
	IF EXISTS (SELECT FROM block WHERE account_id = ANY (v_members) AND blocked_id = p_actor) THEN
		PERFORM fail(403, 'One of the members cannot be added by you');
	END IF;
	RETURN v_members;
END $$;

CREATE FUNCTION group_room_check(g conversation, p_more integer) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_max integer := least(1024, coalesce((g.settings ->> 'maxMembers')::numeric::integer, 1024));
BEGIN
	IF g.member_count + p_more > v_max THEN
		PERFORM fail(400, 'A group has at most ' || v_max || ' members', 'memberIds');
	END IF;
END $$;

-- Make a group.  Its owner is a member and counts; duplicates among p_members are folded.
--	400	unknown member, too many, settings	403	a member blocked the owner
--	23505	group_title_taken, when p_once and the owner has a group of that title
CREATE FUNCTION group_create(p_id uuid, p_owner uuid, p_title text, p_description text, p_members uuid[],
	p_settings jsonb DEFAULT NULL, p_encryption jsonb DEFAULT NULL, p_once boolean DEFAULT true,
	p_device uuid DEFAULT NULL)
RETURNS SETOF group_row
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	g conversation;
	v_settings jsonb := jsonb_strip_nulls(coalesce(p_settings, '{}'));
	v_members uuid[];
BEGIN
	PERFORM group_settings_check(v_settings);
	g.settings := v_settings;
	g.member_count := 1;
	v_members := group_invitees(p_owner, p_members);
	PERFORM group_room_check(g, cardinality(v_members));
	INSERT INTO conversation (id, kind, owner_id, title, title_key, description, settings, admins_only,
		encryption_metadata, member_count)
	VALUES (coalesce(p_id, uuid7()), 'group', p_owner, p_title,
		CASE WHEN p_once THEN lower(p_title) END, p_description, v_settings,
		coalesce(v_settings ->> 'memberPostingPolicy' = 'adminsOnly', false), p_encryption,
		1 + cardinality(v_members))
	RETURNING * INTO g;
	INSERT INTO member (conversation_id, account_id, role, joined_version)
	SELECT g.id, a, CASE WHEN a = p_owner THEN 'owner' ELSE 'member' END, 1
	FROM unnest(p_owner || v_members) a;
	RETURN NEXT group_row(g, emit('group.created', g.id, g.member_version, NULL, jsonb_build_object(
		'groupId', g.id, 'name', g.title, 'description', g.description, 'settings', g.settings,
		'ownerId', g.owner_id, 'memberCount', g.member_count, 'createdAt', rfc3339(g.created_at)),
		NULL, p_device));
END $$;

-- Change title, description, settings (merged; a null value takes a setting away) or picture; NULL leaves as is.
--	403	only owner and admins	400	settings, or fewer places than members
CREATE FUNCTION group_update(p_group uuid, p_actor uuid, p_title text, p_description text,
	p_settings jsonb DEFAULT NULL, p_avatar uuid DEFAULT NULL, p_device uuid DEFAULT NULL)
RETURNS SETOF group_row
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	g conversation := group_lock(p_group, p_actor, '{owner,admin}');
	v_settings jsonb;
BEGIN
	v_settings := jsonb_strip_nulls(g.settings || coalesce(p_settings, '{}'));
	PERFORM group_settings_check(v_settings);
	IF (v_settings ->> 'maxMembers')::numeric < g.member_count THEN
		PERFORM fail(400, 'The group has more members than that', 'maxMembers');
	END IF;
	UPDATE conversation SET
		title = coalesce(p_title, title),
		title_key = CASE WHEN title_key IS NOT NULL THEN lower(coalesce(p_title, title)) END,
		description = coalesce(p_description, description),
		settings = v_settings,
		admins_only = coalesce(v_settings ->> 'memberPostingPolicy' = 'adminsOnly', false),
		avatar_id = coalesce(p_avatar, avatar_id),
		updated_at = now(),
		changed_xid = greatest(changed_xid, pg_current_xact_id())
	WHERE id = p_group RETURNING * INTO g;
	RETURN NEXT group_row(g, emit('group.updated', g.id, g.member_version, NULL, jsonb_build_object(
		'groupId', g.id, 'name', g.title, 'description', g.description, 'settings', g.settings,
		'avatarId', g.avatar_id, 'by', p_actor, 'updatedAt', rfc3339(g.updated_at)), NULL, p_device));
END $$;

-- Delete a group: every stay ends, jobs remove the messages (conversation_purge).
CREATE FUNCTION group_delete(p_group uuid, p_actor uuid, p_device uuid DEFAULT NULL)
RETURNS SETOF group_row
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	g conversation := group_lock(p_group, p_actor, '{owner}');
	v_version integer := g.member_version;
BEGIN
	UPDATE conversation SET deleted_at = now(), updated_at = now(), member_count = 0,
		member_version = member_version + 1, changed_xid = greatest(changed_xid, pg_current_xact_id())
	WHERE id = p_group RETURNING * INTO g;
	UPDATE member SET left_version = g.member_version, left_seq = g.last_seq, left_at = now()
	WHERE conversation_id = p_group AND left_version IS NULL;
	RETURN NEXT group_row(g, emit('group.deleted', g.id, v_version, NULL, jsonb_build_object(
		'groupId', g.id, 'by', p_actor, 'deletedAt', rfc3339(g.deleted_at)), NULL, p_device));
END $$;

CREATE TYPE group_change AS (
	group_id uuid, changed integer, accounts uuid[], member_version integer, at timestamptz, _event jsonb);

-- Add members; those who are in already are passed over.
--	400	unknown, or too many	403	not allowed to add, or one of them blocked the actor
CREATE FUNCTION group_member_add(p_group uuid, p_actor uuid, p_members uuid[], p_device uuid DEFAULT NULL)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	g conversation := group_lock(p_group, p_actor, '{owner,admin,member}');
	v_new uuid[];
BEGIN
	IF coalesce(g.settings ->> 'invitePolicy', 'adminsOnly') <> 'all' THEN
		g := group_lock(p_group, p_actor, '{owner,admin}');
	END IF;
	v_new := group_invitees(p_actor, ARRAY(
		SELECT u FROM unnest(p_members) u WHERE NOT EXISTS (SELECT FROM member m
			WHERE m.conversation_id = p_group AND m.account_id = u AND m.left_version IS NULL)));
	IF cardinality(v_new) = 0 THEN
		RETURN NEXT ROW(p_group, 0, v_new, g.member_version, now(), NULL)::group_change;
		RETURN;
	END IF;
	PERFORM group_room_check(g, cardinality(v_new));
	UPDATE conversation SET member_version = member_version + 1, updated_at = now(),
		member_count = member_count + cardinality(v_new),
		changed_xid = greatest(changed_xid, pg_current_xact_id())
	WHERE id = p_group RETURNING * INTO g;
	INSERT INTO member (conversation_id, account_id, joined_version, joined_seq, delivered_seq, read_seq)
	SELECT p_group, u, g.member_version, g.last_seq, g.last_seq, g.last_seq FROM unnest(v_new) u;
	RETURN NEXT ROW(p_group, cardinality(v_new), v_new, g.member_version, now(),
		emit('member.added', p_group, g.member_version, NULL, jsonb_build_object('groupId', p_group,
			'memberIds', to_jsonb(v_new), 'by', p_actor, 'memberCount', g.member_count),
			NULL, p_device))::group_change;
END $$;

-- End one stay under the conversation's lock and tell those who stay, and the one who goes.
CREATE FUNCTION member_end(p_group uuid, p_account uuid, p_type text, p_payload jsonb, p_notify boolean,
	p_device uuid)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	g conversation;
BEGIN
	UPDATE conversation SET member_version = member_version + 1, member_count = member_count - 1,
		updated_at = now(), changed_xid = greatest(changed_xid, pg_current_xact_id())
	WHERE id = p_group RETURNING * INTO g;
	UPDATE member SET left_version = g.member_version, left_seq = g.last_seq, left_at = now()
	WHERE conversation_id = p_group AND account_id = p_account AND left_version IS NULL;
	RETURN NEXT ROW(p_group, 1, ARRAY[p_account], g.member_version, now(),
		emit(p_type, CASE WHEN p_notify THEN p_group END, CASE WHEN p_notify THEN g.member_version END,
			ARRAY[p_account], p_payload || jsonb_build_object('groupId', p_group, 'memberId', p_account,
			'memberCount', g.member_count, 'silent', NOT p_notify, 'leftAt', rfc3339(now())),
			NULL, p_device))::group_change;
END $$;

-- Remove a member.  The owner removes anyone else, admins remove plain members.
--	404	not a member	403	not allowed
CREATE FUNCTION group_member_remove(p_group uuid, p_actor uuid, p_member uuid, p_device uuid DEFAULT NULL)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	g conversation := group_lock(p_group, p_actor, '{owner,admin}');
	v_role text;
BEGIN
	SELECT role INTO v_role FROM member
	WHERE conversation_id = p_group AND account_id = p_member AND left_version IS NULL;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such member');
	ELSIF v_role = 'owner' OR (v_role = 'admin' AND p_actor NOT IN (g.owner_id, p_member)) THEN
		PERFORM fail(403, 'Your role in this group does not allow this');
	END IF;
	RETURN QUERY SELECT * FROM member_end(p_group, p_member, 'member.removed',
		jsonb_build_object('by', p_actor), true, p_device);
END $$;

-- Leave a group.  An owner hands the group on first (403), unless nobody else is left: then the group is deleted.
-- p_silent tells only the devices of the one who leaves.
--	404	never was a member, or no such group	409	left already
CREATE FUNCTION group_leave(p_group uuid, p_account uuid, p_silent boolean DEFAULT false,
	p_device uuid DEFAULT NULL)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	g conversation;
	v_role text;
BEGIN
	SELECT * INTO g FROM conversation
	WHERE id = p_group AND kind = 'group' AND deleted_at IS NULL FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such group');
	END IF;
	SELECT role INTO v_role FROM member
	WHERE conversation_id = p_group AND account_id = p_account AND left_version IS NULL;
	IF NOT FOUND THEN
		IF EXISTS (SELECT FROM member WHERE conversation_id = p_group AND account_id = p_account) THEN
			PERFORM fail(409, 'You have left this group already');
		END IF;
		PERFORM fail(404, 'You are not a member of this group');
	ELSIF v_role = 'owner' AND g.member_count > 1 THEN
		PERFORM fail(403, 'Hand the group to another member first');
	ELSIF v_role = 'owner' THEN
		RETURN QUERY SELECT d.id, 1, ARRAY[p_account], d.member_version, d.updated_at, d._event
			FROM group_delete(p_group, p_account, p_device) d;
		RETURN;
	END IF;
	RETURN QUERY SELECT * FROM member_end(p_group, p_account, 'member.left', '{}',
		NOT coalesce(p_silent, false), p_device);
END $$;

-- Set roles, admin or member, of several members at once; all or none.  Owner and admins make admins, the
-- owner alone unmakes them, and the owner's own role changes by group_transfer only.
--	400	unknown role, not a member, the owner	403	not allowed
CREATE FUNCTION group_roles(p_group uuid, p_actor uuid, p_accounts uuid[], p_roles text[],
	p_device uuid DEFAULT NULL)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	g conversation := group_lock(p_group, p_actor, '{owner,admin}');
	v_role text;
	v_changed uuid[] := '{}';
	v_events jsonb := '[]';
BEGIN
	IF cardinality(p_accounts) <> cardinality(p_roles) THEN
		PERFORM fail(400, 'Each role names a member', 'roles');
	END IF;
	FOR i IN 1 .. cardinality(p_accounts) LOOP
		SELECT role INTO v_role FROM member WHERE conversation_id = p_group
			AND account_id = p_accounts[i] AND left_version IS NULL;
		IF v_role IS NULL THEN
			PERFORM fail(400, 'One of the accounts is not a member', 'roles');
		ELSIF p_roles[i] IS NULL OR p_roles[i] NOT IN ('admin', 'member') THEN
			PERFORM fail(400, 'A role is admin or member', 'roles');
		ELSIF v_role = 'owner' THEN
			PERFORM fail(400, 'The owner has no other role', 'roles');
		ELSIF v_role = 'admin' AND p_roles[i] = 'member' AND p_actor NOT IN (g.owner_id, p_accounts[i]) THEN
			PERFORM fail(403, 'Only the owner takes the admin role away');
		ELSIF v_role <> p_roles[i] THEN
			UPDATE member SET role = p_roles[i] WHERE conversation_id = p_group
				AND account_id = p_accounts[i] AND left_version IS NULL;
			v_changed := v_changed || p_accounts[i];
			v_events := v_events || emit('member.role', p_group, g.member_version, NULL,
				jsonb_build_object('groupId', p_group, 'memberId', p_accounts[i],
				'role', p_roles[i], 'by', p_actor), NULL, p_device);
		END IF;
	END LOOP;
	UPDATE conversation SET updated_at = now(), changed_xid = greatest(changed_xid, pg_current_xact_id())
	WHERE id = p_group AND cardinality(v_changed) > 0;
	RETURN NEXT ROW(p_group, cardinality(v_changed), v_changed, g.member_version, now(),
		v_events)::group_change;
END $$;

-- Make another member the owner; the owner before becomes an admin.
--	400	not a member	403	not the owner
--	23505	group_title_taken, when the new owner has a group of that title
CREATE FUNCTION group_transfer(p_group uuid, p_actor uuid, p_owner uuid, p_device uuid DEFAULT NULL)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	g conversation := group_lock(p_group, p_actor, '{owner}');
BEGIN
	IF NOT EXISTS (SELECT FROM member
		WHERE conversation_id = p_group AND account_id = p_owner AND left_version IS NULL) THEN
		PERFORM fail(400, 'The new owner is not a member', 'newOwnerId');
	END IF;
	UPDATE member SET role = 'admin'
	WHERE conversation_id = p_group AND account_id = p_actor AND left_version IS NULL;
	UPDATE member SET role = 'owner'
	WHERE conversation_id = p_group AND account_id = p_owner AND left_version IS NULL;
	UPDATE conversation SET owner_id = p_owner, updated_at = now(),
		changed_xid = greatest(changed_xid, pg_current_xact_id())
	WHERE id = p_group;
	RETURN NEXT ROW(p_group, (p_owner <> p_actor)::integer, ARRAY[p_owner], g.member_version, now(),
		emit('group.owner', p_group, g.member_version, NULL, jsonb_build_object('groupId', p_group,
			'ownerId', p_owner, 'previousOwnerId', p_actor), NULL, p_device))::group_change;
END $$;
