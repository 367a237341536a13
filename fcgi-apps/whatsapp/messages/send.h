/*
 * send: what the documented forms of sending share within this family.
 */
#ifndef ROOKERY_MESSAGES_SEND_H
#define ROOKERY_MESSAGES_SEND_H

#include <jansson.h>
#include <stdbool.h>
#include "core/message.h"

/* Put a text into the item's meta; NULL is left out. */
void send_meta(struct message_item *m, const char *name, const char *text);
json_int_t send_seq(const struct message_item *m);
bool send_is_past(const char *rfc3339);
/* Formatting entities must lie within the text: ERR_UNPROCESSABLE otherwise (WA-MSG-012). */
int send_check_formatting(struct req *r, const json_t *formatting);
/* A ciphertext (NULL is none) has at most message.max bytes: ERR_TOO_LARGE otherwise. */
int send_check_size(struct req *r, const char *body);
/* Send the items whose request has no error yet; sizes and media are checked first.  Outcomes go to r[i]->err. */
void send_items(struct req **r, struct message_item *items, int n);

#endif
