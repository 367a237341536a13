/* Request bodies through a wire that hands out a few bytes at a time: forms, raw bodies, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "body.h"
#include "conf.h"
#include "fcgi.h"
#include "form.h"
#include "json.h"
#include "req.h"

static const char *wire;
static size_t wire_left;
static const char *idempotency_key;

/* The wire of these tests stands in for fcgi.c. */
size_t
fcgi_read(struct fcgi_conn *c, void *p, size_t n)
{
	(void)c;
	if (n > 7)
		n = 7;
	if (n > wire_left)
		n = wire_left;
	memcpy(p, wire, n);
	wire += n;
	wire_left -= n;
	return n;
}

const char *
fcgi_param(struct fcgi_conn *c, const char *name)
{
	(void)c;
	return strcmp(name, "HTTP_IDEMPOTENCY_KEY") == 0 ? idempotency_key : NULL;
}

static const struct schema text = {.types = T_STRING},
			   binary = {.types = T_STRING, .format = FMT_BINARY};
static const struct input inputs[] = {
    {.name = "id", .where = IN_PATH, .schema = &text},
    {.name = "a", .where = IN_BODY, .schema = &text},
    {.name = "mimeType", .where = IN_BODY, .schema = &text},
    {.name = "file", .where = IN_BODY, .schema = &binary},
};
static struct op op = {
    .multipart = true, .inputs = inputs, .n_inputs = sizeof inputs / sizeof *inputs};

static int
setup(void **state)
{
	struct arena *a = arena_new();
	struct req *r = arena_zalloc(a, sizeof *r);

	setenv("ROOKERY_CONF", "/dev/null", 1);
	setenv("ROOKERY_UPLOAD_DIR", "/tmp", 1);
	assert_int_equal(conf_load(NULL), 0);
	json_use(a);
	*r = (struct req){.arena = a,
	    .op = &op,
	    .body_fd = -1,
	    .content_type = "multipart/form-data; boundary=b"};
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct req *r = *state;

	json_use(NULL);
	arena_free(r->arena);
	return 0;
}

static void
sends(const char *body, size_t n)
{
	wire = body;
	wire_left = n;
}

static void
a_form_has_fields_and_files(void **state)
{
	static const char body[] =
	    "--b\r\nContent-Disposition: form-data; name=\"mimeType\"\r\n\r\nimage/png\r\n"
	    "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../x.png\"\r\n"
	    "Content-Type: image/png\r\n\r\n\0\1\2\r\n--b--\r\n";
	struct req *r = *state;
	const struct req_file *file;
	json_t *fields;
	char bytes[8];

	sends(body, sizeof body - 1);
	assert_int_equal(form_read(r, &fields), 0);
	assert_string_equal(json_string_value(json_object_get(fields, "mimeType")), "image/png");
	assert_string_equal(json_string_value(json_object_get(fields, "file")), "../x.png");
	file = req_file(r, "file");
	assert_non_null(file);
	assert_string_equal(file->type, "image/png");
	assert_int_equal(file->size, 3);
	assert_int_equal(read(file->fd, bytes, sizeof bytes), 3);
	assert_memory_equal(bytes, "\0\1\2", 3);
	assert_null(req_file(r, "other"));
}

/* Not by whether there is a file name: browsers give one to every blob, others none to files. */
static void
the_contract_says_what_is_a_file(void **state)
{
	static const char body[] =
	    "--b\r\nContent-Disposition: form-data; name=\"mimeType\"; filename=\"blob\"\r\n"
	    "Content-Type: text/plain\r\n\r\nimage/png\r\n"
	    "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n\0\1\2\r\n"
	    "--b\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\nof the path\r\n"
	    "--b\r\nContent-Disposition: form-data; name=\"more\"; filename=\"x\"\r\n\r\nx\r\n"
	    "--b\r\nContent-Disposition: form-data; name=\"more\"\r\n\r\nx\r\n--b--\r\n";
	struct req *r = *state;
	json_t *fields;

	sends(body, sizeof body - 1);
	assert_int_equal(form_read(r, &fields), 0);
	assert_int_equal(json_object_size(fields), 2);
	assert_string_equal(json_string_value(json_object_get(fields, "mimeType")), "image/png");
	assert_string_equal(json_string_value(json_object_get(fields, "file")), "");
	assert_int_equal(req_file(r, "file")->size, 3);
	assert_null(req_file(r, "file")->type);
	assert_null(req_file(r, "mimeType"));
	assert_null(req_file(r, "more"));
}

