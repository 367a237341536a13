/*
 * queue_ack: what a device acknowledges over its socket, told to the operation that does so over
 * REST.
 *
 * One call of a connection is under way at a time; what is acknowledged meanwhile goes along with
 * the next.  A call that failed is made again, as long as the client is there: acknowledging twice
 * is harmless.  The operation takes all ids or none, and names those that do not wait (any more);
 * these are left out the next time.
 *
 * An acknowledgement is answered when it and all before it have been stored: whoever has the answer
 * is not sent the messages again.
 */
#include "queue.h"

#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "account.h"
#include "call_route.h"
#include "conn.h"
#include "fcgi_call.h"
#include "map.h"
#include "metrics.h"
#include "queue_state.h"

enum {
	ACKS_WAITING = 4096, /* of a connection */
	ACKS_A_CALL = 500,   /* the operation takes 1,000 */
	RETRY_MS = 500,
};

static const char PATH[] = "/api/v1/queues/ack";

/* ---- what came of it ------------------------------------------------------------------------ */

static void
free_answer(struct queue *q)
{
	struct queue_answer *a = q->answers;

	q->answers = a->next;
	free(a);
}

/* All ids before those that are left need no further call. */
static void
tell_done(struct queue *q)
{
	while (q->answers && q->answers->upto <= q->taken - q->n_acks) {
		command_done(q->conn, q->answers->command, q->answers->id);
		free_answer(q);
	}
}

/* The first n need no further call. */
static void
drop_first(struct queue *q, uint32_t n)
{
	memmove(q->acks, q->acks + n, (q->n_acks - n) * sizeof(*q->acks));
	q->n_acks -= n;
	if (q->n_acks)
		return;
	free(q->acks);
	q->acks = NULL;
	q->acks_cap = 0;
}

static bool
is_missing(const json_t *missing, struct uid id)
{
	char text[UID_TEXT + 1];
	json_t *one;
	size_t i;

	uid_text(id, text);
	json_array_foreach ((json_t *)missing, i, one) {
		if (!strcmp(text, json_is_string(one) ? json_string_value(one) : ""))
			return true;
	}
	return false;
}

/* Some of them do not wait for the device: acknowledged before, expired, taken back, or nothing of
 * its.  false when the answer does not name any. */
static bool
leave_out_missing(struct queue *q, const struct fcgi_reply *reply)
{
	json_t *body = json_loadb(reply->body, reply->body_n, 0, NULL);
	json_t *missing = json_object_get(body, "missing");
	uint32_t kept = 0, called = q->n_called;

	for (uint32_t i = 0; i < called; i++) {
		if (is_missing(missing, q->acks[i]))
			queue_landed(q, q->acks[i]);
		else
			q->acks[kept++] = q->acks[i];
	}
	json_decref(body);
	memmove(q->acks + kept, q->acks + called, (q->n_acks - called) * sizeof(*q->acks));
	q->n_acks -= called - kept;
	drop_first(q, 0);
	if (!kept)
		tell_done(q); /* or those that are left stand before some that were left out */
	return kept < called;
}

static void call_app(struct queue *q);

static void
on_reply(void *ctx, enum fcgi_fault fault, const struct fcgi_reply *reply)
{
	struct queue *q = ctx;
	int status = fault == FCGI_FINE ? reply->status : 0;

	q->call = NULL;
	if (status == 201) {
		metrics->acks += q->n_called;
		for (uint32_t i = 0; i < q->n_called; i++)
			queue_landed(q, q->acks[i]);
		drop_first(q, q->n_called);
		tell_done(q);
	} else if (status != 404 || !leave_out_missing(q, reply)) {
		loop_timer(&q->again_later, RETRY_MS);
		return;
	}
	call_app(q);
}

/* ---- calling -------------------------------------------------------------------------------- */

static void
call_app(struct queue *q)
{
	struct conn *c = q->conn;
	char text[UID_TEXT + 1];
	struct fcgi_request r = {.app = call_route_find("whatsapp", PATH),
	    .method = "POST",
	    .uri = PATH,
	    .query = "",
	    .account = c->account->id,
	    .session = c->session,
	    .device = c->device};
	json_t *ids;
	char *body;

	if (q->call || q->again_later.due || !q->n_acks || c->state == CONN_CLOSING)
		return;
	q->n_called = q->n_acks < ACKS_A_CALL ? q->n_acks : ACKS_A_CALL;
	ids = json_array();
	for (uint32_t i = 0; i < q->n_called; i++) {
		uid_text(q->acks[i], text);
		json_array_append_new(ids, json_string(text));
	}
	ids = json_pack("{s:o}", "queueIds", ids);
	body = json_dumps(ids, JSON_COMPACT);
	json_decref(ids);
	r.body = body;
	r.body_n = strlen(body);
	q->call = fcgi_call_start(&r, on_reply, q);
	free(body);
}

static void
on_again(struct timer *t)
{
	call_app((struct queue *)((char *)t - offsetof(struct queue, again_later)));
}

void
queue_ack_forget(struct queue *q)
{
	if (q->call)
		fcgi_call_abandon(q->call);
	loop_timer_stop(&q->again_later);
	while (q->answers)
		free_answer(q);
	free(q->acks);
}

/* ---- what the client says ------------------------------------------------------------------- */

static bool
add(struct queue *q, const json_t *id)
{
	const char *text = json_string_value(id);
	struct uid message;

	if (!text || !uid_parse(text, strlen(text), &message))
		return false;
	if (q->n_acks == q->acks_cap) {
		q->acks_cap = q->acks_cap ? 2 * q->acks_cap : 8;
		q->acks = must_realloc(q->acks, q->acks_cap * sizeof(*q->acks));
	}
	q->acks[q->n_acks++] = message;
	return true;
}

static void
answer_later(struct queue *q, const struct command *command, const char *id)
{
	struct queue_answer *a = must_zalloc(sizeof(*a) + strlen(id) + 1);

	a->command = command;
	a->upto = q->taken;
	strcpy(a->id, id);
	*(q->answers ? q->answers_tail : &q->answers) = a;
	q->answers_tail = &a->next;
}

struct command_fault
queue_ack(struct conn *c, const struct command *command, const json_t *fields, const char *id)
{
	const json_t *list = json_object_get(fields, command->arg[0]);
	const json_t *single = json_object_get(fields, command->arg[1]);
	struct queue *q = queue_of(c);
	uint32_t before = q->n_acks;
	size_t n = list ? json_array_size(list) : single ? 1 : 0;

	if (n == 0)
		return (struct command_fault){
		    ERR_VALIDATION, command->arg[0], "must be a list of ids"};
	if (before + n > ACKS_WAITING)
		return (struct command_fault){
		    ERR_RATE_LIMITED, NULL, "Too many acknowledgements wait already"};
	for (size_t i = 0; i < n; i++) {
		if (add(q, list ? json_array_get(list, i) : single))
			continue;
		q->n_acks = before;
		return (struct command_fault){
		    ERR_VALIDATION, command->arg[list ? 0 : 1], "is not an id"};
	}
	q->again_later.fire = on_again;
	q->taken += n;
	if (id)
		answer_later(q, command, id);
	call_app(q);
	return (struct command_fault){0};
}
