-- Contacts, blocks and invitations: whom an account knows (docs/people.md).

-- ---- contacts -----------------------------------------------------------------------------------

-- Add an account as a contact.
--	404	no such account, or it blocked the caller	409	contacts full
--	23505	contact_once	23514	contact_not_self
CREATE OR REPLACE FUNCTION contact_add(p_me uuid, p_account uuid, p_name text, p_max integer, p_device uuid)
RETURNS TABLE (account_id uuid, display_name text, created_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
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

-- The account that an id stands for: an account's own, or that of one of p_me's contacts.
CREATE OR REPLACE FUNCTION contact_named(p_me uuid, p_id uuid) RETURNS uuid
LANGUAGE sql STABLE AS $$
	SELECT coalesce((SELECT c.contact_id FROM contact c WHERE c.id = p_id AND c.account_id = p_me), p_id)
$$;

-- Take an account out of the contacts; no row when it is none.
CREATE OR REPLACE FUNCTION contact_remove(p_me uuid, p_account uuid, p_device uuid)
RETURNS TABLE (account_id uuid, _event jsonb)
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM contact c WHERE c.account_id = p_me AND c.contact_id = p_account RETURNING c.contact_id)
	SELECT g.contact_id, emit('contact.removed', NULL, NULL, ARRAY[p_me],
		jsonb_build_object('contactId', g.contact_id, 'userId', g.contact_id), NULL, p_device)
	FROM gone g
$$;

-- ---- blocks -------------------------------------------------------------------------------------

-- Block an account; the trigger block_close closes the direct conversation of the two, which is locked before the row of
-- the block names the account.
--	404	it is closed	23505	block_once	23514	block_not_self	23503	block_blocked_id_fkey: there is none
CREATE OR REPLACE FUNCTION block_add(p_me uuid, p_account uuid, p_reason text, p_device uuid)
RETURNS TABLE (id uuid, account_id uuid, blocked_id uuid, created_at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	b block;
BEGIN
	PERFORM pg_advisory_xact_lock(direct_lock_key(p_me, p_account));
	PERFORM FROM conversation c WHERE c.kind = 'direct' AND c.direct_low = least(p_me, p_account)
		AND c.direct_high = greatest(p_me, p_account) FOR NO KEY UPDATE;
	IF EXISTS (SELECT FROM account a WHERE a.id = p_account AND a.deleted_at IS NOT NULL) THEN
		PERFORM fail(404, 'There is no such account');
	END IF;
	INSERT INTO block (account_id, blocked_id, reason) VALUES (p_me, p_account, p_reason)
	RETURNING block.* INTO b;
	RETURN QUERY SELECT b.id, b.account_id, b.blocked_id, b.created_at, emit('contact.blocked', NULL, NULL,
		ARRAY[p_me], jsonb_build_object('contactId', p_account), NULL, p_device);
END $$;

-- End a block; no row when there is none.
CREATE OR REPLACE FUNCTION block_remove(p_me uuid, p_account uuid, p_device uuid)
RETURNS TABLE (account_id uuid, blocked_id uuid, _event jsonb)
LANGUAGE sql VOLATILE AS $$
	WITH gone AS (DELETE FROM block b WHERE b.account_id = p_me AND b.blocked_id = p_account RETURNING b.*)
	SELECT g.account_id, g.blocked_id, emit('contact.unblocked', NULL, NULL, ARRAY[p_me],
		jsonb_build_object('contactId', g.blocked_id), NULL, p_device)
	FROM gone g
$$;

-- ---- invitations --------------------------------------------------------------------------------

-- Put an invitation into the queue.  The same one within a day is the first one again, and is not sent twice.  Who
-- blocked the inviter hears nothing, and the inviter does not learn that.
--	400	the destination belongs to an account
CREATE OR REPLACE FUNCTION invitation_create(p_id uuid, p_me uuid, p_channel text, p_destination text, p_message text,
	p_lifetime double precision)
RETURNS SETOF invitation
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
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
	IF p_channel = 'sms' THEN
		SELECT a.* INTO v_account FROM account a WHERE a.phone = p_destination AND a.deleted_at IS NULL;
	ELSE
		SELECT a.* INTO v_account FROM account a WHERE lower(a.email) = p_destination AND a.deleted_at IS NULL;
	END IF;
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

-- An invitation is accepted when its destination opens an account before it expires; who sent it is told.
CREATE OR REPLACE FUNCTION invitation_accept() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
	i invitation;
BEGIN
	FOR i IN
		UPDATE invitation o SET status = 'accepted'
		WHERE o.destination IN (NEW.phone, lower(NEW.email)) AND o.status <> 'accepted' AND o.expires_at > now()
		RETURNING o.*
	LOOP
		PERFORM event_aside(emit('invitation.accepted', NULL, NULL, ARRAY[i.account_id], jsonb_build_object(
			'invitationId', i.id, 'channel', i.channel, 'userId', NEW.id)));
	END LOOP;
	RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER invitation_accept AFTER INSERT ON account FOR EACH ROW EXECUTE FUNCTION invitation_accept();
