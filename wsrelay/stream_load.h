/*
 * stream_load: the newest part of the stream, read backwards until it fills the log.
 *
 * One load at a time; starting another forgets the one under way.
 *
 *	stream_load(&commands, bytes, on_loaded);  // not called when the connection goes meanwhile
 */
#ifndef WSRELAY_STREAM_LOAD_H
#define WSRELAY_STREAM_LOAD_H

#include <stddef.h>
#include "rds.h"
#include "rt_event.h"

struct stream_past {
	struct rt_event *events;  /* oldest first; done() takes them */
	struct rt_pos floor;      /* complete above this position */
	uint64_t edge_ms;         /* what was before that time is not among them; 0: nothing was */
	struct rt_pos last;       /* of the stream's entries, where reading goes on */
	struct rt_pos last_event; /* of the newest that is an event */
};

void stream_load(struct rds *commands, size_t bytes, void (*done)(struct stream_past *past));

#endif
