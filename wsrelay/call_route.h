/*
 * call_route: which app answers a path of a surface.
 *
 * The tables are made by apigen from the contracts (gen/relay-SURFACE.c), with the same expressions
 * that the web servers get, and announce themselves before main() runs.
 *
 *	call_routes_compile();                            // once
 *	app = call_route_find("whatsapp", "/api/v1/devices");   // "whatsapp-devices"; NULL: nobody
 */
#ifndef WSRELAY_CALL_ROUTE_H
#define WSRELAY_CALL_ROUTE_H

struct call_route {
	const char *app, *regex; /* over the path without its query; the first that matches */
};

void call_routes_add(const char *surface, const struct call_route *routes, int n);
/* An expression that does not compile is a fault of the build: it ends the process. */
void call_routes_compile(void);
const char *call_route_find(const char *surface, const char *path);

#define CALL_ROUTES(surface, routes)                                                               \
	static __attribute__((constructor)) void call_routes_announce(void)                        \
	{                                                                                          \
		call_routes_add(surface, routes, (int)(sizeof(routes) / sizeof(*routes)));         \
	}

#endif
