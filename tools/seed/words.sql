-- What the other files count with.  Numbers are hashed with a salt of their own for each purpose, so that nothing is
-- correlated by accident.

-- A number in [0, 1) that belongs to n.
CREATE FUNCTION pg_temp.u(n bigint, salt integer) RETURNS double precision
LANGUAGE sql STABLE AS $$
	SELECT (hashint8extended(n, current_setting('seed.seed')::bigint * 1000 + salt) & 4503599627370495)
		/ 4503599627370496.0::double precision
$$;

-- The UUIDv7 of n, made at a time.
CREATE FUNCTION pg_temp.id(at timestamptz, n bigint, salt integer) RETURNS uuid
LANGUAGE sql STABLE AS $$
	SELECT overlay(overlay(lpad(to_hex(floor(date_part('epoch', at) * 1000)::bigint), 12, '0')
		|| substr(md5(n || '.' || salt || '.' || current_setting('seed.seed')), 13)
		PLACING '7' FROM 13 FOR 1) PLACING '8' FROM 17 FOR 1)::uuid
$$;

-- Forty-four characters of base64, as keys are shown.
CREATE FUNCTION pg_temp.key(n bigint, salt integer) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT encode(sha256(decode(n || '.' || salt || '.' || current_setting('seed.seed'), 'escape')), 'base64')
$$;

CREATE FUNCTION pg_temp.users() RETURNS bigint LANGUAGE sql STABLE
RETURN current_setting('seed.users')::bigint;
CREATE FUNCTION pg_temp.messages() RETURNS bigint LANGUAGE sql STABLE
RETURN current_setting('seed.messages')::bigint;
-- When the last of all this happened.
CREATE FUNCTION pg_temp.until() RETURNS timestamptz LANGUAGE sql STABLE
RETURN current_setting('seed.until')::timestamptz;

-- The number of the person at a place in the order of activity, 0 being the most active.  Neighbours in that order are
-- strangers otherwise: 1000003 is prime and larger than any number of people here.
CREATE FUNCTION pg_temp.person(place bigint) RETURNS bigint LANGUAGE sql STABLE
RETURN place * 1000003 % current_setting('seed.users')::bigint + 1;

-- The mark of the change that was the n-th of pg_temp.messages().
CREATE FUNCTION pg_temp.xid(n bigint) RETURNS xid8 LANGUAGE sql STABLE AS $$
	SELECT (current_setting('seed.first')::bigint + n * (current_setting('seed.last')::bigint
		- current_setting('seed.first')::bigint) / (current_setting('seed.messages')::bigint + 1))::text::xid8
$$;
