/* Parsing and learning of addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/endpoints.h"
#include "shared/error.h"

static void
takes_names_numbers_and_brackets(void **state)
{
	static const char *const expected[] = {"127.0.0.1:7401", "[::1]:7402", "db-1.example:7403",
	                                       "localhost:7400", "[fe80::1]:7400"};
	struct endpoints endpoints;

	(void)state;
	assert_int_equal(endpoints_init(&endpoints,
	                                " 127.0.0.1:7401,[::1]:7402 , db-1.example:7403,"
	                                "localhost,[fe80::1]"),
	                 SYNOD_OK);
	assert_int_equal(endpoints_count(&endpoints), 5);
	for (unsigned i = 0; i < 5; i++)
		assert_string_equal(endpoints_at(&endpoints, i), expected[i]);
	endpoints_fini(&endpoints);
}

static void
refuses_what_is_no_address(void **state)
{
	static const char *const bad[] = {
		"",        ",",       "a:1,",    ":7400",   "a:",      "a:0",
		"a:65536", "a:7400x", "a:1 b:2", "a b:1",   "::1:740", "[::1:1",
		"[]:1",    "a:+1",    "a/b:1",   "a:1;b:2", "a:-1",    "a@b:1",
	};
	struct endpoints endpoints;

	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(endpoints_init(&endpoints, bad[i]), SYNOD_BAD_ARGUMENT);
}

static void
refuses_a_host_that_is_too_long(void **state)
{
	char text[300];
	struct endpoints endpoints;

	(void)state;
	memset(text, 'h', 254);
	strcpy(text + 254, ":1");
	assert_int_equal(endpoints_init(&endpoints, text), SYNOD_BAD_ARGUMENT);
	strcpy(text + 253, ":1");
	assert_int_equal(endpoints_init(&endpoints, text), SYNOD_OK);
	endpoints_fini(&endpoints);
}

static void
refuses_more_than_it_can_hold(void **state)
{
	char text[2000] = "";
	struct endpoints endpoints;

	(void)state;
	for (unsigned i = 0; i <= ENDPOINTS_MAX; i++)
		sprintf(text + strlen(text), "%sh:%u", i > 0 ? "," : "", i + 1);
	assert_int_equal(endpoints_init(&endpoints, text), SYNOD_BAD_ARGUMENT);
}

static void
learns_each_address_once(void **state)
{
	struct endpoints endpoints;

	(void)state;
	assert_int_equal(endpoints_init(&endpoints, "a:1,a:1"), SYNOD_OK);
	assert_int_equal(endpoints_count(&endpoints), 1);
	assert_true(endpoints_learn(&endpoints, slice_of("b:2")));
	assert_false(endpoints_learn(&endpoints, slice_of("b:2")));
	assert_false(endpoints_learn(&endpoints, slice_of("a:1")));
	assert_int_equal(endpoints_count(&endpoints), 2);
	assert_int_equal(endpoints.given_count, 1);
	endpoints_fini(&endpoints);
}

static void
learns_no_address_that_leads_nowhere(void **state)
{
	struct endpoints endpoints;

	(void)state;
	assert_int_equal(endpoints_init(&endpoints, "a:1"), SYNOD_OK);
	assert_false(endpoints_learn(&endpoints, slice_of("")));
	assert_false(endpoints_learn(&endpoints, slice_of("0.0.0.0:7400")));
	assert_false(endpoints_learn(&endpoints, slice_of("[::]:7400")));
	assert_false(endpoints_learn(&endpoints, slice_of("x:0")));
	assert_false(endpoints_learn(&endpoints, (struct slice){(const uint8_t *)"b\0:1", 4}));
	assert_false(endpoints_learn(&endpoints, (struct slice){NULL, 0}));
	endpoints_fini(&endpoints);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_names_numbers_and_brackets),
		cmocka_unit_test(refuses_what_is_no_address),
		cmocka_unit_test(refuses_a_host_that_is_too_long),
		cmocka_unit_test(refuses_more_than_it_can_hold),
		cmocka_unit_test(learns_each_address_once),
		cmocka_unit_test(learns_no_address_that_leads_nowhere),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
