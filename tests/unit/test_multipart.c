/* multipart/form-data: what is read, however it is cut; what is refused; the limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "buf.h"
#include "err.h"
#include "multipart.h"

#define TYPE "multipart/form-data; boundary=XX"
#define PART(headers, body) "--XX\r\n" headers "\r\n\r\n" body "\r\n"
#define NAMED(name, body) PART("Content-Disposition: form-data; name=\"" name "\"", body)
#define END "--XX--\r\n"

static const struct multipart_limits roomy = {10, 4096, 1 << 20, 1 << 20, 1 << 24};

static int
setup(void **state)
{
	*state = arena_new();
	return 0;
}

static int
teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static int
part(void *context, const struct multipart_part *p)
{
	buf_printf(context, "[%s|%s|%s|", p->name, p->filename ? p->filename : "-",
	    p->content_type ? p->content_type : "-");
	return 0;
}

static int
content(void *context, const void *p, size_t n)
{
	buf_put(context, p, n);
	return 0;
}

static int
end(void *context)
{
	buf_putc(context, ']');
	return 0;
}

/* All calls as text, or the error's code; the body in pieces of step bytes, the first of first. */
static const char *
parse_pieces(struct arena *a, const char *type, const struct multipart_limits *limits,
    const char *body, size_t n, size_t first, size_t step)
{
	struct buf out = buf_new(a);
	struct multipart_handler handler = {part, content, end, &out};
	struct multipart *m = multipart_new(a, type, limits, &handler);
	int err = 0;

	if (!m)
		return "no multipart";
	for (size_t k = first; n > 0 && !err; body += k, n -= k, k = step) {
		k = k < n ? k : n;
		err = multipart_feed(m, body, k);
	}
	assert_true(!err || multipart_finish(m) == err);
	err = multipart_finish(m);
	return err ? err_code(err) : out.p;
}

static const char *
parse(struct arena *a, const char *body)
{
	return parse_pieces(a, TYPE, &roomy, body, strlen(body), strlen(body) + 1, 1);
}

static const char message[] = "This is ignored.\r\n" NAMED("caption",
    "Hello\r\n--X\r\n-\r\r\n--XY") PART("content-DISPOSITION:form-data;name=file;filename=\"a "
					"b.bin\"\r\nContent-Type: image/png;x=y",
    "\r\n\r\n--X\r--XX\r\n\0\xff\r\n") NAMED("empty", "") "--XX-- \t\r\nignored --XX\r\n--XX\r\n";

static const char wanted[] = "[caption|-|-|Hello\r\n--X\r\n-\r\r\n--XY][file|a b.bin|image/png;x=y|"
			     "\r\n\r\n--X\r--XX\r\n\0\xff\r\n][empty|-|-|]";

/* In two pieces cut at every place, and in pieces of every length. */
static void
cuts_make_no_difference(void **state)
{
	size_t n = sizeof(message) - 1;

	for (size_t i = 0; i <= n; i++) {
		assert_memory_equal(
		    parse_pieces(*state, TYPE, &roomy, message, n, i, n), wanted, sizeof(wanted));
		assert_memory_equal(parse_pieces(*state, TYPE, &roomy, message, n, i + 1, i + 1),
		    wanted, sizeof(wanted));
		arena_reset(*state);
	}
}

