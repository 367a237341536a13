/* stream: see stream.h. */
#include "stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "err.h"

/* Entries may hold 64 kB each and Redis serves nobody else meanwhile, 5 us an entry, so pages are
 * small; only ids travel. */
static const char script[] =
    "local info, was = {}, redis.pcall('XINFO', 'STREAM', KEYS[1])\n"
    "for i = 1, #was, 2 do info[was[i]] = was[i + 1] end\n"
    "local out = {'+', tostring(info['entries-added'] or 0), info['max-deleted-entry-id'] or "
    "'0-0',\n"
    "	redis.call('GET', KEYS[2]) or '0'}\n"
    "if not info.length then return out end\n"
    "local from = '-'\n"
    "if ARGV[1] ~= '' then\n"
    "	from = '(' .. ARGV[1]\n"
    "	if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then out[1], from = '-', '-' end\n"
    "end\n"
    "for _, entry in ipairs(redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', ARGV[2])) do\n"
    "	local id, fields = '', entry[2]\n"
    "	for i = 1, #fields, 2 do if fields[i] == 'id' then id = fields[i + 1] end end\n"
    "	out[#out + 1] = entry[1]\n"
    "	out[#out + 1] = id\n"
    "end\n"
    "return out\n";

enum { PAGE = 20, HEAD = 4 };

/* What the script answered before the entries, held against what is known. */
static void
judge(struct stream_place *place, int reply)
{
	const char *deleted = cache_elem(reply, 2);
	int64_t added = strtoll(cache_elem(reply, 1), NULL, 10);
	int64_t swept = strtoll(cache_elem(reply, 3), NULL, 10);
	bool known = *place->deleted != '\0';

	place->cut = *place->last && strcmp(cache_elem(reply, 0), "+") != 0;
	place->another = known && (added < place->added || strcmp(deleted, place->deleted) != 0 ||
				      swept != place->swept);
	place->added = added;
	place->swept = swept;
	snprintf(place->deleted, sizeof place->deleted, "%s", deleted);
}

/* The stream was deleted, but not the mark, which speaks of what was in it. */
static int
begin_anew(struct stream_place *place)
{
	cache_begin();
	cache_cmd("DEL rt:swept");
	if (cache_flush())
		return ERR_UNAVAILABLE;
	*place = (struct stream_place){.deleted = "0-0", .another = true, .more = true};
	return 0;
}

int
stream_read(struct stream_place *place, void (*take)(void *ctx, const struct id16 *id), void *ctx)
{
	int reply, count;

	cache_begin();
	reply = cache_cmd("EVAL %s 2 rt rt:swept %s %d", script, place->last, PAGE);
	if (cache_flush() || (count = cache_count(reply)) < HEAD)
		return ERR_UNAVAILABLE;
	if (strtoll(cache_elem(reply, 1), NULL, 10) < place->added)
		return begin_anew(place);
	judge(place, reply);
	place->entries = 0;
	place->more = place->another;
	if (place->another) {
		*place->last = '\0';
		return 0;
	}
	for (int i = HEAD; i + 1 < count; i += 2) {
		const char *entry = cache_elem(reply, i);
		struct id16 id;

		if (id16_parse(cache_elem(reply, i + 1), &id))
			take(ctx, &id);
		snprintf(place->last, sizeof place->last, "%s", entry);
		place->entries++;
	}
	place->more = place->entries == PAGE;
	return 0;
}

int
stream_mark(struct stream_place *place, int64_t swept)
{
	int reply;

	cache_begin();
	reply = cache_cmd("SET rt:swept %lld", (long long)swept);
	if (cache_flush() || !cache_str(reply))
		return ERR_UNAVAILABLE;
	place->swept = swept;
	return 0;
}
