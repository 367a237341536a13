/*
 * rt_event: an entry of the Redis stream "rt" as the relay keeps it (fields: shared/event.h).
 *
 * Ownership: one block of memory that whoever holds the event frees with rt_event_free(); its
 * members, once known, are a reference that goes with it.
 *
 *	ev = rt_event_new(pos, fields, n_fields);
 *	if (!ev)
 *		...                       // not an event: counted and passed over
 */
#ifndef WSRELAY_RT_EVENT_H
#define WSRELAY_RT_EVENT_H

#include <stdbool.h>
#include <stdint.h>
#include "cursor.h"
#include "uid.h"

struct members;
struct predecessor;

struct rt_field {
	const char *name, *value;
	size_t name_n, value_n;
};

struct rt_event {
	struct rt_event *next; /* in whatever queue it stands */
	struct rt_pos pos;
	struct uid id, conversation, except, session;
	bool has_conversation, has_except;
	bool revokes;                    /* session.revoked: the sockets of .session end here */
	bool ephemeral;                  /* typing, presence: worthless a few seconds later */
	int64_t seq;                     /* 0 unless message.new */
	int64_t version;                 /* of the members; -1: only .to */
	int64_t held_ms;                 /* since when order.c holds it */
	struct members *members;         /* NULL until asked for */
	struct predecessor *predecessor; /* the same */
	uint32_t n_to, n_devices, n_but;
	const struct uid *to, *devices, *but;
	const char *type, *payload; /* type is NUL-terminated */
	uint32_t type_n, payload_n;
	const char *bodies; /* sealed: a line a device, so no frame is shared; NULL otherwise */
	uint32_t bodies_n;
	size_t size; /* bytes of this block */
};

/* NULL when id, type, audience or payload are missing or malformed. */
struct rt_event *rt_event_new(struct rt_pos pos, const struct rt_field *fields, int n);
void rt_event_free(struct rt_event *ev);

/* What that device alone is given: the text of an object, whose members go beside the payload's.
 * NULL when there is nothing for it. */
const char *rt_event_body(const struct rt_event *ev, struct uid device, size_t *n);

/* The conversation's tag in cursors; 0 when the event belongs to none. */
static inline uint64_t
rt_event_tag(const struct rt_event *ev)
{
	return ev->has_conversation ? ev->conversation.lo : 0;
}

#endif
