/* rk-ctl keys: the installation's secrets, made when there are none; rk-ctl otp: a development
 * code. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "arena.h"
#include "cache.h"
#include "conf.h"
#include "ctl.h"
#include "keyfile.h"
#include "token.h"

static int
operator_token_ensure(void)
{
	char old[256];
	struct arena *a;
	char *token;
	int lock = keyfile_lock(), bad = 0;

	if (lock < 0)
		return -1;
	if (keyfile_read("operator.token", old, sizeof(old)) < 0) {
		a = arena_new();
		token = token_random(a, 32);
		bad = errno != ENOENT || keyfile_write("operator.token", token, strlen(token));
		sodium_memzero(token, strlen(token));
		arena_free(a);
	}
	sodium_memzero(old, sizeof(old));
	keyfile_unlock(lock);
	return bad ? -1 : 0;
}

int
ctl_keys(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (sodium_init() < 0 || conf_load(NULL))
		return 1;
	return token_keys_ensure() || operator_token_ensure();
}

int
ctl_otp(int argc, char **argv)
{
	const char *code;
	int reply;

	if (argc != 2) {
		fputs("rk-ctl otp PHONE, in the form +4915112345678\n", stderr);
		return 2;
	}
	if (conf_load(NULL))
		return 1;
	cache_begin();
	reply = cache_cmd("GET otp:%s", argv[1]);
	if (cache_flush()) {
		fprintf(stderr, "rk-ctl: Redis does not answer at %s\n", conf_str("redis.socket"));
		return 1;
	}
	if (!(code = cache_str(reply))) {
		fprintf(stderr, "rk-ctl: no code is pending for %s%s\n", argv[1],
		    strcmp(conf_str("otp.provider"), "dev") ? " (otp.provider is not dev)" : "");
		return 1;
	}
	puts(code);
	return 0;
}
