-- Finding people: contacts by what is known of them, invitations on their way, who sees a group.

-- ---- people ------------------------------------------------------------------------------------

-- The hash under which address books name telephones: SHA-256 of the number in E.164, the + included.
CREATE FUNCTION phone_hash(phone text) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN sha256(decode(phone, 'escape'));
CREATE INDEX account_phone_hash ON account (phone_hash(phone));

-- Whether p_account exists for p_me: it is open and has not blocked p_me.
CREATE FUNCTION account_findable(p_me uuid, p_account account) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT p_account.deleted_at IS NULL AND NOT EXISTS (SELECT FROM block b
	WHERE b.account_id = p_account.id AND b.blocked_id = p_me)
$$;

-- Add an account as a contact.
--	404	no such account, or it blocked the caller	409	contacts full
--	23505	contact_once	23514	contact_not_self
CREATE FUNCTION contact_add(p_me uuid, p_account uuid, p_name text, p_max integer, p_device uuid)
RETURNS TABLE (account_id uuid, display_name text, created_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	c contact;
	v_name text;
BEGIN
	SELECT a.display_name INTO v_name FROM account a WHERE a.id = p_account AND account_findable(p_me, a);
	IF NOT FOUND THEN
		PERFORM fail(404, 'There is no such account');
	END IF;
	-- The account's lock: two at once must not both find the last place free.
	PERFORM FROM account a WHERE a.id = p_me FOR NO KEY UPDATE;
	INSERT INTO contact (account_id, contact_id, display_name) VALUES (p_me, p_account, p_name)
	RETURNING contact.* INTO c;
	IF (SELECT count(*) FROM contact o WHERE o.account_id = p_me) > p_max THEN
		PERFORM fail(409, 'An account has at most ' || p_max || ' contacts');
	END IF;
	v_name := coalesce(p_name, v_name);
	RETURN QUERY SELECT p_account, v_name, c.created_at, emit('contact.added', NULL, NULL, ARRAY[p_me],
		jsonb_build_object('contactId', p_account, 'userId', p_account, 'displayName', v_name,
		'createdAt', rfc3339(c.created_at)), NULL, p_device);
END $$;

-- ---- invitations -------------------------------------------------------------------------------

ALTER TABLE invitation
	ADD attempts integer NOT NULL DEFAULT 0,	-- deliveries tried
	ADD next_attempt_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX invitation_queued ON invitation (next_attempt_at) WHERE status = 'queued';
CREATE INDEX invitation_destination ON invitation (destination) WHERE status <> 'accepted';

-- Put an invitation into the queue.  The same one within a day is the first one again, and is not sent twice.  Who
-- blocked the inviter hears nothing, and the inviter does not learn that.
--	400	the destination belongs to an account
CREATE FUNCTION invitation_create(p_id uuid, p_me uuid, p_channel text, p_destination text, p_message text,
	p_lifetime double precision)
RETURNS SETOF invitation
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	i invitation;
	v_account account;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended(p_me || p_channel || p_destination, 0));
	SELECT o.* INTO i FROM invitation o
	WHERE o.account_id = p_me AND o.channel = p_channel AND o.destination = p_destination
		AND o.created_at > now() - interval '1 day' AND o.expires_at > now()
		AND o.status IN ('queued', 'sent');
	IF FOUND THEN
		RETURN NEXT i;
		RETURN;
	END IF;
	SELECT a.* INTO v_account FROM account a WHERE a.deleted_at IS NULL AND CASE p_channel
		WHEN 'sms' THEN a.phone = p_destination ELSE lower(a.email) = p_destination END;
	IF FOUND AND account_findable(p_me, v_account) THEN
		PERFORM fail(400, 'belongs to somebody with an account; add them as a contact', 'destination');
	END IF;
	INSERT INTO invitation (id, account_id, channel, destination, message, status, expires_at)
	VALUES (p_id, p_me, p_channel, p_destination, p_message,
		CASE WHEN v_account.id IS NULL THEN 'queued' ELSE 'sent' END,
		now() + make_interval(secs => p_lifetime))
	RETURNING * INTO i;
	i.status := 'queued';
	RETURN NEXT i;
END $$;

-- Take invitations that are due, each for p_lease; who took one says with invitation_settle what became of it, or it is
-- due again.  p_link is where people get the app, NULL when nowhere.
CREATE FUNCTION invitation_claim(p_limit integer, p_link text DEFAULT NULL, p_lease interval DEFAULT '2 minutes',
	p_now timestamptz DEFAULT clock_timestamp())
RETURNS TABLE (id uuid, channel text, destination text, subject text, body text)
LANGUAGE sql VOLATILE AS $$
	WITH due AS MATERIALIZED (
		SELECT o.id FROM invitation o
		WHERE o.status = 'queued' AND o.next_attempt_at <= p_now AND o.expires_at > p_now AND o.attempts < 6
		ORDER BY o.next_attempt_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
	UPDATE invitation o SET attempts = o.attempts + 1, next_attempt_at = p_now + p_lease
	FROM due, account a
	WHERE o.id = due.id AND a.id = o.account_id AND a.deleted_at IS NULL
	RETURNING o.id, o.channel, o.destination,
		coalesce(a.display_name, a.username, a.phone, 'Somebody') || ' invites you to chat',
		coalesce(a.display_name, a.username, a.phone, 'Somebody') || ' invites you to chat.'
			|| coalesce(E'\n' || o.message, '') || coalesce(E'\n' || nullif(p_link, ''), '')
$$;

-- What became of a claimed invitation: 'sent', 'failed' for good, or 'later'.  Six attempts, ever further apart, are made.
-- The inviter's devices learn the end of it.
CREATE FUNCTION invitation_settle(p_id uuid, p_outcome text, p_now timestamptz DEFAULT clock_timestamp())
RETURNS TABLE (id uuid, status text, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	i invitation;
BEGIN
	UPDATE invitation o SET
		status = CASE WHEN p_outcome = 'sent' THEN 'sent'
			WHEN p_outcome = 'failed' OR o.attempts >= 6 THEN 'failed' ELSE 'queued' END,
		sent_at = CASE WHEN p_outcome = 'sent' THEN p_now END,
		next_attempt_at = p_now + interval '30 seconds' * 4 ^ o.attempts
	WHERE o.id = p_id AND o.status = 'queued' RETURNING o.* INTO i;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	RETURN QUERY SELECT i.id, i.status, CASE WHEN i.status <> 'queued' THEN emit('invitation.' || i.status,
		NULL, NULL, ARRAY[i.account_id], jsonb_build_object('invitationId', i.id, 'channel', i.channel,
		'status', i.status)) END;
END $$;

-- An invitation is accepted when its destination opens an account before it expires; who sent it is told.
CREATE FUNCTION invitation_accept() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
	i invitation;
BEGIN
	FOR i IN
		UPDATE invitation o SET status = 'accepted'
		WHERE o.destination IN (NEW.phone, lower(NEW.email)) AND o.status <> 'accepted' AND o.expires_at > now()
		RETURNING o.*
	LOOP
		PERFORM emit('invitation.accepted', NULL, NULL, ARRAY[i.account_id], jsonb_build_object(
			'invitationId', i.id, 'channel', i.channel, 'userId', NEW.id));
	END LOOP;
	RETURN NULL;
END $$;
CREATE TRIGGER invitation_accept AFTER INSERT ON account FOR EACH ROW EXECUTE FUNCTION invitation_accept();

-- ---- groups ------------------------------------------------------------------------------------

-- The group, for its members; 404 for everybody else.
CREATE FUNCTION group_seen(p_group uuid, p_me uuid) RETURNS conversation
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
