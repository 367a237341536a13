/* The blob store, and which part of a file a header speaks of. */
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "blob.h"
#include "blob_send.h"
#include "conf.h"
#include "err.h"
#include "fcgi-apps/sentinal/uploads/piece.h"
#include "id.h"

#define ABC_SUM "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" /* FIPS 180 */

static char data[] = "/tmp/rookery-blob-XXXXXX";

static int
setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(data));
	setenv("ROOKERY_CONF", "/dev/null", 1);
	setenv("ROOKERY_DATA_DIR", data, 1);
	return conf_load(NULL);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static int
teardown(void **state)
{
	(void)state;
	return nftw(data, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int
nameless(const char *dir, const void *p, size_t n)
{
	int fd = open(dir, O_TMPFILE | O_RDWR, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	return fd;
}

static void
holds(const char *id, const void *p, size_t n)
{
	char *got = malloc(n + 1);
	int64_t size;
	int fd;

	assert_int_equal(blob_open(id, &fd, &size), 0);
	assert_int_equal(size, n);
	assert_int_equal(read(fd, got, n + 1), n);
	assert_memory_equal(got, p, n);
	close(fd);
	free(got);
}

static void
what_was_put_is_there_until_it_is_deleted(void **state)
{
	char id[ID_SIZE], sum[BLOB_SUM_SIZE];
	int fd = nameless(data, "abc", 3);
	int64_t size;

	(void)state;
	id_new(id);
	assert_int_equal(blob_put(id, fd, sum), 0);
	close(fd);
	assert_string_equal(sum, ABC_SUM);
	holds(id, "abc", 3);
	assert_int_equal(blob_delete(id), 0);
	assert_int_equal(blob_open(id, &fd, &size), ERR_NOT_FOUND);
	assert_int_equal(blob_delete(id), 0);
}

static void
it_lies_below_the_last_digits_of_its_id_for_the_owner_alone(void **state)
{
	static const char id[] = "01a1f7ea-4ba6-7f9a-b792-6862710048ee";
	char sum[BLOB_SUM_SIZE], path[128];
	int fd = nameless(data, "abc", 3);
	struct stat st;

	(void)state;
	assert_int_equal(blob_put(id, fd, sum), 0);
	close(fd);
	snprintf(path, sizeof path, "%s/blobs/48/ee/%s", data, id);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
	snprintf(path, sizeof path, "%s/blobs", data);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void
another_file_system_is_no_obstacle(void **state)
{
	size_t n = 3 << 20;
	char id[ID_SIZE], sum[BLOB_SUM_SIZE], *bytes = malloc(n);
	struct stat here, there;
	int fd;

	(void)state;
	assert_int_equal(stat(data, &here), 0);
	if (stat("/dev/shm", &there) || here.st_dev == there.st_dev)
		skip();
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(i * 2654435761U >> 13);
	fd = nameless("/dev/shm", bytes, n);
	id_new(id);
	assert_int_equal(blob_put(id, fd, sum), 0);
	close(fd);
	holds(id, bytes, n);
	free(bytes);
}

static void
a_blob_is_not_replaced(void **state)
{
	char id[ID_SIZE], sum[BLOB_SUM_SIZE];
	int first = nameless(data, "abc", 3), second = nameless(data, "other", 5);

	(void)state;
	id_new(id);
	assert_int_equal(blob_put(id, first, sum), 0);
	assert_int_equal(blob_put(id, second, sum), ERR_INTERNAL);
	holds(id, "abc", 3);
	close(first);
	close(second);
}

static void
nothing_but_an_id_names_a_blob(void **state)
{
	static const char *const bad[] = {"", "..", "../../../../etc/passwd",
	    "01a1f7ea-4ba6-7f9a-b792-686271004/..", "01A1F7EA-4BA6-7F9A-B792-6862710048EE",
	    "01a1f7ea-4ba6-7f9a-b792-6862710048ee/x"};
	char sum[BLOB_SUM_SIZE];
	int64_t size;
	int fd = nameless(data, "abc", 3), got;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(blob_put(bad[i], fd, sum), ERR_INTERNAL);
		assert_int_equal(blob_open(bad[i], &got, &size), ERR_INTERNAL);
		assert_int_equal(blob_delete(bad[i]), ERR_INTERNAL);
	}
	close(fd);
}

static void
without_a_folder_for_it_nothing_is_stored(void **state)
{
	char id[ID_SIZE], sum[BLOB_SUM_SIZE];
	int fd = nameless(data, "abc", 3);

	(void)state;
	id_new(id);
	setenv("ROOKERY_DATA_DIR", "/nowhere/at/all", 1);
	assert_int_equal(conf_load(NULL), 0);
	assert_int_equal(blob_put(id, fd, sum), ERR_INTERNAL);
	setenv("ROOKERY_DATA_DIR", data, 1);
	assert_int_equal(conf_load(NULL), 0);
	close(fd);
}

static void
ranges_of_a_hundred_bytes(void **state)
{
	static const struct {
		const char *header;
		enum range range;
		int64_t from, len;
	} cases[] = {
	    {NULL, RANGE_NONE, 0, 0},
	    {"bytes=0-0", RANGE_PART, 0, 1},
	    {"bytes=0-99", RANGE_PART, 0, 100},
	    {"Bytes=10-19", RANGE_PART, 10, 10},
	    {"bytes= 10-19 ", RANGE_PART, 10, 10},
	    {"bytes=90-", RANGE_PART, 90, 10},
	    {"bytes=90-1000", RANGE_PART, 90, 10},
	    {"bytes=90-99999999999999999999999999", RANGE_PART, 90, 10},
	    {"bytes=-1", RANGE_PART, 99, 1},
	    {"bytes=-500", RANGE_PART, 0, 100},
	    {"bytes=100-", RANGE_BAD, 0, 0},
	    {"bytes=100-200", RANGE_BAD, 0, 0},
	    {"bytes=99999999999999999999999999-", RANGE_BAD, 0, 0},
	    {"bytes=-0", RANGE_BAD, 0, 0},
	    {"bytes=5-4", RANGE_NONE, 0, 0},
	    {"bytes=-", RANGE_NONE, 0, 0},
	    {"bytes=", RANGE_NONE, 0, 0},
	    {"bytes", RANGE_NONE, 0, 0},
	    {"", RANGE_NONE, 0, 0},
	    {"bytes=a-b", RANGE_NONE, 0, 0},
	    {"bytes=0-1,5-6", RANGE_NONE, 0, 0},
	    {"bytes=--5", RANGE_NONE, 0, 0},
	    {"lines=0-1", RANGE_NONE, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t from = 0, len = 0;

		assert_int_equal(blob_range(cases[i].header, 100, &from, &len), cases[i].range);
		assert_int_equal(from, cases[i].from);
		assert_int_equal(len, cases[i].len);
	}
}

static void
write_part(const char *id, const char *bytes, int64_t at)
{
	int fd = nameless("/dev/shm", bytes, strlen(bytes)); /* another file system will do */

	assert_int_equal(blob_part_write(id, fd, (int64_t)strlen(bytes), at), 0);
	close(fd);
}

static void
pieces_become_a_blob(void **state)
{
	char id[ID_SIZE], sum[BLOB_SUM_SIZE];
	int64_t size;
	int fd;

	(void)state;
	id_new(id);
	write_part(id, "a", 0);
	write_part(id, "XYZ", 1);
	write_part(id, "bc", 1); /* again, and shorter */
	assert_int_equal(blob_open(id, &fd, &size), ERR_NOT_FOUND);
	assert_int_equal(blob_part_sum(id, 5, sum), ERR_INTERNAL);
	assert_int_equal(blob_part_sum(id, 3, sum), 0);
	assert_string_equal(sum, ABC_SUM);
	assert_int_equal(blob_part_keep(id), 0);
	holds(id, "abc", 3);
	assert_int_equal(blob_part_sum(id, 3, sum), 0); /* as after a crash: it is there already */
	assert_int_equal(blob_part_keep(id), 0);
	write_part(id, "left over", 0);
	assert_int_equal(blob_delete(id), 0);
	assert_int_equal(blob_part_sum(id, 1, sum), ERR_INTERNAL);
	assert_int_equal(blob_part_keep(id), ERR_INTERNAL);
}

static void
which_piece_a_request_brings(void **state)
{
	static const char *const none[] = {"", "bytes", "bytes 0-9", "bytes 0-9/", "bytes 0/10",
	    "bytes -9/10", "bytes 0-/10", "bytes 9-0/10", "bytes 0-10/10", "bytes 0-9/10 ",
	    "bytes=0-9/10", "bytes 0-9/99999999999999999999", "bytes 99999999999999999999-0/*",
	    "octets 0-9/10", "bytes */", "bytes *", "bytes +0-9/10", "bytes 0 - 9/10"};
	struct piece g;

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_false(piece_parse(none[i], &g));
	assert_true(piece_parse("bytes 0-9/10", &g));
	assert_true(!g.asks && g.from == 0 && g.last == 9 && g.total == 10);
	assert_true(piece_parse("Bytes  5-5/*", &g));
	assert_true(!g.asks && g.from == 5 && g.last == 5 && g.total == -1);
	assert_true(piece_parse("bytes */10", &g));
	assert_true(g.asks && g.total == 10);
	assert_true(piece_parse("bytes */*", &g));
	assert_true(g.asks && g.total == -1);
}

static void
tags_are_found_in_lists(void **state)
{
	static const char *const yes[] = {
	    "\"abc\"", "W/\"abc\"", "*", "\"x\", \"abc\"", "\"x\",W/\"abc\"", " \"abc\" "};
	static const char *const no[] = {
	    "", "abc", "\"ab\"", "\"abcd\"", "\"abc", "\"x\"", "\"", "\"x\" abc", "W/", "x\"abc\""};

	(void)state;
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
		assert_true(blob_has_tag(yes[i], "abc"));
	for (size_t i = 0; i < sizeof no / sizeof *no; i++)
		assert_false(blob_has_tag(no[i], "abc"));
	assert_false(blob_has_tag(NULL, "abc"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_put_is_there_until_it_is_deleted),
	    cmocka_unit_test(it_lies_below_the_last_digits_of_its_id_for_the_owner_alone),
	    cmocka_unit_test(another_file_system_is_no_obstacle),
	    cmocka_unit_test(a_blob_is_not_replaced),
	    cmocka_unit_test(nothing_but_an_id_names_a_blob),
	    cmocka_unit_test(without_a_folder_for_it_nothing_is_stored),
	    cmocka_unit_test(ranges_of_a_hundred_bytes),
	    cmocka_unit_test(pieces_become_a_blob),
	    cmocka_unit_test(which_piece_a_request_brings),
	    cmocka_unit_test(tags_are_found_in_lists),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
