-- Of an account with many files, those that are still on their way are found without looking at the others.

CREATE INDEX upload_unfinished_of ON upload (account_id, updated_at)
	WHERE deleted_at IS NULL AND status IN ('pending', 'in_progress');
