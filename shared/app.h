/*
 * app: the process around a family: a master that listens and keeps workers, workers that serve.
 *
 * The generated main() of every family is `return app_main(argc, argv, &family_X);`.
 *
 * Signals to the master: TERM and INT finish what runs and stop; HUP restarts in place (the binary is executed
 * anew under the same pid with the same listening socket, and the old workers leave once a new one is ready).
 * Options: --check holds the family's queries against the database and exits 1 on a fault.
 */
#ifndef ROOKERY_APP_H
#define ROOKERY_APP_H

#include "contract.h"

int app_main(int argc, char **argv, const struct family *f);

#endif
