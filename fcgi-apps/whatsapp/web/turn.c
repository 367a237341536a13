/* turn: time-limited credentials for TURN servers (draft-uberti-behave-turn-rest, as coturn has
 * it). */
#include "web.gen.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base64.h"
#include "clock.h"
#include "conf.h"
#include "json.h"

/* The password is the HMAC-SHA1 of the user name under the secret shared with the TURN server. */
static const char *
credential(struct req *r, const char *username)
{
	const char *secret = conf_str("turn.secret");
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!HMAC(EVP_sha1(), secret, (int)strlen(secret), (const unsigned char *)username,
		strlen(username), mac, &n))
		return NULL;
	return base64_encode(r->arena, mac, n);
}

static json_t *
servers(const char *uris)
{
	json_t *list = json_array();

	for (uris += strspn(uris, " "); *uris; uris += strspn(uris, " ")) {
		size_t n = strcspn(uris, " ");

		json_array_append_new(list, json_stringn(uris, n));
		uris += n;
	}
	return list;
}

/* Whether the call is spoken or seen makes no difference to the servers: both kinds may use all of
 * them. */
int
web_turn_credentials(struct req *r, const struct web_turn_credentials_in *in)
{
	int64_t lifetime = conf_int("turn.lifetime");
	const char *username, *password;
	struct db_res *row;
	int err;

	if ((err = sql_web_session_live(r, &row, in->sessionId)))
		return err;
	if (!db_rows(row))
		return ERR_NOT_FOUND;
	if (!*conf_str("turn.uris") || !*conf_str("turn.secret"))
		return ERR_UNAVAILABLE;
	username =
	    req_printf(r, "%lld:%s", (long long)(clock_now() / CLOCK_SECOND + lifetime), r->me);
	if (!(password = credential(r, username)))
		return ERR_INTERNAL;
	return resp_json(r, 201,
	    json_pack("{s:s, s:s, s:I, s:o}", "username", username, "credential", password,
		"ttlSeconds", (json_int_t)lifetime, "uris", servers(conf_str("turn.uris"))));
}
