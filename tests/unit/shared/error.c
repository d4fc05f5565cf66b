/* errors.def, and that the public header tells the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <string.h>
#include <unistd.h>

/* Before shared/error.h, so that the enumeration is the public one. */
#include "client/synod.h"

#include "shared/error.h"

#define ERROR(name, number, exit, text, hint)                                                      \
	_Static_assert(SYNOD_##name == (number), "client/synod.h: SYNOD_" #name);
#include "shared/errors.def"
#undef ERROR

static const int numbers[] = {
#define ERROR(name, number, exit, text, hint) (number),
#include "shared/errors.def"
#undef ERROR
};

#define NUMBER_COUNT (sizeof numbers / sizeof numbers[0])

static void
knows_each_number_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < NUMBER_COUNT; i++) {
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(numbers[i], numbers[j]);
		assert_true(error_is_known(numbers[i]));
	}
}

static void
says_what_happened_and_what_to_do_for_every_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < NUMBER_COUNT; i++) {
		const char *text = error_text(numbers[i]);

		assert_true(strlen(error_name(numbers[i])) > 1);
		assert_true(strlen(text) > 3);
		assert_true(strlen(error_hint(numbers[i])) > 3);
		/* It ends a sentence that somebody else began. */
		assert_false(isupper((unsigned char)text[0]));
		assert_int_not_equal(text[strlen(text) - 1], '.');
	}
}

static void
names_and_describes_an_error_by_its_number(void **state)
{
	(void)state;
	assert_string_equal(error_name(SYNOD_NOT_FOUND), "NOT_FOUND");
	assert_string_equal(error_text(SYNOD_NOT_FOUND), "no such node");
	assert_int_equal(error_exit_code(SYNOD_OK), 0);
	assert_int_equal(error_exit_code(SYNOD_NOT_FOUND), 3);
	assert_int_equal(error_exit_code(SYNOD_CONFLICT), 4);
	assert_int_equal(error_exit_code(SYNOD_UNKNOWN), 5);
	assert_int_equal(error_exit_code(SYNOD_NO_QUORUM), 7);
}

static void
survives_numbers_that_are_no_error(void **state)
{
	const int strangers[] = {-1, 15, 19, 1000, 0x7fffffff, -0x7fffffff};

	(void)state;
	for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
		assert_false(error_is_known(strangers[i]));
		assert_string_equal(error_name(strangers[i]), "?");
		assert_non_null(error_text(strangers[i]));
		assert_non_null(error_hint(strangers[i]));
		assert_int_equal(error_exit_code(strangers[i]), 1);
	}
}

static void
keeps_every_exit_code_within_the_documented_ones(void **state)
{
	(void)state;
	for (size_t i = 0; i < NUMBER_COUNT; i++) {
		if (numbers[i] != SYNOD_OK)
			assert_in_range(error_exit_code(numbers[i]), 1, 7);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_each_number_once),
		cmocka_unit_test(says_what_happened_and_what_to_do_for_every_error),
		cmocka_unit_test(names_and_describes_an_error_by_its_number),
		cmocka_unit_test(survives_numbers_that_are_no_error),
		cmocka_unit_test(keeps_every_exit_code_within_the_documented_ones),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
