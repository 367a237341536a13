/*
 * emit_op: operations as C: input structs, tables, and wrappers that give handlers their type.
 */
#include "apigen.h"

static const char *const auth_names[] = {[AUTH_NONE] = "AUTH_NONE",
    [AUTH_BEARER] = "AUTH_BEARER",
    [AUTH_OPTIONAL] = "AUTH_OPTIONAL",
    [AUTH_OPERATOR] = "AUTH_OPERATOR"};
static const char *const where_names[] = {[IN_PATH] = "IN_PATH",
    [IN_QUERY] = "IN_QUERY",
    [IN_HEADER] = "IN_HEADER",
    [IN_BODY] = "IN_BODY"};
static const struct {
	const char *kind, *type;
	bool has;
} kinds[] = {[KIND_TEXT] = {"KIND_TEXT", "const char *", false},
    [KIND_INTEGER] = {"KIND_INTEGER", "int64_t ", true},
    [KIND_NUMBER] = {"KIND_NUMBER", "double ", true},
    [KIND_BOOLEAN] = {"KIND_BOOLEAN", "bool ", true},
    [KIND_JSON] = {"KIND_JSON", "json_t *", false}};

static const char *
truth(bool b)
{
	return b ? "true" : "false";
}

static bool
has_form(const struct operation *o)
{
	return o->op.body && o->op.body->n_one_of;
}

static const char *
member(const struct operation *o, const struct input *in)
{
	const char *name = c_name(in->bind);

	return has_form(o) && !strcmp(name, "form") ? "form_" : name;
}

static void
check_members(const struct operation *o)
{
	for (int i = 0; i < o->op.n_inputs; i++)
		for (int k = 0; k < o->op.n_inputs; k++) {
			const char *a = member(o, &o->inputs[i]), *b = member(o, &o->inputs[k]);

			if (i < k && !strcmp(a, b))
				die_at(o->op.file, o->op.line, "two inputs of %s are named %s in C",
				    o->op.id, a);
			if (kinds[o->inputs[i].kind].has && !strcmp(xprintf("has_%s", a), b))
				die_at(o->op.file, o->op.line,
				    "input %s of %s hides whether %s was sent", b, o->op.id, a);
		}
}

void
put_struct(FILE *out, const struct operation *o)
{
	static const char *const places[] = {[IN_PATH] = " /* path */",
	    [IN_QUERY] = " /* query */",
	    [IN_HEADER] = " /* header */",
	    [IN_BODY] = ""};

	check_members(o);
	fprintf(out, "struct %s_in {\n", o->op.id);
	if (has_form(o))
		fputs("\tint form; /* alternative of the body that was sent */\n", out);
	for (int i = 0; i < o->op.n_inputs; i++) {
		const struct input *in = &o->inputs[i];

		fprintf(out, "\t%s%s;%s\n", kinds[in->kind].type, member(o, in), places[in->where]);
		if (kinds[in->kind].has)
			fprintf(out, "\tbool has_%s;\n", member(o, in));
	}
	if (!has_form(o) && !o->op.n_inputs)
		fputs("\tchar none;\n", out);
	fputs("};\n\n", out);
}

static void
put_inputs(FILE *out, const struct operation *o)
{
	int *ids = xalloc((size_t)o->op.n_inputs * sizeof(*ids));

	if (!o->op.n_inputs)
		return;
	for (int i = 0; i < o->op.n_inputs; i++)
		ids[i] = put_schema(out, o->inputs[i].schema);
	fprintf(out, "static const struct input inputs_%s[] = {\n", o->op.id);
	for (int i = 0; i < o->op.n_inputs; i++) {
		const struct input *in = &o->inputs[i];

		fputs("\t{\n\t\t.name = ", out);
		put_c_string(out, in->name);
		fprintf(out, ", .bind = \"%s\",\n\t\t.where = %s, .kind = %s, .schema = &s_%d,\n",
		    in->bind, where_names[in->where], kinds[in->kind].kind, ids[i]);
		if (in->required || in->self || in->invalid)
			fprintf(out, "\t\t.required = %s, .self = %s, .invalid = %d,\n",
			    truth(in->required), truth(in->self), in->invalid);
		if (in->dflt) {
			fputs("\t\t.dflt = ", out);
			put_c_string(out, in->dflt);
			fputs(",\n", out);
		}
		fprintf(
		    out, "\t\t.offset = offsetof(struct %s_in, %s),\n", o->op.id, member(o, in));
		if (kinds[in->kind].has)
			fprintf(out, "\t\t.has_offset = offsetof(struct %s_in, has_%s),\n",
			    o->op.id, member(o, in));
		fputs("\t},\n", out);
	}
	fputs("};\n", out);
}

