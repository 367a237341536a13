/* handover_conn: a connection as bytes, and back; see handover.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "account.h"
#include "conn.h"
#include "deliver.h"
#include "handover.h"
#include "health.h"
#include "map.h"
#include "replay.h"
#include "sign_in.h"
#include "stream.h"

enum { HAS_IN = 1, HAS_SIGN_IN = 2, HAS_ACCOUNT = 4, IS_READY = 8, ANY_DIALECT = 16, NEAR = 32 };

static const struct handover_part *parts[HANDOVER_PARTS];
static int n_parts;

static struct {
	int8_t dialect[DIALECTS]; /* of the old process's numbers; -1: this binary lacks it */
	int dialects;
	struct epoch epoch;
	bool degraded;
} from;

void
handover_register(const struct handover_part *part)
{
	if (n_parts == HANDOVER_PARTS)
		abort();
	parts[n_parts++] = part;
}

/* ---- what is true for all -------------------------------------------------------------------- */

void
handover_pack_hello(struct pack *p)
{
	pack_u32(p, HANDOVER_VERSION);
	pack_bytes(p, stream_epoch()->name, EPOCH_TEXT);
	pack_u8(p, health_degraded());
	pack_u8(p, (uint8_t)dialect_count());
	for (int i = 0; i < dialect_count(); i++)
		pack_bytes(p, dialect_at(i)->surface, strlen(dialect_at(i)->surface));
}

static int8_t
dialect_named(const uint8_t *name, size_t n)
{
	for (int i = 0; i < dialect_count(); i++)
		if (slice_is((struct slice){(const char *)name, n}, dialect_at(i)->surface))
			return (int8_t)i;
	return -1;
}

bool
handover_read_hello(struct unpack *u)
{
	const uint8_t *text;
	size_t n;

	if (unpack_u32(u) != HANDOVER_VERSION)
		return false;
	text = unpack_bytes(u, &n);
	if (n == EPOCH_TEXT)
		memcpy(from.epoch.name, text, n);
	from.degraded = unpack_u8(u);
	from.dialects = unpack_u8(u);
	for (int i = 0; i < from.dialects && i < DIALECTS; i++) {
		text = unpack_bytes(u, &n);
		from.dialect[i] = dialect_named(text, n);
	}
	return !u->bad;
}

/* ---- input ----------------------------------------------------------------------------------- */

static void
pack_in(const struct conn_in *in, struct pack *p)
{
	const struct ws_parser *w = &in->ws;

	pack_bytes(p, in->head, in->head_n);
	pack_bytes(p, w->head, w->head_n);
	pack_u8(p, w->op);
	pack_u8(
	    p, (uint8_t)(w->fin | w->in_payload << 1 | w->fragmented << 2 | w->compressed << 3));
	pack_raw(p, w->mask, sizeof(w->mask));
	pack_u8(p, w->mask_at);
	pack_u64(p, w->left);
	pack_u8(p, w->message_op);
	pack_raw(p, (uint8_t[]){w->utf8.need, w->utf8.lo, w->utf8.hi}, 3);
	pack_bytes(p, w->message, w->message_n);
	pack_bytes(p, w->control, w->control_n);
	pack_u8(p, w->control_op);
}

static void
copy_to(uint8_t *to, size_t most, size_t *n, struct unpack *u)
{
	const uint8_t *text = unpack_bytes(u, n);

	if (*n > most) {
		u->bad = true;
		*n = 0;
	}
	memcpy(to, text, *n);
}

