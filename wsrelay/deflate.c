/* deflate: see deflate.h.  The offer is read in deflate_offer.c. */
#include "deflate.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "frame.h"
#include "map.h"
#include "ws_frame.h"

enum {
	LEVEL = 1, /* what shrinks at all shrinks nearly as much as with more effort */
	WIDE_BITS = 15,
	NARROW_BITS = 9, /* the narrowest that zlib makes; the narrowest that is accepted */
	MEMORY = 8,
	TAIL = 4, /* 00 00 ff ff, which is not sent */
};

static const uint8_t tail[TAIL] = {0, 0, 0xff, 0xff};

static size_t least; /* bytes of a payload that is worth it */

void
deflate_set_least(size_t bytes)
{
	least = bytes;
}

/* ---- out ------------------------------------------------------------------------------------- */

static z_stream *
compressor(enum deflate_how how)
{
	static z_stream *streams[DEFLATE_NARROW + 1];
	z_stream *z = streams[how];

	if (z) {
		deflateReset(z);
		return z;
	}
	z = must_zalloc(sizeof(*z));
	if (deflateInit2(z, LEVEL, Z_DEFLATED, how == DEFLATE_WIDE ? -WIDE_BITS : -NARROW_BITS,
		MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
		abort(); /* no memory */
	return streams[how] = z;
}

/* Into a frame of the same payload's length at most; NULL when it would not be shorter. */
static struct frame *
shrink(const uint8_t *payload, size_t n, enum deflate_how how)
{
	struct frame *f = frame_new(n + TAIL);
	z_stream *z = compressor(how);

	z->next_in = (Bytef *)payload;
	z->avail_in = (uInt)n;
	z->next_out = f->data + f->end;
	z->avail_out = (uInt)(n + TAIL);
	if (deflate(z, Z_SYNC_FLUSH) != Z_OK || z->avail_in || z->avail_out <= TAIL) {
		frame_put(f);
		return NULL;
	}
	f->end += (uint32_t)(n + TAIL - z->avail_out - TAIL);
	frame_finish(f);
	f->data[f->start] |= WS_RSV1;
	return f;
}

struct frame *
deflate_text(const char *text, size_t n, enum deflate_how how)
{
	return n < least ? NULL : shrink((const uint8_t *)text, n, how);
}

struct frame *
deflate_frame(struct frame *f, enum deflate_how how, size_t *grown)
{
	struct frame **place = &f->deflated[how == DEFLATE_NARROW];
	size_t n = f->end - WS_HEAD_MAX;

	*grown = 0;
	if (how == DEFLATE_NOT || n < least || f->incompressible)
		return f;
	if (!*place) {
		*place = shrink(f->data + WS_HEAD_MAX, n, how);
		if (*place)
			*grown = frame_size(*place);
		else
			f->incompressible = true;
	}
	return *place ? *place : f;
}

/* ---- in -------------------------------------------------------------------------------------- */

struct opening {
	uint8_t *out;
	size_t n, cap, limit;
};

static void
make_room(struct opening *o)
{
	if (o->n < o->cap)
		return;
	o->cap = o->cap ? 2 * o->cap : 1024;
	if (o->cap > o->limit + 1) /* one more tells that it is too much */
		o->cap = o->limit + 1;
	o->out = must_realloc(o->out, o->cap + 1);
}

static z_stream *
decompressor(void)
{
	static z_stream *z;

	if (z) {
		inflateReset(z);
		return z;
	}
	z = must_zalloc(sizeof(*z));
	if (inflateInit2(z, -WIDE_BITS) != Z_OK)
		abort();
	return z;
}

enum { BETWEEN_BLOCKS = 128 }; /* of z_stream.data_type */

/* 0, or what is wrong. */
static int
inflate_all(z_stream *z, struct opening *o)
{
	int err;

	do {
		make_room(o);
		z->next_out = o->out + o->n;
		z->avail_out = (uInt)(o->cap - o->n);
		err = inflate(z, Z_BLOCK);
		o->n = (size_t)(z->next_out - o->out);
		if (o->n > o->limit)
			return DEFLATE_TOO_BIG;
		if (err == Z_STREAM_END && z->avail_in)
			err = inflateReset(z); /* others may follow the last block (7.2.3.4) */
		if (err != Z_OK && err != Z_STREAM_END && err != Z_BUF_ERROR)
			return DEFLATE_BROKEN;
	} while (z->avail_in || !z->avail_out);
	return err == Z_STREAM_END || z->data_type & BETWEEN_BLOCKS ? 0 : DEFLATE_BROKEN;
}

ssize_t
deflate_open(uint8_t *in, size_t n, size_t limit, uint8_t **out)
{
	struct opening o = {.limit = limit};
	z_stream *z = decompressor();
	int err;

	memcpy(in + n, tail, TAIL);
	z->next_in = in;
	z->avail_in = (uInt)(n + TAIL);
	make_room(&o);
	err = n ? inflate_all(z, &o) : 0; /* nothing is not quite what 7.2.3.6 wants, and clear */
	if (err) {
		free(o.out);
		return err;
	}
	o.out[o.n] = '\0';
	*out = o.out;
	return (ssize_t)o.n;
}
