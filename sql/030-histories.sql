-- Histories as pages, and the media that messages may name.

-- An uploaded file.  Its bytes lie in the blob store under the id; what it is for, its meta says.
CREATE TABLE media (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	account_id uuid NOT NULL REFERENCES account,
	kind text NOT NULL CONSTRAINT media_kind CHECK (kind IN ('image', 'video', 'audio', 'voice', 'document', 'gif', 'sticker')),
	mime_type text NOT NULL,
	size bigint NOT NULL CONSTRAINT media_size CHECK (size >= 0),
	sha256 text,
	meta jsonb NOT NULL DEFAULT '{}',
	created_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz
);
CREATE INDEX media_account ON media (account_id, created_at);

-- The last timestamp a device acknowledged a synchronisation with; it never goes back.
ALTER TABLE device ADD COLUMN synced_at timestamptz;

-- The sequence number of the first message at or after a moment, or one past the last.  created_at never falls as
-- seq rises, so a binary search finds it in some twenty look-ups however long the conversation is.
CREATE FUNCTION conversation_seq_at(p_conversation uuid, p_at timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_low bigint := 1;
	v_high bigint;
	v_middle bigint;
	v_seq bigint;
	v_time timestamptz;
BEGIN
	SELECT last_seq + 1 INTO v_high FROM conversation WHERE id = p_conversation;
	WHILE v_low < v_high LOOP
		v_middle := (v_low + v_high) / 2;
		-- Numbers are dense; should one be missing, the next one decides.
		SELECT m.seq, m.created_at INTO v_seq, v_time FROM message m
		WHERE m.conversation_id = p_conversation AND m.seq >= v_middle AND m.seq < v_high
		ORDER BY m.seq LIMIT 1;
		IF NOT FOUND OR v_time >= p_at THEN
			v_high := v_middle;
		ELSE
			v_low := v_seq + 1;
		END IF;
	END LOOP;
	RETURN v_low;
END $$;

-- The part of a conversation that a current member may see, as (low, high] per stay.
--	404	no such conversation	403	not a member
CREATE FUNCTION conversation_view(p_account uuid, p_conversation uuid)
RETURNS TABLE (low bigint, high bigint)
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM conversation WHERE id = p_conversation AND deleted_at IS NULL) THEN
		PERFORM fail(404, 'There is no such conversation');
	ELSIF NOT EXISTS (SELECT FROM member WHERE conversation_id = p_conversation
		AND account_id = p_account AND left_version IS NULL) THEN
		PERFORM fail(403, 'You are not a member of this conversation');
	END IF;
	RETURN QUERY SELECT s.joined_seq, coalesce(s.left_seq, c.last_seq)
	FROM member s JOIN conversation c ON c.id = s.conversation_id
	WHERE s.conversation_id = p_conversation AND s.account_id = p_account;
END $$;

-- One page of a history.  Messages count by their numbers, tombstones included, so that any page costs what the
-- first one costs and the total is known without counting.  p_at NULL: newest first.  Else from that
-- moment on, oldest first (forward), or from before it, newest first (backward).
CREATE FUNCTION conversation_page(p_account uuid, p_conversation uuid, p_at timestamptz, p_direction text,
	p_limit bigint, p_offset bigint)
RETURNS TABLE (total bigint, m message)
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_start bigint := CASE WHEN p_at IS NOT NULL THEN conversation_seq_at(p_conversation, p_at) END;
	v_forward boolean := p_at IS NOT NULL AND p_direction IS DISTINCT FROM 'backward';
	v_total bigint;
	s record;
BEGIN
	SELECT coalesce(sum(v.n), 0) INTO v_total FROM (
		SELECT greatest(0, CASE WHEN v_start IS NULL OR v_forward THEN x.high
			ELSE least(x.high, v_start - 1) END
			- CASE WHEN v_forward THEN greatest(x.low, v_start - 1) ELSE x.low END) AS n
		FROM conversation_view(p_account, p_conversation) x) v;
	total := v_total;
	RETURN NEXT;
	FOR s IN
		SELECT y.low, y.high, sum(y.high - y.low) OVER (ORDER BY CASE WHEN v_forward THEN y.low ELSE -y.low END)
			- (y.high - y.low) AS before
		FROM (SELECT CASE WHEN v_forward THEN greatest(x.low, v_start - 1) ELSE x.low END AS low,
				CASE WHEN v_start IS NULL OR v_forward THEN x.high
				ELSE least(x.high, v_start - 1) END AS high
			FROM conversation_view(p_account, p_conversation) x) y
		WHERE y.high > y.low ORDER BY 3
	LOOP
		CONTINUE WHEN s.before >= p_offset + p_limit OR s.before + s.high - s.low <= p_offset;
		IF v_forward THEN
			RETURN QUERY SELECT v_total, t FROM message t WHERE t.conversation_id = p_conversation
				AND t.seq > s.low + greatest(p_offset - s.before, 0)
				AND t.seq <= least(s.high, s.low + p_offset + p_limit - s.before)
			ORDER BY t.seq;
		ELSE
			RETURN QUERY SELECT v_total, t FROM message t WHERE t.conversation_id = p_conversation
				AND t.seq <= s.high - greatest(p_offset - s.before, 0)
				AND t.seq > greatest(s.low, s.high - (p_offset + p_limit - s.before))
			ORDER BY t.seq DESC;
		END IF;
	END LOOP;
END $$;

-- Acknowledge what a synchronisation brought, all or nothing.
--	400	an id that is not the account's to see	409	a timestamp before the last one, or in the future
CREATE FUNCTION sync_ack(p_account uuid, p_device uuid, p_ids uuid[], p_last timestamptz)
RETURNS TABLE (acknowledged integer, at timestamptz, _event jsonb)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_synced timestamptz;
	r record;
BEGIN
	SELECT synced_at INTO v_synced FROM device WHERE id = p_device AND account_id = p_account FOR UPDATE;
	IF p_last < v_synced THEN
		PERFORM fail(409, 'A later synchronisation was acknowledged already', 'lastSyncTimestamp');
	ELSIF p_last > now() + interval '1 minute' THEN
		PERFORM fail(409, 'lies in the future', 'lastSyncTimestamp');
	END IF;
	SELECT * INTO r FROM message_ack(p_account, p_device, p_ids);
	IF cardinality(r.unknown) > 0 THEN
		PERFORM fail(400, 'names messages that are not yours to acknowledge', 'messageIds');
	END IF;
	UPDATE device SET synced_at = coalesce(p_last, synced_at) WHERE id = p_device;
	RETURN QUERY SELECT cardinality(r.acked) + cardinality(r.already), now(), r._event;
END $$;
