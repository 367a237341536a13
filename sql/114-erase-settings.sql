-- With an account (111) go its settings, also those that cannot be empty, the rules about who sees it online (its own, and
-- those that name it), and what it called its files; their rows wait for the bytes to go (133).

CREATE INDEX presence_rule_other ON presence_rule (other_id);

CREATE FUNCTION account_settings_gone() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	NEW.notifications := true;
	NEW.read_receipts := true;
	NEW.presence_visibility := 'everyone';
	DELETE FROM presence_rule r WHERE NEW.id IN (r.account_id, r.other_id);
	UPDATE upload u SET file_name = '' WHERE u.account_id = NEW.id;
	RETURN NEW;
END $$;
CREATE TRIGGER account_settings_gone BEFORE UPDATE OF deleted_at ON account FOR EACH ROW
	WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION account_settings_gone();
