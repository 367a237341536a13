/* body: see body.h. */
#include "body.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "fcgi.h"
#include "log.h"
#include "req.h"

void
body_drain(struct req *r)
{
	char waste[8192];

	while (fcgi_read(r->wire, waste, sizeof waste) > 0)
		continue;
}

int64_t
body_limit(const struct req *r)
{
	bool file = r->op->raw_body || r->op->multipart;
	int64_t own = r->op->body_limit, most = conf_int(file ? "upload.max" : "body.max");

	return own && (!file || own < most) ? own : most;
}

int
body_too_large(struct req *r)
{
	return req_fail(r, ERR_TOO_LARGE, NULL, "The body may have at most %lld bytes",
	    (long long)body_limit(r));
}

int
body_read(struct req *r, struct buf *body)
{
	char piece[8192];
	size_t n;

	if (r->content_length > body_limit(r))
		return body_too_large(r);
	*body = buf_new(r->arena);
	while ((n = fcgi_read(r->wire, piece, sizeof piece)) > 0) {
		if ((int64_t)(body->n + n) > body_limit(r))
			return body_too_large(r);
		buf_put(body, piece, n);
	}
	return 0;
}

static void
close_fd(void *arg)
{
	close((int)(intptr_t)arg);
}

int
body_file(struct req *r, int *fd)
{
	const char *dir = conf_str("upload.dir");

	*fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (*fd < 0) {
		log_error("no temporary file", "dir", dir, "why", strerror(errno));
		return ERR_UNAVAILABLE;
	}
	arena_defer(r->arena, close_fd, (void *)(intptr_t)*fd);
	return 0;
}

int
body_append(int fd, const void *p, size_t n)
{
	const char *from = p;

	while (n > 0) {
		ssize_t done = write(fd, from, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0) {
			log_error("body not stored", "why", strerror(errno));
			return ERR_UNAVAILABLE;
		}
		from += done;
		n -= (size_t)done;
	}
	return 0;
}

int
body_store(struct req *r)
{
	char piece[65536];
	size_t n;
	int err;

	if (r->content_length > body_limit(r))
		return body_too_large(r);
	if ((err = body_file(r, &r->body_fd)))
		return err;
	while ((n = fcgi_read(r->wire, piece, sizeof piece)) > 0) {
		r->body_size += (int64_t)n;
		if (r->body_size > body_limit(r))
			return body_too_large(r);
		if ((err = body_append(r->body_fd, piece, n)))
			return err;
	}
	return lseek(r->body_fd, 0, SEEK_SET) < 0 ? ERR_UNAVAILABLE : 0;
}
