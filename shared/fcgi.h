/*
 * fcgi: the FastCGI wire, and the only module that sees libfcgi.
 *
 * A worker takes every connection that is waiting, up to its batch size, works on all of them and
 * answers them.  The seam is narrow on purpose: accept a batch, read parameters and bodies, write, finish.
 *
 *	n = fcgi_accept(listen_fd, conns, max);
 *	method = fcgi_param(conns[0], "REQUEST_METHOD");
 *	fcgi_write(conns[0], head, head_len);
 *	fcgi_finish(conns[0]);
 */
#ifndef ROOKERY_FCGI_H
#define ROOKERY_FCGI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fcgi_conn;

/* A non-blocking listening Unix socket at path, an older one replaced.  -1 with errno. */
int fcgi_listen(const char *path);
/* Accept what is waiting on fd without blocking: up to max connections, their number is answered.
 * The structures belong to the module and are reused after fcgi_finish(). */
int fcgi_accept(int fd, struct fcgi_conn **conns, int max);
const char *fcgi_param(struct fcgi_conn *c, const char *name); /* NULL when absent */
/* Whether a process of our own user sends this request. */
bool fcgi_peer_is_own(struct fcgi_conn *c);
/* Up to n bytes of the request body; 0 at its end. */
size_t fcgi_read(struct fcgi_conn *c, void *p, size_t n);
/* Append to the reply.  The bytes are not copied: they stay where they are until the next flush, or the end.  0, or -1
 * when the web server has gone away. */
int fcgi_write(struct fcgi_conn *c, const void *p, size_t n);
int fcgi_flush(struct fcgi_conn *c);
/* Flush, end the request, close the connection. */
void fcgi_finish(struct fcgi_conn *c);
/* Free the buffers of all idle structures, after a burst. */
void fcgi_trim(void);

#endif
