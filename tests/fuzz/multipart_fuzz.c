/*
 * Fuzz target (libFuzzer) of the multipart parser.
 *
 * Any input may be refused, none may crash, and how a body is cut into pieces must make no
 * difference: it is parsed at once, byte by byte and in two ways of cutting that the input chooses.
 *
 * Input: a byte that chooses the cutting; when that is odd a line with the content type; the body.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arena.h"
#include "buf.h"
#include "multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
part(void *context, const struct multipart_part *p)
{
	buf_printf(context, "[%s|%s|%s|", p->name, p->filename ? p->filename : "-",
	    p->content_type ? p->content_type : "-");
	return 0;
}

static int
content(void *context, const void *p, size_t n)
{
	if (n == 0)
		abort();
	buf_put(context, p, n);
	return 0;
}

static int
end(void *context)
{
	buf_putc(context, ']');
	return 0;
}

/* The error, or 0 and all calls in out; step 0 is the whole body at once. */
static int
parse(struct arena *a, const char *type, const uint8_t *p, size_t n, unsigned step, struct buf *out)
{
	const struct multipart_limits limits = {4, 512, 64, 256, INT64_MAX};
	const struct multipart_handler handler = {part, content, end, out};
	struct multipart *m = multipart_new(a, type, &limits, &handler);
	int err = 0;

	*out = buf_new(a);
	if (!m)
		return -1;
	while (n > 0 && !err) {
		size_t k = step == 0 || step > n ? n : step;
		/* An allocation of its own shows reads beyond the piece. */
		uint8_t *piece = malloc(k);

		memcpy(piece, p, k);
		err = multipart_feed(m, piece, k);
		free(piece);
		p += k;
		n -= k;
	}
	if (multipart_finish(m) != err && err)
		abort(); /* an error stays */
	return multipart_finish(m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *type = "multipart/form-data; boundary=XX";
	struct arena *a = arena_new();
	const uint8_t *lf;
	unsigned choice;

	if (size > 0) {
		choice = *data++;
		size--;
		if ((choice & 1) && (lf = memchr(data, '\n', size))) {
			type = arena_memdup(a, data, (size_t)(lf - data));
			size -= (size_t)(lf + 1 - data);
			data = lf + 1;
		}
		unsigned steps[] = {1, 2 + choice % 7, 2 + choice / 7};
		struct buf whole, pieces;
		int err = parse(a, type, data, size, 0, &whole);

		for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
			if (parse(a, type, data, size, steps[i], &pieces) != err)
				abort();
			if (!err && (whole.n != pieces.n || memcmp(whole.p, pieces.p, whole.n)))
				abort();
		}
	}
	arena_free(a);
	return 0;
}
