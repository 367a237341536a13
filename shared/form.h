/*
 * form: a multipart/form-data body, its files to disk and its fields to memory.
 *
 * Which parts are files says the contract (format: binary), whether or not the client gave them a
 * file name; parts that the contract does not have are read and forgotten.
 */
#ifndef ROOKERY_FORM_H
#define ROOKERY_FORM_H

#include <jansson.h>

struct req;

/* Read the whole body.  *fields maps field names to texts; a file's field to its file name ("" when
 * it has none), the file itself is found with req_file().  With an Idempotency-Key r->input becomes
 * a digest of what was sent. ERR_BAD_REQUEST when it is no such body, ERR_TOO_LARGE. */
int form_read(struct req *r, json_t **fields);

#endif
