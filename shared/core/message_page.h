/*
 * message_page: pages of messages, written into replies from the rows of a :binary query.
 *
 * A row is the type message_row of sql/tables/008-messages.sql.  Written is the object that
 * message_json() makes.
 *
 *	struct message_rows rows = message_rows(res);
 *
 *	for (int row = 0; message_is(&rows, row); row++)
 *		message_put(&reply, &rows, row);
 */
#ifndef ROOKERY_CORE_MESSAGE_PAGE_H
#define ROOKERY_CORE_MESSAGE_PAGE_H

#include <stdbool.h>
#include <stdint.h>
#include "buf.h"
#include "db_field.h"

enum message_column {
	MESSAGE_ID,
	MESSAGE_CONVERSATION,
	MESSAGE_SEQ,
	MESSAGE_SENDER,
	MESSAGE_KIND,
	MESSAGE_CREATED_AT,
	MESSAGE_VERSION,
	MESSAGE_DEVICE,
	MESSAGE_BODY,
	MESSAGE_CLIENT_ID,
	MESSAGE_REPLY_TO,
	MESSAGE_REACTIONS,
	MESSAGE_TTL,
	MESSAGE_EDITED_AT,
	MESSAGE_DELETED_AT,
	MESSAGE_EXPIRES_AT,
	MESSAGE_SEALED,
	MESSAGE_META,
	MESSAGE_TOTAL,
	MESSAGE_CURSOR,
	MESSAGE_COLUMNS
};

struct message_rows {
	const struct db_res *res;
	int column[MESSAGE_COLUMNS];
};

/* Finds the columns; one that is missing is a programming error. */
struct message_rows message_rows(const struct db_res *res);
struct db_field message_field(const struct message_rows *rows, int row, enum message_column column);
/* Is there such a row, and is it a message, or only what is said of the page? */
bool message_is(const struct message_rows *rows, int row);
/* Append the message as a JSON object. */
void message_put(struct buf *b, const struct message_rows *rows, int row);

#endif
