/*
 * stream_reply: what Redis answers about the stream, as the relay's own structs.
 */
#ifndef WSRELAY_STREAM_REPLY_H
#define WSRELAY_STREAM_REPLY_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include "cursor.h"
#include "rt_event.h"

struct stream_info {               /* XINFO STREAM */
	struct rt_pos first, last; /* of the entries; last generated */
	bool trimmed;              /* entries were taken out at the old end */
};

bool stream_read_pos(const redisReply *reply, struct rt_pos *out);
/* A missing stream is an empty one; false when there is no answer yet. */
bool stream_read_info(const redisReply *reply, struct stream_info *out);
/* An entry as an event; NULL when it is not one, but *pos is set. */
struct rt_event *stream_read_entry(const redisReply *reply, struct rt_pos *pos);

#endif
