/*
 * presence_carry: whom a client follows, where it is typing and whether it is away, in another
 * process (handover.h).
 *
 * Everything is asked for again there; what was told goes along, so that nothing is told twice.
 */
#include <stdlib.h>
#include "conn.h"
#include "handover.h"
#include "map.h"
#include "typing.h"
#include "watch.h"

enum { TAG = 2, MOST_PLACES = 16, MOST_FOLLOWED = 10000 };

static void
save(const struct conn *c, struct pack *p)
{
	struct uid places[MOST_PLACES];
	struct watch_told *list;
	int n;

	if (!c->away && !c->wants_presence && !c->typing && !c->watcher)
		return;
	pack_u8(p, c->away);
	pack_u8(p, c->wants_presence);
	n = typing_places(c, places, MOST_PLACES);
	pack_u8(p, (uint8_t)n);
	for (int i = 0; i < n; i++)
		pack_uid(p, places[i]);
	list = must_alloc(MOST_FOLLOWED * sizeof(*list));
	n = watch_list(c, list, MOST_FOLLOWED);
	pack_u32(p, (uint32_t)n);
	for (int i = 0; i < n; i++) {
		pack_uid(p, list[i].account);
		pack_u8(p, list[i].told);
	}
	free(list);
}

static void
load(struct conn *c, struct unpack *u)
{
	struct watch_told one;

	c->away = unpack_u8(u);
	c->wants_presence = unpack_u8(u);
	for (unsigned n = unpack_u8(u); n && !u->bad; n--)
		typing_resume(c, unpack_uid(u));
	for (uint32_t n = unpack_u32(u); n && !u->bad; n--) {
		one.account = unpack_uid(u);
		one.told = unpack_u8(u);
		watch_resume(c, &one, 1);
	}
}

static const struct handover_part presence_part = {TAG, NULL, save, load};

static __attribute__((constructor)) void
announce(void)
{
	handover_register(&presence_part);
}
