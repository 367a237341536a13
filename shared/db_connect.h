/* db_connect: how db's own files open a connection; nobody else includes this. */
#ifndef ROOKERY_DB_CONNECT_H
#define ROOKERY_DB_CONNECT_H

#include <libpq-fe.h>

/* A connection by the settings db.*; check PQstatus().  options: see libpq's "options". */
PGconn *db_connect(const char *options);
/* The worker's connection, when there is one that is believed to live; else NULL. */
PGconn *db_connection(void);

#endif
