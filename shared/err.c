/* err: see err.h. */
#include "err.h"

static const struct {
	int status;
	const char *code, *text;
} errors[] = {{200, "OK", "OK"},
#define X(name, status, code, text) {status, code, text},
    ERR_TABLE(X)
#undef X
};

static enum err
known(enum err e)
{
	return e >= ERR_OK && e < ERR_COUNT ? e : ERR_INTERNAL;
}

int
err_status(enum err e)
{
	return errors[known(e)].status;
}

const char *
err_code(enum err e)
{
	return errors[known(e)].code;
}

const char *
err_text(enum err e)
{
	return errors[known(e)].text;
}

enum err
err_from_status(int status)
{
	for (int e = 1; e < ERR_COUNT; e++) {
		if (errors[e].status == status)
			return (enum err)e;
	}
	return ERR_INTERNAL;
}
