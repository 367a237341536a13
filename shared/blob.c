/* blob: see blob.h. */
#include "blob.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "err.h"
#include "id.h"
#include "log.h"

enum { PIECE = 65536, SHARD = 4 }; /* last digits of an id, two for each level of folders */

static int
fault(const char *what, const char *id)
{
	log_error(what, "blob", id, "why", strerror(errno));
	return ERR_INTERNAL;
}

/* ---- folders ----------------------------------------------------------------------------- */

/* Open a folder in another, making it when wanted.  It is on disk before it is used, also when
 * somebody else has made it just now.  -1 with errno. */
static int
enter(int parent, const char *name, bool make)
{
	if (make && mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return -1;
	if (make && fsync(parent) < 0)
		return -1;
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int
enter_closing(int parent, const char *name, bool make)
{
	int fd = parent < 0 ? -1 : enter(parent, name, make), saved = errno;

	if (parent >= 0)
		close(parent);
	errno = saved;
	return fd;
}

/* The folder of an id, -1 with errno.  The first digits of a UUIDv7 tell the time and would put all
 * of a month into one folder; the last ones are random. */
static int
folder(const char *id, bool make)
{
	const char *data = conf_str("data.dir"), *digits;
	char canonical[ID_SIZE], name[3] = "";
	int fd;

	if (!id_parse(id, canonical) || strcmp(id, canonical) != 0) {
		errno = EINVAL;
		return -1;
	}
	digits = id + strlen(id) - SHARD;
	/* data.dir may be a link of the operator's. */
	fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = enter_closing(fd, "blobs", make);
	memcpy(name, digits, 2);
	fd = enter_closing(fd, name, make);
	memcpy(name, digits + 2, 2);
	return enter_closing(fd, name, make);
}

/* ---- writing ----------------------------------------------------------------------------- */

static int
sum_up(int fd, char sum[BLOB_SUM_SIZE])
{
	unsigned char piece[PIECE], hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state state;
	int64_t at = 0;
	ssize_t n;

	crypto_hash_sha256_init(&state);
	while ((n = pread(fd, piece, sizeof piece, at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		crypto_hash_sha256_update(&state, piece, (unsigned long long)n);
		at += n;
	}
	crypto_hash_sha256_final(&state, hash);
	sodium_bin2hex(sum, BLOB_SUM_SIZE, hash, sizeof hash);
	return 0;
}

/* Give a file without a name this one. */
static int
name_it(int fd, int dir, const char *id)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, dir, id, AT_SYMLINK_FOLLOW);
}

/* A nameless copy in dir; -1 with errno. */
static int
copy(int from, int dir)
{
	int to = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), saved;
	off_t at = 0;
	ssize_t n = 1;

	while (to >= 0 && n != 0) {
		n = sendfile(to, from, &at, 1 << 30);
		if (n < 0 && errno != EINTR) {
			saved = errno;
			close(to);
			errno = saved;
			return -1;
		}
	}
	return to;
}

/* Name the file in dir, and let nothing be forgotten: neither its bytes nor its name. */
static int
keep(int fd, int dir, const char *id)
{
	if (name_it(fd, dir, id) < 0)
		return -1;
	if (fsync(fd) == 0 && fsync(dir) == 0)
		return 0;
	unlinkat(dir, id, 0);
	return -1;
}

static int
put(int fd, int dir, const char *id)
{
	int twin, bad;

	if (keep(fd, dir, id) == 0)
		return 0;
	if (errno != EXDEV)
		return -1;
	if ((twin = copy(fd, dir)) < 0)
		return -1;
	bad = keep(twin, dir, id);
	close(twin);
	return bad;
}

int
blob_put(const char *id, int fd, char sum[BLOB_SUM_SIZE])
{
	int dir = folder(id, true), err = 0;

	if (dir < 0)
		return fault("no folder for a blob", id);
	if (sum_up(fd, sum) < 0 || put(fd, dir, id) < 0)
		err = fault("blob not stored", id);
	close(dir);
	return err;
}

/* ---- in pieces --------------------------------------------------------------------------- */

enum { PART_NAME = ID_SIZE + 8 };

static int
part_open(int dir, const char *id, int flags)
{
	char name[PART_NAME];

	snprintf(name, sizeof name, "%s.part", id);
	return openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* -1 with errno. */
static int
pour(int to, int from, int64_t size)
{
	off_t at = 0;

	while (at < size) {
		ssize_t n = sendfile(to, from, &at, (size_t)(size - at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n < 0 ? errno : EIO;
			return -1;
		}
	}
	return 0;
}

int
blob_part_write(const char *id, int from, int64_t size, int64_t at)
{
	int dir = folder(id, true), fd, err = 0;

	if (dir < 0)
		return fault("no folder for a blob", id);
	fd = part_open(dir, id, O_RDWR | O_CREAT);
	if (fd < 0 || lseek(fd, at, SEEK_SET) < 0 || pour(fd, from, size) < 0 || fsync(fd) < 0 ||
	    fsync(dir) < 0)
		err = fault("part of a blob not stored", id);
	if (fd >= 0)
		close(fd);
	close(dir);
	return err;
}

/* The pieces, or what they have become. */
static int
whole_open(int dir, const char *id)
{
	int fd = part_open(dir, id, O_RDWR);

	return fd < 0 && errno == ENOENT ? openat(dir, id, O_RDWR | O_NOFOLLOW | O_CLOEXEC) : fd;
}

int
blob_part_sum(const char *id, int64_t size, char sum[BLOB_SUM_SIZE])
{
	int dir = folder(id, false), fd, err = 0;
	struct stat st;

	if (dir < 0)
		return fault("no folder of a blob", id);
	fd = whole_open(dir, id);
	if (fd < 0 || fstat(fd, &st) < 0)
		err = fault("parts of a blob not opened", id);
	else if (st.st_size < size) {
		errno = ENODATA;
		err = fault("parts of a blob are missing", id);
	} else if (ftruncate(fd, size) < 0 || sum_up(fd, sum) < 0 || fsync(fd) < 0) {
		err = fault("parts of a blob not read", id);
	}
	if (fd >= 0)
		close(fd);
	close(dir);
	return err;
}

int
blob_part_keep(const char *id)
{
	int dir = folder(id, false), err = 0;
	char name[PART_NAME];

	if (dir < 0)
		return fault("no folder of a blob", id);
	snprintf(name, sizeof name, "%s.part", id);
	if ((renameat(dir, name, dir, id) < 0 &&
		(errno != ENOENT || faccessat(dir, id, R_OK, AT_SYMLINK_NOFOLLOW) < 0)) ||
	    fsync(dir) < 0)
		err = fault("blob not stored", id);
	close(dir);
	return err;
}

/* ---- reading and deleting ---------------------------------------------------------------- */

int
blob_open(const char *id, int *fd, int64_t *size)
{
	int dir = folder(id, false);
	struct stat st;

	if (dir < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : fault("no folder of a blob", id);
	*fd = openat(dir, id, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (*fd < 0 && errno != ENOENT)
		fault("blob not opened", id);
	close(dir);
	if (*fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_INTERNAL;
	if (fstat(*fd, &st) < 0) {
		close(*fd);
		return fault("blob not looked at", id);
	}
	*size = st.st_size;
	return 0;
}

int
blob_delete(const char *id)
{
	int dir = folder(id, false), err = 0;
	char part[PART_NAME];

	if (dir < 0)
		return errno == ENOENT ? 0 : fault("no folder of a blob", id);
	snprintf(part, sizeof part, "%s.part", id);
	if ((unlinkat(dir, id, 0) < 0 && errno != ENOENT) ||
	    (unlinkat(dir, part, 0) < 0 && errno != ENOENT))
		err = fault("blob not deleted", id);
	close(dir);
	return err;
}
