/* expire: see expire.h.  The rules are functions of sql/functions/retention.sql. */
#include "expire.h"

#include <stddef.h>

#include "conf.h"
#include "db.h"
#include "jobs_sql.h"
#include "req.h"
#include "sweep.h"

enum { HOUR = 3600, DAY = 24 * HOUR };

static const struct kind {
	int (*purge)(struct req *r, struct db_res **out, const char *age, const char *batch);
	const char *setting; /* of the age, or */
	int64_t age;         /* seconds */
} kinds[] = {
    {sql_purge_conversations, "message.keep_deleted", 0},
    {sql_purge_messages, "message.keep_deleted", 0},
    {sql_purge_queues, "queue.keep", 0},
    {sql_purge_invitations, "jobs.keep_failed", 0},
    {sql_purge_mails, "jobs.keep_failed", 0},
    {sql_purge_uploads, "jobs.keep_failed", 0},
    {sql_purge_calls, "call.keep", 0},
    {sql_purge_call_quality, "call.quality_keep", 0},
    {sql_purge_password_resets, NULL, DAY},
    {sql_purge_registrations, NULL, DAY},
    {sql_purge_logins, NULL, HOUR},
    {sql_purge_web_sessions, NULL, 7 * DAY},
    {sql_purge_sessions, NULL, 30 * DAY},
    {sql_purge_codes, NULL, 30 * DAY},
    {sql_purge_message_keys, NULL, 30 * DAY},
    {sql_purge_contact_syncs, NULL, 30 * DAY},
    {sql_purge_prekeys, NULL, 90 * DAY},
};

static const char *
batch(struct req *r)
{
	return db_int_text(r, conf_int("jobs.batch"));
}

static void
took(struct report *out, int64_t rows)
{
	out->rows += rows;
	if (rows >= conf_int("jobs.batch"))
		out->again = AGAIN_NOW;
}

int
messages_expire(struct req *r, struct report *out)
{
	struct db_res *gone;
	int err = sql_jobs_expire_messages(r, &gone, batch(r));

	if (!err)
		took(out, db_rows(gone));
	return err;
}

/* Calls that nobody answers, and those that everybody has vanished from. */
int
calls_expire(struct req *r, struct report *out)
{
	struct db_res *ended;
	int err =
	    sql_jobs_calls_unanswered(r, &ended, db_int_text(r, conf_int("call.ring")), batch(r));

	if (err)
		return err;
	took(out, db_rows(ended));
	err = sql_jobs_calls_vanished(r, &ended, db_int_text(r, conf_int("call.idle")), batch(r));
	if (!err)
		took(out, db_rows(ended));
	return err;
}

/* One kind that fails does not keep the others. */
int
rows_purge(struct req *r, struct report *out)
{
	struct db_res *res;
	int err = 0, one;

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		const struct kind *k = &kinds[i];
		int64_t age = k->setting ? conf_int(k->setting) : k->age;

		if ((one = k->purge(r, &res, db_int_text(r, age), batch(r))))
			err = one;
		else
			took(out, db_int(res, 0, "rows"));
	}
	if ((one = sql_purge_events(r, &res, db_int_text(r, conf_int("events.keep")),
		 db_int_text(r, sweep_mark()), batch(r))))
		return one;
	took(out, db_int(res, 0, "rows"));
	return err;
}

int
positions_settle(struct req *r, struct report *out)
{
	struct db_res *res;
	int err = sql_settle_positions(r, &res, batch(r));

	if (!err)
		took(out, db_int(res, 0, "rows"));
	return err;
}

int
moments_note(struct req *r, struct report *out)
{
	struct db_res *res;
	int err = sql_note_moment(r, &res);

	if (!err)
		out->rows += db_int(res, 0, "rows");
	return err;
}
