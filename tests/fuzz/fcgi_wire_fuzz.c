/*
 * Fuzz target of the answers of apps: the first byte says how the input is cut into pieces. However
 * it is cut, the outcome must be the same, and what is read from a whole answer must lie inside it.
 */
#include <stdlib.h>
#include <string.h>
#include "wsrelay/fcgi_wire.h"

enum { LIMIT = 4096 };

static enum fcgi_in_got
feed(struct fcgi_in *in, const uint8_t *data, size_t n, size_t piece)
{
	enum fcgi_in_got got = FCGI_IN_MORE;

	for (size_t at = 0; at < n && got == FCGI_IN_MORE; at += piece)
		got = fcgi_in_feed(in, data + at, n - at < piece ? n - at : piece);
	return got;
}

static void
check_inside(const struct fcgi_in *in, const char *p, size_t n)
{
	const char *text = (const char *)in->text;

	if (p < text || p + n > text + in->n)
		abort();
}

static void
check_reply(const struct fcgi_in *in)
{
	struct fcgi_reply r;
	const char *value;
	size_t n;

	if (!fcgi_in_reply(in, &r))
		return;
	check_inside(in, r.head, r.head_n);
	check_inside(in, r.body, r.body_n);
	if (r.status < 100 || r.status > 599)
		abort();
	if ((value = fcgi_reply_header(&r, "Content-Type", &n)))
		check_inside(in, value, n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fcgi_in whole = {.limit = LIMIT}, cut = {.limit = LIMIT};
	enum fcgi_in_got got;

	if (size < 2)
		return 0;
	got = feed(&whole, data + 1, size - 1, size);
	if (feed(&cut, data + 1, size - 1, (size_t)data[0] + 1) != got || cut.n != whole.n ||
	    whole.n > LIMIT || (whole.n && memcmp(cut.text, whole.text, whole.n) != 0))
		abort();
	if (got == FCGI_IN_DONE)
		check_reply(&whole);
	fcgi_in_free(&whole);
	fcgi_in_free(&cut);
	return 0;
}
