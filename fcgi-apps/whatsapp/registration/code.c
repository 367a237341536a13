/* code: see code.h. */
#include "code.h"

#include <string.h>

#include "cache.h"
#include "conf.h"
#include "err.h"
#include "req.h"
#include "sms.h"

static const struct {
	const char *language, *text;
} texts[] = {
    {"en", "Your code is %s. Do not give it to anybody."}, /* first: of every language not listed */
    {"de", "Dein Code ist %s. Gib ihn niemandem weiter."},
    {"es", "Tu código es %s. No lo compartas con nadie."},
    {"fr", "Votre code est %s. Ne le donnez à personne."},
    {"it", "Il tuo codice è %s. Non darlo a nessuno."},
    {"nl", "Je code is %s. Geef hem aan niemand."},
    {"pt", "O seu código é %s. Não o dê a ninguém."},
};

static const char *
code_text(struct req *r, const char *code, const char *locale)
{
	size_t chosen = 0;

	for (size_t i = 0; locale && i < sizeof texts / sizeof *texts; i++) {
		if (strncasecmp(locale, texts[i].language, 2) == 0 &&
		    !strchr("abcdefghijklmnopqrstuvwxyz", locale[2] | 32))
			chosen = i;
	}
	return req_printf(r, texts[chosen].text, code);
}

/* Without a provider the code waits where ./rookery otp looks for it. */
static int
keep(const char *phone, const char *code)
{
	cache_begin();
	cache_cmd("SET otp:%s %s EX %lld", phone, code, (long long)conf_int("otp.lifetime"));
	return cache_flush();
}

int
code_send(
    struct req *r, const char *phone, const char *code, const char *locale, const char *channel)
{
	if (strcmp(conf_str("otp.provider"), "dev") == 0)
		return keep(phone, code);
	return sms_send(r->arena, phone, code_text(r, code, locale), channel);
}
