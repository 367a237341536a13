-- Accounts, how they sign up and in, and who may see them online.
--
-- Secrets are never stored: codes, tokens and passwords appear as hashes only.  Accounts are never deleted as rows
-- (messages name them); deleted_at closes them and clears what identifies the person.

-- The hash under which address books name telephones: SHA-256 of the number in E.164, the + included.
CREATE FUNCTION phone_hash(phone text) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN sha256(decode(phone, 'escape'));

CREATE TABLE account (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	phone text CONSTRAINT account_phone_key UNIQUE
		CONSTRAINT account_phone_form CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
	-- A number that nobody has proven: it lets its owner sign in with the password, and is given up when somebody proves
	-- the number (phone).
	phone_claim text
		CONSTRAINT account_phone_claim_form CHECK (phone_claim ~ '^\+[1-9][0-9]{6,14}$'),
	username text,
	email text,
	display_name text,
	info_text text,
	info_text_updated_at timestamptz,
	bio text,
	avatar_id uuid,			-- media, while there is a picture
	avatar_url text,		-- a picture that lies elsewhere
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

	-- What the person set, for what others learn and for itself.
	read_receipts boolean NOT NULL DEFAULT true,
	read_receipts_updated_at timestamptz NOT NULL DEFAULT now(),
	presence_visibility text NOT NULL DEFAULT 'everyone'
		CONSTRAINT presence_visibility CHECK (presence_visibility IN ('everyone', 'contacts', 'nobody', 'custom')),
	presence_updated_at timestamptz NOT NULL DEFAULT now(),
	notifications boolean NOT NULL DEFAULT true,	-- may this account be pushed to?
	theme text,			-- as its clients call it; they alone obey it
	locale text,
	last_seen_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz,
	CONSTRAINT account_two_factor_whole CHECK ((two_factor_hash IS NULL) = (two_factor_enabled_at IS NULL)),
	CONSTRAINT account_pin_whole CHECK ((pin_hash IS NULL) = (pin_enabled_at IS NULL))
) WITH (fillfactor = 85);
-- Of several names that are taken the first of these is told; the claimed number comes last.
CREATE UNIQUE INDEX account_username_key ON account (lower(username));
CREATE UNIQUE INDEX account_email_key ON account (lower(email));
CREATE INDEX account_phone_hash ON account (phone_hash(phone));
CREATE INDEX account_avatar ON account (avatar_id) WHERE avatar_id IS NOT NULL;
ALTER TABLE account ADD CONSTRAINT account_phone_claim_key UNIQUE (phone_claim);

-- With visibility custom: who is allowed (then nobody else is), and who is denied.
CREATE TABLE presence_rule (
	account_id uuid NOT NULL REFERENCES account,
	other_id uuid NOT NULL REFERENCES account,
	allowed boolean NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (account_id, other_id)
);
CREATE INDEX presence_rule_other ON presence_rule (other_id);

-- ---- signing up and in ---------------------------------------------------------------------------

-- A phone number on its way to an account.
CREATE TABLE phone_registration (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	-- register: the number must have no account yet.  signin: the account of the number is entered, or made.
	purpose text NOT NULL DEFAULT 'register'
		CONSTRAINT phone_registration_purpose CHECK (purpose IN ('register', 'signin')),
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

-- A code for a forgotten password is on its way to the account's e-mail address.  What was asked for an unknown identity has
-- no account: a row all the same, so that asking takes as long.
CREATE TABLE password_reset (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	identity_key text NOT NULL,	-- as it was given, lower case
	account_id uuid REFERENCES account,
	code_hash text NOT NULL,
	attempts integer NOT NULL DEFAULT 0,
	used_at timestamptz,
	expires_at timestamptz NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX password_reset_identity ON password_reset (identity_key, created_at);
CREATE INDEX password_reset_expires_at ON password_reset (expires_at);

-- What the jobs daemon sends by mail.  The body is forgotten when it has gone, or cannot go.
CREATE TABLE mail (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	account_id uuid REFERENCES account,
	destination text NOT NULL,
	subject text NOT NULL,
	body text,
	status text NOT NULL DEFAULT 'queued' CONSTRAINT mail_status CHECK (status IN ('queued', 'sent', 'failed')),
	attempts integer NOT NULL DEFAULT 0,
	next_attempt_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX mail_due ON mail (next_attempt_at) WHERE status = 'queued';
CREATE INDEX mail_created_at ON mail (created_at);
CREATE INDEX mail_account ON mail (account_id);
