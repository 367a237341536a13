/*
 * form: a multipart/form-data body, its files to disk and its fields to memory.
 */
#ifndef ROOKERY_FORM_H
#define ROOKERY_FORM_H

#include <jansson.h>

struct req;

/* Read the whole body.  *fields maps field names to texts; a file's field to its file name, the file itself
 * is found with req_file().  ERR_MEDIA_TYPE or ERR_BAD_REQUEST when it is no such body, ERR_TOO_LARGE. */
int form_read(struct req *r, json_t **fields);

#endif
