-- Groundwork: identifiers, and the outbox of events.
--
-- The files of this folder run once, in the order of their names, and are not edited afterwards; functions are in
-- ../functions, but for the few that a default or an index needs.  docs/schema.md tells how.

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
