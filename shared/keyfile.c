/* Secrets as files: see keyfile.h. */
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "conf.h"
#include "log.h"

static void
key_path(char path[PATH_MAX], const char *name)
{
	char relative[NAME_MAX + 8];

	snprintf(relative, sizeof(relative), "keys/%s", name);
	conf_run_path(path, PATH_MAX, relative);
}

static int
fault(const char *what, const char *path)
{
	int saved = errno;

	log_error(what, "path", path, "error", strerror(saved));
	errno = saved;
	return -1;
}

static int
ensure_directory(void)
{
	char path[PATH_MAX];
	struct stat st;

	conf_run_path(path, sizeof(path), "keys");
	if (mkdir(path, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return fault("cannot make the key directory", path);
	if (stat(path, &st))
		return fault("cannot look at the key directory", path);
	if ((st.st_mode & 077) && chmod(path, 0700))
		return fault("cannot make the key directory private", path);
	return 0;
}

int
keyfile_lock(void)
{
	char path[PATH_MAX];
	int fd;

	if (ensure_directory())
		return -1;
	key_path(path, ".lock");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fault("cannot open the lock of the keys", path);
	while (flock(fd, LOCK_EX)) {
		if (errno != EINTR) {
			fault("cannot lock the keys", path);
			close(fd);
			return -1;
		}
	}
	return fd;
}

void
keyfile_unlock(int lock)
{
	if (lock >= 0)
		close(lock);
}

static int
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -1;
		p += k;
		n -= (size_t)k;
	}
	return fsync(fd);
}

int
keyfile_write(const char *name, const void *p, size_t n)
{
	char path[PATH_MAX], temporary[PATH_MAX], relative[NAME_MAX];
	int fd, bad;

	key_path(path, name);
	snprintf(relative, sizeof(relative), ".new-%d", (int)getpid());
	key_path(temporary, relative);
	unlink(temporary); /* of a process that had this id and died here */
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fault("cannot make a key file", temporary);
	bad = write_all(fd, p, n);
	bad |= close(fd);
	if (bad || rename(temporary, path)) {
		fault("cannot write a key file", path);
		unlink(temporary);
		return -1;
	}
	return 0;
}

static ssize_t
read_all(int fd, char *p, size_t size)
{
	size_t n = 0;

	while (n < size) {
		ssize_t k = read(fd, p + n, size - n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -1;
		if (k == 0)
			break;
		n += (size_t)k;
	}
	return (ssize_t)n;
}

ssize_t
keyfile_read(const char *name, void *p, size_t size)
{
	char path[PATH_MAX];
	struct stat st;
	ssize_t n = -1;
	int fd, saved;

	key_path(path, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0) {
		if (st.st_mode & 077) {
			errno = EPERM;
			fault("a key file is open to others, wanted is mode 600", path);
		} else if (st.st_size > (off_t)size) {
			errno = EFBIG;
		} else {
			n = read_all(fd, p, size);
		}
	}
	saved = errno;
	close(fd);
	errno = saved;
	return n;
}
