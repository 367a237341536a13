/* A server for tests: see http_server.h. */
#include "http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REQUEST_MAX = 64 * 1024 };

static void
say(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k <= 0)
			_exit(0);
		p += k;
		n -= (size_t)k;
	}
}

static void
answer(int fd, int status, const char *headers, const char *body, size_t n)
{
	char head[512];
	int len = snprintf(head, sizeof(head),
	    "HTTP/1.1 %d Status\r\nContent-Type: text/plain\r\n%sContent-Length: %zu\r\n\r\n",
	    status, headers, n);

	say(fd, head, (size_t)len);
	if (body)
		say(fd, body, n);
}

/* One request with its body into text; 0 at the end of the connection. */
static size_t
read_request(int fd, char text[REQUEST_MAX])
{
	size_t n = 0, want = 0;
	char *end, *length;
	ssize_t k;

	while (n < REQUEST_MAX - 1 && (k = read(fd, text + n, REQUEST_MAX - 1 - n)) > 0) {
		n += (size_t)k;
		text[n] = 0;
		if (!(end = strstr(text, "\r\n\r\n")))
			continue;
		length = strcasestr(text, "\r\ncontent-length:");
		want = (size_t)(end + 4 - text) +
		       (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
		if (n >= want)
			return n;
	}
	return 0;
}

static void
respond(int fd, const char *text, size_t n)
{
	char path[256] = "", header[300];
	unsigned number = 0;

	sscanf(text, "%*s %255s", path);
	if (sscanf(path, "/status/%u", &number) == 1) {
		answer(fd, (int)number, number == 429 || number == 503 ? "Retry-After: 7\r\n" : "",
		    "why", 3);
	} else if (!strncmp(path, "/redirect/", 10)) {
		snprintf(header, sizeof(header), "Location: %s\r\n", path + 9);
		answer(fd, 302, header, "", 0);
	} else if (sscanf(path, "/bytes/%u", &number) == 1) {
		char *bytes = calloc(1, number + 1);

		memset(bytes, 'x', number);
		answer(fd, 200, "", bytes, number);
		free(bytes);
	} else if (!strcmp(path, "/slow")) {
		pause();
	} else if (!strcmp(path, "/cut")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfew", 44);
		_exit(0);
	} else if (!strcmp(path, "/garbage")) {
		say(fd, "220 mail.example ESMTP\r\n", 24);
		_exit(0);
	} else {
		answer(fd, 200, "", strncmp(text, "HEAD ", 5) ? text : NULL, n);
	}
}

static void
serve_plain(int fd, int record)
{
	static char text[REQUEST_MAX];
	size_t n;

	while ((n = read_request(fd, text)) > 0) {
		say(record, text, n + 1);
		respond(fd, text, n);
	}
}

static SSL_CTX *
self_signed(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
	    (const unsigned char *)"127.0.0.1", -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	X509_sign(cert, key, EVP_sha256());
	SSL_CTX_use_certificate(ctx, cert);
	SSL_CTX_use_PrivateKey(ctx, key);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

static void
serve_tls(int fd)
{
	static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	char text[4096];
	SSL_CTX *ctx = self_signed();
	SSL *ssl = SSL_new(ctx);

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1 && SSL_read(ssl, text, sizeof(text)) > 0)
		SSL_write(ssl, reply, sizeof(reply) - 1);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static void
accept_loop(int listener, int record, bool tls)
{
	int fd;

	signal(SIGCHLD, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		if (fork() == 0) {
			close(listener);
			if (tls)
				serve_tls(fd);
			else
				serve_plain(fd, record);
			_exit(0);
		}
		close(fd);
	}
	_exit(0);
}

struct server
server_start(bool tls)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int listener = socket(AF_INET, SOCK_STREAM, 0), record[2];
	struct server s;

	if (bind(listener, (struct sockaddr *)&sin, len) || listen(listener, 16) ||
	    getsockname(listener, (struct sockaddr *)&sin, &len) || pipe(record))
		abort();
	s.pid = fork();
	if (s.pid == 0)
		accept_loop(listener, record[1], tls);
	setpgid(s.pid, s.pid);
	close(listener);
	close(record[1]);
	s.record_fd = record[0];
	s.port = ntohs(sin.sin_port);
	return s;
}

const char *
server_request(struct server *s)
{
	static char text[REQUEST_MAX];
	struct pollfd p = {.fd = s->record_fd, .events = POLLIN};
	size_t n = 0;

	while (n < sizeof(text) && poll(&p, 1, 1000) == 1 && read(s->record_fd, text + n, 1) == 1)
		if (text[n++] == 0)
			return text;
	return NULL;
}

void
server_stop(struct server *s)
{
	kill(-s->pid, SIGKILL); /* with the processes of its connections: the group is its own */
	waitpid(s->pid, NULL, 0);
	close(s->record_fd);
}
