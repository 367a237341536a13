/*
 * idmap: UUIDs with a number each, for what the sweeper suspects to be lost.
 *
 * Ownership: one table inside the struct, which begins zeroed and is freed by idmap_free(). Nothing
 * is removed alone.  Numbers are not 0, which marks a free place.
 *
 *	struct idmap missing = {0};
 *	struct id16 id;
 *
 *	if (id16_parse(text, &id) && !idmap_find(&missing, &id))
 *		idmap_put(&missing, &id, ms);
 */
#ifndef JOBS_IDMAP_H
#define JOBS_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id16 {
	uint64_t high, low; /* most significant byte first, so that UUIDv7 sort by time */
};

struct idmap_entry {
	struct id16 id;
	int64_t value; /* 0: free */
};

struct idmap {
	struct idmap_entry *table;
	size_t room, used; /* room is 0 or a power of two */
};

/* 32 hexadecimal digits, hyphens between them ignored.  false when it is something else. */
bool id16_parse(const char *text, struct id16 *out);
/* Milliseconds since 1970 in a UUIDv7. */
int64_t id16_ms(const struct id16 *id);
enum { ID16_TEXT = 37 };
void id16_text(const struct id16 *id, char out[ID16_TEXT]); /* 8-4-4-4-12 */
int id16_compare(const struct id16 *a, const struct id16 *b);

/* Memory that cannot be had ends the process. */
void idmap_put(struct idmap *m, const struct id16 *id, int64_t value); /* or change its value */
const int64_t *idmap_find(
    const struct idmap *m, const struct id16 *id); /* NULL when it is not there */
void idmap_free(struct idmap *m);

#endif
