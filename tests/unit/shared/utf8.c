/* UTF-8, well formed and not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "shared/utf8.h"

static void
accepts_the_first_and_last_character_of_each_length(void **state)
{
	const char *const texts[] = {
		"",
		"plain ASCII, longer than one word",
		"\x01",
		"\x7f",
		"\xc2\x80",
		"\xdf\xbf",
		"\xe0\xa0\x80",
		"\xed\x9f\xbf",
		"\xee\x80\x80",
		"\xef\xbf\xbf",
		"\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf",
		"eight by\xc3\xa9tes, then more",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_true(utf8_is_valid(slice_of(texts[i])));
	assert_true(utf8_is_valid((struct slice){NULL, 0}));
}

static void
refuses_overlong_forms_surrogates_and_what_lies_above_unicode(void **state)
{
	const char *const texts[] = {
		"\xc0\x80",
		"\xc1\xbf",
		"\xe0\x80\x80",
		"\xe0\x9f\xbf",
		"\xf0\x80\x80\x80",
		"\xf0\x8f\xbf\xbf",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80",
		"\xff",
		"\xfe",
		"\x80",
		"abc\xbf",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_false(utf8_is_valid(slice_of(texts[i])));
}

static void
refuses_sequences_that_are_cut_short_or_interrupted(void **state)
{
	const char *const texts[] = {
		"\xc2",
		"\xe1\x80",
		"\xf1\x80\x80",
		"\xe1",
		"\xc2"
		"a",
		"\xe1\x80"
		"a",
		"\xf1\x80\x80"
		"a",
		"\xe1"
		"a\x80",
		"12345678\xc2",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_false(utf8_is_valid(slice_of(texts[i])));
}

static size_t
encode(uint32_t point, uint8_t *bytes)
{
	if (point < 0x80) {
		bytes[0] = (uint8_t)point;
		return 1;
	}
	if (point < 0x800) {
		bytes[0] = (uint8_t)(0xc0 | point >> 6);
		bytes[1] = (uint8_t)(0x80 | (point & 0x3f));
		return 2;
	}
	if (point < 0x10000) {
		bytes[0] = (uint8_t)(0xe0 | point >> 12);
		bytes[1] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
		bytes[2] = (uint8_t)(0x80 | (point & 0x3f));
		return 3;
	}
	bytes[0] = (uint8_t)(0xf0 | point >> 18);
	bytes[1] = (uint8_t)(0x80 | (point >> 12 & 0x3f));
	bytes[2] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
	bytes[3] = (uint8_t)(0x80 | (point & 0x3f));
	return 4;
}

static void
accepts_every_character_of_unicode_and_no_surrogate(void **state)
{
	uint8_t bytes[4];

	(void)state;
	for (uint32_t point = 0; point < 0x110010; point++) {
		bool is_character = point < 0x110000 && (point < 0xd800 || point > 0xdfff);
		struct slice text = {bytes, encode(point, bytes)};

		if (utf8_is_valid(text) != is_character)
			fail_msg("U+%04X", (unsigned)point);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_the_first_and_last_character_of_each_length),
		cmocka_unit_test(refuses_overlong_forms_surrogates_and_what_lies_above_unicode),
		cmocka_unit_test(refuses_sequences_that_are_cut_short_or_interrupted),
		cmocka_unit_test(accepts_every_character_of_unicode_and_no_surrogate),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
