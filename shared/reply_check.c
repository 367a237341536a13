/* reply_check: see reply_check.h. */
#include "reply_check.h"

#include "req.h"

#ifdef ROOKERY_REPLY_CHECK

#include "json.h"
#include "log.h"
#include "schema.h"

static void
complain(struct req *r, const char *path, const char *why)
{
	log_error("reply outside its contract", "operation", r->op->id, "field", path, "why", why);
	r->err = req_fail(r, ERR_INTERNAL, path, "reply outside its contract: %s", why);
}

static const struct status *
status_entry(struct req *r)
{
	for (int i = 0; i < r->op->n_statuses; i++) {
		if (r->op->statuses[i].code == r->status)
			return &r->op->statuses[i];
	}
	return NULL;
}

void
reply_check(struct req *r)
{
	const struct status *status = status_entry(r);
	struct schema_fault fault;
	const char *why;
	json_t *body;

	if (!status) {
		complain(r, NULL, req_printf(r, "status %d is not documented", r->status));
		return;
	}
	if (!status->reply || r->send_fd >= 0)
		return;
	body = r->body ? json_read(r->arena, r->body, r->body_len, &why) : NULL;
	if (!body)
		complain(r, NULL, "no JSON body");
	else if (!schema_check(r->arena, status->reply, body, &fault))
		complain(r, fault.path, fault.why);
}

#else

void
reply_check(struct req *r)
{
	(void)r;
}

#endif
