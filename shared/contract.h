/*
 * contract: the tables that apigen makes from FAMILY.yaml and FAMILY.sql and the runtime executes.
 *
 * Everything here is const data in the executable; nothing is owned, nothing is freed.  The
 * contract language itself is described in docs/contract.md.
 */
#ifndef ROOKERY_CONTRACT_H
#define ROOKERY_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct req;
struct schema;

/* ---- values ------------------------------------------------------------------------------ */

enum schema_type { /* a set: "type: [string, 'null']" */
	T_STRING = 1,
	T_INTEGER = 2,
	T_NUMBER = 4,
	T_BOOLEAN = 8,
	T_ARRAY = 16,
	T_OBJECT = 32,
	T_NULL = 64,
	T_ANY = 127,
};

enum schema_format {
	FMT_NONE,
	FMT_UUID,     /* canonical or upper case; handed on in lower case */
	FMT_DATETIME, /* RFC 3339; handed on in UTC with microseconds */
	FMT_DATE,
	FMT_BASE64, /* RFC 4648, padded or not, standard or URL alphabet */
	FMT_PHONE,  /* E.164 by rule: + and 7 to 15 digits, the first not 0 */
	FMT_EMAIL,
	FMT_URI,
	FMT_BINARY, /* "binary": a file part of a multipart body; the input is the part's file name */
};

struct field {
	const char *name;
	const struct schema *schema;
	bool required;
	short invalid; /* status of a bad value (x-invalid), 0 for the surface's own */
};

struct schema {
	unsigned char types; /* enum schema_type set */
	unsigned char format;
	bool closed; /* additionalProperties: false */
	bool has_min, has_max;
	double min, max;
	int min_len, max_len;     /* code points; -1 when open */
	int min_items, max_items; /* also minProperties/maxProperties of objects; -1 when open */
	const char *pattern;      /* PCRE2; NULL when any */
	void **pattern_code;      /* compiled at first use */
	const char *const *choices; /* enum, NULL-terminated, numbers and booleans as JSON text; NULL when open */
	const struct field *fields;
	int n_fields;
	const struct schema *items; /* of arrays; NULL when anything */
	const struct schema *extra; /* additionalProperties as a schema */
	const struct schema *const *one_of; /* alternatives; the first whose required fields are there */
	int n_one_of;
};

/* ---- inputs ------------------------------------------------------------------------------ */

enum input_where { IN_PATH, IN_QUERY, IN_HEADER, IN_BODY };

/* How an input lies in the operation's struct NAME_in. */
enum input_kind {
	KIND_TEXT,    /* const char *; NULL when absent */
	KIND_INTEGER, /* int64_t, and bool has_NAME */
	KIND_NUMBER,  /* double, and bool has_NAME */
	KIND_BOOLEAN, /* bool, and bool has_NAME */
	KIND_JSON,    /* json_t * (array, object or mixed); NULL when absent */
};

/*
 * A body that is no object, or an object without listed properties, is one input "body" of
 * KIND_JSON.  When the body is a oneOf, struct NAME_in begins with "int form", the index of the
 * alternative that was sent (offset 0).
 */
struct input {
	const char *name; /* as documented */
	enum input_where where;
	enum input_kind kind;
	const struct schema *schema;
	bool required;
	bool self;     /* x-self: must be the caller's account id, or "me" */
	short invalid; /* x-invalid */
	const char *bind; /* its name in queries: name, NAME_body beside a parameter of that name, - as _ */
	const char *dflt; /* default as text, NULL when none */
	size_t offset;     /* of the value in struct NAME_in */
	size_t has_offset; /* of has_NAME; 0 for KIND_TEXT and KIND_JSON */
};

/* ---- queries ----------------------------------------------------------------------------- */

enum query_kind {
	QUERY_ONE,  /* at most one row; none is 404 when answered by x-query */
	QUERY_MANY, /* all rows */
	QUERY_LIST, /* a page of rows; sql carries limit, offset and _total */
	QUERY_EXEC, /* no rows wanted */
	QUERY_BINARY, /* all rows, in PostgreSQL's binary format, for db_field() */
};

struct query {
	const char *name;
	const char *sql; /* with $1 … $n */
	const char *const *params; /* names in order: inputs, or me, device, session, surface, newid, limit, offset */
	int n_params;
	enum query_kind kind;
	int slot; /* index into the connection's table of prepared statements */
	const char *file;
	int line;
};

/* ---- operations -------------------------------------------------------------------------- */

enum auth_mode {
	AUTH_NONE,
	AUTH_BEARER,   /* an access token is required */
	AUTH_OPTIONAL, /* used when present, refused when present and bad */
	AUTH_OPERATOR, /* loopback address or the operator's token */
};

struct status {
	int code;
	const char *about; /* the documented meaning, in our words; NULL for the table's */
	const struct schema *reply; /* of success answers with JSON; NULL when none */
};

struct constraint_map {
	const char *constraint;
	int status;
	const char *field; /* input named in the error, or NULL */
	const char *detail;
};

struct op {
	const char *id; /* operationId, C name of the handler */
	const char *method;
	const char *path; /* template with {names} */
	enum auth_mode auth;
	const char *limit; /* x-limit: rate class, settings limit.NAME */
	bool envelope;     /* a good answer is {"success": true, "data": …}; its schemas say so */
	bool batch;        /* x-batch */
	bool idempotent;   /* honours the Idempotency-Key header */
	bool raw_body;     /* requestBody is not JSON: streamed to disk, see req_body_file() */
	bool multipart;
	int64_t body_limit; /* bytes; x-body-limit, 0 for the setting body.max */
	bool body_required;
	const struct schema *body; /* whole body, NULL when none */
	const struct input *inputs;
	int n_inputs;
	size_t in_size;
	int (*handle)(struct req *r, const void *in);
	void (*handle_batch)(struct req **r, const void *const *in, int n);
	const struct query *query; /* x-query: answered without C */
	int success;               /* status of a good answer */
	const char *list_field;    /* x-list: "items"; rows of QUERY_MANY without it are a bare array */
	const char *total_field;   /* "total", "totalItems", …; NULL when not answered */
	const struct status *statuses;
	int n_statuses;
	const struct constraint_map *constraints;
	int n_constraints;
	const char *file;
	int line;
};

/* ---- families ---------------------------------------------------------------------------- */

/* All operations of one path shape share a route; (*MARK:n) of the regex names its index. */
struct route {
	const char *const *params; /* names of the captures, in order */
	int n_params;
	const struct op *const *ops; /* one a method */
	int n_ops;
};

struct family {
	const char *surface; /* "whatsapp" */
	const char *name;    /* "devices" */
	const char *base;    /* "/api/v1" */
	const char *regex;   /* anchored, over the path without query, alternatives end in (*MARK:n) */
	const struct route *routes;
	int n_routes;
	const struct op *ops;
	int n_ops;
	const struct query *const *queries; /* the family's own and the core's, for --check */
	int n_queries;
	bool catch_all; /* x-catch-all: answers 404 for every path of the surface no family has */
};

#endif