/* The digest of a form with these texts, empty without Idempotency-Key. */
static const char *
digest(struct req *r, const char *boundary, const char *a, const char *file)
{
	const char *body = req_printf(r,
	    "--%s\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n%s\r\n"
	    "--%s\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n%s\r\n--%s--\r\n",
	    boundary, a, boundary, file, boundary);
	json_t *fields;

	r->content_type = req_printf(r, "multipart/form-data; boundary=%s", boundary);
	r->input = NULL;
	r->input_len = 0;
	sends(body, strlen(body));
	assert_int_equal(form_read(r, &fields), 0);
	return arena_memdup(r->arena, r->input ? r->input : "", r->input_len);
}

static void
forms_of_the_same_contents_have_the_same_digest(void **state)
{
	struct req *r = *state;
	const char *first;

	idempotency_key = "key";
	first = digest(r, "b", "xy", "z");
	assert_int_equal(r->input_len, 32);
	assert_memory_equal(digest(r, "other", "xy", "z"), first, 32);
	assert_memory_not_equal(digest(r, "b", "xy", "y"), first, 32);
	assert_memory_not_equal(digest(r, "b", "x", "yz"), first, 32);
	idempotency_key = NULL;
	digest(r, "b", "xy", "z");
	assert_int_equal(r->input_len, 0);
}

static void
a_text_is_not_as_long_as_a_file(void **state)
{
	static const char head[] = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
	static char body[sizeof head + 65536];
	struct req *r = *state;
	json_t *fields;

	assert_int_equal(body_limit(r), 100 << 20); /* upload.max */
	op.body_limit = 1000;
	memset(body, 'x', sizeof body);
	memcpy(body, head, sizeof head - 1);
	op.body_limit = 1 << 20;
	sends(body, sizeof body);
	assert_int_equal(form_read(r, &fields), ERR_TOO_LARGE);
	assert_string_equal(r->err_field, "a");
	op.body_limit = 0;
}

static void
a_bad_form_is_refused(void **state)
{
	static const struct {
		const char *type, *body;
	} bad[] = {
	    {"application/json", "{}"},
	    {"multipart/form-data", "--b--\r\n"},
	    {"multipart/form-data; boundary=b",
		"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx"},
	    {"multipart/form-data; boundary=b", "nothing"},
	    {"multipart/form-data; boundary=b",
		"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n"
		"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n2\r\n--b--\r\n"},
	    {"multipart/form-data; boundary=b",
		"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\xff\r\n--b--\r\n"},
	};
	struct req *r = *state;
	json_t *fields;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		r->content_type = bad[i].type;
		r->err_detail = NULL;
		sends(bad[i].body, strlen(bad[i].body));
		assert_int_equal(form_read(r, &fields), ERR_BAD_REQUEST);
		assert_non_null(r->err_detail);
	}
}

static void
bodies_have_a_limit(void **state)
{
	static char body[2000];
	struct req *r = *state;
	struct buf text;
	json_t *fields;

	assert_int_equal(body_limit(r), 100 << 20); /* upload.max */
	op.body_limit = 1000;
	memset(body, 'x', sizeof body);
	memcpy(body, "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n", 53);
	sends(body, sizeof body);
	assert_int_equal(form_read(r, &fields), ERR_TOO_LARGE);
	sends(body, sizeof body);
	assert_int_equal(body_read(r, &text), ERR_TOO_LARGE);
	sends(body, sizeof body);
	assert_int_equal(body_store(r), ERR_TOO_LARGE);
	r->content_length = 1 << 20; /* believed when it is too much already */
	sends("", 0);
	assert_int_equal(body_read(r, &text), ERR_TOO_LARGE);
	op.body_limit = (int64_t)1 << 40;
	assert_int_equal(body_limit(r), 100 << 20);
	op.body_limit = 0;
}

static void
a_raw_body_lies_on_disk(void **state)
{
	struct req *r = *state;
	char bytes[64];

	sends("raw bytes that are longer than a piece", 38);
	assert_int_equal(body_store(r), 0);
	assert_int_equal(r->body_size, 38);
	assert_int_equal(read(r->body_fd, bytes, sizeof bytes), 38);
	assert_memory_equal(bytes, "raw bytes", 9);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_form_has_fields_and_files, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_contract_says_what_is_a_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		forms_of_the_same_contents_have_the_same_digest, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_text_is_not_as_long_as_a_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_bad_form_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(bodies_have_a_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_raw_body_lies_on_disk, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
