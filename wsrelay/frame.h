/*
 * frame: one encoded text frame, shared by all who receive it.
 *
 * Ownership: counted references; frame_put() of the last one frees it.
 *
 *	f = frame_new(most);                     // room for that many bytes of payload
 *	frame_add(f, "{\"type\":", 8);
 *	frame_finish(f);                         // from now on frame_bytes() is what goes on the
 * wire
 */
#ifndef WSRELAY_FRAME_H
#define WSRELAY_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame {
	uint32_t refs;
	uint32_t start, end;       /* of the wire bytes in data */
	struct frame *deflated[2]; /* the same compressed, once somebody needs it (deflate.h) */
	bool incompressible;
	uint8_t data[]; /* room for a head, then the payload */
};

struct frame *frame_new(size_t most);
/* What is on its way already, as it goes on the wire. */
struct frame *frame_of_bytes(const void *p, size_t n);
void frame_add(struct frame *f, const void *p, size_t n);
void frame_finish(struct frame *f);
void frame_put(struct frame *f);

static inline struct frame *
frame_ref(struct frame *f)
{
	f->refs++;
	return f;
}

static inline const uint8_t *
frame_bytes(const struct frame *f)
{
	return f->data + f->start;
}

static inline size_t
frame_size(const struct frame *f)
{
	return f->end - f->start;
}

#endif
