-- Files: what was uploaded, and what is still on its way.

-- An uploaded file.  Its bytes lie in the blob store under the id; what it is for, its meta says.
CREATE TABLE media (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	account_id uuid NOT NULL REFERENCES account,
	kind text NOT NULL CONSTRAINT media_kind CHECK (kind IN ('image', 'video', 'audio', 'voice', 'document', 'gif', 'sticker')),
	mime_type text NOT NULL,
	size bigint NOT NULL CONSTRAINT media_size CHECK (size >= 0),
	sha256 text,
	meta jsonb NOT NULL DEFAULT '{}',
	created_at timestamptz NOT NULL DEFAULT now(),
	checked_at timestamptz NOT NULL DEFAULT now(),	-- when it was last seen whether it is needed
	deleted_at timestamptz
);
CREATE INDEX media_account ON media (account_id, created_at);
CREATE INDEX media_checked ON media (checked_at) WHERE deleted_at IS NULL;
CREATE INDEX media_deleted ON media (deleted_at) WHERE deleted_at IS NOT NULL;

-- A file that arrives in pieces.
CREATE TABLE upload (
	id uuid PRIMARY KEY DEFAULT uuid7(),	-- that of the file too, once it is complete
	account_id uuid NOT NULL,
	file_name text NOT NULL,		-- for people; names nothing here
	kind text NOT NULL,
	mime_type text NOT NULL,
	size bigint NOT NULL CONSTRAINT upload_size CHECK (size > 0),
	sha256 text,				-- what its owner says it will be, at the end what it is
	uploaded bigint NOT NULL DEFAULT 0,	-- bytes that have arrived, from the beginning on
	status text NOT NULL DEFAULT 'pending'
		CONSTRAINT upload_status CHECK (status IN ('pending', 'in_progress', 'completed', 'failed', 'cancelled')),
	partial boolean NOT NULL DEFAULT true,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	completed_at timestamptz,
	deleted_at timestamptz,
	CONSTRAINT upload_uploaded CHECK (uploaded BETWEEN 0 AND size),
	CONSTRAINT upload_completed CHECK ((status = 'completed') = (completed_at IS NOT NULL)
		AND (status <> 'completed' OR (uploaded = size AND NOT partial)))
);
CREATE INDEX upload_unfinished ON upload (updated_at)
	WHERE status IN ('pending', 'in_progress') AND deleted_at IS NULL;
CREATE INDEX upload_unneeded ON upload (updated_at) WHERE status IN ('failed', 'cancelled') OR deleted_at IS NOT NULL;
-- An account's end looks for all its uploads, the deleted ones too.
CREATE INDEX upload_account ON upload (account_id, id);
-- Of an account with many files, those that are still on their way are found without looking at the others.
CREATE INDEX upload_unfinished_of ON upload (account_id, updated_at)
	WHERE deleted_at IS NULL AND status IN ('pending', 'in_progress');
