-- As in 114; files that are there and files that wait for their bytes to go (133) are each found by an index.
CREATE OR REPLACE FUNCTION account_settings_gone() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	NEW.notifications := true;
	NEW.read_receipts := true;
	NEW.presence_visibility := 'everyone';
	DELETE FROM presence_rule r WHERE NEW.id IN (r.account_id, r.other_id);
	UPDATE upload u SET file_name = '' WHERE u.account_id = NEW.id AND u.deleted_at IS NULL;
	UPDATE upload u SET file_name = '' WHERE u.account_id = NEW.id AND u.deleted_at IS NOT NULL;
	RETURN NEW;
END $$;
