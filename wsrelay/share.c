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

enum { LEAST_TALLY = 1 << 12 };

/* Another layout is another number. */
static const uint64_t MAGIC =
    0x726b7772656c0000u ^ sizeof(struct share) ^ (uint64_t)sizeof(struct tally) << 56;

struct share *share;
struct share_slot *share_mine;

static size_t
tallies_of_a_slot(uint32_t size)
{
	return (size_t)TALLY_KINDS * size * sizeof(struct tally);
}

struct tally *
share_tally(int slot, int kind)
{
	return share->tally + ((size_t)slot * TALLY_KINDS + (size_t)kind) * share->tally_size;
}

static int
map(int fd, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -1;
	share = p;
	return 0;
}

/* Two thirds full at most. */
static uint32_t
tally_size(uint64_t connections)
{
	uint32_t size = LEAST_TALLY;

	while (size < connections * 3 / 2 && size < 1u << 30)
		size *= 2;
	return size;
}

int
share_create(int *fd, uint64_t connections)
{
	uint32_t entries = tally_size(connections);
	size_t size = sizeof(*share) + SHARE_SLOTS * tallies_of_a_slot(entries);

	*fd = memfd_create("rk-wsrelay", MFD_CLOEXEC);
	if (*fd < 0 || ftruncate(*fd, (off_t)size) < 0 || map(*fd, size) < 0)
		return -1;
	share->magic = MAGIC;
	share->tally_size = entries;
	share->started_ms = loop_wall();
	randombytes_buf(share->hash_key, sizeof(share->hash_key));
	return 0;
}

int
share_open(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	uint64_t magic = 0;

	if (size < (off_t)sizeof(*share) || pread(fd, &magic, sizeof(magic), 0) < 0 ||
	    magic != MAGIC)
		return -1;
	return map(fd, (size_t)size);
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
	size_t size = tallies_of_a_slot(share->tally_size);
	off_t at = (char *)share_tally(slot, 0) - (char *)share;

	metrics_add(&share->retired, &s->metrics);
	memset(s, 0, sizeof(*s));
	/* Gives the memory back, and zeros what is left at the ends. */
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, (off_t)size);
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
