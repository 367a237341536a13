/*
 * sentinal_event: the canonical event as the surface sentinal tells it: a flat object with "type",
 * "timestamp" and "user_id", types with colons, names in snake_case.
 *
 * Events that the surface documents have the documented members, and more beside them; every other
 * event is told under its own name, so that clients need not ask for what they can be told.
 *
 *	static const struct dialect sentinal = {.event = sentinal_event, ...};
 */
#ifndef WSRELAY_SENTINAL_EVENT_H
#define WSRELAY_SENTINAL_EVENT_H

#include "frame.h"
#include "rt_event.h"

/* As struct dialect wants it; the frame is the caller's. */
struct frame *sentinal_event(
    const struct rt_event *ev, const char *body, size_t body_n, const char *cursor, size_t n);

#endif
