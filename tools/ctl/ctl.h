/*
 * ctl: the commands of rk-ctl.  Each gets its own name as argv[0] and answers the exit status.
 *
 *	{"config", ctl_config, …}
 */
#ifndef ROOKERY_CTL_H
#define ROOKERY_CTL_H

int ctl_config(int argc, char **argv);
int ctl_keys(int argc, char **argv);
int ctl_otp(int argc, char **argv);
int ctl_stats(int argc, char **argv);
int ctl_ready(int argc, char **argv);
int ctl_generation(int argc, char **argv);

/* A line about the relay, if it answers. */
void ctl_print_relay(void);

#endif
