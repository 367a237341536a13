/* picture: see picture.h. */
#include "picture.h"

#include <string.h>

#include "clock.h"
#include "conf.h"
#include "core/link.h"
#include "id.h"
#include "req.h"

enum { UUID = ID_SIZE - 1 };

const char *
picture_name(struct req *r, const char *picture, const char *account, const char *viewer)
{
	return req_printf(r, "picture %s of %s for %s", picture, account, viewer);
}

/* Addresses end together, so the same picture has the same one for a while and clients need not
 * fetch it again. */
static int64_t
lifetime(void)
{
	int64_t least = conf_int("media.url_lifetime");

	return 2 * least - clock_now() / CLOCK_SECOND % least;
}

int
picture_show(struct req *r, json_t *person, const char *picture)
{
	const char *id = json_string_value(json_object_get(person, "id")), *query;
	int64_t expires;

	if (!picture)
		return 0;
	query = link_query(r, picture_name(r, picture, id, r->me), lifetime(), &expires);
	if (!query)
		return ERR_INTERNAL;
	json_object_set_new(person, "avatar_url",
	    json_string(req_printf(r, "%s%s/users/%s/pictures/%s?viewer=%s&%s", link_origin(r),
		r->family->base, id, picture, r->me, query)));
	return 0;
}

/* The id between two texts at the beginning of a path; NULL when the path is another one. */
static const char *
id_between(struct req *r, const char *path, const char *before, const char *after)
{
	size_t n = strlen(before), m = strlen(after);
	char id[ID_SIZE];

	if (strncmp(path, before, n) != 0 || strlen(path) < n + UUID + m ||
	    !id_parse(arena_memdup(r->arena, path + n, UUID), id))
		return NULL;
	path += n + UUID;
	if (strncmp(path, after, m) != 0 || (path[m] && path[m] != '?'))
		return NULL;
	return arena_strdup(r->arena, id);
}

const char *
picture_named(struct req *r, const char *url)
{
	const char *here = req_printf(r, "%s%s", link_origin(r), r->family->base), *id;
	size_t n = strlen(here);

	if (strncmp(url, here, n) != 0)
		return NULL;
	id = id_between(r, url + n, "/uploads/", "/content");
	return id ? id : id_between(r, url + n, req_printf(r, "/users/%s/pictures/", r->me), "");
}
