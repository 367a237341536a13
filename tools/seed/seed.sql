-- ./rookery seed: people, conversations and messages in large numbers (docs/seed.md).
--
--	psql -v users=2000 -v messages=50000 -v seed=1 -v until=2026-01-31T12:00:00Z -f seed.sql
--
-- Every value is computed from its own number and the seed, nothing is drawn: the same words give the same rows.  All of
-- it is one transaction.  Ids and change marks look as if everything had been sent in its time, one after the other.

\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
SET synchronous_commit = off;
SET work_mem = '256MB';
SET maintenance_work_mem = '512MB';
SET jit = off;
SET timezone = 'UTC';
SELECT set_config('seed.users', :'users', false), set_config('seed.messages', :'messages', false),
	set_config('seed.seed', :'seed', false), set_config('seed.until', :'until', false) \g /dev/null

\ir words.sql

-- Messages carry the transaction that changed them last, some four each; so many ids are used up before.
SELECT set_config('seed.first', pg_current_xact_id()::text, false) \g /dev/null
DO $$
BEGIN
	FOR i IN 0 .. current_setting('seed.messages')::integer / 4 LOOP
		PERFORM pg_current_xact_id();
		COMMIT;
	END LOOP;
END $$;

BEGIN;
-- Their indexes are made anew, see messages.sql; waiting for others is done before there is anything to lose.
LOCK TABLE message, member, device_position IN ACCESS EXCLUSIVE MODE;
SELECT set_config('seed.last', (pg_current_xact_id()::text::bigint - 1)::text, false) \g /dev/null
-- Rows are consistent by themselves; foreign keys and triggers would only say so again, a row at a time.  Only a superuser
-- can leave them out.
SELECT set_config('session_replication_role', 'replica', true) FROM pg_roles
WHERE rolname = current_user AND rolsuper \g /dev/null
\ir people.sql
\ir conversations.sql
\ir messages.sql
\ir members.sql
\ir around.sql
\ir calls.sql
\ir uploads.sql
COMMIT;
VACUUM (ANALYZE);
