/* order_lane: see order_lane.h. */
#include "order_lane.h"

#include <stdlib.h>

enum { LANES = 65536 }; /* conversations whose last sequence is remembered */

static void
empty_lane(struct lane *lane)
{
	while (lane->head)
		rt_event_free(lane_take(lane));
	lane->top = 0;
	lane->held = -1;
}

static void
free_lane(struct lane *lane)
{
	empty_lane(lane);
	free(lane);
}

void
lanes_free(struct lanes *l)
{
	struct lane *lane;

	while ((lane = l->oldest)) {
		l->oldest = lane->newer;
		free_lane(lane);
	}
	map_free(&l->map);
}

void
lanes_empty(struct lanes *l)
{
	for (struct lane *lane = l->newest; lane; lane = lane->older)
		empty_lane(lane);
}

static void
unlink_lane(struct lanes *l, struct lane *lane)
{
	*(lane->newer ? &lane->newer->older : &l->newest) = lane->older;
	*(lane->older ? &lane->older->newer : &l->oldest) = lane->newer;
}

static void
link_newest(struct lanes *l, struct lane *lane)
{
	lane->newer = NULL;
	lane->older = l->newest;
	*(l->newest ? &l->newest->newer : &l->oldest) = lane;
	l->newest = lane;
}

static void
forget_oldest(struct lanes *l)
{
	struct lane *lane = l->oldest;

	while (lane && lane->held >= 0)
		lane = lane->newer;
	if (!lane)
		return;
	unlink_lane(l, lane);
	map_remove(&l->map, lane->id);
	free_lane(lane);
}

struct lane *
lanes_get(struct lanes *l, struct uid conversation, bool make)
{
	struct lane *lane = map_get(&l->map, conversation);

	if (lane) {
		if (lane != l->newest) {
			unlink_lane(l, lane);
			link_newest(l, lane);
		}
	} else if (make) {
		if (l->map.used >= LANES)
			forget_oldest(l);
		lane = must_zalloc(sizeof(*lane));
		lane->id = conversation;
		lane->last = -1;
		lane->held = -1;
		map_put(&l->map, lane);
		link_newest(l, lane);
	}
	return lane;
}

static void
append(struct lane *lane, struct item *item)
{
	*(lane->tail ? &lane->tail->next : &lane->head) = item;
	lane->tail = item;
}

void
lane_put(struct lane *lane, struct rt_event *ev)
{
	struct item *item = must_zalloc(sizeof(*item)), **at = &lane->head;

	item->ev = ev;
	if (!ev->seq || ev->seq >= lane->top) {
		if (ev->seq)
			lane->top = ev->seq;
		append(lane, item);
		return;
	}
	while (*at && (*at)->ev->seq <= ev->seq)
		at = &(*at)->next;
	if (!*at) {
		append(lane, item);
		return;
	}
	item->put_in = true;
	item->next = *at;
	*at = item;
}

struct rt_event *
lane_take(struct lane *lane)
{
	struct item *item = lane->head;
	struct rt_event *ev = item->ev;

	lane->head = item->next;
	if (!lane->head)
		lane->tail = NULL;
	free(item);
	return ev;
}

struct rt_pos
lane_lowest(const struct lane *lane)
{
	const struct item *item = lane->head;

	while (item->put_in)
		item = item->next;
	return item->ev->pos;
}
