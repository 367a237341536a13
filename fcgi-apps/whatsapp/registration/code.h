/*
 * code: one-time codes on their way to a telephone.
 *
 *	if ((err = code_send(r, "+4915112345678", "482913", "de-DE", "sms")))
 *		return err;
 */
#ifndef ROOKERY_REGISTRATION_CODE_H
#define ROOKERY_REGISTRATION_CODE_H

struct req;

/* Text or call by the provider of the settings, in the language of locale (NULL: English).  0,
 * ERR_UNAVAILABLE or ERR_BAD_GATEWAY. */
int code_send(
    struct req *r, const char *phone, const char *code, const char *locale, const char *channel);

#endif
