/*
 * apigen: what the source files of the generator share.
 *
 * apigen runs at build time only.  It reads FAMILY.yaml (the contract) and FAMILY.sql (the queries)
 * and writes the const tables of shared/contract.h, input structs, query functions, web server
 * routes and OpenAPI documents; the language is described in docs/contract.md.
 *
 * Ownership: the process is short, nothing is ever freed.  Every fault in an input ends the process
 * with one message "file:line: what is wrong" and exit status 1; outputs are written only when
 * everything was right.
 *
 *	struct contract *c = contract_load("devices.yaml");
 *	struct queries *q = queries_new();
 *	queries_load(q, "devices.sql", false);
 *	check_bindings(c, q);
 */
#ifndef APIGEN_H
#define APIGEN_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "contract.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof(*(array))))
/* Append to a list that is a pointer and a count. */
#define PUSH(list, n, value)                                                                       \
	((list) = list_grow((list), (n), sizeof(*(list))), (list)[(n)++] = (value))

/* ---- util.c ------------------------------------------------------------------------------- */

_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void die_at(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void *xalloc(size_t size); /* zeroed */
void *list_grow(void *list, int n, size_t size);
char *xprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *file_read(const char *path);
void file_write(const char *path, const char *text);
bool is_identifier(const char *name); /* of C, keywords are none */
/* A C identifier made of name: other characters become _, a keyword gets a trailing _. */
char *c_name(const char *name);
char *sql_name(const char *name);            /* the same without care for keywords */
void put_c_string(FILE *out, const char *s); /* with quotes; NULL is written as NULL */

/* An output that is kept in memory until it is complete. */
struct text {
	char *p;
	size_t n;
	FILE *f;
};
void text_open(struct text *t);
char *text_close(struct text *t);

/* ---- tree.c: YAML with line numbers -------------------------------------------------------- */

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
	enum node_kind kind;
	const char *file;
	int line;
	const char *text; /* of scalars */
	bool quoted;
	int n;              /* of lists and maps */
	struct node **keys; /* of maps */
	struct node **values;
};

struct node *tree_load(const char *file);
_Noreturn void die_node(const struct node *node, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
const struct node *node_get(const struct node *map, const char *key); /* NULL when absent */
const struct node *node_need(const struct node *map, const char *key, const char *what);
void node_expect(const struct node *node, enum node_kind kind, const char *what);
/* Die unless every key of the map is in the NULL-terminated list. */
void node_keys(const struct node *map, const char *const *known, const char *what);
const char *node_text(const struct node *scalar, const char *what);
int64_t node_int(const struct node *scalar, const char *what);
bool node_bool(const struct node *scalar, const char *what);
/* enum schema_type a scalar has by the rules of YAML 1.2. */
int node_type(const struct node *scalar);
/* Follow "$ref: '#/components/SECTION/NAME'" if node is one. */
const struct node *node_deref(
    const struct node *root, const struct node *node, const char *section);

/* ---- schema.c ----------------------------------------------------------------------------- */

const struct schema *schema_compile(const struct node *root, const struct node *node);
enum input_kind schema_kind(const struct schema *s);
/* x-invalid of a schema, of the one it refers to, or of a parameter; 0 when there is none. */
short schema_invalid(const struct node *root, const struct node *node);

/* ---- contract.c, inputs.c, regex.c ---------------------------------------------------------- */

struct operation {
	struct op op; /* without handle, query, statuses of other files */
	const struct node *node;
	const struct node *path_item;
	const char *x_query;
	const struct node *x_query_node;
	const struct query_source *query;
	struct input *inputs;
	struct status *statuses;
	struct constraint_map *constraints;
};

struct path {
	const char *template;
	const struct node *node;
	const char **params;
	int n_params;
	int *ops; /* indices into contract.ops */
	int n_ops;
};

struct contract {
	const char *file, *surface, *family, *base, *about;
	bool catch_all;
	const struct node *root;
	struct operation *ops;
	int n_ops;
	struct path *paths; /* in the order of the routes */
	int n_paths;
};

struct contract *contract_load(const char *file);
void op_inputs(struct contract *c, struct operation *o, const struct path *path);
void op_body(struct contract *c, struct operation *o);
bool input_is_file(const struct input *in); /* a part of a multipart body */

void paths_sort(struct contract *c);
/* Regex of one path without anchors and captures, for web servers; or with captures. */
void put_path_regex(FILE *out, const char *base, const char *template, bool captures);
char *family_regex(const struct contract *c);
/* Whether one URL can have both shapes, and which of them is then meant: <0 a, >0 b, 0 the same. */
bool paths_overlap(const char *a, const char *b);
int path_compare(const char *a, const char *b);

/* ---- envelope.c ---------------------------------------------------------------------------- */

/* Do good answers of the operation come in an envelope? */
bool envelope_of(const struct contract *c, const struct node *operation);
/* Put it around the schemas of its 2xx responses. */
void envelope_wrap(const struct node *operation);

/* ---- sql.c -------------------------------------------------------------------------------- */

struct query_source {
	struct query q;
	const char **params;
	const char *about;
	bool core, used;
};

struct queries {
	struct query_source **list; /* core first: the index is the slot */
	int n;
};

struct queries *queries_new(void);
void queries_load(struct queries *qs, const char *file, bool core);
struct query_source *queries_find(const struct queries *qs, const char *name);
bool query_builtin(const char *param);

/* ---- check.c ------------------------------------------------------------------------------ */

/* Bind x-query operations: parameters are inputs or builtin, kinds and x-list fit. */
void check_bindings(struct contract *c, struct queries *qs);
/* C sources: each handler is defined; own (core: core) queries are used. */
void check_sources(const struct contract *c, struct queries *qs, const char *const *files, int n);
void check_core_used(struct queries *qs, const char *const *files, int n);

/* ---- emit_*.c, openapi.c, routes.c, list.c --------------------------------------------------- */

int put_schema(FILE *out, const struct schema *s); /* number of the emitted table s_N */
void put_query_header(FILE *out, const struct query_source *q);
void put_query(FILE *out, const struct query_source *q);
void put_struct(FILE *out, const struct operation *o);
void put_operations(FILE *out, const struct contract *c);
void emit_family(const struct contract *c, const struct queries *qs, const char *core_header,
    const char *out_c, const char *out_h);
void emit_core(const struct queries *qs, const char *name, const char *out_c, const char *out_h);
void emit_openapi(struct contract **list, int n, const char *title, const char *base,
    const char *version, const char *out);
void emit_routes(struct contract **list, int n, bool apache, const char *out);
void emit_relay_routes(struct contract **list, int n, const char *out);
void list_queries(const char *const *files, int n); /* to standard output */

#endif