static void
names_are_decoded(void **state)
{
	static const char *const cases[][2] = {
	    {"name=a", "[a|-|-|]"},
	    {"name=\"\"", "[|-|-|]"},
	    {"name=a;", "[a|-|-|]"},
	    {"name=a ; filename = b ", "[a|b|-|]"},
	    {"filename=b; name=a", "[a|b|-|]"},
	    {"name=a; filename=\"\"", "[a||-|]"},
	    {"NAME=a; FileName=b; x=y", "[a|b|-|]"},
	    {"name=\"a;b=\\\"c\\\"\"", "[a;b=\"c\"|-|-|]"},
	    {"name=\"%22a%0D%0a%41\"", "[\"a\r\n%41|-|-|]"},
	    {"name=\"%2\"", "[%2|-|-|]"},
	    {"name=a; filename=\"C:\\temp\\new.txt\"", "[a|C:\\temp\\new.txt|-|]"},
	    {"name=a; filename=\"../../etc/passwd\"", "[a|../../etc/passwd|-|]"},
	    {"name=\"\xc3\xa9\"; filename=\"\xe2\x82\xac \xf0\x9f\x90\xa6.txt\"",
		"[\xc3\xa9|\xe2\x82\xac \xf0\x9f\x90\xa6.txt|-|]"},
	    {"name=a; filename=x; filename*=UTF-8''%e2%82%ac%20rates", "[a|\xe2\x82\xac rates|-|]"},
	    {"name=a; filename*=utf-8'en'b%00c", "[a|b%00c|-|]"},
	    {"name=a\r\n ; filename=b", "[a|b|-|]"},
	    {"name=a\r\nX-Other: 1\r\nContent-Type:\ttext/plain \r\nContent-Transfer-Encoding: "
	     "Binary",
		"[a|-|text/plain|]"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(
		    parse(
			*state, arena_printf(*state,
				    "--XX\r\nContent-Disposition: form-data; %s\r\n\r\n\r\n--XX--",
				    cases[i][0])),
		    cases[i][1]);
}

static void
malformed_heads(void **state)
{
	static const char *const heads[] = {
	    "",
	    "X: y",
	    "Content-Disposition",
	    "Content-Disposition:",
	    ": form-data; name=a",
	    "Content Disposition: form-data; name=a",
	    " Content-Disposition: form-data; name=a",
	    "Content-Disposition: form-data",
	    "Content-Disposition: form-data name=a",
	    "Content-Disposition: form-data; name",
	    "Content-Disposition: form-data; name=",
	    "Content-Disposition: form-data; =a",
	    "Content-Disposition: form-data; name=\"a",
	    "Content-Disposition: form-data; name=\"a\\\"",
	    "Content-Disposition: form-data; name=a b",
	    "Content-Disposition: form-data; name=a; name=b",
	    "Content-Disposition: form-data; name=a; filename=b; filename=c",
	    "Content-Disposition: form-data; name=a; filename*=b",
	    "Content-Disposition: form-data; name=a; filename*=ISO-8859-1''%e9",
	    "Content-Disposition: form-data; name=a; filename*=UTF-8''%e9",
	    "Content-Disposition: form-data; filename=b",
	    "Content-Disposition: attachment; name=a",
	    "Content-Disposition: form-data-x; name=a",
	    "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b",
	    "Content-Disposition: form-data; name=a\r\nContent-Type: a/b\r\nContent-Type: c/d",
	    "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64",
	    "Content-Disposition: form-data; name=a\nX: y",
	    "Content-Disposition: form-data; name=a\rX: y",
	    "Content-Disposition: form-data; name=\"a\x01\"",
	    "Content-Disposition: form-data; name=\"\xff\"",
	    "Content-Disposition: form-data; name=\"\xc0\xaf\"",
	    "Content-Disposition: form-data; name=\"\xed\xa0\x80\"",
	    "Content-Disposition: form-data; name=\"\xe2\x82\"",
	    "Content-Disposition: form-data; name=\"\xf4\x90\x80\x80\"",
	    "Content-Disposition: form-data; name=a\r\nContent-Type: \xff",
	};

	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++)
		if (strcmp(parse(*state,
			       arena_printf(*state, "--XX\r\n%s\r\n\r\nx\r\n--XX--", heads[i])),
			"BAD_REQUEST"))
			fail_msg("accepted: %s", heads[i]);
	assert_string_equal(
	    parse_pieces(*state, TYPE, &roomy, "--XX\r\nA\0: b\r\n\r\n", 15, 99, 99),
	    "BAD_REQUEST");
}

static void
malformed_bodies(void **state)
{
	static const char *const bodies[] = {
	    "",
	    "XX",
	    "--XX",
	    "--XX-",
	    "--XX\r\n",
	    "--XX\r\n\r\n",
	    "--XXY\r\n",
	    "--XX \tx\r\n",
	    "--XX\n",
	    "--XX\r\r\n",
	    "--XX-x",
	    "-XX--\r\n",
	    "--YY--\r\n",
	    "x--XX--\r\n",
	    NAMED("a", "x"),
	    NAMED("a", "x") "--XX",
	    NAMED("a", "x") "--XX-",
	    "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\nx--XX--",
	    "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\nx\n--XX--",
	    "--XX\r\nContent-Disposition: form-data; name=a\r\n",
	};

	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++)
		if (strcmp(parse(*state, bodies[i]), "BAD_REQUEST"))
			fail_msg("accepted: %s", bodies[i]);
	assert_string_equal(parse(*state, "--XX--"), "");
	assert_string_equal(parse(*state, "\r\n--XX--\r\n"), "");
	assert_string_equal(
	    parse(*state, "--XX \r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--XX--"),
	    "[a|-|-|1]");
}

