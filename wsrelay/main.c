/*
 * rk-wsrelay: carries events from the Redis stream to WebSockets.
 *
 * A master (master.h) and relay.processes processes (process.h), which share the listening sockets.
 * They speak with libpq (pg.c) and hiredis (rds.c) themselves, asynchronously: shared/db and
 * shared/cache belong to requests and wait for their answers.
 *
 * SIGTERM ends all connections over relay.drain_ms and stops.  SIGHUP reads the settings again and
 * hands everything over to the binary that is there now.  --check tells whether it would start.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include "conf.h"
#include "log.h"
#include "master.h"

static void
raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int
main(int argc, char **argv)
{
	bool check = argc == 2 && !strcmp(argv[1], "--check");

	if (argc > 2 || (argc == 2 && !check)) {
		fprintf(stderr, "usage: %s [--check]\n", argv[0]);
		return 2;
	}
	if (conf_load(NULL) || sodium_init() < 0)
		return 1;
	if (check)
		return 0;
	log_init("wsrelay", log_level_named(conf_str("log.level")));
	raise_file_limit();
	return master_run(argv);
}
