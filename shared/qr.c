/* QR codes: see qr.h. */
#include "qr.h"

#include <png.h>
#include <qrencode.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "buf.h"
#include "log.h"

enum { QUIET = 4 }; /* modules of margin that the standard asks for */

static void
release(void *code)
{
	QRcode_free(code);
}

/* The modules, freed with the arena; NULL when text does not fit. */
static QRcode *
encode(struct arena *a, const char *text)
{
	size_t n = strlen(text);
	QRcode *code;

	if (n == 0 || n > 4096)
		return NULL;
	code = QRcode_encodeData((int)n, (const unsigned char *)text, 0, QR_ECLEVEL_M);
	if (code)
		arena_defer(a, release, code);
	return code;
}

static bool
is_dark(const QRcode *code, int x, int y)
{
	return x >= 0 && y >= 0 && x < code->width && y < code->width &&
	       (code->data[y * code->width + x] & 1);
}

/* ---- PNG --------------------------------------------------------------------------------- */

static void
write_bytes(png_structp png, png_bytep p, size_t n)
{
	buf_put(png_get_io_ptr(png), p, n);
}

static void
flush_nothing(png_structp png)
{
	(void)png;
}

/* One row of pixels, eight to a byte, dark is 0. */
static void
draw_row(unsigned char *row, const QRcode *code, int side, int scale, int y)
{
	int margin = (side - code->width * scale) / 2, module;

	memset(row, 0xff, ((size_t)side + 7) / 8);
	module = y < margin ? -1 : (y - margin) / scale;
	for (int x = 0; x < code->width * scale; x++)
		if (is_dark(code, x / scale, module))
			row[(x + margin) / 8] &= (unsigned char)~(0x80 >> (x + margin) % 8);
}

/* false when libpng gave up, which it tells by longjmp(): nothing that changes after setjmp() is
 * looked at here. */
static bool
write_png(struct buf *out, const QRcode *code, int side, int scale, unsigned char *row)
{
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png ? png_create_info_struct(png) : NULL;

	if (!info || setjmp(png_jmpbuf(png))) {
		png_destroy_write_struct(png ? &png : NULL, info ? &info : NULL);
		return false;
	}
	png_set_write_fn(png, out, write_bytes, flush_nothing);
	png_set_IHDR(png, info, (png_uint_32)side, (png_uint_32)side, 1, PNG_COLOR_TYPE_GRAY,
	    PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	for (int y = 0; y < side; y++) {
		draw_row(row, code, side, scale, y);
		png_write_row(png, row);
	}
	png_write_end(png, info);
	png_destroy_write_struct(&png, &info);
	return true;
}

char *
qr_png(struct arena *a, const char *text, int pixels, size_t *n)
{
	QRcode *code = encode(a, text);
	struct buf out = buf_new(a);
	int modules, side, scale;

	if (!code)
		return NULL;
	modules = code->width + 2 * QUIET;
	side = pixels < modules ? modules : pixels > QR_PIXELS_MAX ? QR_PIXELS_MAX : pixels;
	scale = side / modules;
	if (!write_png(&out, code, side, scale, arena_alloc(a, ((size_t)side + 7) / 8))) {
		log_error("libpng cannot write a QR code");
		return NULL;
	}
	*n = out.n;
	return out.p;
}

/* ---- SVG --------------------------------------------------------------------------------- */

char *
qr_svg(struct arena *a, const char *text, int pixels, size_t *n)
{
	QRcode *code = encode(a, text);
	struct buf out = buf_new(a);
	int modules, side;

	if (!code)
		return NULL;
	modules = code->width + 2 * QUIET;
	side = pixels < modules ? modules : pixels > QR_PIXELS_MAX ? QR_PIXELS_MAX : pixels;
	buf_printf(&out,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
	    "viewBox=\"0 0 %d %d\" shape-rendering=\"crispEdges\">"
	    "<path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/><path d=\"",
	    side, side, modules, modules, modules, modules);
	for (int y = 0; y < code->width; y++) {
		for (int x = 0, run; x < code->width; x += run ? run : 1) {
			for (run = 0; is_dark(code, x + run, y);)
				run++;
			if (run)
				buf_printf(
				    &out, "M%d %dh%dv1h-%dz", x + QUIET, y + QUIET, run, run);
		}
	}
	buf_puts(&out, "\"/></svg>\n");
	*n = out.n;
	return out.p;
}
