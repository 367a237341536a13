-- Devices and what belongs to one: sessions, browser sessions, stores for what it missed.  Keys are in 005.

CREATE TABLE device (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	account_id uuid NOT NULL REFERENCES account,
	name text,
	platform text,
	form text CONSTRAINT device_form CHECK (form IN ('mobile', 'desktop', 'web', 'tablet')),
	fingerprint text,
	identity_key text,
	registration_id bigint,
	signed_prekey text,
	signed_prekey_signature text,
	keys_registered_at timestamptz,		-- when the bundle became whole
	push_token text,
	websocket_capable boolean NOT NULL DEFAULT false,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	last_seen_at timestamptz NOT NULL DEFAULT now(),
	synced_at timestamptz,		-- the last timestamp it acknowledged a synchronisation with; it never goes back
	revoked_at timestamptz,
	CONSTRAINT device_bundle_whole CHECK (keys_registered_at IS NULL OR
		(identity_key IS NOT NULL AND signed_prekey IS NOT NULL AND signed_prekey_signature IS NOT NULL))
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX device_fingerprint_once ON device (account_id, fingerprint) WHERE revoked_at IS NULL;
CREATE INDEX device_account ON device (account_id, created_at);

-- A sign-in: what an access token's sid names.  The refresh token changes at every use; seeing the one before
-- again means that it was stolen, and ends the session.
CREATE TABLE session (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	account_id uuid NOT NULL REFERENCES account,
	device_id uuid REFERENCES device,
	surface text NOT NULL DEFAULT 'whatsapp',
	refresh_hash text CONSTRAINT session_refresh_key UNIQUE,
	previous_refresh_hash text,
	user_agent text,
	remote text,
	created_at timestamptz NOT NULL DEFAULT now(),
	last_used_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	revoked_at timestamptz
);
CREATE INDEX session_account ON session (account_id) WHERE revoked_at IS NULL;
CREATE INDEX session_device ON session (device_id) WHERE revoked_at IS NULL;
CREATE UNIQUE INDEX session_previous_refresh_key ON session (previous_refresh_hash)
	WHERE previous_refresh_hash IS NOT NULL;
CREATE INDEX session_expires_at ON session (expires_at);
CREATE INDEX session_revoked_at ON session (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE web_session (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	account_id uuid NOT NULL REFERENCES account,
	session_id uuid REFERENCES session,
	device_id uuid REFERENCES device,
	device_name text NOT NULL,
	user_agent text,
	public_key text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	revoked_at timestamptz
);
CREATE UNIQUE INDEX web_session_once ON web_session (account_id, public_key) WHERE revoked_at IS NULL;
CREATE INDEX web_session_expires_at ON web_session (expires_at);
CREATE INDEX web_session_revoked_at ON web_session (revoked_at) WHERE revoked_at IS NOT NULL;
-- What belongs to a session or device is found when that ends.
CREATE INDEX web_session_session ON web_session (session_id);
CREATE INDEX web_session_device ON web_session (device_id);

-- A store that a device fills for itself while it is offline.
CREATE TABLE offline_queue (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	account_id uuid NOT NULL REFERENCES account,
	device_id uuid NOT NULL REFERENCES device CONSTRAINT offline_queue_once UNIQUE,
	client_public_key text NOT NULL,
	last_position bigint NOT NULL DEFAULT 0,
	item_count bigint NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX offline_queue_account ON offline_queue (account_id);

CREATE TABLE offline_queue_item (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	queue_id uuid NOT NULL REFERENCES offline_queue ON DELETE CASCADE,
	position bigint NOT NULL,
	message_id text NOT NULL,	-- the client's
	ciphertext text NOT NULL,
	metadata jsonb NOT NULL DEFAULT '{}',
	queued_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT offline_queue_item_position UNIQUE (queue_id, position),
	CONSTRAINT offline_queue_item_once UNIQUE (queue_id, message_id)
);
CREATE INDEX offline_queue_item_queued_at ON offline_queue_item (queued_at);
