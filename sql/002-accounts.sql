-- People: accounts, how they sign up and in, their sessions, contacts, blocks and profile codes.
--
-- Secrets are never stored: codes, tokens and passwords appear as hashes only.  Accounts are never deleted as rows
-- (messages name them); deleted_at closes them and clears what identifies the person.

CREATE TABLE account (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	phone text CONSTRAINT account_phone_key UNIQUE
		CONSTRAINT account_phone_form CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
	username text,
	email text,
	display_name text,
	info_text text,
	info_text_updated_at timestamptz,
	avatar_id uuid,			-- media, while there is a picture
	password_hash text,		-- Argon2id

	-- Second factor: six digits, asked for at every sign-in.
	two_factor_hash text,
	two_factor_enabled_at timestamptz,
	two_factor_attempts integer NOT NULL DEFAULT 0,
	two_factor_next_attempt_at timestamptz,

	-- Two-step verification: a PIN of the person's own choice, with a hint.
	pin_hash text,
	pin_hint text,
	pin_enabled_at timestamptz,
	pin_updated_at timestamptz,
	pin_attempts integer NOT NULL DEFAULT 0,
	pin_next_attempt_at timestamptz,

	read_receipts boolean NOT NULL DEFAULT true,
	locale text,
	last_seen_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz,
	CONSTRAINT account_two_factor_whole CHECK ((two_factor_hash IS NULL) = (two_factor_enabled_at IS NULL)),
	CONSTRAINT account_pin_whole CHECK ((pin_hash IS NULL) = (pin_enabled_at IS NULL))
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX account_username_key ON account (lower(username));
CREATE UNIQUE INDEX account_email_key ON account (lower(email));

-- A phone number on its way to an account.
CREATE TABLE phone_registration (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	phone text NOT NULL,
	device_identifier text,
	locale text,
	channel text NOT NULL CONSTRAINT phone_registration_channel CHECK (channel IN ('sms', 'voice')),
	code_hash text NOT NULL,
	attempts integer NOT NULL DEFAULT 0,	-- wrong codes so far
	sends integer NOT NULL DEFAULT 1,	-- codes sent so far
	next_send_at timestamptz,		-- no further code before this
	expires_at timestamptz NOT NULL,
	verified_at timestamptz,
	account_id uuid REFERENCES account,
	remote text,
	created_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT phone_registration_verified CHECK ((verified_at IS NULL) = (account_id IS NULL))
);
CREATE INDEX phone_registration_phone ON phone_registration (phone, created_at);
CREATE INDEX phone_registration_expires_at ON phone_registration (expires_at);

-- The primary proof was given, the second factor is still owed.
CREATE TABLE login_session (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	token_hash text NOT NULL CONSTRAINT login_session_token_key UNIQUE,
	account_id uuid NOT NULL REFERENCES account,
	purpose text NOT NULL CONSTRAINT login_session_purpose CHECK (purpose IN ('two_factor', 'pin')),
	surface text NOT NULL DEFAULT 'whatsapp',
	device_id uuid,			-- the device to go on with, when it is known
	device_name text,
	device_fingerprint text,
	device_public_key text,
	user_agent text,
	expires_at timestamptz NOT NULL,
	used_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX login_session_account ON login_session (account_id);
CREATE INDEX login_session_expires_at ON login_session (expires_at);

-- The phone's address book, matched against accounts.
CREATE TABLE contact (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	account_id uuid NOT NULL REFERENCES account,
	contact_id uuid NOT NULL REFERENCES account,
	display_name text,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT contact_once UNIQUE (account_id, contact_id),
	CONSTRAINT contact_not_self CHECK (account_id <> contact_id)
);
CREATE INDEX contact_of ON contact (contact_id);

CREATE TABLE contact_label (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	account_id uuid NOT NULL REFERENCES account,
	name text NOT NULL,
	color text,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX contact_label_name_key ON contact_label (account_id, lower(name));

CREATE TABLE contact_label_assignment (
	label_id uuid NOT NULL REFERENCES contact_label ON DELETE CASCADE,
	contact_id uuid NOT NULL REFERENCES contact ON DELETE CASCADE,
	assigned_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT contact_label_assignment_once PRIMARY KEY (contact_id, label_id)
);
CREATE INDEX contact_label_assignment_label ON contact_label_assignment (label_id);

-- One upload of an address book and what it matched.
CREATE TABLE contact_sync (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	account_id uuid NOT NULL REFERENCES account,
	device_identifier text,
	status text NOT NULL DEFAULT 'completed'
		CONSTRAINT contact_sync_status CHECK (status IN ('pending', 'completed', 'failed')),
	matched jsonb NOT NULL DEFAULT '[]',
	unmatched jsonb NOT NULL DEFAULT '[]',
	client_timestamp timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	processed_at timestamptz
);
CREATE INDEX contact_sync_account ON contact_sync (account_id, created_at);

-- An invitation to somebody who has no account yet.
CREATE TABLE invitation (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	account_id uuid NOT NULL REFERENCES account,
	channel text NOT NULL CONSTRAINT invitation_channel CHECK (channel IN ('sms', 'email')),
	destination text NOT NULL,
	message text,
	status text NOT NULL DEFAULT 'queued'
		CONSTRAINT invitation_status CHECK (status IN ('queued', 'sent', 'failed', 'accepted')),
	expires_at timestamptz NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	sent_at timestamptz
);
CREATE INDEX invitation_account ON invitation (account_id, created_at);

-- A code that adds its owner as a contact.  The token is shown again whenever the code is, so it is kept as it is; it
-- gives away nothing but the profile and dies at expires_at.
CREATE TABLE qr_code (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	account_id uuid NOT NULL REFERENCES account,
	token text NOT NULL CONSTRAINT qr_code_token_key UNIQUE,
	format text NOT NULL,
	size integer NOT NULL,
	expires_at timestamptz NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX qr_code_account ON qr_code (account_id, created_at);
CREATE INDEX qr_code_expires_at ON qr_code (expires_at);

-- account_id blocks blocked_id.  Conversations carry the consequence, see block_close in 004.
CREATE TABLE block (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	account_id uuid NOT NULL REFERENCES account,
	blocked_id uuid NOT NULL REFERENCES account,
	reason text,
	created_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT block_once UNIQUE (account_id, blocked_id),
	CONSTRAINT block_not_self CHECK (account_id <> blocked_id)
);
CREATE INDEX block_blocked ON block (blocked_id);
