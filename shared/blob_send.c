/* blob_send: see blob_send.h. */
#include "blob_send.h"

#include <string.h>
#include <unistd.h>

#include "blob.h"
#include "req.h"

/* Digits at *s, which moves behind them; -1 when there are none, the largest number when too many.
 */
static int64_t
digits(const char **s)
{
	int64_t n = -1;

	for (; **s >= '0' && **s <= '9'; (*s)++) {
		n = n < 0 ? 0 : n;
		n = n > (INT64_MAX - 9) / 10 ? INT64_MAX : n * 10 + (**s - '0');
	}
	return n;
}

enum range
blob_range(const char *header, int64_t size, int64_t *from, int64_t *len)
{
	int64_t first, last;

	if (!header || strncasecmp(header, "bytes=", 6) != 0)
		return RANGE_NONE;
	header += 6;
	header += strspn(header, " \t");
	first = digits(&header);
	if (*header++ != '-')
		return RANGE_NONE;
	last = digits(&header);
	header += strspn(header, " \t");
	if (*header || (first < 0 && last < 0) || (first >= 0 && last >= 0 && last < first))
		return RANGE_NONE;
	if (first < 0) { /* the last so many */
		first = last < size ? size - last : 0;
		last = last == 0 ? -1 : size - 1;
	} else if (last < 0 || last >= size) {
		last = size - 1;
	}
	if (first > last)
		return RANGE_BAD;
	*from = first;
	*len = last - first + 1;
	return RANGE_PART;
}

bool
blob_has_tag(const char *header, const char *tag)
{
	size_t n = strlen(tag);

	while (header && *header) {
		header += strspn(header, " \t,");
		if (*header == '*')
			return true;
		if (strncmp(header, "W/", 2) == 0)
			header += 2;
		if (*header++ != '"')
			return false;
		if (strncmp(header, tag, n) == 0 && header[n] == '"')
			return true;
		header += strcspn(header, "\"");
		header += *header == '"';
	}
	return false;
}

/* Does If-Range let a part be sent?  Dates never do: the tag says it better. */
static bool
in_range(struct req *r, const char *tag)
{
	const char *given = req_header(r, "If-Range");

	return !given || strcmp(given, req_printf(r, "\"%s\"", tag)) == 0;
}

int
blob_send(struct req *r, const char *id, const char *type, const char *sum)
{
	int64_t size, from = 0, len;
	enum range range = RANGE_NONE;
	int fd, err;

	resp_header(r, "ETag", "\"%s\"", sum);
	resp_header(r, "Cache-Control", "private, no-cache");
	if (blob_has_tag(req_header(r, "If-None-Match"), sum))
		return resp_json(r, 304, NULL);
	if ((err = blob_open(id, &fd, &size)))
		return err;
	len = size;
	resp_header(r, "Accept-Ranges", "bytes");
	if (in_range(r, sum))
		range = blob_range(req_header(r, "Range"), size, &from, &len);
	if (range == RANGE_BAD) {
		close(fd);
		resp_header(r, "Content-Range", "bytes */%lld", (long long)size);
		return ERR_RANGE;
	}
	if (range == RANGE_PART)
		resp_header(r, "Content-Range", "bytes %lld-%lld/%lld", (long long)from,
		    (long long)(from + len - 1), (long long)size);
	resp_header(r, "Content-Disposition", "attachment");
	return resp_file(r, range == RANGE_PART ? 206 : 200, type, fd, from, len);
}
