/* account: see account.h. */
#include "account.h"

#include <string.h>

#include "auth.h"
#include "base64.h"
#include "conf.h"
#include "core_sql.h"
#include "db.h"
#include "json.h"
#include "req.h"
#include "token.h"

enum { TOKEN_BYTES = 32, KEY_BYTES = 32, KEY_TYPE_DJB = 5 };

const char *
factor_name(enum factor f)
{
	static const char *const names[] = {"none", "two_factor", "pin"};

	return names[f];
}

const char *
account_device_key(struct req *r, const char *text)
{
	unsigned char *key;
	size_t n;

	if (!text || !(key = base64_decode(r->arena, text, &n)))
		return NULL;
	if (n != KEY_BYTES && !(n == KEY_BYTES + 1 && key[0] == KEY_TYPE_DJB))
		return NULL;
	return base64_encode(r->arena, key, n);
}

static int
owe(struct req *r, const char *account, const struct entry_device *device, struct entry *out)
{
	out->token = token_random(r->arena, TOKEN_BYTES);
	out->expires_in = conf_int("login.lifetime");
	return sql_login_start(r, token_hash(r->arena, out->token), account, factor_name(out->owed),
	    device->name, device->fingerprint, device->public_key, db_int_text(r, out->expires_in));
}

void
account_revoke_all(struct req *r, const char *sessions)
{
	const char *why;
	json_t *ended = json_read(r->arena, sessions, strlen(sessions), &why), *id;
	const char **ids = arena_alloc(r->arena, (json_array_size(ended) + 1) * sizeof *ids);
	size_t i;

	json_array_foreach (ended, i, id)
		ids[i] = json_string_value(id);
	auth_revoke(r, ids, (int)json_array_size(ended));
}

int
account_device_revoke(struct req *r, const char *device, struct db_res **row)
{
	int err = sql_device_revoke(r, row, device);

	if (!err)
		account_revoke_all(r, db_get(*row, 0, "_sessions"));
	return err;
}

int
account_erase(struct req *r)
{
	struct db_res *res;
	int err = sql_account_erase(r, &res);

	if (!err)
		account_revoke_all(r, db_get(res, 0, "sessions"));
	return err;
}

int
account_let_in(struct req *r, const char *account, const struct entry_device *device,
    struct session_tokens *out)
{
	struct db_res *res;
	int err;

	err = sql_device_enter(r, &res, account, device->names_itself ? "true" : "false",
	    device->fingerprint, device->name, device->public_key, device->form,
	    db_int_text(r, conf_int("device.max")));
	if (err)
		return err;
	account_revoke_all(r, db_get(res, 0, "sessions"));
	return session_open(r, account, db_get(res, 0, "device_id"), out);
}

int
account_enter(struct req *r, const char *account, const struct entry_device *device,
    enum factor passed, struct entry *out)
{
	struct db_res *res;
	int err;

	*out = (struct entry){.owed = FACTOR_NONE};
	if ((err = sql_login_owed(r, &res, account)))
		return err;
	if (db_rows(res) == 0)
		return ERR_NOT_FOUND;
	if (passed < FACTOR_TWO_FACTOR && db_bool(res, 0, "two_factor"))
		out->owed = FACTOR_TWO_FACTOR;
	else if (passed < FACTOR_PIN && db_bool(res, 0, "pin"))
		out->owed = FACTOR_PIN;
	if (out->owed == FACTOR_NONE)
		return account_let_in(r, account, device, &out->tokens);
	out->hint = out->owed == FACTOR_PIN ? db_get(res, 0, "pin_hint") : NULL;
	return owe(r, account, device, out);
}
