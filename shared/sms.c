/* Texts to telephones: see sms.h. */
#include "sms.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "buf.h"
#include "conf.h"
#include "err.h"
#include "http.h"
#include "log.h"

/* "code 4829" as XML text that is read out as "code 4, 8, 2, 9". */
static void
put_spoken(struct buf *b, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			buf_puts(b, "&amp;");
			break;
		case '<':
			buf_puts(b, "&lt;");
			break;
		case '>':
			buf_puts(b, "&gt;");
			break;
		default:
			buf_putc(b, *text);
		}
		if (isdigit((unsigned char)text[0]) && isdigit((unsigned char)text[1]))
			buf_puts(b, ", ");
	}
}

static char *
spoken(struct arena *a, const char *text)
{
	struct buf b = buf_new(a);

	buf_puts(&b, "<Response>");
	for (int i = 0; i < 2; i++) {
		buf_puts(&b, i ? "<Pause length=\"1\"/><Say>" : "<Say>");
		put_spoken(&b, text);
		buf_puts(&b, "</Say>");
	}
	buf_puts(&b, "</Response>");
	return b.p;
}

static int
post(struct arena *a, const char *to, const char *text, bool voice)
{
	const char *account = conf_str("otp.account");
	char *form = http_form_add(a, "", "To", to), status[16];
	struct http_request q = {
	    .policy = HTTP_TRUSTED,
	    .url = arena_printf(
		a, "%s/%s", conf_str("otp.url"), voice ? "Calls.json" : "Messages.json"),
	    .content_type = "application/x-www-form-urlencoded",
	    .user = *account ? account : NULL,
	    .secret = conf_str("otp.secret"),
	    .total_ms = conf_int("otp.timeout") * 1000,
	};
	struct http_reply reply = {0};
	int err;

	form = http_form_add(a, form, "From", conf_str("otp.from"));
	form = voice ? http_form_add(a, form, "Twiml", spoken(a, text))
		     : http_form_add(a, form, "Body", text);
	q.body = form;
	q.body_len = strlen(form);
	err = http_send(a, &q, &reply);
	if (err == 0 && reply.status / 100 == 2)
		return 0;
	snprintf(status, sizeof(status), "%d", reply.status);
	log_warn("a text was not delivered", "channel", voice ? "voice" : "sms", "error",
	    err ? err_code(err) : "refused", "status", status);
	if (err == 0 && reply.status != 429 && reply.status != 503)
		return ERR_BAD_GATEWAY;
	/* A malformed otp.url is the operator's mistake, not the caller's. */
	return err == ERR_BAD_GATEWAY ? ERR_BAD_GATEWAY : ERR_UNAVAILABLE;
}

int
sms_send(struct arena *a, const char *to, const char *text, const char *channel)
{
	bool voice = channel && !strcmp(channel, "voice");

	if (channel && !voice && strcmp(channel, "sms"))
		return ERR_VALIDATION;
	if (!strcmp(conf_str("otp.provider"), "dev"))
		return 0;
	if (!*conf_str("otp.url")) {
		log_error("otp.provider is http, but otp.url is empty");
		return ERR_UNAVAILABLE;
	}
	return post(a, to, text, voice);
}
