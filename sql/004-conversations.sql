-- Conversations, who is in them, and the functions that change membership.
--
-- The row of a conversation is its lock: whoever sends into it or changes its members holds the row until commit.  A
-- transaction that needs several takes them by ascending id, after it has opened missing direct conversations.

CREATE DOMAIN conversation_kind AS text
	CONSTRAINT conversation_kind CHECK (VALUE IN ('direct', 'group', 'broadcast', 'channel'));

-- What every send reads and changes, and nothing else: the row is written anew for each message.  It has no CHECK
-- (PostgreSQL would parse it again at every update) and no index on what a send changes, so that updates stay on their
-- page.  Kind and pair never change after conversation_new looked at them.
CREATE TABLE conversation (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	direct_low uuid,	-- direct: the two accounts, the smaller id first
	direct_high uuid,
	last_seq bigint NOT NULL DEFAULT 0,
	last_message_at timestamptz,
	changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),	-- newest change here, in members or in messages
	created_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz,
	member_version integer NOT NULL DEFAULT 1,	-- raised whenever somebody comes or goes
	closed boolean NOT NULL DEFAULT false,		-- direct: a block stands, or an account is gone
	admins_only boolean NOT NULL DEFAULT false,	-- only owner and admins may post
	kind conversation_kind NOT NULL
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX conversation_direct_key ON conversation (direct_low, direct_high) WHERE kind = 'direct';
CREATE INDEX conversation_deleted_at ON conversation (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE FUNCTION conversation_new() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	IF (NEW.kind = 'direct') <> (NEW.direct_low IS NOT NULL OR NEW.direct_high IS NOT NULL)
		OR (NEW.kind = 'direct' AND coalesce(NEW.direct_low >= NEW.direct_high, true)) THEN
		RAISE check_violation USING CONSTRAINT = 'conversation_direct_pair', TABLE = 'conversation',
			MESSAGE = 'a direct conversation, and no other, has two accounts in order';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER conversation_new BEFORE INSERT ON conversation FOR EACH ROW EXECUTE FUNCTION conversation_new();

-- What people see of a conversation that is not direct.  Changed under the lock of the conversation.
CREATE TABLE conversation_profile (
	conversation_id uuid PRIMARY KEY REFERENCES conversation,
	owner_id uuid NOT NULL REFERENCES account,
	title text,
	title_key text,		-- the title where its owner may use it once; NULL where titles may repeat
	description text,
	avatar_id uuid,
	settings jsonb NOT NULL DEFAULT '{}',
	encryption_metadata jsonb,
	member_count integer NOT NULL,
	member_limit integer NOT NULL DEFAULT 1024,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT group_member_limit CHECK (member_count <= member_limit),
	CONSTRAINT conversation_member_count CHECK (member_count >= 0)
);
CREATE UNIQUE INDEX group_title_taken ON conversation_profile (owner_id, title_key) WHERE title_key IS NOT NULL;

CREATE DOMAIN member_role AS text CONSTRAINT member_role CHECK (VALUE IN ('owner', 'admin', 'member'));

-- One row a stay.  An account is a member at version v when joined_version <= v < left_version, and may see
-- the messages with joined_seq < seq <= left_seq.  The three positions are all that delivery and reading write.
CREATE TABLE member (
	conversation_id uuid NOT NULL REFERENCES conversation,
	account_id uuid NOT NULL REFERENCES account,
	role member_role NOT NULL DEFAULT 'member',
	joined_version integer NOT NULL,
	joined_seq bigint NOT NULL DEFAULT 0,
	joined_at timestamptz NOT NULL DEFAULT now(),
	left_version integer,
	left_seq bigint,
	left_at timestamptz,
	delivered_seq bigint NOT NULL DEFAULT 0,
	read_seq bigint NOT NULL DEFAULT 0,
	shown_read_seq bigint NOT NULL DEFAULT 0,	-- as far as read receipts let others know
	read_receipts boolean,		-- overrides the account's for this conversation
	PRIMARY KEY (conversation_id, account_id, joined_version)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX member_current ON member (conversation_id, account_id) WHERE left_version IS NULL;
CREATE UNIQUE INDEX member_one_owner ON member (conversation_id) WHERE role = 'owner' AND left_version IS NULL;
CREATE INDEX member_account ON member (account_id, conversation_id);

-- A stay ends whole, and after it began.  (A trigger, so that moving a position does not pay for it.)
CREATE FUNCTION member_left_whole() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	RAISE check_violation USING CONSTRAINT = 'member_left_whole', TABLE = 'member',
		MESSAGE = 'a stay ends at a later version, a sequence number and a time';
END $$;
CREATE TRIGGER member_left_whole AFTER INSERT OR UPDATE OF left_version, left_seq, left_at ON member FOR EACH ROW
	WHEN ((NEW.left_version IS NULL) <> (NEW.left_seq IS NULL) OR (NEW.left_version IS NULL) <> (NEW.left_at IS NULL)
		OR NEW.left_version <= NEW.joined_version)
	EXECUTE FUNCTION member_left_whole();

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
	INSERT INTO conversation (id, kind, direct_low, direct_high)
	VALUES (conversation_id, 'direct', v_low, v_high);
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

CREATE FUNCTION group_row(g conversation_profile, version integer, ev jsonb) RETURNS group_row
LANGUAGE sql IMMUTABLE AS $$
	SELECT ROW(g.conversation_id, g.title, g.description, g.settings, g.avatar_id, g.owner_id, g.member_count,
	version, g.created_at, g.updated_at, ev)::group_row
$$;

-- A group as the payloads of its events show it.
CREATE FUNCTION group_json(g conversation_profile) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('groupId', g.conversation_id, 'name', g.title,
	'description', g.description, 'avatarId', g.avatar_id, 'ownerId', g.owner_id,
	'memberCount', g.member_count, 'createdAt', rfc3339(g.created_at), 'updatedAt', rfc3339(g.updated_at)))
	|| jsonb_build_object('settings', g.settings)
$$;

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

-- Note a change under the lock, and, when members come or go, raise the version; answers the row.
CREATE FUNCTION conversation_touch(p_conversation uuid, p_versions integer) RETURNS conversation
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	c conversation;
BEGIN
	UPDATE conversation u SET member_version = u.member_version + p_versions,
		changed_xid = greatest(u.changed_xid, pg_current_xact_id())
	WHERE u.id = p_conversation RETURNING u.* INTO c;
	RETURN c;
END $$;

-- Lock a group for p_actor, who must hold one of p_roles there; answers its profile.
--	404	no such group	403	not a member, or not in that role
CREATE FUNCTION group_lock(p_group uuid, p_actor uuid, p_roles text[]) RETURNS conversation_profile
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	g conversation_profile;
	v_role text;
BEGIN
	PERFORM FROM conversation
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
	SELECT * INTO g FROM conversation_profile WHERE conversation_id = p_group;
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

CREATE FUNCTION group_room_check(p_settings jsonb, p_count integer) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_max integer := least(1024, (p_settings ->> 'maxMembers')::numeric::integer);
BEGIN
	IF p_count > v_max THEN
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
	v_id uuid := coalesce(p_id, uuid7());
	v_settings jsonb := jsonb_strip_nulls(coalesce(p_settings, '{}'));
	v_members uuid[];
	g conversation_profile;
BEGIN
	PERFORM group_settings_check(v_settings);
	v_members := p_owner || group_invitees(p_owner, p_members);
	PERFORM group_room_check(v_settings, cardinality(v_members));
	INSERT INTO conversation (id, kind, admins_only)
	VALUES (v_id, 'group', coalesce(v_settings ->> 'memberPostingPolicy' = 'adminsOnly', false));
	INSERT INTO conversation_profile (conversation_id, owner_id, title, title_key, description, settings,
		encryption_metadata, member_count)
	VALUES (v_id, p_owner, p_title, CASE WHEN p_once THEN lower(p_title) END, p_description, v_settings,
		p_encryption, cardinality(v_members))
	RETURNING * INTO g;
	INSERT INTO member (conversation_id, account_id, role, joined_version)
	SELECT v_id, a, CASE WHEN a = p_owner THEN 'owner' ELSE 'member' END, 1 FROM unnest(v_members) a;
	RETURN NEXT group_row(g, 1, emit('group.created', v_id, 1, NULL, group_json(g), NULL, p_device));
END $$;

-- Change title, description, settings (merged; a null value takes a setting away) or picture; NULL leaves as is.
--	403	only owner and admins	400	settings, or fewer places than members
CREATE FUNCTION group_update(p_group uuid, p_actor uuid, p_title text, p_description text,
	p_settings jsonb DEFAULT NULL, p_avatar uuid DEFAULT NULL, p_device uuid DEFAULT NULL)
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
		updated_at = now()
	WHERE u.conversation_id = p_group RETURNING u.* INTO g;
	UPDATE conversation u SET changed_xid = greatest(u.changed_xid, pg_current_xact_id()),
		admins_only = coalesce(g.settings ->> 'memberPostingPolicy' = 'adminsOnly', false)
	WHERE u.id = p_group RETURNING u.* INTO c;
	RETURN NEXT group_row(g, c.member_version, emit('group.updated', p_group, c.member_version, NULL,
		group_json(g) || jsonb_build_object('by', p_actor), NULL, p_device));
END $$;

-- Delete a group: every stay ends, its profile is emptied, jobs remove the messages (conversation_purge).
CREATE FUNCTION group_delete(p_group uuid, p_actor uuid, p_device uuid DEFAULT NULL)
RETURNS SETOF group_row
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	g conversation_profile := group_lock(p_group, p_actor, '{owner}');
	c conversation := conversation_touch(p_group, 1);
BEGIN
	UPDATE conversation u SET deleted_at = now() WHERE u.id = p_group;
	UPDATE conversation_profile u SET member_count = 0, title = NULL, title_key = NULL, description = NULL,
		avatar_id = NULL, settings = '{}', encryption_metadata = NULL, updated_at = now()
	WHERE u.conversation_id = p_group RETURNING u.* INTO g;
	UPDATE member SET left_version = c.member_version, left_seq = c.last_seq, left_at = now()
	WHERE conversation_id = p_group AND left_version IS NULL;
	RETURN NEXT group_row(g, c.member_version, emit('group.deleted', p_group, c.member_version - 1, NULL,
		jsonb_build_object('groupId', p_group, 'by', p_actor, 'deletedAt', rfc3339(now())),
		NULL, p_device));
END $$;

CREATE TYPE group_change AS (
	group_id uuid, changed integer, accounts uuid[], member_version integer, at timestamptz, _event jsonb);

-- Add members; those who are in already are passed over.
--	400	unknown, or too many	403	not allowed to add, or one of them blocked the actor
CREATE FUNCTION group_member_add(p_group uuid, p_actor uuid, p_members uuid[], p_device uuid DEFAULT NULL)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	g conversation_profile := group_lock(p_group, p_actor, '{owner,admin,member}');
	c conversation;
	v_new uuid[];
BEGIN
	IF coalesce(g.settings ->> 'invitePolicy', 'adminsOnly') <> 'all' THEN
		g := group_lock(p_group, p_actor, '{owner,admin}');
	END IF;
	v_new := group_invitees(p_actor, ARRAY(
		SELECT u FROM unnest(p_members) u WHERE NOT EXISTS (SELECT FROM member m
			WHERE m.conversation_id = p_group AND m.account_id = u AND m.left_version IS NULL)));
	IF cardinality(v_new) = 0 THEN
		RETURN QUERY SELECT p_group, 0, v_new, o.member_version, now(), NULL::jsonb
			FROM conversation o WHERE o.id = p_group;
		RETURN;
	END IF;
	PERFORM group_room_check(g.settings, g.member_count + cardinality(v_new));
	c := conversation_touch(p_group, 1);
	UPDATE conversation_profile u SET member_count = u.member_count + cardinality(v_new), updated_at = now()
	WHERE u.conversation_id = p_group RETURNING u.* INTO g;
	INSERT INTO member (conversation_id, account_id, joined_version, joined_seq, delivered_seq, read_seq,
		shown_read_seq)
	SELECT p_group, u, c.member_version, c.last_seq, c.last_seq, c.last_seq, c.last_seq
	FROM unnest(v_new) u;
	RETURN NEXT ROW(p_group, cardinality(v_new), v_new, c.member_version, now(),
		emit('member.added', p_group, c.member_version, NULL, jsonb_build_object('groupId', p_group,
			'memberIds', to_jsonb(v_new), 'by', p_actor, 'memberCount', g.member_count),
			NULL, p_device))::group_change;
END $$;

-- End one stay under the conversation's lock and tell those who stay (unless silent) and the one who goes.
CREATE FUNCTION member_end(p_group uuid, p_account uuid, p_type text, p_payload jsonb, p_silent boolean,
	p_device uuid)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	c conversation := conversation_touch(p_group, 1);
	v_count integer;
BEGIN
	UPDATE conversation_profile u SET member_count = u.member_count - 1, updated_at = now()
	WHERE u.conversation_id = p_group RETURNING u.member_count INTO v_count;
	UPDATE member SET left_version = c.member_version, left_seq = c.last_seq, left_at = now()
	WHERE conversation_id = p_group AND account_id = p_account AND left_version IS NULL;
	RETURN NEXT ROW(p_group, 1, ARRAY[p_account], c.member_version, now(),
		emit(p_type, CASE WHEN NOT p_silent THEN p_group END,
			CASE WHEN NOT p_silent THEN c.member_version END, ARRAY[p_account],
			p_payload || jsonb_build_object('groupId', p_group, 'memberId', p_account,
			'memberCount', v_count, 'silent', p_silent, 'leftAt', rfc3339(now())),
			NULL, p_device))::group_change;
END $$;

-- Remove a member.  The owner removes anyone else, admins remove plain members.
--	404	not a member	403	not allowed
CREATE FUNCTION group_member_remove(p_group uuid, p_actor uuid, p_member uuid, p_device uuid DEFAULT NULL)
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
	RETURN QUERY SELECT * FROM member_end(p_group, p_member, 'member.removed',
		jsonb_build_object('by', p_actor), false, p_device);
END $$;

-- Leave a group.  An owner hands the group on first (403), unless nobody else is left: then the group is deleted.
-- p_silent tells only the devices of the one who leaves.
--	404	never was a member, or no such group	409	left already
CREATE FUNCTION group_leave(p_group uuid, p_account uuid, p_silent boolean DEFAULT false,
	p_device uuid DEFAULT NULL)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_role text;
BEGIN
	PERFORM FROM conversation
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
	ELSIF v_role = 'owner' AND (SELECT member_count FROM conversation_profile
		WHERE conversation_id = p_group) > 1 THEN
		PERFORM fail(403, 'Hand the group to another member first');
	ELSIF v_role = 'owner' THEN
		RETURN QUERY SELECT d.id, 1, ARRAY[p_account], d.member_version, d.updated_at, d._event
			FROM group_delete(p_group, p_account, p_device) d;
		RETURN;
	END IF;
	RETURN QUERY SELECT * FROM member_end(p_group, p_account, 'member.left', '{}',
		coalesce(p_silent, false), p_device);
END $$;

-- Set roles, admin or member, of several members at once; all or none.  Owner and admins make admins, the
-- owner alone unmakes them, and the owner's own role changes by group_transfer only.
--	400	unknown role, not a member, the owner	403	not allowed
CREATE FUNCTION group_roles(p_group uuid, p_actor uuid, p_accounts uuid[], p_roles text[],
	p_device uuid DEFAULT NULL)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	g conversation_profile := group_lock(p_group, p_actor, '{owner,admin}');
	c conversation;
	v_role text;
	v_changed uuid[] := '{}';
	v_events jsonb := '[]';
BEGIN
	IF cardinality(p_accounts) <> cardinality(p_roles) THEN
		PERFORM fail(400, 'Each role names a member', 'roles');
	END IF;
	c := conversation_touch(p_group, 0);
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
			v_events := v_events || emit('member.role', p_group, c.member_version, NULL,
				jsonb_build_object('groupId', p_group, 'memberId', p_accounts[i],
				'role', p_roles[i], 'by', p_actor), NULL, p_device);
		END IF;
	END LOOP;
	RETURN NEXT ROW(p_group, cardinality(v_changed), v_changed, c.member_version, now(),
		v_events)::group_change;
END $$;

-- Make another member the owner; the owner before becomes an admin.
--	400	not a member	403	not the owner
--	23505	group_title_taken, when the new owner has a group of that title
CREATE FUNCTION group_transfer(p_group uuid, p_actor uuid, p_owner uuid, p_device uuid DEFAULT NULL)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	g conversation_profile := group_lock(p_group, p_actor, '{owner}');
	c conversation;
BEGIN
	IF NOT EXISTS (SELECT FROM member
		WHERE conversation_id = p_group AND account_id = p_owner AND left_version IS NULL) THEN
		PERFORM fail(400, 'The new owner is not a member', 'newOwnerId');
	END IF;
	c := conversation_touch(p_group, 0);
	UPDATE member SET role = 'admin'
	WHERE conversation_id = p_group AND account_id = p_actor AND left_version IS NULL;
	UPDATE member SET role = 'owner'
	WHERE conversation_id = p_group AND account_id = p_owner AND left_version IS NULL;
	UPDATE conversation_profile SET owner_id = p_owner, updated_at = now() WHERE conversation_id = p_group;
	RETURN NEXT ROW(p_group, (p_owner <> p_actor)::integer, ARRAY[p_owner], c.member_version, now(),
		emit('group.owner', p_group, c.member_version, NULL, jsonb_build_object('groupId', p_group,
			'ownerId', p_owner, 'previousOwnerId', p_actor), NULL, p_device))::group_change;
END $$;
