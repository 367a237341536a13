/* Mails against a real SMTP server (aiosmtpd, in Debian python3-aiosmtpd; skipped where it is not
 * installed). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "arena.h"
#include "base64.h"
#include "conf.h"
#include "err.h"
#include "mail.h"

/* Prints its port, then each mail as sender, receivers, content and a NUL. */
static const char script[] =
    "import sys\n"
    "from aiosmtpd.controller import Controller\n"
    "from aiosmtpd.smtp import AuthResult\n"
    "out = sys.stdout.buffer\n"
    "class Handler:\n"
    "    async def handle_RCPT(self, server, session, envelope, address, options):\n"
    "        if address.startswith('refused'): return '550 no such user'\n"
    "        if address.startswith('later'): return '451 come back'\n"
    "        envelope.rcpt_tos.append(address)\n"
    "        return '250 OK'\n"
    "    async def handle_DATA(self, server, session, envelope):\n"
    "        out.write(f'{envelope.mail_from} {envelope.rcpt_tos}\\n'.encode())\n"
    "        out.write(envelope.original_content + b'\\0')\n"
    "        out.flush()\n"
    "        return '250 OK'\n"
    "def check(server, session, envelope, mechanism, data):\n"
    "    return AuthResult(handled=False, success=data.login == b'rook' and data.password == "
    "b'hush')\n"
    "class Any(Controller):\n"
    "    def _trigger_server(self):\n"
    "        self.port = self.server.sockets[0].getsockname()[1]\n"
    "        super()._trigger_server()\n"
    "c = Any(Handler(), hostname='0.0.0.0', port=0, authenticator=check,\n"
    "        auth_required=sys.argv[1] == 'auth', auth_require_tls=False)\n"
    "c.start()\n"
    "print(c.port, flush=True)\n"
    "sys.stdin.read()\n";

static struct arena *a;
static pid_t server;
static int out_fd, in_fd, port;

static char *
next(char end)
{
	char *text = arena_alloc(a, 65536);
	struct pollfd p = {.fd = out_fd, .events = POLLIN};
	size_t n = 0;

	while (n < 65535 && poll(&p, 1, 5000) == 1 && read(out_fd, text + n, 1) == 1)
		if (text[n++] == end)
			break;
	text[n] = 0;
	return n ? text : NULL;
}

