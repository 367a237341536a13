/*
 * queue_state: what queue*.c know of a client's queue; nobody else looks inside.
 */
#ifndef WSRELAY_QUEUE_STATE_H
#define WSRELAY_QUEUE_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include "loop.h"
#include "recent.h"
#include "uid.h"

struct fcgi_call;

/* An acknowledgement that wants an answer. */
struct queue_answer {
	struct queue_answer *next;
	const struct command *command;
	uint64_t upto; /* it is the last of the first so many ids */
	char id[];
};

struct queue {
	struct conn *conn;
	bool on;       /* the client asked for it; otherwise it only acknowledges */
	bool draining; /* until a look found no more */
	bool wanted;   /* to be asked for */
	bool asking;   /* is with the database */
	bool again;    /* and the answer will not be the last, whatever it says */
	bool told; /* the client knows that there is no more (handed over, it is looked again) */
	int most;  /* messages asked for */
	uint64_t from; /* messages of the log before this place are in the queue, or were */
	uint32_t flying, flight_cap;
	struct uid *flight; /* sent, and not acknowledged */
	int64_t drained_ms;
	struct recent seen; /* sent out of the database: the log may bring them again */
	struct queue *next_wanted;

	/* queue_elsewhere.c: something waits behind its full window. */
	bool full;
	bool marked;        /* .mark is known */
	bool suspect;       /* one of those in flight may have been acknowledged */
	uint64_t mark[2];   /* as the database answered */
	int full_pause;     /* ms, the next time */
	int64_t full_until; /* loop_now() from which the database may be asked */
	struct queue *next_full;

	/* Acknowledgements: those at first are with the app, the others wait. */
	struct uid *acks;
	uint32_t n_acks, acks_cap, n_called;
	uint64_t taken; /* ever */
	struct queue_answer *answers,
	    **answers_tail; /* in the order in which they were asked for */
	struct fcgi_call *call;
	struct timer again_later;
};

struct queue *queue_of(struct conn *c); /* made when there is none */
void queue_flies(struct queue *q, struct uid message);
/* It is in flight no more. */
void queue_landed(struct queue *q, struct uid message);
void queue_ack_forget(struct queue *q);
/* Something waits behind its full window: see what was acknowledged elsewhere, until it opens. */
void queue_full(struct queue *q);
void queue_opened(struct queue *q);
void queue_elsewhere_start(void);
void queue_elsewhere_forget(struct queue *q);

#endif
