/* The configuration: what is accepted, what is refused, and with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/config.h"
#include "shared/error.h"

#define THREE "a=127.0.0.1:1,b=127.0.0.1:2,c=127.0.0.1:3"

static struct config config;
static char why[CONFIG_WHY_SIZE];

/* Run the command line WORDS (a NULL ends it) through the whole of it. */
static int
parse_words(const char *const *words)
{
	char *argv[32] = {(char *)"synodd"};
	int argc = 1;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)words[argc - 1];
	memset(why, 0, sizeof why);
	return config_parse_arguments(&config, argc, argv, why);
}
#define parse(...) parse_words((const char *const[]){__VA_ARGS__, NULL})

static int
parse_file_text(const char *text)
{
	memset(why, 0, sizeof why);
	config_init(&config);
	return config_parse_text(&config, "test.conf", slice_of(text), why);
}

static void
assert_says(const char *part)
{
	if (!strstr(why, part))
		fail_msg("\"%s\" does not contain \"%s\"", why, part);
}

/* ---- defaults ---- */

static void
without_arguments_it_is_one_member_on_loopback(void **state)
{
	(void)state;
	assert_int_equal(parse_words((const char *const[]){NULL}), SYNOD_OK);
	assert_string_equal(config.name, "synod");
	assert_int_equal(config.member_count, 1);
	assert_int_equal(config.self, 1);
	assert_string_equal(config.members[0].address, "127.0.0.1:7401");
	assert_string_equal(config.clients, "127.0.0.1:7400");
	assert_true(config.data[0] == '/');
	assert_int_equal(config.action, CONFIG_RUN);
	assert_int_equal(config.warning_count, 0);
}

static void
the_data_directory_follows_the_environment_of_an_ordinary_user(void **state)
{
	(void)state;
	if (geteuid() == 0) {
		assert_int_equal(parse("-d"), SYNOD_OK);
		assert_string_equal(config.data, "/var/lib/synod");
		return;
	}
	setenv("XDG_STATE_HOME", "/state", 1);
	assert_int_equal(parse("-d"), SYNOD_OK);
	assert_string_equal(config.data, "/state/synod");
	setenv("XDG_STATE_HOME", "relative", 1);
	setenv("HOME", "/home/me", 1);
	assert_int_equal(parse("-d"), SYNOD_OK);
	assert_string_equal(config.data, "/home/me/.local/state/synod");
	unsetenv("XDG_STATE_HOME");
	unsetenv("HOME");
	assert_int_equal(parse("-d"), SYNOD_BAD_CONFIG);
	assert_says("--data DIR");
}

static void
a_name_alone_names_the_one_member(void **state)
{
	(void)state;
	assert_int_equal(parse("--name", "solo"), SYNOD_OK);
	assert_string_equal(config.members[0].name, "solo");
}

/* ---- members ---- */

static void
ids_follow_the_names_however_the_list_is_written(void **state)
{
	(void)state;
	assert_int_equal(
		parse("--name", "b", "--peers", "c=10.0.0.3:1,a=10.0.0.1:1,b=host-2.example:65535"),
		SYNOD_OK);
	assert_int_equal(config.member_count, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(config.members[i].id, i + 1);
		assert_int_equal(config.members[i].name[0], "abc"[i]);
		assert_false(config.members[i].has_disk_id);
	}
	assert_int_equal(config.self, 2);
	assert_string_equal(config.members[1].address, "host-2.example:65535");
}

static void
takes_ipv6_in_brackets(void **state)
{
	(void)state;
	assert_int_equal(parse("--peers", "a=[::1]:7401", "--clients", "[::1]:0"), SYNOD_OK);
	assert_string_equal(config.name, "a");
	assert_string_equal(config.members[0].address, "[::1]:7401");
}

static void
refuses_a_name_that_is_not_among_the_peers(void **state)
{
	(void)state;
	assert_int_equal(parse("--name", "d", "--peers", THREE), SYNOD_BAD_CONFIG);
	assert_says("name \"d\" is not in peers");
}

static void
refuses_several_peers_without_a_name(void **state)
{
	(void)state;
	assert_int_equal(parse("--peers", THREE), SYNOD_BAD_CONFIG);
	assert_says("name is not set");
}

static void
refuses_peers_that_share_a_name_or_an_address(void **state)
{
	(void)state;
	assert_int_equal(parse("--name", "a", "--peers", "a=h:1,b=h:2,a=h:3"), SYNOD_BAD_CONFIG);
	assert_says("--peers: \"a\" stands there twice");
	assert_int_equal(parse("--name", "a", "--peers", "a=h:1,b=h:1"), SYNOD_BAD_CONFIG);
	assert_says("a and b have the same address h:1");
}

