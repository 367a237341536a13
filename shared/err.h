/*
 * err: the one table of errors.  Functions return 0 or one of these codes; surfaces render them in
 * their own documented shape (resp.c).
 *
 * X(NAME, http status, machine code, public text).  The text is what a client may read; details
 * that name a field are added with req_fail().
 */
#ifndef ROOKERY_ERR_H
#define ROOKERY_ERR_H

#define ERR_TABLE(X)                                                                             \
	X(BAD_REQUEST, 400, "BAD_REQUEST", "The request is malformed")                               \
	X(VALIDATION, 400, "VALIDATION_ERROR", "A field of the request is invalid")                  \
	X(UNAUTHORIZED, 401, "UNAUTHORIZED", "A valid access token is required")                     \
	X(FORBIDDEN, 403, "FORBIDDEN", "You may not do this")                                        \
	X(NOT_FOUND, 404, "NOT_FOUND", "There is no such resource")                                  \
	X(METHOD, 405, "METHOD_NOT_ALLOWED", "The resource does not know this method")               \
	X(NOT_ACCEPTABLE, 406, "NOT_ACCEPTABLE", "No acceptable representation")                     \
	X(CONFLICT, 409, "CONFLICT", "The resource is in another state")                             \
	X(GONE, 410, "GONE", "The resource is no longer available")                                  \
	X(TOO_LARGE, 413, "PAYLOAD_TOO_LARGE", "The request body is too large")                      \
	X(MEDIA_TYPE, 415, "UNSUPPORTED_MEDIA_TYPE", "The media type is not supported")              \
	X(RANGE, 416, "RANGE_NOT_SATISFIABLE", "The range lies outside the resource")                \
	X(UNPROCESSABLE, 422, "UNPROCESSABLE_ENTITY", "The request is well-formed but cannot be processed") \
	X(LOCKED, 423, "LOCKED", "The resource is locked")                                           \
	X(RATE_LIMITED, 429, "RATE_LIMIT_EXCEEDED", "Too many requests; try again later")            \
	X(INTERNAL, 500, "INTERNAL_ERROR", "The server could not complete the request")              \
	X(BAD_GATEWAY, 502, "BAD_GATEWAY", "A service behind this one failed")                       \
	X(UNAVAILABLE, 503, "SERVICE_UNAVAILABLE", "The service is temporarily unavailable") \
	X(TIMEOUT, 504, "GATEWAY_TIMEOUT", "The operation did not answer in time")

enum err {
	ERR_OK = 0,
#define X(name, status, code, text) ERR_##name,
	ERR_TABLE(X)
#undef X
	    ERR_COUNT
};

int err_status(enum err e);          /* HTTP status; 200 for ERR_OK */
const char *err_code(enum err e);    /* "NOT_FOUND" */
const char *err_text(enum err e);    /* public sentence */
enum err err_from_status(int status); /* first entry with that status, ERR_INTERNAL if none */

#endif
