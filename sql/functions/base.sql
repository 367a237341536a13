-- What the functions of every area stand on: time as text, errors, ids that repeat the caller.

-- Time as replies and event payloads show it.
CREATE OR REPLACE FUNCTION rfc3339(t timestamptz) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- The moment a UUIDv7 was made.
CREATE OR REPLACE FUNCTION uuid7_time(id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN to_timestamp(('x0000' || substring(encode(uuid_send(id), 'hex') FROM 1 FOR 12))::bit(64)::bigint
	/ 1000.0);

-- End the statement with an HTTP status: SQLSTATE RKnnn, the message as detail, the hint as field.
-- It never returns; the type is boolean so that it fits CASE, WHERE and SELECT lists alike.
CREATE OR REPLACE FUNCTION fail(status integer, message text, field text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	IF field IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RK' || status, MESSAGE = message;
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'RK' || status, MESSAGE = message, HINT = field;
END $$;

-- An id that only repeats who the caller is.  It is the caller's, or left out.
--	403	somebody else's
CREATE OR REPLACE FUNCTION own_id(p_given uuid, p_actor uuid, p_field text) RETURNS uuid
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	IF p_given <> p_actor THEN
		PERFORM fail(403, 'is not your own account', p_field);
	END IF;
	RETURN p_actor;
END $$;

-- A word of 122 random bits.
CREATE OR REPLACE FUNCTION random_code() RETURNS text
LANGUAGE sql VOLATILE
RETURN translate(rtrim(encode(uuid_send(gen_random_uuid()), 'base64'), '='), '+/', '-_');
