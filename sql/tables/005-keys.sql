-- Key material of devices: identities and signed prekeys with a history, one-time prekeys with their owner's numbers and
-- with the name of who took them.  What is in force stands in the columns of device.

CREATE TABLE device_identity (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	device_id uuid NOT NULL REFERENCES device,
	public_key text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	deactivated_at timestamptz
);
CREATE UNIQUE INDEX device_identity_active ON device_identity (device_id) WHERE deactivated_at IS NULL;
CREATE INDEX device_identity_device ON device_identity (device_id, created_at);

CREATE TABLE device_signed_prekey (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	device_id uuid NOT NULL REFERENCES device,
	identity_id uuid NOT NULL REFERENCES device_identity ON DELETE CASCADE,	-- which signed it
	key_id integer,			-- the owner's own number; NULL when it gave none
	public_key text NOT NULL,
	signature text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	replaced_at timestamptz
);
CREATE UNIQUE INDEX device_signed_prekey_active ON device_signed_prekey (device_id) WHERE replaced_at IS NULL;
CREATE UNIQUE INDEX device_signed_prekey_number ON device_signed_prekey (device_id, key_id) WHERE key_id IS NOT NULL;
CREATE INDEX device_signed_prekey_device ON device_signed_prekey (device_id, created_at);
CREATE INDEX device_signed_prekey_identity ON device_signed_prekey (identity_id);

-- One-time prekeys, handed out oldest first and exactly once (one_time_prekey_take).
CREATE TABLE one_time_prekey (
	device_id uuid NOT NULL REFERENCES device,
	id bigint GENERATED ALWAYS AS IDENTITY,
	public_key text NOT NULL,
	key_id integer,			-- the uploader's own number, where its surface has one
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (device_id, id),
	CONSTRAINT one_time_prekey_once UNIQUE (device_id, public_key)
);
CREATE UNIQUE INDEX one_time_prekey_number ON one_time_prekey (device_id, key_id) WHERE key_id IS NOT NULL;

-- Keys that were handed out.  A client that repeats an upload, because the answer to the first was lost, must not
-- put a key back on the shelf that somebody has taken in between.
CREATE TABLE one_time_prekey_spent (
	device_id uuid NOT NULL REFERENCES device,
	public_key text NOT NULL,
	key_id integer,
	consumed_by uuid,		-- account and device that took it; NULL when it went with its device
	consumed_device_id uuid,
	spent_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (device_id, public_key)
);
CREATE INDEX one_time_prekey_spent_at ON one_time_prekey_spent (spent_at);
