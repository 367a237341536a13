/* deflate_offer: what the client offers in Sec-WebSocket-Extensions; see deflate.h. */
#include <stdio.h>
#include <string.h>
#include "deflate.h"
#include "ws_http.h"

struct offer {
	bool server_takeover, client_takeover, server_bits, client_bits; /* was said */
	unsigned most;                                                   /* bits of our window */
};

/* The part of *rest before the next separator, without blanks around it; false at the end. */
static bool
next_part(struct slice *rest, struct slice *part)
{
	const char *end;

	if (!rest->p)
		return false;
	end = memchr(rest->p, ';', rest->n);
	part->p = rest->p;
	part->n = end ? (size_t)(end - rest->p) : rest->n;
	*rest = end ? (struct slice){end + 1, rest->n - part->n - 1} : (struct slice){0};
	while (part->n && (*part->p == ' ' || *part->p == '\t'))
		part->p++, part->n--;
	while (part->n && (part->p[part->n - 1] == ' ' || part->p[part->n - 1] == '\t'))
		part->n--;
	return true;
}

/* "name=value" in two; the value may be quoted.  No value: value->p is NULL. */
static void
split(struct slice part, struct slice *name, struct slice *value)
{
	const char *equals = memchr(part.p, '=', part.n);

	*name = part;
	*value = (struct slice){0};
	if (!equals)
		return;
	name->n = (size_t)(equals - part.p);
	*value = (struct slice){equals + 1, part.n - name->n - 1};
	if (value->n >= 2 && *value->p == '"' && value->p[value->n - 1] == '"')
		*value = (struct slice){value->p + 1, value->n - 2};
}

/* 8 to 15 without leading zeros (section 7.1.2); 0 for anything else. */
static unsigned
bits(struct slice v)
{
	if (v.n == 1 && (*v.p == '8' || *v.p == '9'))
		return (unsigned)(*v.p - '0');
	if (v.n == 2 && v.p[0] == '1' && v.p[1] >= '0' && v.p[1] <= '5')
		return 10 + (unsigned)(v.p[1] - '0');
	return 0;
}

/* false when it makes the offer one that cannot be taken: unknown, said twice, or with a wrong
 * value. */
static bool
take_parameter(struct offer *o, struct slice part)
{
	struct slice name, value;
	bool *said;

	split(part, &name, &value);
	if (slice_is_word(name, "server_no_context_takeover"))
		said = &o->server_takeover;
	else if (slice_is_word(name, "client_no_context_takeover"))
		said = &o->client_takeover;
	else if (slice_is_word(name, "server_max_window_bits"))
		said = &o->server_bits;
	else if (slice_is_word(name, "client_max_window_bits"))
		said = &o->client_bits;
	else
		return false;
	if (*said)
		return false;
	*said = true;
	if (said == &o->server_bits)
		return (o->most = bits(value)) > 8; /* zlib has no window of 256 bytes */
	if (said == &o->client_bits)
		return !value.p || bits(value);
	return !value.p;
}

static enum deflate_how
judge(struct slice offer)
{
	struct offer o = {.most = 15};
	struct slice part;

	if (!next_part(&offer, &part) || !slice_is_word(part, "permessage-deflate"))
		return DEFLATE_NOT;
	while (next_part(&offer, &part))
		if (!take_parameter(&o, part))
			return DEFLATE_NOT;
	return o.most == 15 ? DEFLATE_WIDE : DEFLATE_NARROW;
}

enum deflate_how
deflate_offer(const struct http_request *r, char out[DEFLATE_ANSWER])
{
	enum deflate_how how = DEFLATE_NOT;
	struct slice rest, item;

	for (int i = 0; i < r->extensions && how == DEFLATE_NOT; i++)
		for (rest = r->extension[i]; how == DEFLATE_NOT && http_list_next(&rest, &item);)
			how = judge(item);
	snprintf(out, DEFLATE_ANSWER, "%s%s",
	    how == DEFLATE_NOT
		? ""
		: "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
	    how == DEFLATE_NARROW ? "; server_max_window_bits=9" : "");
	return how;
}
