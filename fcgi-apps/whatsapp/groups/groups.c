/* groups: what needs a setting of the farm; the rest is groups.yaml and groups.sql. */
#include "groups.gen.h"

#include "conf.h"
#include "db.h"
#include "json.h"
#include "req.h"

static const char *
most_members(struct req *r)
{
	return db_int_text(r, conf_int("group.max"));
}

int
group_create(struct req *r, const struct group_create_in *in)
{
	const char *members = in->memberIds ? db_array_json(r, in->memberIds) : "{}";
	const char *encryption =
	    in->encryptionMetadata ? json_text(r->arena, in->encryptionMetadata, NULL) : NULL;
	struct db_res *row;
	int err;

	if ((err = sql_group_create(
		 r, &row, encryption, in->name, in->description, members, most_members(r))))
		return err;
	return resp_row(r, 201, row);
}

int
group_members_add(struct req *r, const struct group_members_add_in *in)
{
	struct db_res *row;
	int err;

	err = sql_group_member_add(
	    r, &row, in->groupId, db_array_json(r, in->memberIds), most_members(r));
	return err ? err : resp_row(r, 201, row);
}
