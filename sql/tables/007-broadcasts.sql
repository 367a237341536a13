-- Broadcast lists: whom their owner writes to at once.  What is sent to a list is sent to each of its recipients alone; none of
-- them learns of the list or of the others.

CREATE TABLE broadcast_list (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	owner_id uuid NOT NULL REFERENCES account,
	name text NOT NULL,
	description text,
	recipient_count integer NOT NULL DEFAULT 0
		CONSTRAINT broadcast_list_recipient_count CHECK (recipient_count >= 0),
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX broadcast_list_owner ON broadcast_list (owner_id, created_at);

-- Somebody who closed their account stays on it: the owner learns of it when they send.
CREATE TABLE broadcast_recipient (
	list_id uuid NOT NULL REFERENCES broadcast_list ON DELETE CASCADE,
	account_id uuid NOT NULL REFERENCES account,
	added_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT broadcast_recipient_once PRIMARY KEY (list_id, account_id)
);
