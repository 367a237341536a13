/*
 * event: what changed, for the relay, the jobs and every client.
 *
 * An event is a row of PostgreSQL first (table event, written in the same statement as the change; message
 * sends are their own row) and an entry of the Redis stream "rt" second.  The sweeper in jobs adds entries that a crash
 * left out, so the entry's id is the event's id and readers drop what they have seen.
 *
 * Fields of a stream entry (all text):
 *	id   UUID of the event                       t    type, "message.new"
 *	c    conversation UUID (optional)            v    member version: goes to the members at that version
 *	s    sequence in the conversation (message.new only; readers deliver in this order)
 *	to   account UUIDs, comma separated (instead of or beside c)
 *	dev  device UUIDs, comma separated: only these devices (optional)
 *	not  device UUID that is not told (the sender's own, optional)
 *	j    payload, a JSON object
 *	b    a line a device, "UUID {…}": members that this device alone is given beside the payload's (optional)
 *
 * The stream "rt:now" has entries of the same form for what is worth nothing later (typing, presence), with one field more,
 * but: account UUIDs that are not told.  It is short, and nobody resumes from it.
 *
 * Type "session.revoked" with payload {"sessionId"} also ends that session's sockets.
 */
#ifndef ROOKERY_EVENT_H
#define ROOKERY_EVENT_H

#include <jansson.h>

struct req;

struct event {
	const char *id, *type, *conversation, *version, *seq, *to, *devices, *except;
	const char *payload; /* JSON text */
	const char *bodies;  /* field b, or NULL */
};

/* Queue ev for publication once the request has succeeded. */
void event_queue(struct req *r, const struct event *ev);
/* Queue an event (or an array of them) as the SQL function emit() answers it in a column _event:
 * {"id","t","c","v","to":[…],"dev":[…],"not","j":{…}}. */
void event_queue_json(struct req *r, const char *json_text);
/* Publish the queued events of n requests in one pipeline.  A failure is logged and left to the sweeper. */
void event_publish(struct req **r, int n);
/* Publish those of one request and wait until Redis has them: 0 or ERR_UNAVAILABLE.  cache_str(i) is then the id of the
 * entry of the i-th event, NULL when Redis refused it. */
int event_publish_wait(struct req *r);

#endif
