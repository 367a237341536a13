-- Conversations, who is in them, and what each makes of them for itself.

CREATE DOMAIN conversation_kind AS text
	CONSTRAINT conversation_kind CHECK (VALUE IN ('direct', 'group', 'broadcast', 'channel'));

-- What every send reads and changes, and nothing else: the row is written anew for each message.  It has no CHECK
-- (PostgreSQL would parse it again at every update) and no index on what a send changes, so that updates stay on their
-- page.  Kind and pair never change after the trigger conversation_new looked at them.
CREATE TABLE conversation (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	direct_low uuid,	-- direct: the two accounts, the smaller id first
	direct_high uuid,
	last_seq bigint NOT NULL DEFAULT 0,
	last_message_at timestamptz,
	changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),	-- newest change here, in members or in messages
	created_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz,
	member_version integer NOT NULL DEFAULT 1,	-- raised whenever somebody comes or goes
	closed boolean NOT NULL DEFAULT false,		-- direct: a block stands, or an account is gone
	admins_only boolean NOT NULL DEFAULT false,	-- only owner and admins may post
	purged boolean NOT NULL DEFAULT false,		-- deleted, and its messages have all been removed
	creator_id uuid,				-- who opened or founded it
	kind conversation_kind NOT NULL
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX conversation_direct_key ON conversation (direct_low, direct_high) WHERE kind = 'direct';
CREATE INDEX conversation_to_purge ON conversation (deleted_at) WHERE deleted_at IS NOT NULL AND NOT purged;

-- What people see of a conversation that is not direct.  Changed under the lock of the conversation.
CREATE TABLE conversation_profile (
	conversation_id uuid PRIMARY KEY REFERENCES conversation,
	owner_id uuid NOT NULL REFERENCES account,
	title text,
	title_key text,		-- the title where its owner may use it once; NULL where titles may repeat
	description text,
	avatar_id uuid,
	avatar_url text,	-- a picture that lies elsewhere
	invite_code text CONSTRAINT invite_code_key UNIQUE,	-- whoever has it may come in
	invite_by uuid REFERENCES account,
	invite_at timestamptz,
	settings jsonb NOT NULL DEFAULT '{}',
	encryption_metadata jsonb,
	member_count integer NOT NULL,
	member_limit integer NOT NULL DEFAULT 1024,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT group_member_limit CHECK (member_count <= member_limit),
	CONSTRAINT conversation_member_count CHECK (member_count >= 0)
);
CREATE UNIQUE INDEX group_title_taken ON conversation_profile (owner_id, title_key) WHERE title_key IS NOT NULL;
CREATE INDEX conversation_profile_avatar ON conversation_profile (avatar_id) WHERE avatar_id IS NOT NULL;

-- ---- members -----------------------------------------------------------------------------------

CREATE DOMAIN member_role AS text CONSTRAINT member_role CHECK (VALUE IN ('owner', 'admin', 'member'));

-- One row a stay.  An account is a member at version v when joined_version <= v < left_version, and may see
-- the messages with joined_seq < seq <= left_seq.  The three positions are all that delivery and reading write.
CREATE TABLE member (
	conversation_id uuid NOT NULL REFERENCES conversation,
	account_id uuid NOT NULL REFERENCES account,
	role member_role NOT NULL DEFAULT 'member',
	joined_version integer NOT NULL,
	joined_seq bigint NOT NULL DEFAULT 0,	-- where sight begins; clearing the conversation raises it
	entered_seq bigint,			-- where the stay began, NULL when that is the same
	joined_at timestamptz NOT NULL DEFAULT now(),
	left_version integer,
	left_seq bigint,
	left_at timestamptz,
	removed_by uuid,		-- who ended the stay, unless it was the member
	delivered_seq bigint NOT NULL DEFAULT 0,
	read_seq bigint NOT NULL DEFAULT 0,
	shown_read_seq bigint NOT NULL DEFAULT 0,	-- as far as read receipts let others know
	read_receipts boolean,		-- overrides the account's for this conversation
	PRIMARY KEY (conversation_id, account_id, joined_version)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX member_current ON member (conversation_id, account_id) WHERE left_version IS NULL;
CREATE UNIQUE INDEX member_one_owner ON member (conversation_id) WHERE role = 'owner' AND left_version IS NULL;
CREATE INDEX member_account ON member (account_id, conversation_id);

-- What one account makes of a conversation.  Changed under the lock of the conversation; no row means nothing of all this.
CREATE TABLE conversation_setting (
	account_id uuid NOT NULL REFERENCES account,
	conversation_id uuid NOT NULL REFERENCES conversation,
	muted_until timestamptz,	-- infinity: until it is unmuted
	pinned_at timestamptz,
	archived_at timestamptz,
	-- Not listed until a message comes after this one.  A direct conversation in which nothing was said yet is on the list
	-- of whoever opened it, and of the other once they open it too: -1 says so.
	hidden_seq bigint,
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (account_id, conversation_id)
);
CREATE INDEX conversation_setting_conversation ON conversation_setting (conversation_id);

-- ---- what functions of groups answer --------------------------------------------------------------

CREATE TYPE group_row AS (
	id uuid, title text, description text, settings jsonb, avatar_id uuid, owner_id uuid,
	member_count integer, member_version integer, created_at timestamptz, updated_at timestamptz,
	_event jsonb);
CREATE TYPE group_change AS (
	group_id uuid, changed integer, accounts uuid[], member_version integer, at timestamptz, _event jsonb);
