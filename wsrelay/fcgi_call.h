/*
 * fcgi_call: one operation called in an app of the farm, as a web server would, without waiting.
 *
 * The caller is known already: account, session and device go along as parameters of their own,
 * which apps take instead of a token when they come from a process of their own user (auth.h).
 *
 * A call that cannot have begun is made again, for about two seconds: the app's socket refused the
 * connection, or the app went before it had read anything of the request.  All others are never
 * repeated.
 *
 * Ownership: the request is copied.  done() is called exactly once, later, unless the call is
 * abandoned before; the reply is valid until it returns, and the call is gone afterwards.
 *
 *	call = fcgi_call_start(&request, on_reply, ctx);
 *	fcgi_call_abandon(call);                       // the client went away
 */
#ifndef WSRELAY_FCGI_CALL_H
#define WSRELAY_FCGI_CALL_H

#include "fcgi_wire.h"
#include "uid.h"

enum { FCGI_CALL_HEADERS = 8 };

struct fcgi_request {
	const char *app;                  /* "whatsapp-devices" */
	const char *method, *uri, *query; /* uri with the query; query without its '?' */
	struct uid account, session, device;
	struct {
		const char *param, *value; /* "HTTP_IDEMPOTENCY_KEY" */
	} header[FCGI_CALL_HEADERS];
	int headers;
	const char *body; /* JSON; NULL for none */
	size_t body_n;
};

enum fcgi_fault {
	FCGI_FINE,
	FCGI_DOWN,  /* it has not begun: the app cannot be reached */
	FCGI_LOST,  /* the app went while it worked on it, or answered what cannot be read */
	FCGI_LATE,  /* no answer within relay.call_timeout */
	FCGI_LARGE, /* the answer has more than relay.call_reply bytes */
};

struct fcgi_call;

typedef void fcgi_done(void *ctx, enum fcgi_fault fault, const struct fcgi_reply *reply);

struct fcgi_call *fcgi_call_start(const struct fcgi_request *r, fcgi_done *done, void *ctx);
void fcgi_call_abandon(struct fcgi_call *call);
size_t fcgi_calls_running(void);

#endif
