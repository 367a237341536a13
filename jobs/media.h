/*
 * media: uploaded files that nothing names any more, and those whose upload never ended.
 *
 * Given up first, removed an hour later, bytes before rows (sql/functions/media.sql).
 */
#ifndef JOBS_MEDIA_H
#define JOBS_MEDIA_H

#include "job.h"

int media_remove(struct req *r, struct report *out);
/* Uploads in pieces that nobody finished, and the bytes of those that were given up
 * (sql/functions/uploads.sql). */
int uploads_remove(struct req *r, struct report *out);

#endif
