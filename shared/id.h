/*
 * id: UUIDs as canonical lower-case text.
 *
 * New ids are UUIDv7 (RFC 9562): 48 bits of milliseconds, then randomness, so that rows made one
 * after the other lie beside each other in an index.
 *
 *	char id[ID_SIZE];
 *	id_new(id);
 */
#ifndef ROOKERY_ID_H
#define ROOKERY_ID_H

#include <stdbool.h>

enum { ID_SIZE = 37 }; /* 36 characters and the NUL */

void id_new(char out[ID_SIZE]);
/* Copy in lower case; false when s is not a UUID in its 8-4-4-4-12 form. */
bool id_parse(const char *s, char out[ID_SIZE]);

#endif
