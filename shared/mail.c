/* Mails: see mail.h.  The message is RFC 5322 with the text as base64 (RFC 2045). */
#include "mail.h"

#include <curl/curl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base64.h"
#include "buf.h"
#include "clock.h"
#include "conf.h"
#include "err.h"
#include "log.h"

enum {
	CONNECT_MS = 10000,
	TOTAL_MS = 30000,
	LINE = 76,       /* characters of a base64 line, RFC 2045 */
	WORD_BYTES = 45, /* of an encoded word: 60 characters, with its frame below 75, RFC 2047 */
};

/* ---- the message ------------------------------------------------------------------------- */

/* A bare address that is safe in a header and in the SMTP dialogue. */
static bool
is_address(const char *s)
{
	const char *at = strchr(s, '@');

	if (!at || at == s || !at[1] || strchr(at + 1, '@') || strlen(s) > 254)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f ||
		    strchr("<>()[],;:\\\"", *s))
			return false;
	return true;
}

/* "Rookery <no-reply@example.org>" or the address alone: where the address lies. */
static char *
bare_address(struct arena *a, const char *from)
{
	const char *open = strrchr(from, '<'), *close = open ? strchr(open, '>') : NULL;

	return close && !close[1] ? arena_memdup(a, open + 1, (size_t)(close - open - 1))
				  : arena_strdup(a, from);
}

/* Words of RFC 2047, none of which ends within a character; plain ASCII stays as it is. */
static void
put_words(struct buf *b, const char *text)
{
	size_t n = strlen(text), k;
	bool plain = n <= LINE;

	for (size_t i = 0; i < n && plain; i++)
		plain = (unsigned char)text[i] < 0x7f;
	if (plain && !strstr(text, "=?")) {
		buf_puts(b, text);
		return;
	}
	for (bool first = true; n > 0; text += k, n -= k, first = false) {
		k = n < WORD_BYTES ? n : WORD_BYTES;
		while (k < n && k > 1 && ((unsigned char)text[k] & 0xc0) == 0x80)
			k--;
		buf_printf(
		    b, "%s=?UTF-8?B?%s?=", first ? "" : "\r\n ", base64_encode(b->arena, text, k));
	}
}

static char *
without_controls(struct arena *a, const char *s)
{
	char *copy = arena_strdup(a, s);

	for (char *p = copy; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	return copy;
}

/* From a display name in any UTF-8 and the address: a phrase of RFC 5322 is quoted or encoded. */
static void
put_from(struct buf *b, const char *from, const char *address)
{
	const char *open = strrchr(from, '<');
	struct buf name = buf_new(b->arena);
	bool ascii = true;

	for (const char *p = from; open && p < open; p++) {
		ascii = ascii && (unsigned char)*p < 0x7f;
		if (*p != '"' && *p != '\\' && (*p != ' ' || p + 1 < open))
			buf_putc(&name, *p);
	}
	buf_puts(b, "From: ");
	if (name.n && ascii)
		buf_printf(b, "\"%s\" ", name.p);
	else if (name.n) {
		put_words(b, name.p);
		buf_putc(b, ' ');
	}
	buf_printf(b, "<%s>\r\n", address);
}

/* RFC 5322, 3.3: always English, whatever the locale. */
static void
put_date(struct buf *b)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = (time_t)(clock_now() / CLOCK_SECOND);
	struct tm tm;

	gmtime_r(&now, &tm);
	buf_printf(b, "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0000\r\n", days + 3 * tm.tm_wday,
	    tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
	    tm.tm_sec);
}

static void
put_message_id(struct buf *b, const char *address)
{
	unsigned char random[16];

	randombytes_buf(random, sizeof(random));
	buf_printf(b, "Message-ID: <%s%s>\r\n", base64_encode_url(b->arena, random, sizeof(random)),
	    strchr(address, '@'));
}

/* Text lines end in CRLF before they are encoded (RFC 2045, 6.8). */
static void
put_text(struct buf *b, const char *text)
{
	struct buf lines = buf_new(b->arena);
	char *encoded;

	for (; *text; text++) {
		if (*text == '\n')
			buf_putc(&lines, '\r');
		if (*text != '\r')
			buf_putc(&lines, *text);
	}
	encoded = base64_encode(b->arena, lines.p, lines.n);
	for (size_t n = strlen(encoded), k; n > 0; encoded += k, n -= k) {
		k = n < LINE ? n : LINE;
		buf_put(b, encoded, k);
		buf_puts(b, "\r\n");
	}
}

