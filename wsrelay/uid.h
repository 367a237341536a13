/*
 * uid: UUIDs as two words, because the relay compares and hashes millions of them.
 *
 *	struct uid id;
 *
 *	if (uid_parse(text, n, &id))
 *		account = account_find(id);
 */
#ifndef WSRELAY_UID_H
#define WSRELAY_UID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UID_TEXT = 36 };

struct uid {
	uint64_t hi, lo; /* the 16 bytes, big-endian */
};

/* n characters in the 8-4-4-4-12 form, either case. */
bool uid_parse(const char *s, size_t n, struct uid *out);
/* Canonical lower-case text and a NUL. */
void uid_text(struct uid id, char out[UID_TEXT + 1]);
/* From 16 bytes as PostgreSQL sends them. */
struct uid uid_from_bytes(const void *p);

static inline bool
uid_same(struct uid a, struct uid b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

static inline uint64_t
uid_hash(struct uid id)
{
	uint64_t h = (id.lo ^ (id.hi * 0x9e3779b97f4a7c15u)) * 0xff51afd7ed558ccdu;

	return h ^ (h >> 32);
}

#endif
