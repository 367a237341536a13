/* What the relay's processes say of themselves: a line for rk-ctl stats. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arena.h"
#include "conf.h"
#include "ctl.h"
#include "http.h"

enum { PATIENCE_MS = 1000 };

/* The number after a name at the start of a line; 0 when it is not there. */
static long
number(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = text; line;
	     line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, name, n) && line[n] == ' ')
			return strtol(line + n, NULL, 10);
	return 0;
}

static int
ask(struct arena *a, const char *url, struct http_reply *reply)
{
	char socket[1024];
	struct http_request q = {.policy = HTTP_TRUSTED,
	    .url = url,
	    .unix_socket = conf_run_path(socket, sizeof(socket), "ws/whatsapp.sock"),
	    .total_ms = PATIENCE_MS};

	return http_send(a, &q, reply);
}

void
ctl_print_relay(void)
{
	struct arena *a = arena_new();
	struct http_reply status, ready;

	if (ask(a, "http://relay/status", &status) || status.status != 200 ||
	    ask(a, "http://relay/readyz", &ready)) {
		printf("relay: does not answer\n");
	} else {
		printf("relay: processes %ld, connections %ld, hand-overs %ld, failed %ld; ",
		    number(status.body, "processes"), number(status.body, "connections"),
		    number(status.body, "generation"), number(status.body, "failures"));
		for (char *p = ready.body; (p = strchr(p, '\n'));)
			*p = p[1] ? ';' : '\0';
		printf("%s\n", ready.body);
	}
	arena_free(a);
}
