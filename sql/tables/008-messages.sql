-- Messages and what hangs on them.
--
-- No foreign keys lead out of the tables of this file: their rows are written by functions only, under the
-- lock of the conversation, and accounts are never deleted as rows.

CREATE TABLE message (
	id uuid PRIMARY KEY,		-- UUIDv7, given by the application
	conversation_id uuid NOT NULL,
	sender_id uuid NOT NULL,
	sender_device_id uuid,
	reply_to_id uuid,
	deleted_by uuid,
	seq bigint NOT NULL,
	changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	created_at timestamptz NOT NULL,	-- never falls as seq rises
	edited_at timestamptz,
	deleted_at timestamptz,
	-- Deleted so that not even the tombstone is shown; the row stays until message_prune takes it, for devices that
	-- synchronise.
	erased_at timestamptz,
	expires_at timestamptz,
	ttl_seconds integer,		-- of life after the first delivery
	version integer NOT NULL DEFAULT 1,
	reaction_count integer NOT NULL DEFAULT 0,
	kind text NOT NULL,
	client_id text,
	body text,			-- as the sender gave it: ciphertext, or text on surfaces without encryption
	meta jsonb			-- further fields of the kind: mediaId, caption, formatting, mentions, viewOnce …
);
CREATE UNIQUE INDEX message_conversation_seq ON message (conversation_id, seq);
-- A client id counts once a conversation.  So only transactions that hold its lock can meet in the index, and none
-- waits for another there: a client could otherwise make the batches that carry its messages deadlock.
CREATE UNIQUE INDEX message_client_id_once ON message (sender_id, client_id, conversation_id)
	WHERE client_id IS NOT NULL;
CREATE INDEX message_expires_at ON message (expires_at) WHERE expires_at IS NOT NULL AND deleted_at IS NULL;
-- From a file to what names it.  Messages without media are not in the index.
CREATE INDEX message_media ON message ((meta ->> 'mediaId')) WHERE meta ? 'mediaId';
CREATE INDEX message_deleted_at ON message (deleted_at) WHERE deleted_at IS NOT NULL;
-- Changes of a conversation in the order in which they are read; many may have one mark, after a restore all of them.
CREATE INDEX message_changes ON message (conversation_id, changed_xid, seq);

-- Edits by the id their client gave them, so that one sent twice counts once.
CREATE TABLE message_edit (
	message_id uuid NOT NULL,
	client_edit_id text NOT NULL,
	version integer NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT message_edit_once PRIMARY KEY (message_id, client_edit_id)
);

-- Deleted for one account alone.
CREATE TABLE message_hidden (
	account_id uuid NOT NULL,
	message_id uuid NOT NULL,
	hidden_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (message_id, account_id)
);

CREATE TABLE reaction (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	message_id uuid NOT NULL,
	account_id uuid NOT NULL,
	emoji text NOT NULL,
	encrypted_payload text,
	client_id text,
	created_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT reaction_once UNIQUE (message_id, account_id)
);

-- ---- sealed messages -----------------------------------------------------------------------------

-- Messages that are encrypted for each device alone ("sealed"): the row of the message has no body, and meta says
-- sealed; here is what each device is given.
CREATE TABLE message_body (
	message_id uuid NOT NULL,
	device_id uuid NOT NULL,
	body text NOT NULL,
	header text,			-- base64, as its sender gave it
	PRIMARY KEY (message_id, device_id)
);
CREATE INDEX message_body_device ON message_body (device_id);

-- A sender's own key for a send, so that one sent twice is answered twice and sent once.
CREATE TABLE message_key (
	sender_id uuid NOT NULL,
	key text NOT NULL,
	message_id uuid NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT message_key_once PRIMARY KEY (sender_id, key)
);
CREATE INDEX message_key_created_at ON message_key (created_at);

CREATE TYPE sealed_body AS (device_id uuid, body text, header text);

-- ---- pages ---------------------------------------------------------------------------------------

-- A message as a page shows it to one device of a reader.  The text is left out when the message was deleted for the reader
-- or its time has come.
CREATE TYPE message_row AS (
	id uuid,
	conversation_id uuid,
	seq bigint,
	sender_id uuid,
	kind text,
	created_at timestamptz,
	version integer,
	sender_device_id uuid,
	body text,
	client_id text,
	reply_to_id uuid,
	reaction_count integer,
	ttl_seconds integer,
	edited_at timestamptz,
	deleted_at timestamptz,
	expires_at timestamptz,
	sealed text,		-- what the device is given of a sealed one, as members of an object with a comma before each
	meta text,		-- an object of the further fields
	total bigint,		-- of a history
	cursor text		-- of synchronising: where to go on behind this row
);
