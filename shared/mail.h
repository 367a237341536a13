/*
 * mail: plain text mails through the SMTP server of the settings (smtp.url, smtp.user,
 * smtp.password, smtp.from), over libcurl.
 *
 * Nothing is kept of a mail; the connection is, until mail_close().
 *
 * smtps:// is TLS from the start.  smtp:// must offer STARTTLS, except on this machine (localhost,
 * 127.0.0.1, [::1]), where the mail goes in the clear.
 *
 *	err = mail_send(r->arena, in->email, "Your export is ready", text);
 */
#ifndef ROOKERY_MAIL_H
#define ROOKERY_MAIL_H

#include "arena.h"

/* Waits until the server took the mail, 30 s at most.  to is a bare address in ASCII; subject and
 * text are UTF-8, the text's lines end in \n.  Line breaks and other control characters in the
 * subject become blanks.
 * 0; ERR_VALIDATION when to is no address; ERR_UNAVAILABLE when no server is set up or it cannot be
 * reached, or says to try again (4xx); ERR_BAD_GATEWAY when it refuses, its certificate does not
 * verify or it has no STARTTLS. */
int mail_send(struct arena *a, const char *to, const char *subject, const char *text);
/* Close the kept connection. */
void mail_close(void);

#endif
