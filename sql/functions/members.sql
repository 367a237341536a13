-- Members of groups: coming, going and roles.  A stay is one row of member; who comes back has another.

-- A stay ends whole, and after it began.  (A trigger, so that moving a position does not pay for it.)
CREATE OR REPLACE FUNCTION member_left_whole() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	RAISE check_violation USING CONSTRAINT = 'member_left_whole', TABLE = 'member',
		MESSAGE = 'a stay ends at a later version, a sequence number and a time';
END $$;
CREATE OR REPLACE TRIGGER member_left_whole AFTER INSERT OR UPDATE OF left_version, left_seq, left_at ON member FOR EACH ROW
	WHEN ((NEW.left_version IS NULL) <> (NEW.left_seq IS NULL) OR (NEW.left_version IS NULL) <> (NEW.left_at IS NULL)
		OR NEW.left_version <= NEW.joined_version)
	EXECUTE FUNCTION member_left_whole();

-- Begin stays, under the lock of the group and after all checks, and tell its members.
CREATE OR REPLACE FUNCTION member_begin(p_group uuid, p_accounts uuid[], p_payload jsonb, p_device uuid) RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
DECLARE
	c conversation := conversation_touch(p_group, 1);
	v_count integer;
BEGIN
	UPDATE conversation_profile u SET member_count = u.member_count + cardinality(p_accounts), updated_at = now()
	WHERE u.conversation_id = p_group RETURNING u.member_count INTO v_count;
	INSERT INTO member (conversation_id, account_id, joined_version, joined_seq, delivered_seq, read_seq,
		shown_read_seq)
	SELECT p_group, u, c.member_version, c.last_seq, c.last_seq, c.last_seq, c.last_seq
	FROM unnest(p_accounts) u;
	RETURN NEXT ROW(p_group, cardinality(p_accounts), p_accounts, c.member_version, now(),
		emit('member.added', p_group, c.member_version, NULL, p_payload || jsonb_build_object('groupId', p_group,
			'memberIds', to_jsonb(p_accounts), 'memberCount', v_count), NULL, p_device))::group_change;
END $$;

-- End one stay under the conversation's lock and tell those who stay (unless silent) and the one who goes.
CREATE OR REPLACE FUNCTION member_end(p_group uuid, p_account uuid, p_type text, p_payload jsonb, p_silent boolean,
	p_device uuid)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
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

-- ---- several at once ----------------------------------------------------------------------------

-- Add members; those who are in already are passed over.
--	400	unknown, or too many	403	not allowed to add, or one of them blocked the actor
CREATE OR REPLACE FUNCTION group_member_add(p_group uuid, p_actor uuid, p_members uuid[], p_device uuid DEFAULT NULL)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
DECLARE
	g conversation_profile := group_lock(p_group, p_actor, '{owner,admin,member}');
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
	RETURN QUERY SELECT * FROM member_begin(p_group, v_new, jsonb_build_object('by', p_actor), p_device);
END $$;

-- Remove a member, and note who it was.  The owner removes anyone else, admins remove plain members.
--	404	not a member	403	not allowed
CREATE OR REPLACE FUNCTION group_member_remove(p_group uuid, p_actor uuid, p_member uuid, p_device uuid DEFAULT NULL)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
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

-- Leave a group.  An owner hands the group on first (403), unless nobody else is left: then the group is deleted.
-- p_silent tells only the devices of the one who leaves.
--	404	never was a member, or no such group	409	left already
CREATE OR REPLACE FUNCTION group_leave(p_group uuid, p_account uuid, p_silent boolean DEFAULT false,
	p_device uuid DEFAULT NULL)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
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
CREATE OR REPLACE FUNCTION group_roles(p_group uuid, p_actor uuid, p_accounts uuid[], p_roles text[],
	p_device uuid DEFAULT NULL)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
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

-- ---- one person at a time -----------------------------------------------------------------------

-- Bring somebody into a group, as a member or an admin; p_most is the farm's own limit.
--	404	not in the group	403	as group_member_add and group_roles
--	400	memberIds: unknown, or no room; role		409	memberIds: in already
CREATE OR REPLACE FUNCTION member_enter(p_group uuid, p_actor uuid, p_account uuid, p_role text, p_most integer,
	p_device uuid DEFAULT NULL)
RETURNS TABLE (account_id uuid, role text, joined_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
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
CREATE OR REPLACE FUNCTION member_role_set(p_group uuid, p_actor uuid, p_account uuid, p_role text, p_device uuid DEFAULT NULL)
RETURNS TABLE (account_id uuid, role text, joined_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
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
CREATE OR REPLACE FUNCTION member_out(p_group uuid, p_actor uuid, p_account uuid, p_device uuid DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM group_for(p_actor, p_group);
	IF p_account = p_actor THEN
		RETURN r._event FROM group_leave(p_group, p_actor, false, p_device) r;
	END IF;
	RETURN r._event FROM group_member_remove(p_group, p_actor, p_account, p_device) r;
END $$;
