/* share: see share.h. */
#include "share.h"

#include <fcntl.h>
#include <sodium.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "loop.h"

enum { DEAD_MS = 1500 };

/* Another layout is another number. */
static const uint64_t MAGIC = 0x726b7772656c0000u ^ sizeof(struct share);

struct share *share;
struct share_slot *share_mine;

static int
map(int fd)
{
	void *p = mmap(NULL, sizeof(*share), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -1;
	share = p;
	return 0;
}

int
share_create(int *fd)
{
	*fd = memfd_create("rk-wsrelay", MFD_CLOEXEC);
	if (*fd < 0 || ftruncate(*fd, sizeof(*share)) < 0 || map(*fd) < 0)
		return -1;
	share->magic = MAGIC;
	share->started_ms = loop_wall();
	randombytes_buf(share->hash_key, sizeof(share->hash_key));
	return 0;
}

int
share_open(int fd)
{
	if (lseek(fd, 0, SEEK_END) != (off_t)sizeof(*share) || map(fd) < 0)
		return -1;
	if (share->magic == MAGIC)
		return 0;
	munmap(share, sizeof(*share));
	share = NULL;
	return -1;
}

int
share_free_slot(void)
{
	for (int i = 0; i < SHARE_SLOTS; i++)
		if (!share->slot[i].pid)
			return i;
	return -1;
}

void
share_take(int slot, int process)
{
	share_mine = &share->slot[slot];
	metrics = &share_mine->metrics;
	share_mine->process = process;
	share_mine->beat_ms = loop_now();
	share_mine->pid = (int32_t)getpid();
}

void
share_retire(int slot, int fd)
{
	struct share_slot *s = &share->slot[slot];
	off_t tallies =
	    (off_t)offsetof(struct share, tally) + slot * (off_t)sizeof(share->tally[0]);

	metrics_add(&share->retired, &s->metrics);
	memset(s, 0, sizeof(*s));
	/* Gives the memory back, and zeros what is left at the ends. */
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, tallies, sizeof(share->tally[0]));
}

bool
share_alive(const struct share_slot *s)
{
	return s->pid && (s == share_mine || loop_now() - s->beat_ms < DEAD_MS);
}

int
share_count_alive(void)
{
	int n = 0;

	for (int i = 0; i < SHARE_SLOTS; i++)
		n += share_alive(&share->slot[i]);
	return n;
}

uint64_t
share_sockets(void)
{
	uint64_t n = 0;

	for (int i = 0; i < SHARE_SLOTS; i++)
		n += share->slot[i].sockets;
	return n;
}
