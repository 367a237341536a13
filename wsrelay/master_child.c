/* master_child: see master_child.h. */
#include "master_child.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "log.h"
#include "process.h"

int64_t
child_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
child_set(struct child *c, int state)
{
	c->state = (__typeof__(c->state))state;
	c->since_ms = child_now_ms();
}

static struct child *
free_child(struct master *m)
{
	for (int i = 0; i < SHARE_SLOTS; i++)
		if (!m->child[i].pid)
			return &m->child[i];
	return NULL;
}

/* In the new process: nothing of the master's is kept but what it shares. */
static _Noreturn void
become(const struct master *m, const struct process *p)
{
	EACH_CHILD(m, c)
	{
		close(c->control);
	}
	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGPIPE)
			signal(sig, SIG_DFL);
	process_run(p);
}

struct child *
child_spawn(struct master *m, int number, const int *pair)
{
	struct child *c = free_child(m);
	int slot = share_free_slot(), control[2];

	if (!c || slot < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0) {
		log_error("cannot start a process", "why", strerror(errno));
		return NULL;
	}
	share->slot[slot].pid = -1; /* taken */
	pid_t pid = fork();
	if (pid == 0) {
		close(control[0]);
		if (pair)
			close(pair[0]); /* or it would not notice when the other one ends */
		become(m,
		    &(struct process){number, slot, control[1], pair ? pair[1] : -1, &m->sockets});
	}
	close(control[1]);
	if (pid < 0) {
		log_error("fork failed", "why", strerror(errno));
		share->slot[slot].pid = 0;
		close(control[0]);
		return NULL;
	}
	*c = (struct child){.pid = pid, .number = number, .slot = slot, .control = control[0]};
	child_set(c, CHILD_STARTING);
	return c;
}

bool
child_tell(const struct child *c, char what, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {&what, 1};
	struct msghdr msg = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.room,
	    .msg_controllen = sizeof(control.room)};

	*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &fd, sizeof(fd));
	return sendmsg(c->control, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}
