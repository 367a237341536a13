-- Groups: making, changing, handing on and deleting them, and links that bring people in (docs/conversations.md).  Their
-- members come and go in members.sql.

-- A group as a row, with the event of its change.
CREATE OR REPLACE FUNCTION group_row(g conversation_profile, version integer, ev jsonb) RETURNS group_row
LANGUAGE sql IMMUTABLE AS $$
	SELECT ROW(g.conversation_id, g.title, g.description, g.settings, g.avatar_id, g.owner_id, g.member_count,
	version, g.created_at, g.updated_at, ev)::group_row
$$;

-- A group as the payloads of its events show it.
CREATE OR REPLACE FUNCTION group_json(g conversation_profile) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('groupId', g.conversation_id, 'name', g.title,
	'description', g.description, 'avatarId', g.avatar_id, 'avatarUrl', g.avatar_url, 'ownerId', g.owner_id,
	'memberCount', g.member_count, 'createdAt', rfc3339(g.created_at), 'updatedAt', rfc3339(g.updated_at)))
	|| jsonb_build_object('settings', g.settings)
$$;

-- The settings that the database itself obeys must make sense; 400 otherwise.  Others are the surface's.
--	memberPostingPolicy	all, adminsOnly: who may post
--	invitePolicy		all, adminsOnly: who may add members
--	maxMembers		1 to 1024
CREATE OR REPLACE FUNCTION group_settings_check(s jsonb) RETURNS void
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

-- Lock a group for p_actor, who must hold one of p_roles there; answers its profile.
--	404	no such group	403	not a member, or not in that role
CREATE OR REPLACE FUNCTION group_lock(p_group uuid, p_actor uuid, p_roles text[]) RETURNS conversation_profile
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

-- The group, for its members; 404 for everybody else.
CREATE OR REPLACE FUNCTION group_seen(p_group uuid, p_me uuid) RETURNS conversation
LANGUAGE plpgsql STABLE AS $$
DECLARE
	g conversation;
BEGIN
	SELECT c.* INTO g FROM conversation c
	JOIN member m ON m.conversation_id = c.id AND m.account_id = p_me AND m.left_version IS NULL
	WHERE c.id = p_group AND c.kind = 'group' AND c.deleted_at IS NULL;
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such group');
	END IF;
	RETURN g;
END $$;

-- The same for what only groups have: the conversation, for those who are in it.
--	404	not in it	403	a direct conversation
CREATE OR REPLACE FUNCTION group_for(p_account uuid, p_conversation uuid) RETURNS conversation
LANGUAGE plpgsql STABLE AS $$
DECLARE
	c conversation := conversation_seen(p_account, p_conversation);
BEGIN
	IF c.kind <> 'group' THEN
		PERFORM fail(403, 'This is a conversation of two, not a group');
	END IF;
	RETURN c;
END $$;

-- Accounts that p_actor may bring into a group: distinct, known (else 400), and none that blocked them (else 403).
CREATE OR REPLACE FUNCTION group_invitees(p_actor uuid, p_members uuid[]) RETURNS uuid[]
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

-- Whether a group of these settings has room for so many; 400 otherwise.
CREATE OR REPLACE FUNCTION group_room_check(p_settings jsonb, p_count integer) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_max integer := least(1024, (p_settings ->> 'maxMembers')::numeric::integer);
BEGIN
	IF p_count > v_max THEN
		PERFORM fail(400, 'A group has at most ' || v_max || ' members', 'memberIds');
	END IF;
END $$;

-- ---- making and changing ------------------------------------------------------------------------

-- Make a group.  Its owner is a member and counts; duplicates among p_members are folded.
--	400	unknown member, too many, settings	403	a member blocked the owner
--	23505	group_title_taken, when p_once and the owner has a group of that title
CREATE OR REPLACE FUNCTION group_create(p_id uuid, p_owner uuid, p_title text, p_description text, p_members uuid[],
	p_settings jsonb DEFAULT NULL, p_encryption jsonb DEFAULT NULL, p_once boolean DEFAULT true,
	p_device uuid DEFAULT NULL)
RETURNS SETOF group_row
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
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

-- Change title, description, settings (merged; a null value takes a setting away) or picture; NULL leaves as is.  An empty
-- p_avatar_url takes away the picture that lies elsewhere.
--	403	only owner and admins	400	settings, or fewer places than members
CREATE OR REPLACE FUNCTION group_update(p_group uuid, p_actor uuid, p_title text, p_description text,
	p_settings jsonb DEFAULT NULL, p_avatar uuid DEFAULT NULL, p_device uuid DEFAULT NULL,
	p_avatar_url text DEFAULT NULL)
