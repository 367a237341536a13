/* idem: see idem.h. */
#include "idem.h"

#include <sodium.h>
#include <string.h>

#include "cache.h"
#include "conf.h"
#include "json.h"
#include "req.h"

enum { RUNNING_SECONDS = 60, MAX_KEY = 255, HASH = 16 };

static const char *
key_of(struct req *r)
{
	const char *key = r->op->idempotent && r->me ? req_header(r, "Idempotency-Key") : NULL;

	return key && *key && strlen(key) <= MAX_KEY ? key : NULL;
}

static const char *
name_of(struct req *r, const char *key)
{
	return req_printf(r, "idem:%s:%s:%s", r->me, r->op->id, key);
}

static const char *
fingerprint(struct req *r)
{
	unsigned char hash[HASH];
	crypto_generichash_state state;
	char *hex = arena_alloc(r->arena, 2 * HASH + 1);

	crypto_generichash_init(&state, NULL, 0, HASH);
	crypto_generichash_update(&state, (const unsigned char *)r->path, strlen(r->path) + 1);
	crypto_generichash_update(&state, (const unsigned char *)r->input, r->input_len);
	crypto_generichash_final(&state, hash, HASH);
	return sodium_bin2hex(hex, 2 * HASH + 1, hash, HASH);
}

static void
replay(struct req *r, const char *kept, const char *print)
{
	const char *why;
	json_t *o = json_read(r->arena, kept, strlen(kept), &why);
	const char *was = json_string_value(json_object_get(o, "print"));
	json_t *status = json_object_get(o, "status");

	if (!was || strcmp(was, print) != 0)
		r->err = req_fail(
		    r, ERR_UNPROCESSABLE, "Idempotency-Key", "was used for another request");
	else if (!status)
		r->err = req_fail(
		    r, ERR_CONFLICT, "Idempotency-Key", "the first request is still running");
	else {
		resp_json(r, (int)json_integer_value(status), json_object_get(o, "body"));
		resp_header(r, "Idempotency-Replayed", "true");
	}
}

bool
idem_begin(struct req *r)
{
	const char *key = key_of(r), *name, *print, *kept;
	json_t *mark;
	int set, get;

	if (!key)
		return false;
	name = name_of(r, key);
	print = fingerprint(r);
	mark = json_strings("print", print, (char *)0);
	cache_begin();
	set =
	    cache_cmd("SET %s %s NX EX %d", name, json_text(r->arena, mark, NULL), RUNNING_SECONDS);
	get = cache_cmd("GET %s", name);
	if (cache_flush() || cache_str(set) || !(kept = cache_str(get)))
		return false;
	replay(r, kept, print);
	return true;
}

void
idem_end(struct req *r)
{
	const char *key = key_of(r), *name, *kept, *why;
	json_t *o = NULL;
	int get;

	if (!key)
		return;
	name = name_of(r, key);
	cache_begin();
	get = cache_cmd("GET %s", name);
	if (cache_flush() || !(kept = cache_str(get)))
		return;
	o = json_read(r->arena, kept, strlen(kept), &why);
	if (!o || json_object_get(o, "status")) /* the answer of another request: leave it */
		return;
	if (r->err || r->status >= 500 || r->send_fd >= 0) {
		cache_cmd("DEL %s", name);
	} else {
		json_object_set_new(o, "status", json_integer(r->status));
		if (r->body_len)
			json_object_set_new(
			    o, "body", json_read(r->arena, r->body, r->body_len, &why));
		cache_cmd("SET %s %s EX %lld", name, json_text(r->arena, o, NULL),
		    (long long)conf_int("idempotency.keep"));
	}
	cache_flush();
}