static void
content_types(void **state)
{
	static const char *const good[] = {
	    "multipart/form-data; boundary=XX",
	    "Multipart/Form-Data;BOUNDARY=\"XX\"",
	    "multipart/form-data; charset=utf-8; boundary=XX",
	    "multipart/form-data ; boundary = XX ; x=y",
	};
	static const char *const bad[] = {
	    "",
	    "multipart/form-data",
	    "multipart/form-data; boundary=",
	    "multipart/form-data; boundary=\"\"",
	    "multipart/form-data; boundary=\"XX",
	    "multipart/form-data; boundary=XX; boundary=XX",
	    "multipart/form-data; boundary=\"X \"",
	    "multipart/form-data; boundary=X\xff",
	    "multipart/form-data; boundary=X*",
	    "multipart/form-data; boundary=\"X\r\nX\"",
	    "multipart/form-datax; boundary=XX",
	    "multipart/mixed; boundary=XX",
	    "application/json; boundary=XX",
	    "multipart/form-data; "
	    "boundary=12345678901234567890123456789012345678901234567890123456789012"
	    "345678901",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_string_equal(parse_pieces(*state, good[i], &roomy, NAMED("a", "1") END,
					sizeof(NAMED("a", "1") END) - 1, 7, 7),
		    "[a|-|-|1]");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (strcmp(parse_pieces(*state, bad[i], &roomy, "", 0, 1, 1), "no multipart"))
			fail_msg("accepted: %s", bad[i]);
	assert_string_equal(parse_pieces(*state, NULL, &roomy, "", 0, 1, 1), "no multipart");
}

static void
expect_limit(struct arena *a, struct multipart_limits fits, struct multipart_limits tight,
    const char *body, const char *result)
{
	size_t n = strlen(body);

	for (size_t step = 1; step <= n; step++) {
		assert_string_equal(parse_pieces(a, TYPE, &fits, body, n, step, step), result);
		assert_string_equal(
		    parse_pieces(a, TYPE, &tight, body, n, step, step), "PAYLOAD_TOO_LARGE");
		arena_reset(a);
	}
}

static void
limits_are_exact(void **state)
{
	static const char two[] = NAMED("a", "1") NAMED("b", "2") END;
	static const char field[] = NAMED("a", "12345678") END;
	static const char file[] =
	    PART("Content-Disposition: form-data; name=a; filename=f", "1\r\n-5678") END;
	struct multipart_limits fits = roomy, tight = roomy;

	fits.parts = 2, tight.parts = 1;
	expect_limit(*state, fits, tight, two, "[a|-|-|1][b|-|-|2]");
	fits = tight = roomy;
	fits.field = 8, tight.field = 7;
	expect_limit(*state, fits, tight, field, "[a|-|-|12345678]");
	fits = tight = roomy;
	fits.field = 0, fits.file = 8, tight.file = 7;
	expect_limit(*state, fits, tight, file, "[a|f|-|1\r\n-5678]");
	fits = tight = roomy;
	fits.head = 44, tight.head = 43;
	expect_limit(*state, fits, tight, field, "[a|-|-|12345678]");
	fits = tight = roomy;
	fits.total = sizeof(field) - 1, tight.total = sizeof(field) - 2;
	expect_limit(*state, fits, tight, field, "[a|-|-|12345678]");
	fits = tight = roomy;
	tight.head = 60;
	expect_limit(*state, fits, tight,
	    "A preamble of more than sixty characters, which nobody is going to read.\r\n--XX--",
	    "");
}

static int
stop(void *context, const struct multipart_part *p)
{
	(void)context;
	(void)p;
	return ERR_CONFLICT;
}

static int
stop_data(void *context, const void *p, size_t n)
{
	(void)context;
	(void)p;
	(void)n;
	return ERR_GONE;
}

static int
stop_end(void *context)
{
	(void)context;
	return ERR_LOCKED;
}

static void
handlers_may_stop(void **state)
{
	static const char body[] = NAMED("a", "1") END;
	struct buf out = buf_new(*state);
	struct multipart_handler handlers[] = {{stop, content, end, &out},
	    {part, stop_data, end, &out}, {part, content, stop_end, &out}};
	static const int errors[] = {ERR_CONFLICT, ERR_GONE, ERR_LOCKED};
	struct multipart *m;

	for (int i = 0; i < 3; i++) {
		m = multipart_new(*state, TYPE, &roomy, &handlers[i]);
		assert_int_equal(multipart_feed(m, body, sizeof(body) - 1), errors[i]);
		assert_int_equal(multipart_feed(m, body, sizeof(body) - 1), errors[i]);
		assert_int_equal(multipart_finish(m), errors[i]);
	}
}

/* Flip every byte of a good message to every value: no crash, and every cut agrees on the verdict.
 */
static void
damage_is_harmless(void **state)
{
	size_t n = sizeof(message) - 1;
	char *copy = malloc(n);

	assert_non_null(copy);
	for (size_t i = 0; i < n; i++) {
		for (int c = 0; c < 256; c += 5) {
			memcpy(copy, message, n);
			copy[i] = (char)c;
			assert_string_equal(parse_pieces(*state, TYPE, &roomy, copy, n, n, n),
			    parse_pieces(*state, TYPE, &roomy, copy, n, i, 3));
			arena_reset(*state);
		}
	}
	free(copy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(cuts_make_no_difference, setup, teardown),
	    cmocka_unit_test_setup_teardown(names_are_decoded, setup, teardown),
	    cmocka_unit_test_setup_teardown(malformed_heads, setup, teardown),
	    cmocka_unit_test_setup_teardown(malformed_bodies, setup, teardown),
	    cmocka_unit_test_setup_teardown(content_types, setup, teardown),
	    cmocka_unit_test_setup_teardown(limits_are_exact, setup, teardown),
	    cmocka_unit_test_setup_teardown(handlers_may_stop, setup, teardown),
	    cmocka_unit_test_setup_teardown(damage_is_harmless, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
