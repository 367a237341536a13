/* frame: see frame.h. */
#include "frame.h"

#include <stdlib.h>
#include <string.h>
#include "map.h"
#include "ws_frame.h"

struct frame *
frame_new(size_t most)
{
	struct frame *f = must_alloc(sizeof(*f) + WS_HEAD_MAX + most);

	memset(f, 0, sizeof(*f));
	f->refs = 1;
	f->start = f->end = WS_HEAD_MAX;
	return f;
}

struct frame *
frame_of_bytes(const void *p, size_t n)
{
	struct frame *f = frame_new(n);

	frame_add(f, p, n);
	f->start = WS_HEAD_MAX;
	return f;
}

void
frame_add(struct frame *f, const void *p, size_t n)
{
	memcpy(f->data + f->end, p, n);
	f->end += (uint32_t)n;
}

/* The head's length depends on the payload's, so it is written backwards into the room before it.
 */
void
frame_finish(struct frame *f)
{
	uint8_t head[WS_HEAD_MAX];
	size_t n = ws_head(head, WS_TEXT, f->end - WS_HEAD_MAX);

	f->start = (uint32_t)(WS_HEAD_MAX - n);
	memcpy(f->data + f->start, head, n);
}

void
frame_put(struct frame *f)
{
	if (!f || --f->refs)
		return;
	frame_put(f->deflated[0]);
	frame_put(f->deflated[1]);
	free(f);
}
