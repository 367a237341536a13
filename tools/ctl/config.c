/* rk-ctl config: print the settings in force, one of them, or a settings file to start from. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "conf.h"
#include "ctl.h"

/* A secret is never printed, not even on demand. */
static int
print_one(const char *name, bool number)
{
	if (!conf_known(name)) {
		fprintf(stderr, "rk-ctl: no setting is called %s\n", name);
		return 1;
	}
	if (number)
		printf("%" PRId64 "\n", conf_int(name));
	else if (conf_is_secret(name))
		puts(*conf_str(name) ? "(set)" : "");
	else
		puts(conf_str(name));
	return 0;
}

int
ctl_config(int argc, char **argv)
{
	const char *arg = argc > 1 ? argv[1] : "";

	if (!strcmp(arg, "--template")) {
		conf_template(stdout);
		return 0;
	}
	if (conf_load(NULL))
		return 1;
	if (!*arg || !strcmp(arg, "--comments")) {
		conf_print(stdout, *arg);
		return 0;
	}
	if (!strcmp(arg, "--number"))
		return print_one(argc > 2 ? argv[2] : "", true);
	return print_one(arg, false);
}