static void
refuses_more_than_seven_voters(void **state)
{
	(void)state;
	assert_int_equal(
		parse("--name", "a", "--peers", "a=h:1,b=h:2,c=h:3,d=h:4,e=h:5,f=h:6,g=h:7"),
		SYNOD_OK);
	assert_int_equal(
		parse("--name", "a", "--peers", "a=h:1,b=h:2,c=h:3,d=h:4,e=h:5,f=h:6,g=h:7,h=h:8"),
		SYNOD_BAD_CONFIG);
	assert_says("at most 7 voters");
}

static void
warns_of_an_even_number_of_members(void **state)
{
	(void)state;
	assert_int_equal(parse("--name", "a", "--peers", "a=h:1,b=h:2"), SYNOD_OK);
	assert_int_equal(config.warning_count, 1);
	assert_non_null(strstr(config.warnings[0], "odd number"));
	assert_int_equal(parse("--name", "a", "--peers", THREE), SYNOD_OK);
	assert_int_equal(config.warning_count, 0);
}

static void
refuses_malformed_peers(void **state)
{
	static const char *const bad[] = {
		"",        ",",         "a",      "a=",         "a=h",     "=h:1",
		"a=h:0",   "a=h:65536", "a=h:-1", "a=h:1,",     ",a=h:1",  "a=h:1,,b=h:2",
		"a b=h:1", "a=h h:1",   "a=:1",   "a=::1:1",    "a=[]:1",  "a=[::1]1",
		"a=[x]:1", "a=h:1x",    "a=h:",   "a=h:000001", "a/b=h:1", "a=0.0.0.0:1",
		"a==h:1",  "\xff=h:1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (parse("--name", "a", "--peers", bad[i]) != SYNOD_BAD_CONFIG)
			fail_msg("\"%s\" was accepted", bad[i]);
		assert_says("--peers: ");
	}
}

static void
refuses_names_and_addresses_that_are_too_long(void **state)
{
	char name[MEMBER_NAME_MAX + 2];
	char address[MEMBER_ADDRESS_MAX + 2];

	(void)state;
	memset(name, 'n', sizeof name);
	name[MEMBER_NAME_MAX + 1] = 0;
	assert_int_equal(parse("--name", name), SYNOD_BAD_CONFIG);
	assert_says("at most 63 bytes");
	name[MEMBER_NAME_MAX] = 0;
	assert_int_equal(parse("--name", name), SYNOD_OK);

	memset(address, 'h', sizeof address);
	strcpy(address + MEMBER_ADDRESS_MAX - 4, ":7400");
	assert_int_equal(parse("--clients", address), SYNOD_BAD_CONFIG);
	assert_says("at most 261 bytes");
	assert_int_equal(parse("--clients", address + 1), SYNOD_OK);
}

/* ---- values ---- */

static void
refuses_numbers_out_of_their_range(void **state)
{
	static const char *const bad[] = {"4",    "10001", "-50", "",    "50ms",
	                                  "0x32", "1e3",   " 50", "64K", "99999999999999999999999"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (parse("--heartbeat-ms", bad[i]) != SYNOD_BAD_CONFIG)
			fail_msg("\"%s\" was accepted", bad[i]);
		assert_says("--heartbeat-ms: ");
		assert_says("from 5 to 10000");
	}
}

static void
sizes_may_carry_a_unit(void **state)
{
	(void)state;
	assert_int_equal(parse("--segment-bytes", "16M", "--cache-bytes", "1048576",
	                       "--space-reserve-bytes", "2G", "--history-bytes", "1K"),
	                 SYNOD_OK);
	assert_int_equal(config.segment_bytes, 16 << 20);
	assert_int_equal(config.cache_bytes, 1 << 20);
	assert_int_equal(config.space_reserve_bytes, 2ull << 30);
	assert_int_equal(config.history_bytes, 1024);
	assert_int_equal(parse("--segment-bytes", "16T"), SYNOD_BAD_CONFIG);
	assert_int_equal(parse("--segment-bytes", "16MB"), SYNOD_BAD_CONFIG);
	assert_int_equal(parse("--segment-bytes", "M"), SYNOD_BAD_CONFIG);
	assert_int_equal(parse("--segment-bytes", "999999999999999999G"), SYNOD_BAD_CONFIG);
	assert_says("K, M or G");
}

