-- Whom an account knows: its address book, invitations, profile codes and blocks.

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
CREATE INDEX contact_sync_created_at ON contact_sync (created_at);

-- An invitation to somebody who has no account yet.
CREATE TABLE invitation (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	account_id uuid NOT NULL REFERENCES account,
	channel text NOT NULL CONSTRAINT invitation_channel CHECK (channel IN ('sms', 'email')),
	destination text NOT NULL,
	message text,
	status text NOT NULL DEFAULT 'queued'
		CONSTRAINT invitation_status CHECK (status IN ('queued', 'sent', 'failed', 'accepted')),
	attempts integer NOT NULL DEFAULT 0,	-- deliveries tried
	next_attempt_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	sent_at timestamptz
);
CREATE INDEX invitation_account ON invitation (account_id, created_at);
CREATE INDEX invitation_queued ON invitation (next_attempt_at) WHERE status = 'queued';
CREATE INDEX invitation_destination ON invitation (destination) WHERE status <> 'accepted';
CREATE INDEX invitation_expires_at ON invitation (expires_at);
CREATE INDEX invitation_failed ON invitation (created_at) WHERE status = 'failed';

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

-- account_id blocks blocked_id.  Conversations carry the consequence (the trigger block_close).
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
-- Blocks of an account, the newest first.
CREATE INDEX block_newest ON block (account_id, created_at, id);
