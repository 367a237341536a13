-- Settings that decide what others learn.

ALTER TABLE account ADD COLUMN read_receipts_updated_at timestamptz NOT NULL DEFAULT now();

-- Read receipts of an account: the switch, and the conversations that differ from it.
CREATE FUNCTION read_receipts_of(p_account uuid)
RETURNS TABLE (account_id uuid, enabled boolean, overrides jsonb, updated_at timestamptz)
LANGUAGE sql STABLE AS $$
	SELECT a.id, a.read_receipts, (
		SELECT coalesce(jsonb_agg(jsonb_build_object('conversationId', m.conversation_id,
			'enabled', m.read_receipts) ORDER BY m.conversation_id), '[]')
		FROM member m
		WHERE m.account_id = a.id AND m.left_version IS NULL AND m.read_receipts IS NOT NULL),
		a.read_receipts_updated_at
	FROM account a WHERE a.id = p_account AND a.deleted_at IS NULL
$$;

-- Change them; NULL leaves the switch as it is, an override of null goes back to the switch.
--	400	a conversation the account is not a member of	409	changed since p_expected
CREATE FUNCTION read_receipts_set(p_account uuid, p_enabled boolean, p_overrides jsonb, p_expected timestamptz)
RETURNS TABLE (account_id uuid, enabled boolean, overrides jsonb, updated_at timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_before timestamptz;
	v_changed bigint;
BEGIN
	SELECT date_trunc('milliseconds', a.read_receipts_updated_at) INTO v_before
	FROM account a WHERE a.id = p_account FOR UPDATE;
	IF v_before <> p_expected THEN
		PERFORM fail(409, 'is not the latest any more', 'updatedAt');
	END IF;
	UPDATE member m SET read_receipts = o.enabled
	FROM jsonb_to_recordset(p_overrides) AS o ("conversationId" uuid, enabled boolean)
	WHERE m.account_id = p_account AND m.conversation_id = o."conversationId" AND m.left_version IS NULL;
	GET DIAGNOSTICS v_changed = ROW_COUNT;
	IF v_changed < jsonb_array_length(p_overrides) THEN
		PERFORM fail(400, 'name conversations you are in, each once', 'conversationOverrides');
	END IF;
	UPDATE account a SET read_receipts = coalesce(p_enabled, a.read_receipts), read_receipts_updated_at = now()
	WHERE a.id = p_account;
	RETURN QUERY SELECT * FROM read_receipts_of(p_account);
END $$;