static void
refuses_an_unknown_log_level(void **state)
{
	(void)state;
	assert_int_equal(parse("--log-level", "debug"), SYNOD_OK);
	assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(parse("--log-level", "loud"), SYNOD_BAD_CONFIG);
	assert_says("error, warning, info or debug");
}

static void
refuses_times_that_cannot_work_together(void **state)
{
	(void)state;
	assert_int_equal(parse("--election-timeout-min-ms", "500"), SYNOD_BAD_CONFIG);
	assert_says("must be less than election_timeout_max_ms");
	assert_int_equal(parse("--heartbeat-ms", "126"), SYNOD_BAD_CONFIG);
	assert_says("at most half");
	assert_int_equal(parse("--heartbeat-ms", "125"), SYNOD_OK);
}

static void
refuses_one_address_for_clients_and_members(void **state)
{
	(void)state;
	assert_int_equal(parse("--clients", "127.0.0.1:7401"), SYNOD_BAD_CONFIG);
	assert_says("cannot share the address 127.0.0.1:7401");
	assert_int_equal(parse("--clients", "127.0.0.1:7401", "--listen", "127.0.0.1:0"), SYNOD_OK);
	assert_int_equal(parse("--clients", "h:0", "--listen", "h:0"), SYNOD_OK);
}

static void
warns_when_clients_cannot_be_told_the_address(void **state)
{
	(void)state;
	assert_int_equal(parse("--clients", "0.0.0.0:7400"), SYNOD_OK);
	assert_int_equal(config.warning_count, 1);
	assert_non_null(strstr(config.warnings[0], "advertise"));
	assert_int_equal(parse("--clients", "[::]:7400", "--advertise", "10.0.0.1:7400"), SYNOD_OK);
	assert_int_equal(config.warning_count, 0);
	assert_int_equal(parse("--advertise", "10.0.0.1:0"), SYNOD_BAD_CONFIG);
	assert_says("advertise");
}

/* ---- the file ---- */

static void
reads_every_setting_from_a_file(void **state)
{
	(void)state;
	assert_int_equal(parse_file_text("# a comment\n"
	                                 "name = b\n"
	                                 "data = /var/lib/b\n"
	                                 "peers = \"" THREE "\"\n"
	                                 "clients = 127.0.0.1:9 // another comment\n"
	                                 "advertise = \"h:9\"\n"
	                                 "listen = 127.0.0.1:2\n"
	                                 "log_file = '/var/log/b'\n"
	                                 "log_level = warning\n"
	                                 "heartbeat_ms = 10\n"
	                                 "election_timeout_min_ms = 100\n"
	                                 "election_timeout_max_ms = 200\n"
	                                 "link_silence_ms = 300\n"
	                                 "connections_max = 7\n"
	                                 "connection_idle_ms = 10000\n"
	                                 "segment_bytes = 1M\n"
	                                 "space_reserve_bytes = 0\n"
	                                 "cache_nodes = 2000\n"
	                                 "cache_bytes = 2M\n"
	                                 "history_changes = 5\n"
	                                 "history_bytes = 6\n"
	                                 "history_age_ms = 7"),
	                 SYNOD_OK);
	assert_int_equal(config_finish(&config, why), SYNOD_OK);
	assert_int_equal(config.self, 2);
	assert_string_equal(config.data, "/var/lib/b");
	assert_string_equal(config.clients, "127.0.0.1:9");
	assert_string_equal(config.advertise, "h:9");
	assert_string_equal(config.listen, "127.0.0.1:2");
	assert_string_equal(config.log_file, "/var/log/b");
	assert_int_equal(config.log_level, LOG_LEVEL_WARNING);
	assert_int_equal(config.heartbeat_ms, 10);
	assert_int_equal(config.election_timeout_min_ms, 100);
	assert_int_equal(config.election_timeout_max_ms, 200);
	assert_int_equal(config.link_silence_ms, 300);
	assert_int_equal(config.connections_max, 7);
	assert_int_equal(config.connection_idle_ms, 10000);
	assert_int_equal(config.segment_bytes, 1 << 20);
	assert_int_equal(config.space_reserve_bytes, 0);
	assert_int_equal(config.cache_nodes, 2000);
	assert_int_equal(config.cache_bytes, 2 << 20);
	assert_int_equal(config.history_changes, 5);
	assert_int_equal(config.history_bytes, 6);
	assert_int_equal(config.history_age_ms, 7);
}