RETURNS SETOF group_row
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
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

-- Delete a group: every stay ends, its profile is emptied, jobs remove the messages (conversation_purge).
CREATE OR REPLACE FUNCTION group_delete(p_group uuid, p_actor uuid, p_device uuid DEFAULT NULL)
RETURNS SETOF group_row
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
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

-- Make another member the owner; the owner before becomes an admin.
--	400	not a member	403	not the owner
--	23505	group_title_taken, when the new owner has a group of that title
CREATE OR REPLACE FUNCTION group_transfer(p_group uuid, p_actor uuid, p_owner uuid, p_device uuid DEFAULT NULL)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
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

-- ---- links --------------------------------------------------------------------------------------

-- A group has at most one link; whoever has it may come in, so it is shown to those who may add people, and a new one voids
-- the one before.

-- The code at the end of a link, or the code itself.
CREATE OR REPLACE FUNCTION invite_code_of(p_link text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN substring(p_link FROM '([A-Za-z0-9_-]+)/*(?:[?#].*)?$');

-- Make the link of a group anew.
--	404	not in the group	403	neither owner nor admin, or no group
CREATE OR REPLACE FUNCTION group_invite(p_group uuid, p_actor uuid, p_device uuid DEFAULT NULL)
RETURNS TABLE (code text, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
DECLARE
	c conversation;
BEGIN
	PERFORM group_for(p_actor, p_group);
	PERFORM group_lock(p_group, p_actor, '{owner,admin}');
	c := conversation_touch(p_group, 0);
	UPDATE conversation_profile p SET invite_code = random_code(), invite_by = p_actor, invite_at = now()
	WHERE p.conversation_id = p_group RETURNING p.invite_code INTO code;
	_event := emit('group.invite', p_group, c.member_version, NULL, jsonb_build_object('groupId', p_group, 'by', p_actor),
		NULL, p_device);
	RETURN NEXT;
END $$;

-- The group a code leads to.
--	404	nowhere
CREATE OR REPLACE FUNCTION group_by_invite(p_code text) RETURNS conversation_profile
LANGUAGE plpgsql STABLE AS $$
DECLARE
	g conversation_profile;
BEGIN
	SELECT p.* INTO g FROM conversation_profile p JOIN conversation c ON c.id = p.conversation_id
	WHERE p.invite_code = p_code AND c.kind = 'group' AND c.deleted_at IS NULL;
	IF NOT FOUND THEN
		PERFORM fail(404, 'leads to no group', 'link');
	END IF;
	RETURN g;
END $$;

-- Come into a group by its code; whoever is in it already stays.  p_most is the farm's own limit.
--	404	the code leads nowhere	409	the group is full
--	403	removed from the group by somebody, and not added again since; or its owner blocked the account
CREATE OR REPLACE FUNCTION group_join(p_code text, p_account uuid, p_most integer, p_device uuid DEFAULT NULL)
RETURNS TABLE (group_id uuid, joined boolean, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
DECLARE
	g conversation_profile := group_by_invite(p_code);
	v_last member;
BEGIN
	PERFORM FROM conversation WHERE id = g.conversation_id FOR NO KEY UPDATE;
	-- Again, for a lock may have been waited for.
	g := group_by_invite(p_code);
	group_id := g.conversation_id;
	joined := false;
	SELECT * INTO v_last FROM member m WHERE m.conversation_id = g.conversation_id AND m.account_id = p_account
	ORDER BY m.joined_version DESC LIMIT 1;
	IF v_last.account_id IS NOT NULL AND v_last.left_version IS NULL THEN
		RETURN NEXT;
		RETURN;
	ELSIF v_last.removed_by IS NOT NULL OR EXISTS (SELECT FROM block b WHERE b.account_id = g.owner_id
		AND b.blocked_id = p_account) THEN
		PERFORM fail(403, 'You cannot join this group');
	ELSIF g.member_count >= least(p_most, 1024, (g.settings ->> 'maxMembers')::numeric) THEN
		PERFORM fail(409, 'The group is full');
	END IF;
	joined := true;
	SELECT m._event INTO _event FROM member_begin(g.conversation_id, ARRAY[p_account],
		jsonb_build_object('by', p_account, 'via', 'link'), p_device) m;
	RETURN NEXT;
END $$;
