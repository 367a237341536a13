/*
 * message: sending, for every surface.
 *
 * A send is durable when it is answered: the row is committed, the event is queued for the stream.
 *
 *	struct message_draft d = {.conversation = in->conversationId, .kind = "text", .body = in->ciphertext};
 *	struct message_sent sent;
 *	message_send(&r, &d, &sent, 1);
 *	if (r->err)
 *		return;
 */
#ifndef ROOKERY_CORE_MESSAGE_H
#define ROOKERY_CORE_MESSAGE_H

#include <jansson.h>
#include <stdint.h>

struct req;
struct event;
struct arena;

/* What is to be sent; texts are borrowed.  Either conversation or recipient is given: with a
 * recipient the direct conversation comes into being. */
struct message_draft {
	const char *conversation, *recipient;
	const char *client_id; /* the client's own id for it; a second send with it is ERR_CONFLICT */
	const char *kind;      /* "text", "image", … */
	const char *body;      /* ciphertext, or text on surfaces without encryption */
	json_t *meta;          /* object of further fields of the kind, or NULL */
	json_t *mentions;      /* array of account ids, or NULL */
	const char *reply_to;
	const char *expires_at;
	int64_t ttl_seconds; /* of life after the first delivery; 0 for none */
};

struct message_sent { /* texts in the request's arena */
	const char *id, *conversation, *conversation_kind, *seq, *created_at;
};

enum { MESSAGE_BATCH = 64 };

/* Send one message a request, all with one statement and one commit.  r[i]->me and ->device are the sender; r[i]->err
 * tells what became of item i: with ERR_CONFLICT the error names the first message (messageId). */
void message_send(struct req **r, const struct message_draft *drafts, struct message_sent *sent, int n);

/* A message as every client sees it: the payload of message.new, and what lists are made of. */
struct message_view {
	const char *id, *conversation, *seq, *sender, *sender_device, *kind, *body, *client_id, *created_at;
	const char *reply_to, *expires_at, *ttl_seconds;
	json_t *meta;
};
json_t *message_json(const struct message_view *m);

#endif
