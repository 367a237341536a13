/* Telephone numbers over libphonenumber: see phone.h.  No exception leaves this file. */
#include "phone.h"

#include <cstring>
#include <exception>
#include <string>
#include <phonenumbers/phonenumber.pb.h>
#include <phonenumbers/phonenumberutil.h>

using i18n::phonenumbers::PhoneNumber;
using i18n::phonenumbers::PhoneNumberUtil;

namespace
{

constexpr std::size_t INPUT_MAX = 64;

/* The library would read letters as the keys they stand on, and much else as an extension. */
bool
is_dialable(const char *in)
{
	const char *rest = in + std::strspn(in, " (");

	rest += *rest == '+'; /* "(+49) 30 …" is common, a plus further on is not */
	return std::strlen(in) < INPUT_MAX && rest[std::strspn(rest, "0123456789 -./()")] == '\0';
}

bool
normalize(const char *in, const char *region, std::string *out)
{
	const PhoneNumberUtil *util = PhoneNumberUtil::GetInstance();
	PhoneNumber number;

	if (util->Parse(in, region ? region : "ZZ", &number) != PhoneNumberUtil::NO_PARSING_ERROR)
		return false;
	if (util->IsPossibleNumberWithReason(number) != PhoneNumberUtil::IS_POSSIBLE)
		return false;
	util->Format(number, PhoneNumberUtil::E164, out);
	return out->size() < PHONE_SIZE;
}

} // namespace

extern "C" bool
phone_normalize(const char *in, const char *default_region, char out[PHONE_SIZE])
{
	try {
		std::string text;

		if (!in || !is_dialable(in) || !normalize(in, default_region, &text))
			return false;
		std::memcpy(out, text.c_str(), text.size() + 1);
		return true;
	} catch (const std::exception &) {
		return false; /* out of memory */
	}
}