static void
start_server(const char *mode)
{
	int out[2], in[2];
	char *first;

	assert_int_equal(pipe(out) | pipe(in), 0);
	if ((server = fork()) == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(in[0], STDIN_FILENO);
		close(out[0]);
		close(in[1]); /* the server ends when the test does */
		execl("/usr/bin/python3", "python3", "-c", script, mode, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	close(in[0]);
	out_fd = out[0];
	in_fd = in[1];
	first = next('\n');
	assert_non_null(first);
	assert_true((port = atoi(first)) > 0);
}

static void
stop_server(void)
{
	mail_close();
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	close(out_fd);
	close(in_fd);
}

static void
configure(const char *url, const char *user, const char *from)
{
	setenv("ROOKERY_CONF", "/dev/null", 1);
	setenv("ROOKERY_SMTP_URL", url, 1);
	setenv("ROOKERY_SMTP_USER", user, 1);
	setenv("ROOKERY_SMTP_PASSWORD", "hush", 1);
	setenv("ROOKERY_SMTP_FROM", from, 1);
	assert_int_equal(conf_load(NULL), 0);
}

static const char *
url(const char *scheme, const char *host)
{
	return arena_printf(a, "%s://%s:%d", scheme, host, port);
}

static int
setup(void **state)
{
	(void)state;
	if (system("/usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null")) {
		puts("SKIPPED: python3-aiosmtpd is not installed");
		exit(77);
	}
	a = arena_new();
	start_server("open");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	stop_server();
	arena_free(a);
	return 0;
}

/* The text, out of base64 lines of at most 76 characters. */
static char *
body_of(const char *mail)
{
	const char *p = strstr(mail, "\r\n\r\n"), *end;
	char *joined = arena_zalloc(a, strlen(mail));
	size_t n;

	assert_non_null(p);
	for (p += 4; *p; p = end + 2) {
		end = strstr(p, "\r\n");
		assert_non_null(end);
		assert_true(end - p <= 76);
		strncat(joined, p, (size_t)(end - p));
	}
	return base64_decode(a, joined, &n);
}

static void
a_mail_arrives(void **state)
{
	char *mail, day[4], month[4], zone[6];
	int d, y, h, m, s;

	(void)state;
	configure(url("smtp", "localhost"), "", "Rookery, at home <rook@example.org>");
	assert_int_equal(mail_send(a, "ann@example.net", "Hello", "One\nTwo \xc3\xa9\r\n.\n"), 0);
	mail = next(0);
	assert_non_null(mail);
	assert_int_equal(strncmp(mail, "rook@example.org ['ann@example.net']\n", 37), 0);
	assert_non_null(strstr(mail, "\r\nFrom: \"Rookery, at home\" <rook@example.org>\r\n"));
	assert_non_null(strstr(mail, "\r\nTo: <ann@example.net>\r\n"));
	assert_non_null(strstr(mail, "\r\nSubject: Hello\r\n"));
	assert_non_null(strstr(mail, "\r\nMIME-Version: 1.0\r\n"));
	assert_non_null(strstr(mail, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
	assert_non_null(strstr(mail, "@example.org>\r\n"));
	assert_int_equal(sscanf(strstr(mail, "Date: "), "Date: %3s, %d %3s %d %d:%d:%d %5s", day,
			     &d, month, &y, &h, &m, &s, zone),
	    8);
	assert_string_equal(zone, "+0000");
	assert_string_equal(body_of(mail), "One\r\nTwo \xc3\xa9\r\n.\r\n");
}

/* Two hundred three-byte characters: words of at most 75 characters that are whole UTF-8 each. */
static void
long_subjects_are_encoded(void **state)
{
	char *subject = arena_zalloc(a, 601), *back = arena_zalloc(a, 601), *mail, *p, *end;
	size_t n;

	(void)state;
	for (int i = 0; i < 200; i++)
		memcpy(subject + 3 * i, "\xe2\x82\xac", 3);
	configure(url("smtp", "127.0.0.1"), "", "rook@example.org");
	assert_int_equal(mail_send(a, "ann@example.net", subject, "x"), 0);
	mail = next(0);
	assert_non_null(strstr(mail, "\r\nFrom: <rook@example.org>\r\n"));
	p = strstr(mail, "Subject: ") + 9;
	for (;; p = end + 5) {
		assert_int_equal(strncmp(p, "=?UTF-8?B?", 10), 0);
		end = strstr(p, "?=");
		assert_true(end + 2 - p <= 75);
		p = base64_decode(a, arena_memdup(a, p + 10, (size_t)(end - p - 10)), &n);
		assert_int_equal(n % 3, 0);
		strcat(back, p);
		if (strncmp(end + 2, "\r\n ", 3))
			break;
	}
	assert_string_equal(back, subject);
}

static void
nothing_is_injected(void **state)
{
	static const char *const bad[] = {"", "ann", "@example.net", "ann@", "a@b@c",
	    "ann@example.net\r\nBcc: eve@example.net", "ann@example.net>\r\nDATA",
	    "<ann@example.net>", "Ann <ann@example.net>", "ann@example.net,eve@example.net",
	    "ann @example.net", "ann@ex\xc3\xa4mple.net"};
	char *mail;

	(void)state;
	configure(url("smtp", "127.0.0.1"), "", "Ro\"ok\\\r\nBcc: x <rook@example.org>");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(mail_send(a, bad[i], "x", "x"), ERR_VALIDATION);
	assert_int_equal(mail_send(a, NULL, "x", "x"), ERR_VALIDATION);
	assert_int_equal(
	    mail_send(a, "ann@example.net", "Hi\r\nBcc: eve@example.net\n\nbody", "x"), 0);
	mail = next(0);
	assert_null(strstr(mail, "\nBcc"));
	assert_non_null(strstr(mail, "\r\nSubject: Hi  Bcc: eve@example.net  body\r\n"));
	assert_int_equal(
	    mail_send(a, "ann@example.net", "=?UTF-8?Q?faked?=", "\r\n.\r\nQUIT\r\n"), 0);
	mail = next(0);
	assert_null(strstr(mail, "faked"));
	assert_string_equal(body_of(mail), "\r\n.\r\nQUIT\r\n");
}

static void
refusals_have_names(void **state)
{
	(void)state;
	configure(url("smtp", "127.0.0.1"), "", "rook@example.org");
	assert_int_equal(mail_send(a, "refused@example.net", "x", "x"), ERR_BAD_GATEWAY);
	assert_int_equal(mail_send(a, "later@example.net", "x", "x"), ERR_UNAVAILABLE);
	configure("smtp://127.0.0.1:9", "", "rook@example.org");
	assert_int_equal(mail_send(a, "ann@example.net", "x", "x"), ERR_UNAVAILABLE);
	configure("", "", "rook@example.org");
	assert_int_equal(mail_send(a, "ann@example.net", "x", "x"), ERR_UNAVAILABLE);
	configure(url("smtp", "127.0.0.1"), "", "");
	assert_int_equal(mail_send(a, "ann@example.net", "x", "x"), ERR_UNAVAILABLE);
	configure(url("http", "127.0.0.1"), "", "rook@example.org");
	assert_int_equal(mail_send(a, "ann@example.net", "x", "x"), ERR_UNAVAILABLE);
}

/* 127.0.0.2 is not known as this machine: without STARTTLS no mail, and no password, goes there. */
static void
strangers_must_speak_tls(void **state)
{
	(void)state;
	configure(url("smtp", "127.0.0.2"), "rook", "rook@example.org");
	assert_int_equal(mail_send(a, "ann@example.net", "x", "x"), ERR_BAD_GATEWAY);
	configure(url("smtps", "127.0.0.1"), "rook", "rook@example.org");
	assert_int_equal(mail_send(a, "ann@example.net", "x", "x"), ERR_BAD_GATEWAY);
}

static void
the_password_is_used(void **state)
{
	(void)state;
	stop_server();
	start_server("auth");
	configure(url("smtp", "localhost"), "", "rook@example.org");
	assert_int_equal(mail_send(a, "ann@example.net", "x", "x"), ERR_BAD_GATEWAY);
	mail_close();
	configure(url("smtp", "localhost"), "rook", "rook@example.org");
	assert_int_equal(mail_send(a, "ann@example.net", "x", "x"), 0);
	assert_non_null(next(0));
	mail_close();
	configure(url("smtp", "localhost"), "crow", "rook@example.org");
	assert_int_equal(mail_send(a, "ann@example.net", "x", "x"), ERR_BAD_GATEWAY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_mail_arrives),
	    cmocka_unit_test(long_subjects_are_encoded),
	    cmocka_unit_test(nothing_is_injected),
	    cmocka_unit_test(refusals_have_names),
	    cmocka_unit_test(strangers_must_speak_tls),
	    cmocka_unit_test(the_password_is_used),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
