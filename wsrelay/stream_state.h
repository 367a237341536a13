/*
 * stream_state: what stream.c (the tail) and stream_begin.c (where it begins) share; nobody else
 * looks inside.
 */
#ifndef WSRELAY_STREAM_STATE_H
#define WSRELAY_STREAM_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include "cursor.h"
#include "loop.h"
#include "order.h"
#include "rds.h"
#include "rt_event.h"
#include "stream_probe.h"

enum {
	BLOCK_MS = 5000,
	BACKLOG_PAUSE = 8192,
	WATCH_MS = 250,
	SILENCE_MS = 600,
};

struct stream {
	struct rds reader, commands;
	struct order *order;
	struct order_counts counts; /* of orders before this one */
	struct epoch epoch;
	char epoch_value[EPOCH_VALUE]; /* of key rt:epoch */
	struct rt_pos last;            /* newest entry fed */
	struct rt_pos live_from;       /* when this one has gone through, the load is in the log */
	uintptr_t generation; /* of loads: what was asked before one is not wanted after it */
	bool probing, probed; /* since Redis came */
	bool loaded;          /* .order and .last are those of this stream */
	bool may_read;        /* and reading may go on from .last */
	bool reading;         /* a read is under way */
	bool all_read;        /* the last one reached the end of the stream */
	int64_t gone_ms;      /* since when Redis is gone (of the wall clock); 0: it is there */
	int64_t answered_ms;  /* when Redis last showed that it is awake */
	bool live, was_live, replaced;        /* replaced: by another stream */
	bool resync;                          /* connections wait for a load to end */
	struct rt_event *chunk, **chunk_tail; /* read, but not yet known to be without a hole */
	struct rt_pos chunk_last;
	struct timer gap, watch;
};

extern struct stream stream;

extern const struct order_ops stream_ops;

bool stream_both_up(void);
void stream_on_gap(struct timer *t); /* .gap is over */
struct order_counts stream_add_counts(struct order_counts a, const struct order_counts *b);
void stream_pump(void);
void stream_read_more(void);
/* Load anew; who is connected will have to synchronise. */
void stream_begin(const char *why);

#endif