static void
names_file_line_key_and_value_of_a_wrong_setting(void **state)
{
	(void)state;
	assert_int_equal(parse_file_text("\n\n# third\nheartbeat_ms = soon\n"), SYNOD_BAD_CONFIG);
	assert_says("test.conf:4: heartbeat_ms: \"soon\"");
	assert_says("from 5 to 10000");
	assert_int_equal(parse_file_text("name = a\npeers = a\n"), SYNOD_BAD_CONFIG);
	assert_says("test.conf:2: peers: ");
}

static void
counts_lines_across_comments_and_quotes(void **state)
{
	(void)state;
	assert_int_equal(
		parse_file_text("/* two\nlines */ name = a # '\n// \"\ndata = \"x\n#y\" # z\n"
	                        "log_file = /a//b\nheartbeat_ms = soon\n"),
		SYNOD_BAD_CONFIG);
	assert_says("test.conf:7: heartbeat_ms");
	assert_string_equal(config.data, "x\n#y");
	assert_string_equal(config.log_file, "/a//b");
	assert_int_equal(parse_file_text("name = a\n /* name = b\n"), SYNOD_BAD_CONFIG);
	assert_says("test.conf:2: this comment does not end");
}

static void
suggests_the_setting_that_was_probably_meant(void **state)
{
	(void)state;
	assert_int_equal(parse_file_text("\nheart_beat_ms = 5\n"), SYNOD_BAD_CONFIG);
	assert_says("test.conf:2: \"heart_beat_ms\" is no setting; did you mean heartbeat_ms");
	assert_int_equal(parse_file_text("colour = blue\n"), SYNOD_BAD_CONFIG);
	assert_says("\"colour\" is no setting; synod.conf(5)");
}

static void
refuses_a_setting_given_twice(void **state)
{
	(void)state;
	assert_int_equal(parse_file_text("name = a\nname = b\n"), SYNOD_BAD_CONFIG);
	assert_says("test.conf:2: name is set twice");
}

static void
refuses_what_is_no_configuration(void **state)
{
	static const char *const bad[] = {
		"name",
		"name =",
		"= a",
		"name = {a}",
		"name += a",
		"name = \"a",
		"name = a b",
		"section { }",
		"name = a }",
		"/* no end",
		"include(\"x\")",
		"\x7f"
		"ELF",
		"name(a)",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (parse_file_text(bad[i]) != SYNOD_BAD_CONFIG)
			fail_msg("\"%s\" was accepted", bad[i]);
		assert_says("test.conf:");
	}
}

static void
refuses_a_zero_byte(void **state)
{
	(void)state;
	config_init(&config);
	assert_int_equal(config_parse_text(&config, "test.conf",
	                                   (struct slice){(const uint8_t *)"name = a\n\0x", 11},
	                                   why),
	                 SYNOD_BAD_CONFIG);
	assert_says("zero byte");
}

static void
refuses_what_is_not_a_readable_file(void **state)
{
	(void)state;
	assert_int_equal(parse("-f", "/nonexistent/synod.conf"), SYNOD_IO);
	assert_says("/nonexistent/synod.conf: No such file");
	assert_int_equal(parse("-f", "/"), SYNOD_IO);
	assert_says("not a regular file");
	assert_int_equal(parse("-f", "/dev/zero"), SYNOD_IO);
}

static void
the_file_that_is_installed_is_valid_and_changes_nothing(void **state)
{
	static struct config defaults;

	(void)state;
	assert_int_equal(parse("-d"), SYNOD_OK);
	defaults = config;
	assert_int_equal(parse("-d", "-f", "etc/synod.conf"), SYNOD_OK);
	assert_memory_equal(&config, &defaults, sizeof config);
}

/* ---- the command line ---- */

static void
the_command_line_overrides_the_file(void **state)
{
	char file[] = "/tmp/synod-config-XXXXXX";
	int fd = mkstemp(file);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "heartbeat_ms = 20\nconnections_max = 5\nlog_file = x\n", 50),
	                 50);
	close(fd);
	assert_int_equal(parse("--heartbeat-ms", "30", "-f", file), SYNOD_OK);
	assert_int_equal(config.heartbeat_ms, 30);
	assert_int_equal(config.connections_max, 5);
	assert_string_equal(config.log_file, "x");
	assert_int_equal(parse("-d", "--config", file), SYNOD_OK);
	assert_string_equal(config.log_file, "");
	assert_true(config.is_foreground);
	unlink(file);
}

