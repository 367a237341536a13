/*
 * stream_probe: which stream is it?
 *
 * Beside the stream lies a random value (key rt:epoch), put there by whoever comes first.  When
 * Redis loses its data the value goes too, and cursors into the old stream mean nothing any more.
 *
 *	stream_probe(&commands, on_probed);
 */
#ifndef WSRELAY_STREAM_PROBE_H
#define WSRELAY_STREAM_PROBE_H

#include "rds.h"
#include "stream_reply.h"

enum { EPOCH_VALUE = 80 };

/* The value, and the state of the stream; NULL when Redis cannot tell.  false, and no callback,
 * when it is not connected.  One at a time. */
bool stream_probe(
    struct rds *commands, void (*done)(const char *epoch, const struct stream_info *info));
/* Replace the value, unless somebody else has done so. */
void stream_renew(struct rds *commands, const char *old, void (*done)(void));

#endif
