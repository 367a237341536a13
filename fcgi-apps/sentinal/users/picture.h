/*
 * picture: the picture of an account, as this surface shows it: by an address.
 *
 * A picture lies elsewhere (account.avatar_url) or is a file of ours (account.avatar_id), whichever
 * surface it came by.  The address of a file carries a signature and whom it was given to, so it
 * opens without a token, but only as long as that account may see the picture.  Texts live in the
 * arena of the request.
 *
 *	picture_show(r, row, db_get(res, 0, "_picture"));
 */
#ifndef USERS_PICTURE_H
#define USERS_PICTURE_H

#include <jansson.h>

struct req;

/* Set avatar_url in a person (which has "id") to the address of the file, unless that is NULL.  0
 * or ERR_INTERNAL. */
int picture_show(struct req *r, json_t *person, const char *picture);
/* What is signed in the address. */
const char *picture_name(
    struct req *r, const char *picture, const char *account, const char *viewer);
/* The file that is meant by an address of ours, an upload's or a picture's of the caller, or NULL.
 */
const char *picture_named(struct req *r, const char *url);

#endif
