/*
 * qr: QR codes (ISO/IEC 18004) as pictures, over libqrencode and libpng.
 *
 * Ownership: pictures live in the arena.  Error correction is level M, the quiet zone 4 modules.
 *
 *	size_t n;
 *	char *png = qr_png(r->arena, "https://example.org/q/abc", 256, &n);
 *
 *	if (png)
 *		image = base64_encode(r->arena, png, n);
 */
#ifndef ROOKERY_QR_H
#define ROOKERY_QR_H

#include <stddef.h>
#include "arena.h"

enum { QR_PIXELS_MAX = 4096 };

/* A square PNG (1 bit grey) of that many pixels a side, QR_PIXELS_MAX at most; larger only when the
 * code has more modules than pixels were asked for.  A module is a whole number of pixels, what is
 * left over widens the margin.  NULL when text is empty or does not fit into a QR code (2,331 bytes). */
char *qr_png(struct arena *a, const char *text, int pixels, size_t *n);
/* The same as SVG with that width and height; it scales. */
char *qr_svg(struct arena *a, const char *text, int pixels, size_t *n);

#endif
