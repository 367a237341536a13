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
	(void)name;
	return NULL;
}

static struct op op = {.multipart = true};

static int
setup(void **state)
{
	struct arena *a = arena_new();
	struct req *r = arena_zalloc(a, sizeof *r);

	setenv("ROOKERY_CONF", "/dev/null", 1);
	setenv("ROOKERY_UPLOAD_DIR", "/tmp", 1);
	setenv("ROOKERY_BODY_MAX", "1k", 1);
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

	memset(body, 'x', sizeof body);
	memcpy(
	    body, "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n", 64);
	sends(body, sizeof body);
	assert_int_equal(form_read(r, &fields), ERR_TOO_LARGE);
	sends(body, sizeof body);
	assert_int_equal(body_read(r, &text), ERR_TOO_LARGE);
	sends(body, sizeof body);
	assert_int_equal(body_store(r), ERR_TOO_LARGE);
	r->content_length = 1 << 20; /* believed when it is too much already */
	sends("", 0);
	assert_int_equal(body_read(r, &text), ERR_TOO_LARGE);
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
	    cmocka_unit_test_setup_teardown(a_bad_form_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(bodies_have_a_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_raw_body_lies_on_disk, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
