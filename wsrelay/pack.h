/*
 * pack: values as bytes and back, for what one relay process tells the next.
 *
 * Both run on one machine, so numbers keep its byte order.  Reading past the end is no accident of
 * memory: it answers zeros and marks the reader as bad, which is asked once at the end.
 *
 * Ownership: a pack owns its bytes until pack_free(); what unpack_bytes() points at belongs to the
 * bytes that are read.
 *
 *	pack_u32(&p, n); pack_bytes(&p, text, size);
 *	...
 *	struct unpack u = {p.bytes, p.bytes + p.n, false};
 *	n = unpack_u32(&u); text = unpack_bytes(&u, &size);
 *	if (u.bad)
 *		return -1;
 */
#ifndef WSRELAY_PACK_H
#define WSRELAY_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "uid.h"

struct pack {
	uint8_t *bytes;
	size_t n, cap;
};

struct unpack {
	const uint8_t *p, *end;
	bool bad;
};

void pack_raw(struct pack *p, const void *from, size_t n); /* no length before it */
void pack_u8(struct pack *p, uint8_t v);
void pack_u16(struct pack *p, uint16_t v);
void pack_u32(struct pack *p, uint32_t v);
void pack_u64(struct pack *p, uint64_t v);
void pack_uid(struct pack *p, struct uid v);
void pack_bytes(struct pack *p, const void *from, size_t n); /* its length, then it */
void pack_free(struct pack *p);

void unpack_raw(struct unpack *u, void *to, size_t n);
uint8_t unpack_u8(struct unpack *u);
uint16_t unpack_u16(struct unpack *u);
uint32_t unpack_u32(struct unpack *u);
uint64_t unpack_u64(struct unpack *u);
struct uid unpack_uid(struct unpack *u);
const uint8_t *unpack_bytes(struct unpack *u, size_t *n);

#endif
