-- An account's end looks for all its uploads, the deleted ones too.
DROP INDEX upload_account;
CREATE INDEX upload_account ON upload (account_id, id);
