/* The words of the discovery commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/discovery_words.h"

static char why[WORDS_WHY_SIZE];

static void
reads_lists_of_health(void **state)
{
	unsigned health;

	(void)state;
	assert_true(parse_health("passing", &health, why));
	assert_int_equal(health, 1 << SYNOD_PASSING);
	assert_true(parse_health("critical,starting", &health, why));
	assert_int_equal(health, 1 << SYNOD_CRITICAL | 1 << SYNOD_STARTING);
	assert_true(parse_health("any", &health, why));
	assert_int_equal(health, 31);
	assert_int_equal(any_health(), 31);
}

static void
assert_no_health(const char *text, const char *problem)
{
	unsigned health;

	assert_false(parse_health(text, &health, why));
	assert_string_equal(why, problem);
}

static void
refuses_what_is_no_health(void **state)
{
	(void)state;
	assert_no_health("pasing", "'pasing' is none of passing, warning, starting, critical, "
	                           "draining, any; did you mean 'passing'?");
	assert_no_health("", "'' is none of passing, warning, starting, critical, draining, any");
	assert_no_health("passing,",
	                 "'' is none of passing, warning, starting, critical, draining, any");
	assert_no_health("passing,any", "'any' is none of passing, warning, starting, critical, "
	                                "draining, any");
}

static void
reads_rules_with_their_keys(void **state)
{
	static const struct {
		const char *text;
		enum synod_balance balance;
	} rules[] = {
		{"two-choices", SYNOD_TWO_CHOICES}, {"round-robin", SYNOD_ROUND_ROBIN},
		{"random", SYNOD_RANDOM},           {"weighted", SYNOD_WEIGHTED},
		{"least", SYNOD_LEAST_IN_USE},
	};
	enum synod_balance balance;
	const char *key;

	(void)state;
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		assert_true(parse_rule(rules[i].text, &balance, &key, why));
		assert_int_equal(balance, rules[i].balance);
		assert_null(key);
	}
	assert_true(parse_rule("hash:user:17", &balance, &key, why));
	assert_int_equal(balance, SYNOD_HASH);
	assert_string_equal(key, "user:17");
}

static void
assert_no_rule(const char *text, const char *problem)
{
	enum synod_balance balance;
	const char *key;

	assert_false(parse_rule(text, &balance, &key, why));
	assert_string_equal(why, problem);
}

static void
refuses_what_is_no_rule(void **state)
{
	(void)state;
	assert_no_rule("hash", "hash needs a key: hash:KEY");
	assert_no_rule("hash:", "hash needs a key: hash:KEY");
	assert_no_rule("random:x", "only hash takes a key");
	assert_no_rule("randm", "'randm' is none of two-choices, round-robin, random, weighted, "
	                        "least, hash:KEY; did you mean 'random'?");
	assert_no_rule("", "'' is none of two-choices, round-robin, random, weighted, least, "
	                   "hash:KEY");
}

static void
reads_pairs(void **state)
{
	struct synod_pair pair;

	(void)state;
	assert_true(parse_pair("team=x=y", false, &pair, why));
	assert_string_equal(pair.name, "team");
	assert_string_equal(pair.value, "x=y");
	free((char *)pair.name);
	assert_true(parse_pair("team=", false, &pair, why));
	assert_string_equal(pair.value, "");
	free((char *)pair.name);
	assert_true(parse_pair("team", true, &pair, why));
	assert_string_equal(pair.name, "team");
	assert_null(pair.value);
	free((char *)pair.name);

	assert_false(parse_pair("team", false, &pair, why));
	assert_string_equal(why, "'team' is not NAME=VALUE");
	assert_false(parse_pair("=x", true, &pair, why));
	assert_string_equal(why, "'=x' has no name before the '='");
}

static void
reads_checks(void **state)
{
	struct synod_check check = {0};

	(void)state;
	assert_true(parse_check("http://127.0.0.1:80/health", &check, why));
	assert_int_equal(check.kind, SYNOD_CHECK_HTTP);
	assert_string_equal(check.target, "http://127.0.0.1:80/health");
	assert_true(parse_check("tcp:[::1]:80", &check, why));
	assert_int_equal(check.kind, SYNOD_CHECK_TCP);
	assert_string_equal(check.target, "[::1]:80");
	assert_true(parse_check("tcp://a:80", &check, why));
	assert_string_equal(check.target, "a:80");
	assert_true(parse_check("cmd:test -e /x", &check, why));
	assert_int_equal(check.kind, SYNOD_CHECK_COMMAND);
	assert_string_equal(check.target, "test -e /x");

	assert_false(parse_check("https://a/", &check, why));
	assert_non_null(strstr(why, "https is not spoken"));
	assert_false(parse_check("127.0.0.1:80", &check, why));
	assert_string_equal(why, "'127.0.0.1:80' is none of http://HOST:PORT/PATH, "
	                         "tcp:HOST:PORT, cmd:COMMAND");
}

static void
reads_percentages(void **state)
{
	static const char *const wrong[] = {"", "%", "0", "101", "1000", "-1", "5x", "5%%", "5% "};
	unsigned percent;

	(void)state;
	assert_true(parse_percent("1", &percent));
	assert_int_equal(percent, 1);
	assert_true(parse_percent("100%", &percent));
	assert_int_equal(percent, 100);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_false(parse_percent(wrong[i], &percent));
}

static void
writes_addresses_and_health(void **state)
{
	struct synod_instance instance = {.health = SYNOD_WARNING};
	char address[ADDRESS_TEXT_SIZE];
	char health[HEALTH_TEXT_SIZE];

	(void)state;
	assert_string_equal(address_text(address, "10.0.0.7", 80), "10.0.0.7:80");
	assert_string_equal(address_text(address, "::1", 80), "[::1]:80");
	assert_string_equal(health_text(health, &instance), "warning");
	instance.is_suspect = true;
	assert_string_equal(health_text(health, &instance), "warning,suspect");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_lists_of_health),
		cmocka_unit_test(refuses_what_is_no_health),
		cmocka_unit_test(reads_rules_with_their_keys),
		cmocka_unit_test(refuses_what_is_no_rule),
		cmocka_unit_test(reads_pairs),
		cmocka_unit_test(reads_checks),
		cmocka_unit_test(reads_percentages),
		cmocka_unit_test(writes_addresses_and_health),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
