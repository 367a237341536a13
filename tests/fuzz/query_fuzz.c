/*
 * Fuzz target (libFuzzer) of query strings and percent-encoding.
 *
 * Any input may be refused, none may crash; what comes out is no longer than what went in and
 * ends at its first NUL.  Input: the name asked for, a NUL, the query string.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	const char *text = arena_memdup(arena, data, size), *value;
	size_t name = strlen(text);
	bool bad = false;

	value = query_get(arena, name < size ? text + name + 1 : "", text, &bad);
	if (value && (bad || strlen(value) > size))
		abort();
	value = query_decode(arena, text, size, size & 1);
	if (value && strlen(value) > size)
		abort();
	arena_free(arena);
	return 0;
}