static void
read_parser(struct ws_parser *w, struct unpack *u)
{
	uint8_t flags, utf8[3];
	const uint8_t *text;
	size_t n;

	copy_to(w->head, sizeof(w->head), &n, u);
	w->head_n = (uint8_t)n;
	w->op = unpack_u8(u);
	flags = unpack_u8(u);
	w->fin = flags & 1;
	w->in_payload = flags & 2;
	w->fragmented = flags & 4;
	w->compressed = flags & 8;
	unpack_raw(u, w->mask, sizeof(w->mask));
	w->mask_at = unpack_u8(u) & 3;
	w->left = unpack_u64(u);
	w->message_op = unpack_u8(u);
	unpack_raw(u, utf8, sizeof(utf8));
	w->utf8 = (struct utf8){utf8[0], utf8[1], utf8[2]};
	text = unpack_bytes(u, &n);
	if (n) {
		w->message = memcpy(must_alloc(n + 1), text, n);
		w->message_n = n;
		w->message_cap = n + 1;
	}
	copy_to(w->control, sizeof(w->control), &n, u);
	w->control_n = (uint8_t)n;
	w->control_op = unpack_u8(u);
}

static void
read_in(struct conn *c, struct unpack *u)
{
	const uint8_t *text;
	size_t n;

	c->in = must_zalloc(sizeof(*c->in));
	ws_init(&c->in->ws, CONN_MESSAGE_MAX);
	c->in->ws.deflate = c->deflate;
	text = unpack_bytes(u, &n);
	if (n) {
		c->in->head = memcpy(must_alloc(n), text, n);
		c->in->head_n = c->in->head_cap = n;
	}
	read_parser(&c->in->ws, u);
}

/* ---- output ---------------------------------------------------------------------------------- */

/* Everything that is encoded and not yet written, in the order in which it would have been. */
static void
pack_unsent(const struct conn *c, struct pack *p)
{
	const struct conn_out *out = c->out;
	size_t at = p->n;
	uint32_t n;

	pack_u32(p, 0);
	if (out && out->rest)
		pack_raw(
		    p, frame_bytes(out->rest) + out->rest_at, frame_size(out->rest) - out->rest_at);
	if (out && out->n > out->at)
		pack_raw(p, out->bytes + out->at, out->n - out->at);
	for (uint32_t i = out ? out->replay_at : 0;
	     out && c->state == CONN_LIVE && i < out->replay_n; i++)
		pack_raw(p, frame_bytes(out->replay[i]), frame_size(out->replay[i]));
	n = (uint32_t)(p->n - at - sizeof(n));
	memcpy(p->bytes + at, &n, sizeof(n));
}

static void
read_unsent(struct conn *c, struct unpack *u)
{
	size_t n;
	const uint8_t *bytes = unpack_bytes(u, &n);

	if (n)
		conn_out(c)->rest = frame_of_bytes(bytes, n);
}

static void
pack_place(const struct cursor_set *set, struct pack *p)
{
	pack_u8(p, (uint8_t)set->parts);
	for (int i = 0; i < set->parts; i++) {
		const struct cursor *c = &set->part[i];

		pack_raw(p, &c->at, sizeof(c->at));
		pack_u8(p, (uint8_t)c->holds);
		pack_raw(p, c->hold, (size_t)c->holds * sizeof(c->hold[0]));
	}
}

static void
read_place(struct cursor_set *set, struct unpack *u)
{
	set->parts = unpack_u8(u);
	if (set->parts > CURSOR_PARTS)
		u->bad = true;
	for (int i = 0; i < set->parts && !u->bad; i++) {
		struct cursor *c = &set->part[i];

		unpack_raw(u, &c->at, sizeof(c->at));
		c->holds = unpack_u8(u);
		if (c->holds > CURSOR_HOLDS_MAX)
			u->bad = true;
		else
			unpack_raw(u, c->hold, (size_t)c->holds * sizeof(c->hold[0]));
	}
}

/* ---- parts of other modules ------------------------------------------------------------------ */

static void
pack_parts(const struct conn *c, struct pack *p)
{
	for (int i = 0; i < n_parts; i++) {
		struct pack one = {0};

		parts[i]->save(c, &one);
		if (one.n) {
			pack_u8(p, parts[i]->tag);
			pack_bytes(p, one.bytes, one.n);
		}
		pack_free(&one);
	}
	pack_u8(p, 0);
}

