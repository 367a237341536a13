/*
 * process: what the kernel knows about the farm's processes, read from /proc.
 *
 *	printf("%ld kB\n", process_tree_pss(pid));
 */
#ifndef ROOKERY_PROCESS_H
#define ROOKERY_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

/* Proportional set size in kB of a process and its descendants; what may not be read counts 0. */
long process_tree_pss(pid_t pid);
/* Processes below pid, at any depth. */
int process_descendants(pid_t pid);
/* Seconds since it started; -1 when there is no such process. */
int64_t process_age(pid_t pid);
/* The process runit runs for a service of the farm, or 0. */
pid_t process_of_service(const char *name);

#endif
