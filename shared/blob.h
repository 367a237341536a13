/*
 * blob: the bytes of uploaded files, below the setting data.dir as blobs/ab/cd/ID.
 *
 * Names are made from ids that the server gave, never from what a client wrote.  A blob is
 * written once, whole or not at all, and not changed afterwards.  The database says which blobs
 * there should be: a row is there before its blob and goes after it, so that no crash leaves
 * bytes that nobody knows of.  What arrives in pieces is blobs/ab/cd/ID.part until it is whole.
 *
 * Errors are those of err.h; what went wrong is logged.
 *
 *	char sum[BLOB_SUM_SIZE];
 *
 *	if ((err = blob_put(id, req_file(r, "file")->fd, sum)))
 *		return err;
 *	err = sql_media_finish(r, &row, id, sum);
 */
#ifndef ROOKERY_BLOB_H
#define ROOKERY_BLOB_H

#include <stdint.h>

enum { BLOB_SUM_SIZE = 65 }; /* SHA-256 in hexadecimal digits, and the NUL */

/* Store what fd holds, a file without a name as body_file() makes them: it becomes the blob itself
 * where both are on one file system and is copied elsewhere, so it must not be written to any more.
 * When 0 is answered the bytes are on disk.  ERR_INTERNAL. */
int blob_put(const char *id, int fd, char sum[BLOB_SUM_SIZE]);
/* Bytes that arrive in pieces lie beside the blob they will be.  Write size bytes of from (a file,
 * from its beginning) at that place; when 0 is answered they are on disk.  Whoever calls these of
 * one id does so one after the other.  ERR_INTERNAL. */
int blob_part_write(const char *id, int from, int64_t size, int64_t at);
/* The sum of the first size bytes, all that there are then.  ERR_INTERNAL, also when there are
 * fewer. */
int blob_part_sum(const char *id, int64_t size, char sum[BLOB_SUM_SIZE]);
/* The pieces are the blob from now on; also when they were before.  ERR_INTERNAL. */
int blob_part_keep(const char *id);
/* A descriptor for reading, to be closed by the caller, and the size in bytes.  ERR_NOT_FOUND,
 * ERR_INTERNAL. */
int blob_open(const char *id, int *fd, int64_t *size);
/* With its pieces; 0 also when there is none.  ERR_INTERNAL. */
int blob_delete(const char *id);

#endif
