/* realtime: see realtime.h. */
#include "realtime.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include "conf.h"
#include "log.h"

enum { BUSY_US = 50000 };

static struct {
	bool wanted;
	volatile sig_atomic_t lost;
} realtime;

static int
schedule(int policy)
{
	struct sched_param p = {.sched_priority = policy == SCHED_OTHER ? 0 : 1};

	return sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &p);
}

/* Too long without sleep (getrlimit(2)). */
static void
give_up(int sig)
{
	int err = errno;

	(void)sig;
	schedule(SCHED_OTHER);
	realtime.lost = 1;
	errno = err;
}

void
realtime_again(void)
{
	struct rlimit busy;

	realtime.lost = 0;
	getrlimit(RLIMIT_RTTIME, &busy);
	busy.rlim_cur = BUSY_US; /* again, for the kernel moves it a second on with each signal */
	if (setrlimit(RLIMIT_RTTIME, &busy) < 0 || schedule(SCHED_RR) < 0) {
		realtime.wanted = false;
		log_info("no realtime scheduling", "why", strerror(errno));
	}
}

void
realtime_start(void)
{
	struct sigaction sa = {.sa_handler = give_up, .sa_flags = SA_RESTART};

	realtime.wanted = conf_bool("relay.realtime");
	if (!realtime.wanted)
		return;
	sigaction(SIGXCPU, &sa, NULL);
	realtime_again();
}

bool
realtime_lost(void)
{
	return realtime.wanted && realtime.lost;
}
