/*
 * list: the queries of .sql files as the programs prepare them, as one JSON array, for tests that
 * hold every query against a database.
 */
#include <jansson.h>
#include "apigen.h"

static json_t *
query_json(const struct query *q)
{
	static const char *const kinds[] = {[QUERY_ONE] = "one",
	    [QUERY_MANY] = "many",
	    [QUERY_LIST] = "list",
	    [QUERY_EXEC] = "exec",
	    [QUERY_BINARY] = "binary"};
	json_t *params = json_array();

	for (int i = 0; i < q->n_params; i++)
		json_array_append_new(params, json_string(q->params[i]));
	return json_pack("{s:s, s:i, s:s, s:s, s:o, s:s}", "file", q->file, "line", q->line, "name",
	    q->name, "kind", kinds[q->kind], "params", params, "sql", q->sql);
}

/* Each file stands alone: two families may have queries of one name. */
void
list_queries(const char *const *files, int n)
{
	json_t *all = json_array();

	for (int i = 0; i < n; i++) {
		struct queries *qs = queries_new();

		queries_load(qs, files[i], false);
		for (int k = 0; k < qs->n; k++)
			json_array_append_new(all, query_json(&qs->list[k]->q));
	}
	if (json_dumpf(all, stdout, JSON_INDENT(1)) || putchar('\n') == EOF || fflush(stdout))
		die("the list of queries cannot be written");
}
