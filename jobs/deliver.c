/* deliver: see deliver.h. */
#include "deliver.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf.h"
#include "db.h"
#include "err.h"
#include "id.h"
#include "jobs_sql.h"
#include "log.h"
#include "mail.h"
#include "req.h"
#include "sms.h"

enum { AT_ONCE = 8, LONGEST = 60 }; /* deliveries; seconds, half of what a claim holds */

enum outcome { SENT, FAILED, LATER };
static const char *const words[] = {"sent", "failed", "later"};

static struct delivery {
	char id[ID_SIZE]; /* "" when free */
	pid_t pid;        /* 0 when it has ended */
	enum outcome outcome;
} deliveries[AT_ONCE];
static bool stopped;

int
deliveries_open(void)
{
	int n = 0;

	for (int i = 0; i < AT_ONCE; i++)
		n += *deliveries[i].id != '\0';
	return n;
}

void
deliveries_stop(void)
{
	stopped = true;
}

/* ---- the child ------------------------------------------------------------------------------ */

/* A refusal is final; whatever else went wrong may go right the next time. */
static enum outcome
send_one(struct req *r, const struct db_res *res, int row)
{
	const char *to = db_get(res, row, "destination"), *body = db_get(res, row, "body");
	int err;

	if (strcmp(db_get(res, row, "channel"), "email") == 0)
		err = mail_send(r->arena, to, db_get(res, row, "subject"), body);
	else
		err = sms_send(r->arena, to, body, "sms");
	if (!err)
		return SENT;
	return err == ERR_UNAVAILABLE ? LATER : FAILED;
}

static _Noreturn void
deliver(struct req *r, const struct db_res *res, int row)
{
	sigset_t none;

	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_IGN); /* of a terminal: the parent waits for us */
	signal(SIGHUP, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	alarm(LONGEST);
	_exit(send_one(r, res, row)); /* no closers: the connections are the parent's */
}

/* ---- the parent ----------------------------------------------------------------------------- */

static void
start(struct req *r, const struct db_res *res, int row)
{
	struct delivery *d = deliveries;

	while (*d->id)
		d++;
	snprintf(d->id, sizeof d->id, "%s", db_get(res, row, "id"));
	d->outcome = LATER;
	d->pid = fork();
	if (d->pid == 0)
		deliver(r, res, row);
	if (d->pid < 0) {
		log_error("fork failed", "why", strerror(errno));
		d->pid = 0;
	}
}

static void
reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int i = 0; i < AT_ONCE; i++) {
			struct delivery *d = &deliveries[i];

			if (d->pid != pid)
				continue;
			d->pid = 0;
			if (WIFEXITED(status) && WEXITSTATUS(status) <= LATER)
				d->outcome = (enum outcome)WEXITSTATUS(status);
		}
	}
}

static int
settle(struct req *r, struct report *out)
{
	struct db_res *res;
	int err;

	for (int i = 0; i < AT_ONCE; i++) {
		struct delivery *d = &deliveries[i];

		if (!*d->id || d->pid)
			continue;
		if ((err = sql_jobs_outgoing_done(r, &res, d->id, words[d->outcome])))
			return err;
		if (db_rows(res))
			log_info("delivery", "id", d->id, "outcome", words[d->outcome], "status",
			    db_get(res, 0, "status"));
		*d->id = '\0';
		out->rows++;
	}
	return 0;
}

int
outgoing_run(struct req *r, struct report *out)
{
	int err, room;
	struct db_res *claimed;

	reap();
	if ((err = settle(r, out)))
		return err;
	room = AT_ONCE - deliveries_open();
	if (stopped || room == 0)
		return 0;
	if ((err = sql_jobs_outgoing(
		 r, &claimed, db_int_text(r, room), conf_str("invitation.link"))))
		return err;
	for (int i = 0; i < db_rows(claimed); i++)
		start(r, claimed, i);
	return 0;
}
