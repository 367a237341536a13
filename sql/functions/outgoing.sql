-- Mails and invitations that the jobs daemon sends (jobs/deliver.h).

-- Mails and invitations to be sent now, mails first; each is the caller's for two minutes.
CREATE OR REPLACE FUNCTION outgoing_claim(p_limit integer, p_link text)
RETURNS TABLE (id uuid, channel text, destination text, subject text, body text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_mails integer;
BEGIN
	RETURN QUERY
		WITH due AS MATERIALIZED (
			SELECT o.id FROM mail o
			WHERE o.status = 'queued' AND o.next_attempt_at <= clock_timestamp()
				AND o.expires_at > clock_timestamp()
			ORDER BY o.next_attempt_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
		UPDATE mail m SET attempts = m.attempts + 1, next_attempt_at = clock_timestamp() + interval '2 minutes'
		FROM due WHERE m.id = due.id
		RETURNING m.id, 'email'::text, m.destination, m.subject, m.body;
	GET DIAGNOSTICS v_mails = ROW_COUNT;
	RETURN QUERY SELECT * FROM invitation_claim(p_limit - v_mails, p_link);
END $$;

-- What became of one: 'sent', 'failed' for good, or 'later' (again and again until it expires, ever further apart).
CREATE OR REPLACE FUNCTION outgoing_settle(p_id uuid, p_outcome text)
RETURNS TABLE (id uuid, status text, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN QUERY UPDATE mail m SET
		status = CASE p_outcome WHEN 'later' THEN 'queued' ELSE p_outcome END,
		body = CASE p_outcome WHEN 'later' THEN m.body END,
		next_attempt_at = clock_timestamp() + least(interval '5 seconds' * 2 ^ least(m.attempts, 20), '1 hour')
	WHERE m.id = p_id AND m.status = 'queued' RETURNING m.id, m.status, NULL::jsonb;
	IF NOT FOUND THEN
		RETURN QUERY SELECT * FROM invitation_settle(p_id, p_outcome);
	END IF;
END $$;

-- Take invitations that are due, each for p_lease; who took one says with invitation_settle what became of it, or it is
-- due again.  p_link is where people get the app, NULL when nowhere.
CREATE OR REPLACE FUNCTION invitation_claim(p_limit integer, p_link text DEFAULT NULL, p_lease interval DEFAULT '2 minutes',
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
CREATE OR REPLACE FUNCTION invitation_settle(p_id uuid, p_outcome text, p_now timestamptz DEFAULT clock_timestamp())
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
