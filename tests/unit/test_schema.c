/* Values against schemas: what passes, what is named when it does not, what is made canonical. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "json.h"
#include "schema.h"

#define OPEN .min_len = -1, .max_len = -1, .min_items = -1, .max_items = -1

static const struct schema uuid = {.types = T_STRING, .format = FMT_UUID, OPEN};
static const struct schema when = {.types = T_STRING, .format = FMT_DATETIME, OPEN};
static const struct schema base64 = {.types = T_STRING, .format = FMT_BASE64, OPEN};
static const struct schema phone = {.types = T_STRING, .format = FMT_PHONE, OPEN};
static const struct schema email = {.types = T_STRING, .format = FMT_EMAIL, OPEN};
static const struct schema date = {.types = T_STRING, .format = FMT_DATE, OPEN};
static const struct schema uri = {.types = T_STRING, .format = FMT_URI, OPEN};
static const struct schema name = {
    .types = T_STRING, .min_len = 1, .max_len = 3, .min_items = -1, .max_items = -1};
static const struct schema size = {
    .types = T_INTEGER, .has_min = true, .min = 1, .has_max = true, .max = 100, OPEN};
static const struct schema colour = {
    .types = T_STRING, .choices = (const char *const[]){"red", "blue", NULL}, OPEN};
static void *code;
static const struct schema digits = {
    .types = T_STRING, .pattern = "^[0-9]{4}$", .pattern_code = &code, OPEN};
static const struct schema ids = {
    .types = T_ARRAY, .items = &uuid, .min_len = -1, .max_len = -1, .min_items = 1, .max_items = 2};
static const struct field person_fields[] = {
    {.name = "name", .schema = &name, .required = true},
    {.name = "size", .schema = &size, .invalid = 422},
    {.name = "ids", .schema = &ids},
};
static const struct schema person = {
    .types = T_OBJECT, .closed = true, .fields = person_fields, .n_fields = 3, OPEN};
static const struct field other_fields[] = {{.name = "id", .schema = &uuid, .required = true}};
static const struct schema other = {.types = T_OBJECT, .fields = other_fields, .n_fields = 1, OPEN};
static const struct schema either = {
    .types = T_ANY, .one_of = (const struct schema *const[]){&person, &other}, .n_one_of = 2, OPEN};

static struct arena *arena;

static int
setup(void **state)
{
	(void)state;
	arena = arena_new();
	json_use(arena);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	json_use(NULL);
	arena_free(arena);
	return 0;
}

static bool
passes(const struct schema *s, const char *json, struct schema_fault *fault)
{
	const char *why;
	json_t *value = json_read(arena, json, strlen(json), &why);

	assert_non_null(value);
	return schema_check(arena, s, value, fault);
}

static void
takes_what_fits(void **state)
{
	static const struct {
		const struct schema *schema;
		const char *json;
	} good[] = {
	    {&uuid, "\"01A1F7D0-0D59-7EEE-AC9F-37301B46BEA1\""},
	    {&when, "\"2026-01-31T13:30:00.5+01:30\""},
	    {&base64, "\"aGVsbG8=\""},
	    {&base64, "\"aGVsbG8\""},
	    {&base64, "\"-_-_\""},
	    {&phone, "\"+4915112345678\""},
	    {&email, "\"a.b@example.org\""},
	    {&date, "\"2024-02-29\""},
	    {&uri, "\"https://example.org/x?y\""},
	    {&name, "\"äöü\""},
	    {&size, "100"},
	    {&colour, "\"blue\""},
	    {&digits, "\"0123\""},
	    {&person, "{\"name\":\"x\",\"size\":null}"},
	};
	struct schema_fault fault;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		if (!passes(good[i].schema, good[i].json, &fault))
			fail_msg("%s: %s", good[i].json, fault.why);
	}
}

static void
names_what_does_not(void **state)
{
	static const struct {
		const struct schema *schema;
		const char *json, *path;
	} bad[] = {
	    {&uuid, "\"01a1f7d0-0d59-7eee-ac9f-37301b46bea\"", ""},
	    {&uuid, "7", ""},
	    {&when, "\"2026-02-30T00:00:00Z\"", ""},
	    {&when, "\"2026-01-31\"", ""},
	    {&base64, "\"a\"", ""},
	    {&base64, "\"aGVsbG8==\"", ""},
	    {&base64, "\"aG Vs\"", ""},
	    {&phone, "\"4915112345678\"", ""},
	    {&phone, "\"+0123456789\"", ""},
	    {&email, "\"a@b\"", ""},
	    {&email, "\"a b@example.org\"", ""},
	    {&date, "\"2023-02-29\"", ""},
	    {&uri, "\"example.org\"", ""},
	    {&name, "\"\"", ""},
	    {&name, "\"äöüß\"", ""},
	    {&size, "0", ""},
	    {&size, "101", ""},
	    {&size, "1.5", ""},
	    {&size, "\"1\"", ""},
	    {&colour, "\"green\"", ""},
	    {&digits, "\"0123\\n\"", ""},
	    {&person, "{}", "name"},
	    {&person, "{\"name\":null}", "name"},
	    {&person, "{\"name\":\"x\",\"more\":1}", "more"},
	    {&person, "{\"name\":\"x\",\"ids\":[]}", "ids"},
	    {&person, "{\"name\":\"x\",\"ids\":[\"01a1f7d0-0d59-7eee-ac9f-37301b46bea1\",\"x\"]}",
		"ids[1]"},
	};
	struct schema_fault fault;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (passes(bad[i].schema, bad[i].json, &fault))
			fail_msg("%s passed", bad[i].json);
		assert_string_equal(fault.path, bad[i].path);
		assert_true(strlen(fault.why) > 0);
	}
}

static void
makes_texts_canonical(void **state)
{
	struct schema_fault fault;
	json_t *id = json_string("01A1F7D0-0D59-7EEE-AC9F-37301B46BEA1");
	json_t *time = json_string("2026-01-31T13:30:00.5+01:30");

	(void)state;
	assert_true(schema_check(arena, &uuid, id, &fault));
	assert_string_equal(json_string_value(id), "01a1f7d0-0d59-7eee-ac9f-37301b46bea1");
	assert_true(schema_check(arena, &when, time, &fault));
	assert_string_equal(json_string_value(time), "2026-01-31T12:00:00.500Z");
}

static void
chooses_the_alternative_whose_fields_are_there(void **state)
{
	struct schema_fault fault;

	(void)state;
	assert_true(passes(&either, "{\"name\":\"x\"}", &fault));
	assert_int_equal(fault.form, 0);
	assert_true(passes(&either, "{\"id\":\"01a1f7d0-0d59-7eee-ac9f-37301b46bea1\"}", &fault));
	assert_int_equal(fault.form, 1);
	assert_false(passes(&either, "{\"id\":\"x\"}", &fault));
	assert_string_equal(fault.path, "id");
}

static void
hands_on_the_fields_own_status(void **state)
{
	struct schema_fault fault;

	(void)state;
	assert_false(passes(&person, "{\"name\":\"x\",\"size\":0}", &fault));
	assert_int_equal(fault.invalid, 422);
	assert_false(passes(&person, "{\"name\":\"\"}", &fault));
	assert_int_equal(fault.invalid, 0);
}

static void
reads_texts(void **state)
{
	static const struct schema flag = {.types = T_BOOLEAN, OPEN},
				   ratio = {.types = T_NUMBER, OPEN};
	struct schema_fault fault;
	json_t *value;

	(void)state;
	assert_true(schema_check_text(arena, &size, "42", &value, &fault));
	assert_int_equal(json_integer_value(value), 42);
	assert_true(schema_check_text(arena, &flag, "true", &value, &fault));
	assert_true(json_is_true(value));
	assert_true(schema_check_text(arena, &ratio, "0.5", &value, &fault));
	assert_true(
	    schema_check_text(arena, &ids, "01a1f7d0-0d59-7eee-ac9f-37301b46bea1", &value, &fault));
	assert_int_equal(json_array_size(value), 1);
	assert_false(schema_check_text(arena, &size, "42x", &value, &fault));
	assert_false(schema_check_text(arena, &size, " 42", &value, &fault));
	assert_false(schema_check_text(arena, &size, "99999999999999999999", &value, &fault));
	assert_false(schema_check_text(arena, &flag, "yes", &value, &fault));
	assert_false(schema_check_text(arena, &ratio, "nan", &value, &fault));
	assert_false(schema_check_text(arena, &name, "\xff", &value, &fault));
	assert_false(schema_check_text(arena, &ids, "a,b", &value, &fault));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_what_fits),
	    cmocka_unit_test(names_what_does_not),
	    cmocka_unit_test(makes_texts_canonical),
	    cmocka_unit_test(chooses_the_alternative_whose_fields_are_there),
	    cmocka_unit_test(hands_on_the_fields_own_status),
	    cmocka_unit_test(reads_texts),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
