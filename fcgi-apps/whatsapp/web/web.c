/* web: what has logic beside web.yaml and web.sql. */
#include "web.gen.h"

#include "cache.h"
#include "clock.h"
#include "conf.h"
#include "core/prekey.h"
#include "db.h"
#include "json.h"
#include "req.h"
#include "token.h"

enum { TICKET_BYTES = 32, HOUR = 3600 };

/* What may really be sent: the web server refuses bodies above upload.max. */
static json_int_t
size_limit(const char *setting)
{
	int64_t own = conf_int(setting), any = conf_int("upload.max");

	return own < any ? own : any;
}

int
web_config(struct req *r, const struct web_config_in *in)
{
	(void)in;
	return resp_json(r, 200,
	    json_pack("{s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:s, s:s}", "maxGroupMembers",
		(json_int_t)conf_int("group.max"), "maxBroadcastRecipients",
		(json_int_t)conf_int("broadcast.max"), "maxDocumentSizeBytes",
		size_limit("document.max"), "maxImageSizeBytes", size_limit("image.max"),
		"maxStatusDurationHours", (json_int_t)conf_int("status.lifetime") / HOUR,
		"supportsWebRTC", *conf_str("turn.uris") != '\0', "supportsWebSocket", 1,
		"supportsOfflineQueue", 1, "encryptionProtocol", "signal", "webSocketPath",
		"/api/v1/ws"));
}

int
web_session_create(struct req *r, const struct web_session_create_in *in)
{
	const char *key;
	struct db_res *row;
	int err;

	if ((err = prekey_public(r, "publicKey", in->publicKey, &key)) ||
	    (err = sql_web_session_open(r, &row, in->deviceName, in->userAgent, key,
		 db_int_text(r, conf_int("web.session.lifetime")))))
		return err;
	return resp_row(r, 201, row);
}

/* The relay takes the ticket out of Redis when it is shown, so it opens one socket. */
int
web_socket_ticket(struct req *r, const struct web_socket_ticket_in *in)
{
	int64_t lifetime = conf_int("ticket.lifetime");
	struct db_res *row;
	const char *ticket;
	json_t *value;
	int err, set;

	if ((err = sql_web_session_live(r, &row, in->sessionId)))
		return err;
	if (!db_rows(row))
		return ERR_NOT_FOUND;
	ticket = token_random(r->arena, TICKET_BYTES);
	value = json_strings("sub", r->me, "sid", r->session, "did", r->device, "nonce",
	    token_hash(r->arena, in->clientNonce), NULL);
	json_object_set_new(value, "exp", json_integer(db_int(row, 0, "ends")));
	cache_begin();
	set = cache_cmd("SET wst:%s %s EX %lld", token_hash(r->arena, ticket),
	    json_text(r->arena, value, NULL), (long long)lifetime);
	if ((err = cache_flush()))
		return err;
	if (!cache_str(set))
		return ERR_UNAVAILABLE;
	return resp_json(r, 201,
	    json_strings("token", ticket, "expiresAt",
		clock_format(r->arena, clock_now() + lifetime * CLOCK_SECOND), NULL));
}
