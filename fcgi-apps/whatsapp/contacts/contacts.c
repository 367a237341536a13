/* contacts: identifiers of people, read and looked up. */
#include "contacts.gen.h"

#include <ctype.h>
#include <sodium.h>
#include <string.h>

#include "conf.h"
#include "db.h"
#include "id.h"
#include "phone.h"
#include "req.h"
#include "schema.h"

/* ---- adding ------------------------------------------------------------------------------ */

/* Said alike of whom there is not and of who has blocked the caller (contact_add in sql/). */
static int
nobody(struct req *r)
{
	return req_fail(r, ERR_NOT_FOUND, NULL, "There is no such account");
}

/* 0, 422 when the value is none of its type, or 404. */
static int
look_up(struct req *r, const char *type, const char *value, const char **account)
{
	char phone[PHONE_SIZE], id[ID_SIZE];
	struct db_res *res;
	int err;

	if (strcmp(type, "userId") == 0) {
		if (!id_parse(value, id))
			return req_fail(
			    r, ERR_UNPROCESSABLE, "identifierValue", "is not a user id");
		*account = arena_strdup(r->arena, id);
		return 0;
	}
	if (strcmp(type, "phoneNumber") == 0) {
		if (!phone_normalize(value, NULL, phone))
			return req_fail(r, ERR_UNPROCESSABLE, "identifierValue",
			    "is not a number in international form");
		err = sql_account_by_phone(r, &res, phone);
	} else {
		value += *value == '@';
		if (!*value || value[strcspn(value, " \t\r\n@")])
			return req_fail(
			    r, ERR_UNPROCESSABLE, "identifierValue", "is not a user name");
		err = sql_account_by_username(r, &res, value);
	}
	if (err)
		return err;
	if (db_rows(res) == 0)
		return nobody(r);
	*account = db_get(res, 0, "id");
	return 0;
}

static int
add(struct req *r, const char *field, const char *account, const char *name)
{
	struct db_res *row;
	int err;

	if (strcmp(account, r->me) == 0)
		return req_fail(r, ERR_VALIDATION, field, "leads to yourself");
	if ((err = sql_contact_add(
		 r, &row, account, name, db_int_text(r, conf_int("contacts.max")))))
		return err;
	return resp_row(r, 201, row);
}

int
contact_create(struct req *r, const struct contact_create_in *in)
{
	const char *account = NULL;
	int err = look_up(r, in->identifierType, in->identifierValue, &account);

	return err ? err : add(r, "identifierValue", account, in->displayName);
}

int
contact_create_by_qr(struct req *r, const struct contact_create_by_qr_in *in)
{
	struct db_res *res;
	int err = sql_account_by_code(r, &res, in->qrToken);

	if (err)
		return err;
	if (db_rows(res) == 0)
		return nobody(r);
	return add(r, "qrToken", db_get(res, 0, "id"), NULL);
}

/* ---- synchronising ----------------------------------------------------------------------- */

/* What stands for a contact: the hash it gives, else that of its number; NULL when the number is
 * none. */
static const char *
hash_of(struct req *r, const json_t *contact)
{
	const char *hash = json_string_value(json_object_get(contact, "phoneHash"));
	const char *phone = json_string_value(json_object_get(contact, "phoneNumber"));
	unsigned char sum[crypto_hash_sha256_BYTES];
	char *hex, number[PHONE_SIZE];

	if (hash)
		return hash;
	if (!phone_normalize(phone, NULL, number))
		return NULL;
	crypto_hash_sha256(sum, (const unsigned char *)number, strlen(number));
	hex = arena_alloc(r->arena, 2 * sizeof sum + 1);
	return sodium_bin2hex(hex, 2 * sizeof sum + 1, sum, sizeof sum);
}

static int
check_contact(struct req *r, const json_t *contact, size_t i)
{
	bool hash = json_object_get(contact, "phoneHash"),
	     phone = json_object_get(contact, "phoneNumber");

	return hash != phone ? 0
			     : req_fail(r, ERR_VALIDATION, req_printf(r, "contacts[%zu]", i),
				   "needs one of phoneHash and phoneNumber");
}

int
contact_sync_create(struct req *r, const struct contact_sync_create_in *in)
{
	size_t n = json_array_size(in->contacts), i;
	const char **ids, **hashes;
	struct db_res *row;
	json_t *contact;
	int err;

	if ((int64_t)n > conf_int("contacts.max"))
		return req_fail(r, ERR_TOO_LARGE, "contacts", "may have at most %lld entries",
		    (long long)conf_int("contacts.max"));
	ids = arena_alloc(r->arena, n * sizeof *ids);
	hashes = arena_alloc(r->arena, n * sizeof *hashes);
	json_array_foreach (in->contacts, i, contact) {
		if ((err = check_contact(r, contact, i)))
			return err;
		ids[i] = json_string_value(json_object_get(contact, "contactId"));
		hashes[i] = hash_of(r, contact);
	}
	err = sql_contact_sync(r, &row, in->deviceId, in->clientTimestamp, db_array(r, ids, (int)n),
	    db_array(r, hashes, (int)n));
	return err ? err : resp_row(r, 201, row);
}

/* ---- inviting ---------------------------------------------------------------------------- */

static const struct schema email_schema = {.types = T_STRING,
    .format = FMT_EMAIL,
    .min_len = -1,
    .max_len = -1,
    .min_items = -1,
    .max_items = -1};

/* The address in lower case, as accounts are found by it; NULL when mail cannot go there. */
static const char *
email_of(struct req *r, const char *text)
{
	struct schema_fault fault;
	char *out = arena_strdup(r->arena, text);
	json_t *value;

	if (!schema_check_text(r->arena, &email_schema, text, &value, &fault))
		return NULL;
	for (char *p = out; *p; p++) {
		if (*p & 0x80)
			return NULL;
		*p = (char)tolower(*p);
	}
	return out;
}

int
invitation_create(struct req *r, const struct invitation_create_in *in)
{
	const char *destination = NULL;
	char phone[PHONE_SIZE];
	struct db_res *row;
	int err;

	if (strcmp(in->channel, "email") == 0)
		destination = email_of(r, in->destination);
	else if (phone_normalize(in->destination, NULL, phone))
		destination = phone;
	if (!destination)
		return req_fail(r, ERR_VALIDATION, "destination",
		    *in->channel == 'e' ? "is not an address"
					: "is not a number in international form");
	err = sql_invitation_create(r, &row, in->channel, destination, in->message,
	    db_int_text(r, conf_int("invitation.lifetime")));
	return err ? err : resp_row(r, 201, row);
}
