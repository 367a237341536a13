-- Links that bring people into a group.  A group has at most one; whoever has it may come in, so it is shown to those who may
-- add people, and a new one voids the one before.

-- A word of 122 random bits.
CREATE FUNCTION random_code() RETURNS text
LANGUAGE sql VOLATILE
RETURN translate(rtrim(encode(uuid_send(gen_random_uuid()), 'base64'), '='), '+/', '-_');

-- The code at the end of a link, or the code itself.
CREATE FUNCTION invite_code_of(p_link text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN substring(p_link FROM '([A-Za-z0-9_-]+)/*(?:[?#].*)?$');

-- Begin stays, under the lock of the group and after all checks, and tell its members.
CREATE FUNCTION member_begin(p_group uuid, p_accounts uuid[], p_payload jsonb, p_device uuid) RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE AS $$
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

-- group_member_add (004) by it.
CREATE OR REPLACE FUNCTION group_member_add(p_group uuid, p_actor uuid, p_members uuid[], p_device uuid DEFAULT NULL)
RETURNS SETOF group_change
LANGUAGE plpgsql VOLATILE AS $$
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

-- Make the link of a group anew.
--	404	not in the group	403	neither owner nor admin, or no group
CREATE FUNCTION group_invite(p_group uuid, p_actor uuid, p_device uuid DEFAULT NULL)
RETURNS TABLE (code text, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
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
CREATE FUNCTION group_by_invite(p_code text) RETURNS conversation_profile
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
CREATE FUNCTION group_join(p_code text, p_account uuid, p_most integer, p_device uuid DEFAULT NULL)
RETURNS TABLE (group_id uuid, joined boolean, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
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
