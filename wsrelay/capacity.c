/* capacity: see capacity.h. */
#include "capacity.h"

#include <sodium.h>
#include <time.h>
#include "limits.h"
#include "loop.h"
#include "metrics.h"
#include "share.h"

enum {
	TICK_MS = 1000,
	ENOUGH = 20,  /* sign-ins in a second that tell something */
	FIRST = 2000, /* clients a second while nothing was measured */
	LEAST = 100,
	SLOW_MS = 500,  /* a verdict that takes longer has waited for others */
	LEAST_MS = 100, /* even few do not come back at the same moment */
	MOST_MS = 60000,
};

static struct {
	struct timer tick;
	double rate, cpu, verdict_ms;
	uint64_t sign_ins, verdicts, verdict_us;
} capacity = {.rate = FIRST};

static double
cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Half of the processor's time may go into taking clients back. */
static double
measured(double n, double cpu, double verdict_ms)
{
	double by_cpu = n / (cpu > .001 ? cpu : .001) / 2;

	return verdict_ms > SLOW_MS && n < by_cpu ? n : by_cpu;
}

static void
on_tick(struct timer *t)
{
	double cpu = cpu_seconds(), now;
	uint64_t n = metrics->sign_ins - capacity.sign_ins;
	uint64_t verdicts = metrics->resume.count - capacity.verdicts;
	uint64_t us = metrics->resume.sum_us - capacity.verdict_us;

	loop_timer(t, TICK_MS);
	if (n >= ENOUGH) {
		now = measured((double)n, cpu - capacity.cpu,
		    verdicts ? (double)us / (double)verdicts / 1000 : 0);
		capacity.rate += ((now > LEAST ? now : LEAST) - capacity.rate) / 4;
	}
	capacity.cpu = cpu;
	capacity.sign_ins = metrics->sign_ins;
	capacity.verdicts = metrics->resume.count;
	capacity.verdict_us = metrics->resume.sum_us;
}

double
capacity_own(void)
{
	return capacity.rate;
}

unsigned
capacity_delay_ms(int dialect, uint64_t account, bool leaving)
{
	struct limits_time may = limits_comeback(dialect, account, leaving);
	double rate = 0, spread;

	for (int i = 0; i < SHARE_SLOTS; i++)
		if (share->slot[i].accepting)
			rate += (double)share->slot[i].gauges.capacity;
	spread = 1000 * (double)share_sockets() / (rate > LEAST ? rate : capacity.rate);
	if (spread < LEAST_MS)
		spread = LEAST_MS;
	if (spread > MOST_MS)
		spread = MOST_MS;
	if (spread > (double)(may.most - may.least))
		spread = (double)(may.most - may.least);
	return (unsigned)may.least + randombytes_uniform((uint32_t)spread);
}

void
capacity_start(void)
{
	capacity.tick.fire = on_tick;
	loop_timer(&capacity.tick, TICK_MS);
}
