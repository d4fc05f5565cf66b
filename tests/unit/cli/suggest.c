/* Guesses for mistyped commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "client/cli/suggest.h"

static const char *const names[] = {"get", "set", "delete", "status", "export", "import", NULL};

static void
finds_the_nearest_name(void **state)
{
	(void)state;
	assert_string_equal(suggest("stauts", names), "status");
	assert_string_equal(suggest("delte", names), "delete");
	assert_string_equal(suggest("exprot", names), "export");
	assert_string_equal(suggest("ge", names), "get");
}

static void
does_not_guess_wildly(void **state)
{
	(void)state;
	assert_null(suggest("frobnicate", names));
	assert_null(suggest("xy", names));
	assert_null(suggest("", names));
	assert_null(suggest("a word far longer than any command could ever be", names));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_nearest_name),
		cmocka_unit_test(does_not_guess_wildly),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
