/*
 * sign_in: who is it?  A token or a ticket, checked against the key, Redis (rev:SID, wst:HASH) and
 * PostgreSQL.
 *
 * Token: signature and expiry here, then rev:SID in Redis, then the session and its device in
 * PostgreSQL. Ticket: taken out of Redis (it serves once), its nonce compared, then like a token.
 * While Redis or PostgreSQL is away the question waits; the connection's time limit ends that with
 * CLOSE_GOING_AWAY.
 *
 * Ownership: a sign-in belongs to this module; its connection may end meanwhile (sign_in_forget).
 */
#ifndef WSRELAY_SIGN_IN_H
#define WSRELAY_SIGN_IN_H

#include <stdbool.h>
#include <stddef.h>
#include "pack.h"
#include "uid.h"

struct conn;

void sign_in_start(void);
/* Texts are NUL-terminated; resume is NULL when there is no cursor.  On a connection that is signed
 * in already, the token or ticket renews it. */
void sign_in_token(struct conn *c, const char *token, const char *resume);
void sign_in_ticket(struct conn *c, const char *ticket, const char *nonce, const char *resume);
void sign_in_forget(struct conn *c);
/* Is an answer about the connection under way?  If not, the sign-in can go on in another process.
 */
bool sign_in_asked(const struct conn *c);
void sign_in_pack(const struct conn *c, struct pack *p);
void sign_in_read(struct conn *c, struct unpack *u);
/* Send what is waiting, as far as Redis and PostgreSQL are there: at the end of each turn. */
void sign_in_flush(void);
/* The stream says that this session has ended: nobody signs in with it any more. */
void sign_in_revoked(struct uid session);
/* Has it said so lately? */
bool sign_in_was_revoked(struct uid session);

#endif
