/* rk-ctl config: print the settings in force, one of them, or a settings file to start from. */
#include <stdio.h>
#include <string.h>
#include "conf.h"
#include "ctl.h"

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
	if (!conf_known(arg)) {
		fprintf(stderr, "rk-ctl: no setting is called %s\n", arg);
		return 1;
	}
	puts(conf_str(arg));
	return 0;
}
