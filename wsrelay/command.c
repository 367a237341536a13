/* command: see command.h. */
#include "command.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conn.h"
#include "map.h"

/* ---- inputs --------------------------------------------------------------------------------- */

const char *
command_text(const struct command *command, const json_t *fields, int i)
{
	return json_string_value(json_object_get(fields, command->arg[i]));
}

bool
command_uid(const struct command *command, const json_t *fields, int i, struct uid *out)
{
	const char *text = command_text(command, fields, i);

	return text && uid_parse(text, strlen(text), out);
}

/* The id as it is answered: a text or a whole number; false for anything else. */
static bool
id_text(const json_t *id, char out[CALL_ID_MAX])
{
	size_t n;

	if (!json_is_string(id) && !json_is_integer(id))
		return false;
	n = json_dumpb(id, out, CALL_ID_MAX - 1, JSON_ENCODE_ANY | JSON_COMPACT);
	if (n == 0 || n >= CALL_ID_MAX)
		return false;
	out[n] = '\0';
	return true;
}

/* ---- an operation's path and body ----------------------------------------------------------- */

/* Append a value to a path, percent-encoded; false when it does not fit or is no text or number. */
static bool
put_value(char *out, size_t *n, const json_t *value)
{
	char number[24];
	const char *text = json_string_value(value);

	if (json_is_integer(value)) {
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
		text = number;
	}
	if (!text || !*text)
		return false;
	for (; *text; text++) {
		if (*n + 4 > CALL_PATH_MAX)
			return false;
		if (isalnum((unsigned char)*text) || strchr("-._~", *text))
			out[(*n)++] = *text;
		else
			*n += (size_t)sprintf(out + *n, "%%%02X", (unsigned char)*text);
	}
	return true;
}

/* Fill the template in; NULL, or the name of the field that is missing or too long. */
static const char *
fill_path(const char *template, const json_t *fields, char out[CALL_PATH_MAX + 1], char name[64])
{
	size_t n = 0;

	while (*template) {
		const char *end = *template == '{' ? strchr(template, '}') : NULL;

		if (!end && n == CALL_PATH_MAX)
			return name;
		if (!end) {
			out[n++] = *template ++;
			continue;
		}
		snprintf(name, 64, "%.*s", (int)(end - template - 1), template + 1);
		if (!put_value(out, &n, json_object_get(fields, name)))
			return name;
		template = end + 1;
	}
	out[n] = '\0';
	return NULL;
}

static bool
in_path(const char *template, const char *name)
{
	size_t n = strlen(name);

	while ((template = strchr(template, '{'))) {
		template ++;
		if (!strncmp(template, name, n) && template[n] == '}')
			return true;
	}
	return false;
}

static bool
in_list(const char *list, const char *name)
{
	size_t n = strlen(name), m;

	for (; *list; list += m + (list[m] == ' ')) {
		m = strcspn(list, " ");
		if (m == n && !memcmp(list, name, n))
			return true;
	}
	return false;
}

static char *
make_body(const struct command *command, const json_t *fields)
{
	bool all = command->body && !strcmp(command->body, "*");
	json_t *body, *value;
	const char *name;
	char *text;

	if (!command->body)
		return NULL;
	body = json_object();
	json_object_foreach ((json_t *)fields, name, value) {
		if (all ? strcmp(name, "type") && !in_path(command->path, name)
			: in_list(command->body, name))
			json_object_set(body, name, value);
	}
	text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	return text;
}

/* ---- running -------------------------------------------------------------------------------- */

static void
run_operation(struct conn *c, const struct command *command, const json_t *fields, const char *id)
{
	struct call_spec spec = {
	    .id = id, .command = command, .method = command->method, .in_order = command->in_order};
	char path[CALL_PATH_MAX + 1], name[64];
	const char *missing = fill_path(command->path, fields, path, name);

	if (missing) {
		call_refuse(c, &spec, ERR_VALIDATION, missing, "is missing or malformed");
		return;
	}
	spec.path = path;
	spec.body = make_body(command, fields);
	call_submit(c, &spec);
}

static void
run_local(struct conn *c, const struct command *command, const json_t *fields, const char *id)
{
	struct call_spec spec = {.id = id, .command = command};
	struct command_fault fault = command->local ? command->local(c, command, fields)
						    : command->lasting(c, command, fields, id);

	if (fault.err)
		call_refuse(c, &spec, fault.err, fault.field, fault.detail);
	else if (command->local)
		command_done(c, command, id);
}

void
command_done(struct conn *c, const struct command *command, const char *id)
{
	if (id && c->state != CONN_CLOSING)
		dialect_at(c->dialect)
		    ->answer(c, &(struct answer){.id = id, .command = command, .status = 204});
}

bool
command_run(struct conn *c, const struct command *table, size_t n, const char *type,
    const json_t *fields, const json_t *id)
{
	const struct command *command = NULL;
	char text[CALL_ID_MAX];
	bool named = id && !json_is_null(id);

	for (size_t i = 0; i < n && !command; i++)
		if (!strcmp(table[i].type, type))
			command = &table[i];
	if (!command)
		return false;
	if (named && !id_text(id, text))
		call_refuse(c, &(struct call_spec){.command = command}, ERR_VALIDATION, "id",
		    "is neither a short text nor a whole number");
	else if (command->local || command->lasting)
		run_local(c, command, fields, named ? text : NULL);
	else
		run_operation(c, command, fields, named ? text : NULL);
	return true;
}

void
command_request(struct conn *c, const json_t *fields, const json_t *id)
{
	const json_t *body = json_object_get(fields, "body");
	const json_t *headers = json_object_get(fields, "headers");
	char text[CALL_ID_MAX];
	struct call_spec spec = {.id = text,
	    .method = json_string_value(json_object_get(fields, "method")),
	    .path = json_string_value(json_object_get(fields, "path")),
	    .headers = headers};

	if (!id_text(id, text)) {
		spec.id = NULL;
		call_refuse(
		    c, &spec, ERR_VALIDATION, "id", "must be a short text or a whole number");
	} else if (!spec.method) {
		call_refuse(c, &spec, ERR_VALIDATION, "method", "must be a text");
	} else if (!spec.path) {
		call_refuse(c, &spec, ERR_VALIDATION, "path", "must be a text");
	} else if (headers && !json_is_object(headers)) {
		call_refuse(c, &spec, ERR_VALIDATION, "headers", "must be an object");
	} else {
		if (body && !json_is_null(body))
			spec.body = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
		call_submit(c, &spec);
	}
}