static void
read_parts(struct conn *c, struct unpack *u)
{
	uint8_t tag;

	while ((tag = unpack_u8(u))) {
		struct unpack one = {0};
		size_t n;

		one.p = unpack_bytes(u, &n);
		one.end = one.p + n;
		for (int i = 0; i < n_parts; i++)
			if (parts[i]->tag == tag)
				parts[i]->load(c, &one);
		u->bad |= one.bad;
	}
}

/* ---- all of it ------------------------------------------------------------------------------- */

static bool
busy(const struct conn *c)
{
	for (int i = 0; i < n_parts; i++)
		if (parts[i]->busy && parts[i]->busy(c))
			return true;
	return c->calls || sign_in_asked(c);
}

bool
handover_pack_conn(const struct conn *c, struct pack *p)
{
	struct cursor_set place;

	if (busy(c))
		return false;
	pack_u8(p, c->state);
	pack_u8(p, c->dialect);
	pack_u8(p, (uint8_t)((c->in ? HAS_IN : 0) | (c->sign_in ? HAS_SIGN_IN : 0) |
			     (c->account ? HAS_ACCOUNT : 0) | (c->ready ? IS_READY : 0) |
			     (c->any_dialect ? ANY_DIALECT : 0) | (c->near ? NEAR : 0)));
	pack_u8(p, c->deflate);
	pack_u16(p, c->said);
	pack_u64(p, c->address);
	for (const uint32_t *t = &c->since; t <= &c->said_since; t++)
		pack_u32(p, *t);
	if (c->in)
		pack_in(c->in, p);
	pack_unsent(c, p);
	if (c->account) {
		pack_uid(p, c->account->id);
		pack_uid(p, c->session);
		pack_uid(p, c->device);
		deliver_place(c, &place);
		pack_place(&place, p);
	}
	if (c->sign_in)
		sign_in_pack(c, p);
	pack_parts(c, p);
	return true;
}

static struct conn *
read_fixed(struct unpack *u, uint8_t *flags)
{
	struct conn *c = must_zalloc(sizeof(*c));
	uint8_t dialect;

	c->state = unpack_u8(u);
	dialect = unpack_u8(u);
	*flags = unpack_u8(u);
	c->ready = *flags & IS_READY;
	c->any_dialect = *flags & ANY_DIALECT;
	c->near = *flags & NEAR;
	c->deflate = unpack_u8(u);
	c->said = unpack_u16(u);
	c->address = unpack_u64(u);
	for (uint32_t *t = &c->since; t <= &c->said_since; t++)
		*t = unpack_u32(u);
	if (dialect >= from.dialects || from.dialect[dialect] < 0 || c->state >= CONN_CLOSING)
		u->bad = true;
	else
		c->dialect = (uint8_t)from.dialect[dialect];
	return c;
}

static void
join(struct conn *c, struct uid id)
{
	uint32_t heard = c->heard, pinged = c->pinged;
	struct account *a = account_get(id);

	conn_join(c, a, false);
	account_put(a);
	c->heard = heard;
	c->pinged = pinged;
}

bool
handover_read_conn(int fd, struct unpack *u)
{
	struct cursor_set place = {0};
	struct uid account = {0, 0};
	uint8_t flags;
	struct conn *c = read_fixed(u, &flags);

	c->fd = fd;
	if (flags & HAS_IN)
		read_in(c, u);
	read_unsent(c, u);
	if (flags & HAS_ACCOUNT) {
		account = unpack_uid(u);
		c->session = unpack_uid(u);
		c->device = unpack_uid(u);
		read_place(&place, u);
	}
	if (u->bad || !conn_adopt(c)) {
		conn_discard(c);
		return false;
	}
	if (flags & HAS_ACCOUNT)
		join(c, account);
	if (flags & HAS_SIGN_IN)
		sign_in_read(c, u);
	read_parts(c, u);
	if (flags & HAS_ACCOUNT)
		replay_adopt(c, &place, !strcmp(from.epoch.name, stream_epoch()->name));
	if (c->ready && c->fd >= 0)
		health_tell_adopted(c, from.degraded);
	deliver_mark(c);
	return !u->bad;
}
