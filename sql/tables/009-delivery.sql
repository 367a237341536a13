-- Delivery as positions of devices, and synchronisation by change.  No foreign keys, as in 008.

-- How far a device has acknowledged a conversation; without a row, from where its account joined.
CREATE TABLE device_position (
	device_id uuid NOT NULL,
	conversation_id uuid NOT NULL,
	acked_seq bigint NOT NULL,
	PRIMARY KEY (device_id, conversation_id)
) WITH (fillfactor = 80);

-- Acknowledgements ahead of the position, until the gap before them closes.
CREATE TABLE device_ack (
	device_id uuid NOT NULL,
	conversation_id uuid NOT NULL,
	seq bigint NOT NULL,
	PRIMARY KEY (device_id, conversation_id, seq)
);

-- How far position_settle has come in its round through all devices.
CREATE TABLE position_round (
	singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	device_id uuid NOT NULL
);
INSERT INTO position_round (device_id) VALUES (uuid7_floor('epoch'));

-- ---- synchronisation -----------------------------------------------------------------------------

-- Cursors carry transaction ids, which begin anew when a dump is loaded into another cluster; the epoch tells.
CREATE TABLE sync_epoch (
	singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	epoch integer NOT NULL
);
INSERT INTO sync_epoch (epoch) VALUES (1);

-- From a time to a place in the order of changes, so that synchronising "since yesterday" does not read what was before.
-- Whatever was changed at or after a moment was changed by a transaction with at least its id.
CREATE TABLE sync_moment (
	at timestamptz PRIMARY KEY,
	xid xid8 NOT NULL
);

-- A place in the order of changes.
CREATE TYPE sync_position AS (xid xid8, conversation_id uuid, seq bigint, since timestamptz);

-- A stay with changes, and the place before the first of them.
CREATE TYPE member_changes AS (stay member, start sync_position);
