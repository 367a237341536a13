/* Telephone numbers: all ways to write one give one text, and what is no number gives none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "phone.h"

static void
one_number_one_text(void **state)
{
	static const struct {
		const char *in, *region, *out;
	} cases[] = {
	    {"+4915112345678", NULL, "+4915112345678"},
	    {"+49 151 1234-5678", NULL, "+4915112345678"},
	    {"0151/12345678", "DE", "+4915112345678"},
	    {"0049 151 12345678", "DE", "+4915112345678"},
	    {"+49 (0) 30 1234567", NULL, "+49301234567"},
	    {"(030) 123 45 67", "DE", "+49301234567"},
	    {"+1 (415) 555-2671", NULL, "+14155552671"},
	    {"415.555.2671", "US", "+14155552671"},
	    {"1-415-555-2671", "US", "+14155552671"},
	    {"+15551234567", NULL, "+15551234567"},   /* in no range that was handed out */
	    {"+447700900123", NULL, "+447700900123"}, /* reserved for films and tests */
	    {"07700 900123", "GB", "+447700900123"},
	    {"+39 02 3661 8300", NULL, "+390236618300"}, /* Italy keeps the zero */
	    {"8 (912) 345-67-89", "RU", "+79123456789"},
	    {"011 49 30 1234567", "US", "+49301234567"},
	    {"+80012345678", NULL, "+80012345678"}, /* no country: freephone */
	    {" +4915112345678", "DE", "+4915112345678"},
	    {"+4915112345678", "US", "+4915112345678"},
	    {"(+49) 151 12345678", NULL, "+4915112345678"},
	};
	char out[PHONE_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (!phone_normalize(cases[i].in, cases[i].region, out))
			fail_msg("%s is refused", cases[i].in);
		assert_string_equal(out, cases[i].out);
	}
}

static void
no_numbers(void **state)
{
	static const char *const bad[] = {"", "+", "()", " ", "abc", "+49 CALL ME", "1-800-FLOWERS",
	    "+123", "+1", "12345", "+0000000000", "+999123456789", "+49110", "110",
	    "+1234567890123456", "+49301234567890123", "++4915112345678", "+49151+12345678",
	    "+4915112345678 ext. 5", "+4915112345678;ext=5", "tel:+4915112345678", "030 1234567",
	    "\xd9\xa1\xd9\xa2\xd9\xa3", "+\n", "+4915112345678\n",
	    "00000000000000000000000000000000000000000000000000000000000000000000000000"};
	char out[PHONE_SIZE] = "same";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (phone_normalize(bad[i], NULL, out))
			fail_msg("\"%s\" became %s", bad[i], out);
		assert_string_equal(out, "same");
	}
	assert_false(phone_normalize(NULL, "DE", out));
	assert_false(phone_normalize("0151 12345678", "XX", out));
	assert_false(phone_normalize("0151 12345678", "", out));
	assert_false(phone_normalize("1234567", "US", out)); /* without its area code */
	assert_false(phone_normalize("112", "DE", out));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_number_one_text),
	    cmocka_unit_test(no_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
