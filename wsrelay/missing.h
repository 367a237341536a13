/*
 * missing: a message that did not come although a later one of its conversation is here.
 *
 * Its worker may be slow, or dead before it could publish; or the row is gone, and it will never
 * come. PostgreSQL knows: sequences are dense and a later one is committed, so what is not there now
 * never will be.  A row that is there is put into the stream, as the sweeper of jobs would do a
 * second or two later: so every relay gets it, it has a position that cursors can speak of, and
 * whoever publishes it once more is recognised by its id.  A key in Redis keeps several relays from
 * doing so.
 *
 * Look-ups of a turn are one statement; a failed one is asked again until it succeeds.
 *
 *	missing_ask(conversation, 5, 7);          // 5 to 7 are missing
 *	gone(conversation, 5);                    // called back: up to 5 nothing will come
 */
#ifndef WSRELAY_MISSING_H
#define WSRELAY_MISSING_H

#include <stdint.h>
#include "uid.h"

void missing_start(void (*gone)(struct uid conversation, int64_t seq));
void missing_ask(struct uid conversation, int64_t from, int64_t to);
/* Send the look-ups wanted since the last turn. */
void missing_flush(void);

#endif
