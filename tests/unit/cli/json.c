/* JSON that keeps every bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/json.h"

static void
assert_json(cJSON *json, const char *wanted)
{
	char *text = cJSON_PrintUnformatted(json);

	assert_string_equal(text, wanted);
	cJSON_free(text);
	cJSON_Delete(json);
}

static void
keeps_all_64_bits_of_a_number(void **state)
{
	cJSON *json = json_object();

	(void)state;
	json_add_number(json, "n", UINT64_MAX);
	assert_json(json, "{\"n\":18446744073709551615}");
}

static void
tells_absent_data_from_empty_data(void **state)
{
	cJSON *absent = json_object();
	cJSON *empty = json_object();

	(void)state;
	json_add_data(absent, "data", NULL, 0);
	assert_json(absent, "{\"data\":null}");
	json_add_data(empty, "data", "", 0);
	assert_json(empty, "{\"data\":\"\"}");
}

static void
uses_base64_only_for_what_is_not_text(void **state)
{
	cJSON *text = json_object();
	cJSON *bytes = json_object();
	cJSON *zero = json_object();

	(void)state;
	json_add_data(text, "data", "a\n\"grün\"", 9);
	assert_json(text, "{\"data\":\"a\\n\\\"grün\\\"\"}");
	json_add_data(bytes, "data", "\xff\xfe", 2);
	assert_json(bytes, "{\"data_base64\":\"//4=\"}");
	json_add_data(zero, "data", "a\0b", 3);
	assert_json(zero, "{\"data_base64\":\"YQBi\"}");
}

static void
encodes_the_examples_of_rfc_4648(void **state)
{
	static const char *const pairs[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		char *encoded = base64_encode(pairs[i][0], strlen(pairs[i][0]));

		assert_string_equal(encoded, pairs[i][1]);
		free(encoded);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_all_64_bits_of_a_number),
		cmocka_unit_test(tells_absent_data_from_empty_data),
		cmocka_unit_test(uses_base64_only_for_what_is_not_text),
		cmocka_unit_test(encodes_the_examples_of_rfc_4648),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
