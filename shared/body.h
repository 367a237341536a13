/*
 * body: request bodies, into memory when they are small (JSON), to disk when they are not.
 *
 * The limit is the operation's x-body-limit, else the setting body.max; more is ERR_TOO_LARGE, found
 * while reading and not believed from Content-Length alone.
 */
#ifndef ROOKERY_BODY_H
#define ROOKERY_BODY_H

#include <stdint.h>
#include "buf.h"

struct req;

int64_t body_limit(const struct req *r); /* bytes */
int body_read(struct req *r, struct buf *body);
/* Stream a raw body to r->body_fd, read from its beginning. */
int body_store(struct req *r);
/* Read and drop what is left, so that the web server is not cut off while it still sends. */
void body_drain(struct req *r);
/* An unlinked file in the setting upload.dir, closed with r's arena; ERR_UNAVAILABLE, logged. */
int body_file(struct req *r, int *fd);
/* Append to such a file; ERR_UNAVAILABLE, logged. */
int body_append(int fd, const void *p, size_t n);
int body_too_large(struct req *r);

#endif
