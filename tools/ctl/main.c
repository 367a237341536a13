/*
 * rk-ctl: small helper of the administrator and of the scripts around the farm.
 *
 *	rk-ctl config --comments
 */
#include <stdio.h>
#include <string.h>
#include "ctl.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about;
};

static const struct command commands[] = {
    {"config", ctl_config, "config [--comments|--template|NAME]   the settings in force"},
    {"keys", ctl_keys, "keys                                  make the installation's secrets"},
    {"otp", ctl_otp, "otp PHONE                             the pending development code"},
    {"stats", ctl_stats, "stats                                 every service of the farm"},
    {"ready", ctl_ready, "ready APP …                           are these apps serving?"},
    {"generation", ctl_generation, "generation APP                        changes at each restart"},
};
static const int n_commands = sizeof(commands) / sizeof(*commands);

static int
usage(FILE *out)
{
	fputs("rk-ctl COMMAND\n", out);
	for (int i = 0; i < n_commands; i++)
		fprintf(out, "  %s\n", commands[i].about);
	return out == stdout ? 0 : 2;
}

int
main(int argc, char **argv)
{
	if (argc < 2)
		return usage(stderr);
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help"))
		return usage(stdout);
	for (int i = 0; i < n_commands; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "rk-ctl: no command is called %s\n", argv[1]);
	return usage(stderr);
}