static void
put_statuses(FILE *out, const struct operation *o)
{
	int *ids = xalloc((size_t)o->op.n_statuses * sizeof(*ids));

	for (int i = 0; i < o->op.n_statuses; i++)
		if (o->statuses[i].reply)
			ids[i] = put_schema(out, o->statuses[i].reply);
	fprintf(out, "static const struct status statuses_%s[] = {\n", o->op.id);
	for (int i = 0; i < o->op.n_statuses; i++) {
		fprintf(out, "\t{%d, ", o->statuses[i].code);
		put_c_string(out, o->statuses[i].about);
		if (o->statuses[i].reply)
			fprintf(out, ", &s_%d},\n", ids[i]);
		else
			fputs(", NULL},\n", out);
	}
	fputs("};\n", out);
}

static void
put_constraints(FILE *out, const struct operation *o)
{
	if (!o->op.n_constraints)
		return;
	fprintf(out, "static const struct constraint_map constraints_%s[] = {\n", o->op.id);
	for (int i = 0; i < o->op.n_constraints; i++) {
		const struct constraint_map *m = &o->constraints[i];

		fputs("\t{", out);
		put_c_string(out, m->constraint);
		fprintf(out, ", %d, ", m->status);
		put_c_string(out, m->field);
		fputs(", ", out);
		put_c_string(out, m->detail);
		fputs("},\n", out);
	}
	fputs("};\n", out);
}

/* Batches come as an array of void pointers; the copy keeps types honest. */
static void
put_wrapper(FILE *out, const struct operation *o)
{
	const char *id = o->op.id;

	if (o->query)
		return;
	if (o->op.batch)
		fprintf(out,
		    "static void\ncall_%s(struct req **r, const void *const *in, int n)\n{\n"
		    "\tconst struct %s_in *typed[n > 0 ? n : 1];\n\n"
		    "\tfor (int i = 0; i < n; i++)\n\t\ttyped[i] = in[i];\n"
		    "\t%s_batch(r, typed, n);\n}\n",
		    id, id, id);
	else
		fprintf(out,
		    "static int\ncall_%s(struct req *r, const void *in)\n{\n\treturn %s(r, "
		    "in);\n}\n",
		    id, id);
}

static void
put_op_body(FILE *out, const struct op *op, int body)
{
	fprintf(out, "\t\t.idempotent = %s, .body_required = %s, .body_limit = %lld,\n",
	    truth(op->idempotent), truth(op->body_required), (long long)op->body_limit);
	if (op->raw_body || op->multipart)
		fprintf(out, "\t\t.raw_body = %s, .multipart = %s,\n", truth(op->raw_body),
		    truth(op->multipart));
	if (op->body)
		fprintf(out, "\t\t.body = &s_%d,\n", body);
	if (op->n_inputs)
		fprintf(out, "\t\t.inputs = inputs_%s, .n_inputs = %d,\n", op->id, op->n_inputs);
	fprintf(out, "\t\t.in_size = sizeof(struct %s_in),\n", op->id);
	if (op->envelope)
		fputs("\t\t.envelope = true,\n", out);
}

static void
put_op(FILE *out, const struct operation *o, int body)
{
	const struct op *op = &o->op;

	fprintf(out, "\t{\n\t\t.id = \"%s\", .method = \"%s\", .path = ", op->id, op->method);
	put_c_string(out, op->path);
	fprintf(out, ",\n\t\t.auth = %s, .limit = ", auth_names[op->auth]);
	put_c_string(out, op->limit);
	fputs(",\n", out);
	put_op_body(out, op, body);
	if (o->query)
		fprintf(out, "\t\t.query = &query_%s,\n", o->query->q.name);
	else if (op->batch)
		fprintf(out, "\t\t.batch = true, .handle_batch = call_%s,\n", op->id);
	else
		fprintf(out, "\t\t.handle = call_%s,\n", op->id);
	if (op->list_field) {
		fputs("\t\t.list_field = ", out);
		put_c_string(out, op->list_field);
		fputs(", .total_field = ", out);
		put_c_string(out, op->total_field);
		fputs(",\n", out);
	}
	fprintf(out, "\t\t.success = %d, .statuses = statuses_%s, .n_statuses = %d,\n", op->success,
	    op->id, op->n_statuses);
	if (op->n_constraints)
		fprintf(out, "\t\t.constraints = constraints_%s, .n_constraints = %d,\n", op->id,
		    op->n_constraints);
	fputs("\t\t.file = ", out);
	put_c_string(out, op->file);
	fprintf(out, ", .line = %d,\n\t},\n", op->line);
}

void
put_operations(FILE *out, const struct contract *c)
{
	int *bodies = xalloc((size_t)c->n_ops * sizeof(*bodies));

	for (int i = 0; i < c->n_ops; i++) {
		const struct operation *o = &c->ops[i];

		fprintf(out, "/* ---- %s ---- */\n\n", o->op.id);
		if (o->query)
			put_struct(out, o);
		if (o->op.body)
			bodies[i] = put_schema(out, o->op.body);
		put_inputs(out, o);
		put_statuses(out, o);
		put_constraints(out, o);
		put_wrapper(out, o);
		putc('\n', out);
	}
	fputs("static const struct op ops[] = {\n", out);
	for (int i = 0; i < c->n_ops; i++)
		put_op(out, &c->ops[i], bodies[i]);
	fputs("};\n\n", out);
}
