/* master_state: see master_state.h. */
#include "master_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENV_STATE "ROOKERY_RELAY_STATE"

static void
set_cloexec(const struct master *m, bool on)
{
	int flag = on ? FD_CLOEXEC : 0;

	fcntl(m->share_fd, F_SETFD, flag);
	for (int i = 0; i < dialect_count(); i++)
		if (m->sockets.local[i] >= 0)
			fcntl(m->sockets.local[i], F_SETFD, flag);
	if (m->sockets.tcp >= 0)
		fcntl(m->sockets.tcp, F_SETFD, flag);
	for (int i = 0; i < SHARE_SLOTS; i++)
		if (m->child[i].pid)
			fcntl(m->child[i].control, F_SETFD, flag);
}

void
master_state_keep(const struct master *m)
{
	char text[8192];
	size_t n = 0;

	n += (size_t)snprintf(text + n, sizeof(text) - n, "share %d\n", m->share_fd);
	for (int i = 0; i < dialect_count(); i++)
		if (m->sockets.local[i] >= 0)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "local %d %s\n",
			    m->sockets.local[i], dialect_at(i)->surface);
	n += (size_t)snprintf(text + n, sizeof(text) - n, "counts %u %u\n",
	    (unsigned)share->generation, (unsigned)share->failures);
	if (m->sockets.tcp >= 0)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "tcp %d %ld %s\n", m->sockets.tcp,
		    (long)m->sockets.port, m->sockets.bind);
	for (int i = 0; i < SHARE_SLOTS; i++) {
		const struct child *c = &m->child[i];

		if (c->pid)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "child %d %d %d %d\n",
			    (int)c->pid, c->number, c->slot, c->control);
	}
	setenv(ENV_STATE, text, 1);
	set_cloexec(m, false);
}

void
master_state_drop(const struct master *m)
{
	unsetenv(ENV_STATE);
	set_cloexec(m, true);
}

static void
restore_local(struct master *m, int fd, const char *surface)
{
	for (int i = 0; i < dialect_count(); i++)
		if (!strcmp(dialect_at(i)->surface, surface))
			m->sockets.local[i] = fd;
}

static void
restore_child(struct master *m, const struct child *c)
{
	for (int i = 0; i < SHARE_SLOTS; i++) {
		if (m->child[i].pid)
			continue;
		m->child[i] = *c;
		m->child[i].state = CHILD_SERVING;
		return;
	}
}

static void
restore_line(struct master *m, const char *line)
{
	struct child c = {0};
	char word[64];
	long port;
	int fd;

	if (sscanf(line, "share %d", &fd) == 1) {
		m->share_fd = fd;
	} else if (sscanf(line, "counts %u %u", &m->generation, &m->failures) == 2) {
		return;
	} else if (sscanf(line, "local %d %63s", &fd, word) == 2) {
		restore_local(m, fd, word);
	} else if (sscanf(line, "tcp %d %ld %63s", &fd, &port, word) == 3) {
		m->sockets.tcp = fd;
		m->sockets.port = port;
		snprintf(m->sockets.bind, sizeof(m->sockets.bind), "%s", word);
	} else if (sscanf(line, "child %d %d %d %d", &c.pid, &c.number, &c.slot, &c.control) == 4) {
		restore_child(m, &c);
	}
}

bool
master_state_restore(struct master *m)
{
	const char *state = getenv(ENV_STATE);
	char *copy, *line, *rest;

	if (!state)
		return false;
	copy = strdup(state);
	for (line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		restore_line(m, line);
	free(copy);
	unsetenv(ENV_STATE);
	set_cloexec(m, true);
	return true;
}
