/* The own address, as the system sees it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "client/cli/local_address.h"
#include "client/endpoints.h"

static void
is_the_one_towards_the_endpoint(void **state)
{
	char address[LOCAL_ADDRESS_SIZE];
	char via[ENDPOINT_SIZE_MAX];

	(void)state;
	assert_true(local_address("127.0.0.1:7400", address, via));
	assert_string_equal(address, "127.0.0.1");
	assert_string_equal(via, "127.0.0.1:7400");
}

static void
passes_over_endpoints_to_which_there_is_no_way(void **state)
{
	char address[LOCAL_ADDRESS_SIZE];
	char via[ENDPOINT_SIZE_MAX];

	(void)state;
	assert_true(local_address("999.0.0.1:1,127.0.0.1", address, via));
	assert_string_equal(address, "127.0.0.1");
	assert_string_equal(via, "127.0.0.1:7400");
}

static void
may_be_unknown(void **state)
{
	char address[LOCAL_ADDRESS_SIZE];
	char via[ENDPOINT_SIZE_MAX];

	(void)state;
	assert_false(local_address("999.0.0.1:1", address, via));
	assert_false(local_address("no port:x", address, via));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_the_one_towards_the_endpoint),
		cmocka_unit_test(passes_over_endpoints_to_which_there_is_no_way),
		cmocka_unit_test(may_be_unknown),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
