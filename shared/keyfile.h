/*
 * keyfile: secrets of the installation as files in RUN/keys (directory mode 700, files mode 600).
 *
 * Several programs may want to make the same key at the same moment: whoever makes one takes the
 * lock, looks again, and writes.  A file appears whole or not at all.
 *
 *	lock = keyfile_lock();
 *	if (lock >= 0 && keyfile_read("code.key", key, sizeof(key)) < 0)
 *		keyfile_write("code.key", fresh, sizeof(fresh));
 *	keyfile_unlock(lock);
 */
#ifndef ROOKERY_KEYFILE_H
#define ROOKERY_KEYFILE_H

#include <stddef.h>
#include <sys/types.h>

/* Make RUN/keys when there is none, make it private when it is not, and wait for its lock.  A
 * descriptor for keyfile_unlock(), or -1, logged. */
int keyfile_lock(void);
void keyfile_unlock(int lock); /* -1 is fine */
/* Put n bytes into RUN/keys/NAME, replacing what was there.  0, or -1, logged. */
int keyfile_write(const char *name, const void *p, size_t n);
/* The whole file, at most size bytes.  Its length, or -1: errno ENOENT, EFBIG when it is larger,
 * EPERM, logged, when others than the owner may read it. */
ssize_t keyfile_read(const char *name, void *p, size_t size);

#endif
