/*
 * Fuzz target (libFuzzer) of what a JSON body goes through: the parser and the contract's
 * validator.
 *
 * Any input may be refused, none may crash; what passed once passes again, for formats are made
 * canonical in place.  Input: a byte that chooses the schema, then the document.
 */
#include <stdint.h>
#include <stdlib.h>
#include "json.h"
#include "schema.h"

#define OPEN .min_len = -1, .max_len = -1, .min_items = -1, .max_items = -1

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *code;
static const struct schema formats[] = {
    {.types = T_STRING, .format = FMT_UUID, OPEN},
    {.types = T_STRING, .format = FMT_DATETIME, OPEN},
    {.types = T_STRING, .format = FMT_DATE, OPEN},
    {.types = T_STRING, .format = FMT_BASE64, OPEN},
    {.types = T_STRING, .format = FMT_PHONE, OPEN},
    {.types = T_STRING, .format = FMT_EMAIL, OPEN},
    {.types = T_STRING, .format = FMT_URI, OPEN},
    {.types = T_STRING, .min_len = 1, .max_len = 8, .min_items = -1, .max_items = -1},
    {.types = T_STRING, .pattern = "^(a|b)*c$", .pattern_code = &code, OPEN},
    {.types = T_INTEGER | T_NULL, .has_min = true, .min = 1, OPEN},
};
enum { N = sizeof formats / sizeof *formats };

static const struct schema list = {.types = T_ARRAY,
    .items = &formats[0],
    .min_len = -1,
    .max_len = -1,
    .min_items = 1,
    .max_items = 9};
static const struct field fields[] = {
    {.name = "a", .schema = &formats[0], .required = true},
    {.name = "b", .schema = &formats[1]},
    {.name = "c", .schema = &list},
    {.name = "d", .schema = &formats[9], .invalid = 422},
};
static const struct schema object = {
    .types = T_OBJECT, .extra = &formats[7], .fields = fields, .n_fields = 4, OPEN};
static const struct schema choice = {
    .types = T_ANY, .one_of = (const struct schema *const[]){&object, &list}, .n_one_of = 2, OPEN};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena;
	struct schema_fault fault;
	const struct schema *schema;
	const char *why;
	json_t *value;

	if (size == 0)
		return 0;
	schema = *data % (N + 1) < N ? &formats[*data % (N + 1)] : &choice;
	arena = arena_new();
	json_use(arena);
	value = json_read(arena, (const char *)data + 1, size - 1, &why);
	if (value && schema_check(arena, schema, value, &fault) &&
	    !schema_check(arena, schema, value, &fault))
		abort();
	if (schema->types & T_STRING &&
	    schema_check_text(
		arena, schema, arena_memdup(arena, data + 1, size - 1), &value, &fault) &&
	    !value)
		abort();
	json_use(NULL);
	arena_free(arena);
	return 0;
}
