/*
 * sealed: the ciphertexts that a client gives for each device, as message_send() takes them.
 *
 * Ownership: what comes out lives in the arena of the request.
 *
 *	json_t *bodies;
 *
 *	if ((err = sealed_bodies(r, "ciphertexts", in->ciphertexts, &bodies)))
 *		return err;
 *	item.bodies = bodies;
 */
#ifndef ROOKERY_CORE_SEALED_H
#define ROOKERY_CORE_SEALED_H

#include <jansson.h>

struct req;

/* [{"recipient_device_id", "ciphertext", "header"}] as [{"device", "body", "header"}]; field is what errors call the list.
 * Headers are kept as base64, whether they come as that or as an object.  ERR_TOO_LARGE beyond message.max bytes. */
int sealed_bodies(struct req *r, const char *field, const json_t *entries, json_t **out);
/* 0, or ERR_TOO_LARGE for a ciphertext of more than message.max bytes. */
int sealed_size(struct req *r, const char *field, const char *ciphertext);

#endif
