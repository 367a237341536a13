/*
 * page: pages of lists.  The surface's names (page and pageSize, page and limit, limit and offset,
 * skip and limit) are found among the operation's inputs; sizes are held to 1..100.
 *
 *	struct page p = page_of(r, in);
 *	err = sql_devices_list(r, &res, p.limit, p.offset);
 *	return page_reply_rows(r, &p, db_rows_json(r, res), page_total(res));
 */
#ifndef ROOKERY_PAGE_H
#define ROOKERY_PAGE_H

#include <jansson.h>
#include <stdint.h>
#include "contract.h"

struct req;
struct db_res;

struct page {
	int64_t page, size; /* from 1; entries a page */
	int64_t limit, offset;
};

enum { PAGE_DEFAULT = 20, PAGE_MAX = 100 };

struct page page_of(struct req *r, const void *in);
/* Answer {items, page, pageSize, total} with the names of x-list and of the inputs.  When the page lies beyond
 * the end, the total is asked again from the first page. */
int page_reply(struct req *r, const struct page *p, struct db_res *res, const struct query *q,
    const char **params);
/* The same with rows made by a handler. */
int page_reply_rows(struct req *r, const struct page *p, json_t *rows, int64_t total);
/* _total of a :list query's result; -1 when it has no row. */
int64_t page_total(const struct db_res *res);

#endif
