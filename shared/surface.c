/* surface: see surface.h. */
#include "surface.h"

#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "req.h"

static void
set_text(json_t *o, const char *name, const char *text)
{
	json_object_set_new(o, name, json_string(text));
}

static const char *
with_field(struct req *r, const char *detail, const char *field)
{
	return field && *field ? req_printf(r, "%s: %s", field, detail) : detail;
}

/* RFC 9457.  type about:blank: the status says what kind of problem it is; code and field are
 * extensions. */
static json_t *
error_whatsapp(struct req *r, enum err err, int status, const char *detail, const char *field)
{
	json_t *o = json_object();

	set_text(o, "type", "about:blank");
	set_text(o, "title", err_text(err));
	json_object_set_new(o, "status", json_integer(status));
	set_text(o, "detail", with_field(r, detail, field));
	set_text(o, "code", err_code(err));
	if (field && *field)
		set_text(o, "field", field);
	set_text(o, "instance", r->request_id);
	return o;
}

static json_t *
error_sentinal(struct req *r, enum err err, int status, const char *detail, const char *field)
{
	json_t *o = json_object();
	const char *code = err_code(err);

	if (status == 422)
		code = err_code(ERR_VALIDATION);
	else if (status == 503)
		code = "UNHEALTHY";
	json_object_set_new(o, "success", json_false());
	set_text(o, "error", with_field(r, detail, field));
	set_text(o, "code", code);
	return o;
}

static json_t *
details(const char *detail, const char *field)
{
	json_t *o = json_object();

	if (field && *field)
		set_text(o, field, detail);
	return o;
}

static json_t *
error_gateway(struct req *r, enum err err, int status, const char *detail, const char *field)
{
	json_t *o = json_object();

	set_text(o, "error", with_field(r, detail, field));
	set_text(o, "code", err == ERR_UNAUTHORIZED ? "AUTH_REQUIRED" : err_code(err));
	json_object_set_new(o, "status", json_integer(status));
	json_object_set_new(o, "details", details(detail, field));
	return o;
}

static json_t *
error_chatcall(struct req *r, enum err err, int status, const char *detail, const char *field)
{
	json_t *o = json_object();

	(void)status;
	set_text(o, "detail", with_field(r, detail, field));
	set_text(o, "error_code", err_code(err));
	json_object_set_new(o, "extra_info", details(detail, field));
	return o;
}

static json_t *
error_intok(struct req *r, enum err err, int status, const char *detail, const char *field)
{
	json_t *o = json_object();

	(void)status;
	set_text(o, "message", with_field(r, detail, field));
	set_text(o, "code", err_code(err));
	json_object_set_new(o, "details", details(detail, field));
	return o;
}

static const struct surface surfaces[] = {
    {"whatsapp", "application/problem+json", 400, "token.lifetime", "session.lifetime",
	error_whatsapp},
    {"sentinal", "application/json", 422, "sentinal.token_lifetime", "sentinal.session_lifetime",
	error_sentinal},
    {"gateway", "application/json", 400, "token.lifetime", "session.lifetime", error_gateway},
    {"chatcall", "application/json", 422, "token.lifetime", "session.lifetime", error_chatcall},
    {"intok", "application/json", 400, "token.lifetime", "session.lifetime", error_intok},
};
enum { SURFACES = sizeof surfaces / sizeof *surfaces };

const struct surface *
surface_named(const char *name)
{
	for (int i = 0; i < SURFACES; i++) {
		if (strcmp(surfaces[i].name, name) == 0)
			return &surfaces[i];
	}
	abort();
}

int64_t
surface_longest_token(void)
{
	int64_t longest = 0;

	for (int i = 0; i < SURFACES; i++) {
		int64_t seconds = conf_int(surfaces[i].token_lifetime);

		if (seconds > longest)
			longest = seconds;
	}
	return longest;
}
