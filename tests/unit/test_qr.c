/* QR codes: sizes, limits, and that what comes out is the code that went in (zbarimg reads it
 * back). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <png.h>
#include <qrencode.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "arena.h"
#include "qr.h"

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

/* Grey pixels, one a byte; the picture's side in *side. */
static unsigned char *
read_png(struct arena *a, const char *p, size_t n, int *side)
{
	png_image image = {.version = PNG_IMAGE_VERSION};
	unsigned char *pixels;

	assert_int_equal(png_image_begin_read_from_memory(&image, p, n), 1);
	image.format = PNG_FORMAT_GRAY;
	assert_int_equal(image.width, image.height);
	*side = (int)image.width;
	pixels = arena_alloc(a, PNG_IMAGE_SIZE(image));
	assert_int_equal(png_image_finish_read(&image, NULL, pixels, 0, NULL), 1);
	return pixels;
}

/* Every pixel is the one of its module, the quiet zone is white. */
static void
expect_modules(const unsigned char *pixels, int side, const QRcode *code)
{
	int scale = side / (code->width + 8), margin = (side - scale * code->width) / 2;

	assert_true(scale >= 1);
	assert_true(margin >= 4 * scale);
	for (int y = 0; y < side; y++) {
		for (int x = 0; x < side; x++) {
			int mx = x < margin ? -1 : (x - margin) / scale,
			    my = y < margin ? -1 : (y - margin) / scale;
			bool inside = mx >= 0 && my >= 0 && mx < code->width && my < code->width;
			bool dark = inside && (code->data[my * code->width + mx] & 1);

			if (pixels[y * side + x] != (dark ? 0 : 255))
				fail_msg("pixel %d,%d of %d", x, y, side);
		}
	}
}

static void
png_shows_the_code(void **state)
{
	static const char text[] = "https://rookery.example/q/0123456789abcdefABCDEF";
	static const int sizes[] = {-1, 0, 1, 41, 42, 100, 255, 256, 300, 1024};
	QRcode *code =
	    QRcode_encodeData(sizeof(text) - 1, (const unsigned char *)text, 0, QR_ECLEVEL_M);
	unsigned char *pixels;
	size_t n;
	int side;
	char *png;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		png = qr_png(*state, text, sizes[i], &n);
		assert_non_null(png);
		pixels = read_png(*state, png, n, &side);
		assert_int_equal(side, sizes[i] < code->width + 8 ? code->width + 8 : sizes[i]);
		expect_modules(pixels, side, code);
	}
	png = qr_png(*state, text, INT32_MAX, &n);
	read_png(*state, png, n, &side);
	assert_int_equal(side, QR_PIXELS_MAX);
	QRcode_free(code);
}

/* The path's runs, drawn into a matrix, are the code. */
static void
svg_shows_the_code(void **state)
{
	static const char text[] = "tel:+4915112345678";
	QRcode *code =
	    QRcode_encodeData(sizeof(text) - 1, (const unsigned char *)text, 0, QR_ECLEVEL_M);
	char *drawn = arena_zalloc(*state, (size_t)(code->width * code->width)), *svg, *p;
	int x, y, run, back, used, side = code->width + 8;
	size_t n;

	svg = qr_svg(*state, text, 200, &n);
	assert_non_null(svg);
	assert_int_equal(strlen(svg), n);
	assert_int_equal(
	    strncmp(
		svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"200\" height=\"200\"", 64),
	    0);
	assert_non_null(strstr(svg, arena_printf(*state, "viewBox=\"0 0 %d %d\"", side, side)));
	p = strstr(svg, "<path d=\"");
	assert_non_null(p);
	for (p += 9; sscanf(p, "M%d %dh%dv1h-%dz%n", &x, &y, &run, &back, &used) == 4; p += used) {
		assert_int_equal(run, back);
		for (int i = 0; i < run; i++)
			drawn[(y - 4) * code->width + x - 4 + i] = 1;
	}
	assert_string_equal(p, "\"/></svg>\n");
	for (int i = 0; i < code->width * code->width; i++)
		assert_int_equal(drawn[i], code->data[i] & 1);
	QRcode_free(code);
}

static void
what_does_not_fit(void **state)
{
	char *text = arena_zalloc(*state, 5000);
	size_t n;

	assert_null(qr_png(*state, "", 100, &n));
	assert_null(qr_svg(*state, "", 100, &n));
	memset(text, 'x', 2331);
	assert_non_null(qr_png(*state, text, 100, &n));
	assert_non_null(qr_svg(*state, text, 100, &n));
	text[2331] = 'x';
	assert_null(qr_png(*state, text, 100, &n));
	assert_null(qr_svg(*state, text, 100, &n));
	memset(text, 'x', 4999);
	assert_null(qr_png(*state, text, 100, &n));
}

/* Another program's opinion, where it is installed (Debian: zbar-tools). */
static void
a_reader_reads_it(void **state)
{
	static const char text[] = "https://rookery.example/q/Ab9_-?a=1&b=<2>";
	char path[] = "/tmp/rookery-test-qr-XXXXXX", read[256] = "";
	int fd;
	size_t n;
	char *png = qr_png(*state, text, 300, &n);
	FILE *f;

	if (system("command -v zbarimg >/dev/null"))
		skip();
	fd = mkstemp(path);
	assert_int_equal(write(fd, png, n), n);
	close(fd);
	f = popen(arena_printf(*state, "zbarimg --quiet --raw %s", path), "r");
	assert_non_null(fgets(read, sizeof(read), f));
	assert_int_equal(pclose(f), 0);
	unlink(path);
	read[strcspn(read, "\n")] = 0;
	assert_string_equal(read, text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(png_shows_the_code, setup, teardown),
	    cmocka_unit_test_setup_teardown(svg_shows_the_code, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_does_not_fit, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_reader_reads_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
