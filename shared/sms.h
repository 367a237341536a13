/*
 * sms: short texts to telephones, written or spoken, through the provider of the settings.
 *
 * otp.provider = dev delivers nothing: the caller keeps the code where ./rookery otp finds it.
 * otp.provider = http posts forms the way Twilio's REST interface (2010-04-01) takes them, which
 * others offer too.  otp.url is the account's resource, without a slash at the end:
 *
 *	sms    POST URL/Messages.json   To, From, Body
 *	voice  POST URL/Calls.json      To, From, Twiml = <Response><Say>…</Say></Response>
 *
 * with HTTP basic authentication otp.account:otp.secret.  A spoken text is said twice, its numbers
 * digit by digit.  Neither text nor number is logged.
 *
 *	if ((err = sms_send(r->arena, "+4915112345678", "Your code is 482913.", "sms")))
 *		return err;
 */
#ifndef ROOKERY_SMS_H
#define ROOKERY_SMS_H

#include "arena.h"

/* channel: "sms" (also NULL) or "voice".  to: E.164.
 * 0; ERR_VALIDATION for another channel; ERR_UNAVAILABLE when the provider cannot be reached, is
 * not set up, overloaded (429, 503) or slower than otp.timeout; ERR_BAD_GATEWAY when it refuses. */
int sms_send(struct arena *a, const char *to, const char *text, const char *channel);

#endif
