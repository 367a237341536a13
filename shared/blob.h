/*
 * blob: the bytes of uploaded files, below the setting data.dir as blobs/ab/cd/ID.
 *
 * Names are made from ids that the server gave, never from what a client wrote.  A blob is
 * written once, whole or not at all, and not changed afterwards.  The database says which blobs
 * there should be: a row is there before its blob and goes after it, so that no crash leaves
 * bytes that nobody knows of.
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
/* A descriptor for reading, to be closed by the caller, and the size in bytes.  ERR_NOT_FOUND,
 * ERR_INTERNAL. */
int blob_open(const char *id, int *fd, int64_t *size);
/* 0 also when there is none.  ERR_INTERNAL. */
int blob_delete(const char *id);

#endif
