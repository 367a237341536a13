/*
 * evlog: the last events in the order of their delivery, bounded by relay.log_bytes.
 *
 * An entry owns its event, knows its recipients, and carries the cursor of a client that has
 * received it and everything before it.  Its frame is made once per dialect, when the first
 * receiver needs it.  Connections do not queue anything: they walk the places that their account
 * has here (account.h).
 *
 *	evlog_append(ev, &cursor);               // takes ev, indexes and wakes its recipients
 *	e = evlog_at(account_entry(account, place));
 */
#ifndef WSRELAY_EVLOG_H
#define WSRELAY_EVLOG_H

#include "cursor.h"
#include "dialect.h"
#include "rt_event.h"

struct account;

struct entry {
	struct rt_event *ev;
	struct rt_pos at;
	struct cursor
	    *holding; /* the cursor when something was held back (cursor_size() bytes), else NULL */
	int64_t logged_ms;
	struct account **to; /* of ev->to, as many */
	size_t cost;
	struct frame *frame[DIALECTS];
};

void evlog_append(struct rt_event *ev, const struct cursor *c);
/* Entry by the low 32 bits of its number; it must be there still. */
struct entry *evlog_at(uint32_t n);
void evlog_cursor(const struct entry *e, struct cursor *out);
/* Of a client that has received everything before entry n. */
void evlog_cursor_before(uint32_t n, struct cursor *out);
/* The shared frame of an event that is not sealed; no reference is taken. */
struct frame *evlog_frame(struct entry *e, int dialect);
/* What hangs on the entry has become so many bytes larger. */
void evlog_grew(struct entry *e, size_t n);
/* All entries above this stream position are here or still to come. */
struct rt_pos evlog_floor(void);
void evlog_raise_floor(struct rt_pos floor);
/* Forget everything; the floor becomes floor. */
void evlog_reset(struct rt_pos floor);

size_t evlog_entries(void);
size_t evlog_bytes(void);

#endif