static struct buf
message(struct arena *a, const char *from, const char *to, const char *subject, const char *text)
{
	const char *configured = without_controls(a, conf_str("smtp.from"));
	struct buf b = buf_new(a);

	put_date(&b);
	put_from(&b, configured, from);
	buf_printf(&b, "To: <%s>\r\nSubject: ", to);
	put_words(&b, without_controls(a, subject));
	buf_puts(&b, "\r\n");
	put_message_id(&b, from);
	buf_puts(&b, "Auto-Submitted: auto-generated\r\n" /* RFC 3834: no out-of-office answers */
		     "MIME-Version: 1.0\r\n"
		     "Content-Type: text/plain; charset=utf-8\r\n"
		     "Content-Transfer-Encoding: base64\r\n\r\n");
	put_text(&b, text);
	return b;
}

/* ---- sending ----------------------------------------------------------------------------- */

static CURL *curl;

static size_t
give(char *p, size_t size, size_t n, void *context)
{
	struct buf *rest = context;

	n *= size;
	n = n < rest->n ? n : rest->n;
	memcpy(p, rest->p, n);
	rest->p += n;
	rest->n -= n;
	return n;
}

static size_t
ignore(char *p, size_t size, size_t n, void *context)
{
	(void)p;
	(void)context;
	return size * n;
}

/* smtp:// to this very machine. */
static bool
is_local(const char *url)
{
	static const char *const hosts[] = {"smtp://localhost", "smtp://127.0.0.1", "smtp://[::1]"};
	size_t n;

	for (int i = 0; i < 3; i++) {
		n = strlen(hosts[i]);
		if (!strncasecmp(url, hosts[i], n) && strchr(":/", url[n]))
			return true;
	}
	return false;
}

static void
set_options(const char *url, const char *from, struct curl_slist *to, struct buf *rest)
{
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(
	    curl, CURLOPT_USE_SSL, (long)(is_local(url) ? CURLUSESSL_NONE : CURLUSESSL_ALL));
	if (*conf_str("smtp.user")) {
		curl_easy_setopt(curl, CURLOPT_USERNAME, conf_str("smtp.user"));
		curl_easy_setopt(curl, CURLOPT_PASSWORD, conf_str("smtp.password"));
	}
	curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from);
	curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
	curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
	curl_easy_setopt(curl, CURLOPT_READDATA, rest);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TOTAL_MS);
}

static int
error_of(CURLcode code, long reply)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_FAILED_INIT:
	case CURLE_OUT_OF_MEMORY:
	case CURLE_URL_MALFORMAT: /* the settings' mistake */
	case CURLE_UNSUPPORTED_PROTOCOL:
		return ERR_UNAVAILABLE;
	default:
		return reply / 100 == 4 ? ERR_UNAVAILABLE : ERR_BAD_GATEWAY;
	}
}

int
mail_send(struct arena *a, const char *to, const char *subject, const char *text)
{
	const char *url = conf_str("smtp.url"), *from = bare_address(a, conf_str("smtp.from"));
	struct curl_slist *receivers;
	struct buf rest;
	CURLcode code = CURLE_FAILED_INIT;
	long reply = 0;
	int err;

	if (!to || !is_address(to))
		return ERR_VALIDATION;
	if (!*url || !is_address(from)) {
		log_error("no mail is sent: smtp.url and smtp.from want values");
		return ERR_UNAVAILABLE;
	}
	rest = message(a, from, to, subject, text);
	receivers = curl_slist_append(NULL, arena_printf(a, "<%s>", to));
	if (!curl)
		curl = curl_easy_init();
	if (curl && receivers) {
		set_options(url, arena_printf(a, "<%s>", from), receivers, &rest);
		code = curl_easy_perform(curl);
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply);
		curl_easy_reset(curl); /* it pointed at this frame */
	}
	curl_slist_free_all(receivers);
	if ((err = error_of(code, reply)))
		log_warn("a mail was not delivered", "error", curl_easy_strerror(code), "reply",
		    arena_printf(a, "%ld", reply));
	return err;
}

void
mail_close(void)
{
	curl_easy_cleanup(curl);
	curl = NULL;
}
