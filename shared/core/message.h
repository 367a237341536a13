/*
 * message: sending and showing, for every surface.
 *
 * A send is durable when it is answered: the row is committed, the event is queued for the stream.
 *
 *	struct message_item item = {.r = r, .conversation = in->conversationId, .kind = "text", .body = in->ciphertext};
 *	message_send(&item, 1);
 *	if (item.err)
 *		return item.err;
 */
#ifndef ROOKERY_CORE_MESSAGE_H
#define ROOKERY_CORE_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct req;
struct db_res;

/* One message to be sent, and what became of it.  Texts are borrowed; those that come back live in the arena of
 * the request. */
struct message_item {
	struct req *r; /* its me and device are the sender */
	const char *conversation, *recipient; /* one of them; with a recipient the direct conversation comes into being */
	const char *client_id; /* the client's own id for it; a second send with it is ERR_CONFLICT */
	const char *kind;      /* "text", "image", … */
	const char *body;      /* ciphertext, or text on surfaces without encryption */
	const json_t *bodies;  /* or one for each device, [{"device", "body", "header"}]: the message is sealed */
	const char *key;       /* of a sealed one: a second send with it, or with client_id, gets the first message, repeated is set */
	json_t *meta;          /* object of further fields of the kind, or NULL */
	json_t *mentions;      /* array of account ids, or NULL */
	const char *reply_to;
	const char *expires_at;
	int64_t ttl_seconds; /* of life after the first delivery; 0 for none */

	int err; /* 0 or ERR_*, r's details filled; a conflict names the first message (messageId), or devices (missing,
		    stale) */
	bool repeated;
	const char *id, *conversation_kind, *seq, *created_at; /* conversation is set too */
};

enum { MESSAGE_BATCH = 64 };

/* Send up to MESSAGE_BATCH messages, of one or of many requests, with one statement and one commit.  Each item stands
 * alone; a handler that wants all or none does it between db_begin() and db_commit(). */
void message_send(struct message_item *items, int n);

/* 0 when the row's columns missing and stale (devices of a sealed message, JSON) are null, else ERR_CONFLICT that names them. */
int message_devices_right(struct req *r, struct db_res *res);

/* A message as every client sees it: the payload of message.new, and what lists are made of. */
struct message_view {
	const char *id, *conversation, *seq, *sender, *sender_device, *kind, *body, *client_id, *created_at;
	const char *reply_to, *expires_at, *ttl_seconds;
	const char *version, *edited_at, *deleted_at, *reaction_count; /* NULL for a new message */
	json_t *meta;
	const char *bodies; /* of a sealed one that is announced: event.h */
};
json_t *message_json(struct req *r, const struct message_view *m);
/* Row of a query over message: all of its columns but changed_xid and deleted_by, by their names. */
struct message_view message_view_at(struct req *r, const struct db_res *res, int row);
/* Queue message.new, the event of a send: for the members at member_version, or the accounts "to" of a direct
 * conversation (comma separated, else NULL).  The sender's device is not told.  The event has the message's id, so the
 * sweeper can say the same again. */
void message_announce(struct req *r, const struct message_view *m, const char *member_version, const char *to);
/* The rows of a query over message (columns as above) as an array of them, sealed ones as the caller's device has them. */
int messages_json(struct req *r, const struct db_res *res, json_t **out);
/* Give the sealed messages among these objects (messageId, sealed) what the caller's device may read: ciphertext and
 * header.  Where there is nothing for the device they stay without. */
int message_unseal(struct req *r, json_t *messages);

#endif
