/* pack: see pack.h. */
#include "pack.h"

#include <stdlib.h>
#include <string.h>
#include "map.h"

void
pack_raw(struct pack *p, const void *from, size_t n)
{
	if (p->n + n > p->cap) {
		p->cap = 2 * (p->n + n) + 256;
		p->bytes = must_realloc(p->bytes, p->cap);
	}
	if (n)
		memcpy(p->bytes + p->n, from, n);
	p->n += n;
}

void
pack_u8(struct pack *p, uint8_t v)
{
	pack_raw(p, &v, sizeof(v));
}

void
pack_u16(struct pack *p, uint16_t v)
{
	pack_raw(p, &v, sizeof(v));
}

void
pack_u32(struct pack *p, uint32_t v)
{
	pack_raw(p, &v, sizeof(v));
}

void
pack_u64(struct pack *p, uint64_t v)
{
	pack_raw(p, &v, sizeof(v));
}

void
pack_uid(struct pack *p, struct uid v)
{
	pack_raw(p, &v, sizeof(v));
}

void
pack_bytes(struct pack *p, const void *from, size_t n)
{
	pack_u32(p, (uint32_t)n);
	pack_raw(p, from, n);
}

void
pack_free(struct pack *p)
{
	free(p->bytes);
	*p = (struct pack){0};
}

void
unpack_raw(struct unpack *u, void *to, size_t n)
{
	if ((size_t)(u->end - u->p) < n) {
		u->bad = true;
		u->p = u->end;
		memset(to, 0, n);
		return;
	}
	memcpy(to, u->p, n);
	u->p += n;
}

uint8_t
unpack_u8(struct unpack *u)
{
	uint8_t v;

	unpack_raw(u, &v, sizeof(v));
	return v;
}

uint16_t
unpack_u16(struct unpack *u)
{
	uint16_t v;

	unpack_raw(u, &v, sizeof(v));
	return v;
}

uint32_t
unpack_u32(struct unpack *u)
{
	uint32_t v;

	unpack_raw(u, &v, sizeof(v));
	return v;
}

uint64_t
unpack_u64(struct unpack *u)
{
	uint64_t v;

	unpack_raw(u, &v, sizeof(v));
	return v;
}

struct uid
unpack_uid(struct unpack *u)
{
	struct uid v;

	unpack_raw(u, &v, sizeof(v));
	return v;
}

const uint8_t *
unpack_bytes(struct unpack *u, size_t *n)
{
	const uint8_t *at;

	*n = unpack_u32(u);
	if ((size_t)(u->end - u->p) < *n) {
		u->bad = true;
		u->p = u->end;
		*n = 0;
	}
	at = u->p;
	u->p += *n;
	return at;
}