static void
understands_its_flags(void **state)
{
	(void)state;
	assert_int_equal(parse("-n"), SYNOD_OK);
	assert_int_equal(config.action, CONFIG_CHECK);
	assert_int_equal(parse("--help", "--name", "???"), SYNOD_OK);
	assert_int_equal(config.action, CONFIG_HELP);
	assert_int_equal(parse("--version"), SYNOD_OK);
	assert_int_equal(config.action, CONFIG_VERSION);
}

static void
refuses_a_wrong_command_line(void **state)
{
	(void)state;
	assert_int_equal(parse("--peer", "a=h:1"), SYNOD_OK); /* a clear beginning is enough */
	assert_int_equal(parse("--hartbeat-ms", "5"), SYNOD_BAD_ARGUMENT);
	assert_says("--hartbeat-ms: no such option; did you mean --heartbeat-ms?");
	assert_int_equal(parse("--name"), SYNOD_BAD_ARGUMENT);
	assert_says("--name needs a value");
	assert_int_equal(parse("-x"), SYNOD_BAD_ARGUMENT);
	assert_says("-x: no such option");
	assert_int_equal(parse("start"), SYNOD_BAD_ARGUMENT);
	assert_says("\"start\": not an option");
}

static void
help_shows_every_setting(void **state)
{
	char text[16384] = "";
	FILE *out = fmemopen(text, sizeof text, "w");

	(void)state;
	config_print_help(out);
	fclose(out);
#define SETTING(key, kind, argument, min, max, help) assert_non_null(strstr(text, help));
#include "server/settings.def"
#undef SETTING
	assert_non_null(strstr(text, "--election-timeout-max-ms MS"));
}

static void
read_document(const char *name, char *text, size_t size)
{
	FILE *file = fopen(name, "r");

	assert_non_null(file);
	text[fread(text, 1, size - 1, file)] = 0;
	fclose(file);
}

/* Every setting as a line "#key = " of the file and an item of the manual page. */
static void
every_setting_is_documented(void **state)
{
	static char file[65536], page[65536];

	(void)state;
	read_document("etc/synod.conf", file, sizeof file);
	read_document("etc/man/synod.conf.5", page, sizeof page);
#define SETTING(key, kind, argument, min, max, help)                                               \
	if (!strstr(file, "\n#" #key " = ") || !strstr(page, "\n.It Ic " #key))                    \
		fail_msg("%s is not in etc/synod.conf or synod.conf(5)", #key);
#include "server/settings.def"
#undef SETTING
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_arguments_it_is_one_member_on_loopback),
		cmocka_unit_test(the_data_directory_follows_the_environment_of_an_ordinary_user),
		cmocka_unit_test(a_name_alone_names_the_one_member),
		cmocka_unit_test(ids_follow_the_names_however_the_list_is_written),
		cmocka_unit_test(takes_ipv6_in_brackets),
		cmocka_unit_test(refuses_a_name_that_is_not_among_the_peers),
		cmocka_unit_test(refuses_several_peers_without_a_name),
		cmocka_unit_test(refuses_peers_that_share_a_name_or_an_address),
		cmocka_unit_test(refuses_more_than_seven_voters),
		cmocka_unit_test(warns_of_an_even_number_of_members),
		cmocka_unit_test(refuses_malformed_peers),
		cmocka_unit_test(refuses_names_and_addresses_that_are_too_long),
		cmocka_unit_test(refuses_numbers_out_of_their_range),
		cmocka_unit_test(sizes_may_carry_a_unit),
		cmocka_unit_test(refuses_an_unknown_log_level),
		cmocka_unit_test(refuses_times_that_cannot_work_together),
		cmocka_unit_test(refuses_one_address_for_clients_and_members),
		cmocka_unit_test(warns_when_clients_cannot_be_told_the_address),
		cmocka_unit_test(reads_every_setting_from_a_file),
		cmocka_unit_test(names_file_line_key_and_value_of_a_wrong_setting),
		cmocka_unit_test(counts_lines_across_comments_and_quotes),
		cmocka_unit_test(suggests_the_setting_that_was_probably_meant),
		cmocka_unit_test(refuses_a_setting_given_twice),
		cmocka_unit_test(refuses_what_is_no_configuration),
		cmocka_unit_test(refuses_a_zero_byte),
		cmocka_unit_test(refuses_what_is_not_a_readable_file),
		cmocka_unit_test(the_file_that_is_installed_is_valid_and_changes_nothing),
		cmocka_unit_test(the_command_line_overrides_the_file),
		cmocka_unit_test(understands_its_flags),
		cmocka_unit_test(refuses_a_wrong_command_line),
		cmocka_unit_test(help_shows_every_setting),
		cmocka_unit_test(every_setting_is_documented),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
