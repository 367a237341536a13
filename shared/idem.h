/*
 * idem: the Idempotency-Key header on POST (draft-ietf-httpapi-idempotency-key-header).
 *
 * The first request with a key runs and its answer is kept (setting idempotency.keep), per account and operation; a
 * repetition gets the same answer with Idempotency-Replayed: true; the same key with another body is 422;
 * while the first still runs, 409.  Answers of 500 and above are not kept.  Without Redis the header
 * has no effect.
 */
#ifndef ROOKERY_IDEM_H
#define ROOKERY_IDEM_H

#include <stdbool.h>

struct req;

/* true when the request has been answered (or refused: r->err) from an earlier one. */
bool idem_begin(struct req *r);
/* Keep the answer of the request, or forget the key when it failed. */
void idem_end(struct req *r);

#endif
