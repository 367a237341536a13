-- Groundwork: identifiers, errors and the outbox of events.
--
-- Every file of this folder runs once, in its own transaction; docs/schema.md tells how.

-- ---- identifiers -------------------------------------------------------------------------------

-- The smallest UUIDv7 (RFC 9562, section 5.7) of a moment: "id >= uuid7_floor(t)" selects by time.
CREATE FUNCTION uuid7_floor(t timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN encode(substring(int8send((extract(epoch FROM t) * 1000)::bigint) FROM 3)
	|| '\x70008000000000000000'::bytea, 'hex')::uuid;

-- A fresh UUIDv7: 48 bits of milliseconds, then the random bits of a UUIDv4 with the version changed from
-- 4 to 7 (bits 52 and 53, counted as set_bit counts).
CREATE FUNCTION uuid7() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
	PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
	FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid;

-- The moment a UUIDv7 was made.
CREATE FUNCTION uuid7_time(id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN to_timestamp(('x0000' || substring(encode(uuid_send(id), 'hex') FROM 1 FOR 12))::bit(64)::bigint
	/ 1000.0);

-- Time as replies and event payloads show it.
CREATE FUNCTION rfc3339(t timestamptz) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- ---- errors ------------------------------------------------------------------------------------

-- End the statement with an HTTP status: SQLSTATE RKnnn, the message as detail, the hint as field.
-- It never returns; the type is boolean so that it fits CASE, WHERE and SELECT lists alike.
CREATE FUNCTION fail(status integer, message text, field text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	IF field IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'RK' || status, MESSAGE = message;
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'RK' || status, MESSAGE = message, HINT = field;
END $$;

-- ---- events ------------------------------------------------------------------------------------

-- What changed, for the relay and the jobs.  The row is the truth, the Redis entry the wire; the sweeper
-- adds the entries that a crash left out, and rows leave when the stream has them.
CREATE TABLE event (
	id uuid PRIMARY KEY,
	type text NOT NULL,
	conversation_id uuid,
	member_version integer,
	recipients uuid[],
	device_ids uuid[],
	except_device_id uuid,
	payload jsonb NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX event_created_at ON event (created_at);

-- An event as the column _event of a reply shows it (shared/event.h).
CREATE FUNCTION event_json(e event) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('id', e.id, 't', e.type, 'c', e.conversation_id,
	'v', e.member_version, 'to', to_jsonb(e.recipients), 'dev', to_jsonb(e.device_ids),
	'not', e.except_device_id)) || jsonb_build_object('j', e.payload)
$$;

-- Write an event beside the change it tells of, and answer it for the column _event.
--	conversation + version	the members of the conversation at that member version
--	recipients		these accounts, instead or as well
--	devices			only these devices of them
--	except_device		not this one (the device that made the change)
CREATE FUNCTION emit(type text, conversation uuid, version integer, recipients uuid[], payload jsonb,
	devices uuid[] DEFAULT NULL, except_device uuid DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	e event;
BEGIN
	INSERT INTO event AS n (id, type, conversation_id, member_version, recipients, device_ids,
		except_device_id, payload)
	VALUES (uuid7(), $1, $2, $3, $4, $6, $7, coalesce($5, '{}'))
	RETURNING n.* INTO e;
	RETURN event_json(e);
END $$;

-- The events of the last seconds, for the sweeper, oldest first.
CREATE FUNCTION event_recent(age interval) RETURNS TABLE (id uuid, created_at timestamptz, _event jsonb)
LANGUAGE sql STABLE AS $$
	SELECT e.id, e.created_at, event_json(e)
	FROM event e WHERE e.created_at > clock_timestamp() - age ORDER BY e.created_at, e.id
$$;
