/* message_page: see message_page.h. */
#include "message_page.h"

#include <string.h>

#include "db.h"
#include "json.h"

enum {
	FIXED =
	    700, /* bytes that all but the texts of a message fit in: names, ids, numbers, times */
	ESCAPED = 6, /* bytes that a byte of a text may become */
};

struct message_rows
message_rows(const struct db_res *res)
{
	static const char *const names[MESSAGE_COLUMNS] = {"id", "conversation_id", "seq",
	    "sender_id", "kind", "created_at", "version", "sender_device_id", "body", "client_id",
	    "reply_to_id", "reaction_count", "ttl_seconds", "edited_at", "deleted_at", "expires_at",
	    "sealed", "meta", "total", "cursor"};
	struct message_rows rows = {.res = res};

	for (int i = 0; i < MESSAGE_COLUMNS; i++)
		rows.column[i] = db_column(res, names[i]);
	return rows;
}

struct db_field
message_field(const struct message_rows *rows, int row, enum message_column column)
{
	return db_field(rows->res, row, rows->column[column]);
}

bool
message_is(const struct message_rows *rows, int row)
{
	return row < db_rows(rows->res) && message_field(rows, row, MESSAGE_ID).p;
}

/* ---- members ------------------------------------------------------------------------------ */

static char *
put(char *to, const char *text, size_t n)
{
	memcpy(to, text, n);
	return to + n;
}

static char *
put_name(char *to, const char *name)
{
	to = put(to, ",\"", 2);
	to = put(to, name, strlen(name));
	return put(to, "\":", 2);
}

static char *
put_quoted(char *to, const char *name, struct db_field f, char *(*write)(char *, struct db_field))
{
	if (!f.p)
		return to;
	to = put_name(to, name);
	*to++ = '"';
	to = write(to, f);
	*to++ = '"';
	return to;
}

static char *
put_text(char *to, const char *name, struct db_field f)
{
	return f.p ? json_quote(put_name(to, name), f.p, (size_t)f.n) : to;
}

static char *
put_number(char *to, const char *name, struct db_field f)
{
	uint64_t value = (uint64_t)db_field_int(f); /* none is negative */
	char text[24], *p = text + sizeof(text);

	if (!f.p)
		return to;
	do
		*--p = (char)('0' + value % 10);
	while (value /= 10);
	return put(put_name(to, name), p, (size_t)(text + sizeof(text) - p));
}

/* Members of an object, each with a comma before it. */
static char *
put_members(char *to, struct db_field f)
{
	return f.n ? put(to, f.p, (size_t)f.n) : to;
}

/* The members of an object, without its braces. */
static char *
put_inside(char *to, struct db_field f)
{
	if (f.n <= 2)
		return to;
	*to++ = ',';
	return put(to, f.p + 1, (size_t)f.n - 2);
}

/* ---- a message ---------------------------------------------------------------------------- */

void
message_put(struct buf *b, const struct message_rows *rows, int row)
{
	struct db_field f[MESSAGE_COLUMNS];
	size_t texts;
	char *to;

	for (int i = 0; i < MESSAGE_COLUMNS; i++)
		f[i] = message_field(rows, row, i);
	texts = (size_t)(f[MESSAGE_KIND].n + f[MESSAGE_BODY].n + f[MESSAGE_CLIENT_ID].n);
	buf_reserve(b, FIXED + ESCAPED * texts + (size_t)(f[MESSAGE_SEALED].n + f[MESSAGE_META].n));
	to = b->p + b->n;
	*to++ = '{';
	/* The first member has no comma before it. */
	to = put(to, "\"messageId\":\"", 13);
	to = db_field_uuid(to, f[MESSAGE_ID]);
	*to++ = '"';
	to = put_quoted(to, "conversationId", f[MESSAGE_CONVERSATION], db_field_uuid);
	to = put_number(to, "seq", f[MESSAGE_SEQ]);
	to = put_quoted(to, "senderId", f[MESSAGE_SENDER], db_field_uuid);
	to = put_text(to, "type", f[MESSAGE_KIND]);
	to = put_quoted(to, "createdAt", f[MESSAGE_CREATED_AT], db_field_time);
	to = put_number(to, "version", f[MESSAGE_VERSION]);
	to = put_quoted(to, "senderDeviceId", f[MESSAGE_DEVICE], db_field_uuid);
	to = put_text(to, "ciphertext", f[MESSAGE_BODY]);
	to = put_text(to, "clientMessageId", f[MESSAGE_CLIENT_ID]);
	to = put_quoted(to, "quotedMessageId", f[MESSAGE_REPLY_TO], db_field_uuid);
	if (db_field_int(f[MESSAGE_REACTIONS]))
		to = put_number(to, "reactionCount", f[MESSAGE_REACTIONS]);
	to = put_number(to, "ttlSeconds", f[MESSAGE_TTL]);
	to = put_quoted(to, "editedAt", f[MESSAGE_EDITED_AT], db_field_time);
	to = put_quoted(to, "deletedAt", f[MESSAGE_DELETED_AT], db_field_time);
	to = put_quoted(to, "expiresAt", f[MESSAGE_EXPIRES_AT], db_field_time);
	to = put_members(to, f[MESSAGE_SEALED]);
	to = put_inside(to, f[MESSAGE_META]);
	*to++ = '}';
	*to = '\0';
	b->n = (size_t)(to - b->p);
}
