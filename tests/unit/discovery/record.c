/* Records as JSON: what is read, what is malformed and why, what is written again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/discovery/record.h"

#define FULL                                                                                       \
	"{\"address\":\"10.0.0.7\",\"port\":8080,\"state\":\"draining\",\"weight\":50,"            \
	"\"zone\":\"a\",\"version\":\"1.4.2\",\"tags\":[\"blue\",\"new\"],"                        \
	"\"metadata\":{\"team\":\"x\",\"note\":\"two\\nlines \\\"q\\\"\"}}\n"
#define PLAIN "\"address\":\"h\",\"port\":1"

static char why[RECORD_WHY_SIZE];

static struct record *
read_well(const char *text)
{
	struct record *record;

	why[0] = '\0';
	if (record_read("web-1", text, strlen(text), &record, why) != SYNOD_OK)
		fail_msg("%s: %s", text, why);
	return record;
}

static void
assert_malformed_bytes(const void *text, size_t size, const char *expected)
{
	struct record *record = (struct record *)why;

	assert_int_equal(record_read("web-1", text, size, &record, NULL), SYNOD_BAD_MESSAGE);
	assert_int_equal(record_read("web-1", text, size, &record, why), SYNOD_BAD_MESSAGE);
	assert_null(record);
	assert_string_equal(why, expected);
}

static void
assert_malformed(const char *text, const char *expected)
{
	assert_malformed_bytes(text, strlen(text), expected);
}

static void
a_record_with_everything_is_read(void **state)
{
	struct record *record = read_well(FULL);
	const struct synod_instance *instance = &record->instance;

	(void)state;
	assert_string_equal(instance->id, "web-1");
	assert_string_equal(instance->address, "10.0.0.7");
	assert_int_equal(instance->port, 8080);
	assert_int_equal(instance->health, SYNOD_DRAINING);
	assert_int_equal(instance->weight, 50);
	assert_string_equal(instance->zone, "a");
	assert_string_equal(instance->version, "1.4.2");
	assert_int_equal(instance->tag_count, 2);
	assert_string_equal(instance->tags[1], "new");
	assert_int_equal(instance->metadata_count, 2);
	assert_string_equal(instance->metadata[0].name, "team");
	assert_string_equal(instance->metadata[1].value, "two\nlines \"q\"");
	assert_false(instance->is_suspect);
	assert_int_equal(instance->owner, 0);
	record_release(record);
}

static void
address_and_port_are_enough(void **state)
{
	struct record *record = read_well(" {" PLAIN ", \"tags\": null, \"zone\": null }\r\n");
	const struct synod_instance *instance = &record->instance;

	(void)state;
	assert_int_equal(instance->health, SYNOD_PASSING);
	assert_int_equal(instance->weight, 100);
	assert_string_equal(instance->zone, "");
	assert_string_equal(instance->version, "");
	assert_int_equal(instance->tag_count, 0);
	assert_int_equal(instance->metadata_count, 0);
	record_release(record);
}

static void
unknown_fields_do_not_matter(void **state)
{
	(void)state;
	record_release(read_well("{" PLAIN ",\"x\":{\"port\":[0]},\"x\":1e999,\"Port\":\"\"}"));
}

static void
what_is_no_record_is_malformed_and_named(void **state)
{
	(void)state;
	assert_malformed("", "the record: not JSON");
	assert_malformed("hello", "the record: not JSON");
	assert_malformed("{" PLAIN "} x", "the record: not JSON");
	assert_malformed("{" PLAIN, "the record: not JSON");
	assert_malformed("[1]", "the record: not a JSON object");
	assert_malformed("null", "the record: not a JSON object");
	assert_malformed("{\"port\":1}", "address: missing");
	assert_malformed("{\"address\":\"h\"}", "port: missing");
	assert_malformed("{\"address\":7,\"port\":1}", "address: not a text");
	assert_malformed("{\"address\":\"h:80\",\"port\":1}",
	                 "address: neither a host name nor a number (without port)");
	assert_malformed("{\"address\":\"h\",\"port\":\"1\"}", "port: not a number");
	assert_malformed("{\"address\":\"h\",\"port\":0}", "port: not between 1 and 65535");
	assert_malformed("{\"address\":\"h\",\"port\":65536}", "port: not between 1 and 65535");
	assert_malformed("{\"address\":\"h\",\"port\":1e999}", "port: not between 1 and 65535");
	assert_malformed("{\"address\":\"h\",\"port\":80.5}", "port: not a whole number");
	assert_malformed("{" PLAIN ",\"port\":2}", "port: given twice");
	assert_malformed("{" PLAIN ",\"weight\":0}", "weight: not between 1 and 65535");
	assert_malformed("{" PLAIN ",\"state\":\"fine\"}",
	                 "state: none of passing, warning, starting, critical, draining");
	assert_malformed("{" PLAIN ",\"zone\":1}", "zone: not a text");
	assert_malformed("{" PLAIN ",\"version\":[]}", "version: not a text");
	assert_malformed("{" PLAIN ",\"tags\":\"a\"}", "tags: not an array");
	assert_malformed("{" PLAIN ",\"tags\":[1]}", "tags: one of them is not a text");
	assert_malformed("{" PLAIN ",\"metadata\":[]}", "metadata: not an object");
	assert_malformed("{" PLAIN ",\"metadata\":{\"a\":1}}", "metadata: a value is not a text");
	assert_malformed("{" PLAIN ",\"metadata\":{\"a\":\"1\",\"a\":\"2\"}}",
	                 "metadata: a name is there twice");
}

static void
what_the_parser_would_let_pass_is_malformed(void **state)
{
	static const char zero[] = "{" PLAIN ",\"zone\":\"a\0b\"}";
	static const char tail[] = "{" PLAIN "}\0{";

	(void)state;
	assert_malformed_bytes(NULL, 0, "the record: there is no data");
	assert_malformed_bytes(zero, sizeof zero - 1,
	                       "the record: control characters, or nested too deeply");
	assert_malformed_bytes(tail, sizeof tail - 1,
	                       "the record: control characters, or nested too deeply");
	assert_malformed("{" PLAIN ",\"zone\":\"a\\u0000b\"}",
	                 "the record: control characters, or nested too deeply");
	assert_malformed("{" PLAIN ",\"zone\":\"a\nb\"}",
	                 "the record: control characters, or nested too deeply");
	assert_malformed("{" PLAIN ",\"zone\":\"a\\nb\"}", "zone: control characters");
	assert_malformed("{" PLAIN ",\"zone\":\"\xc0\x80\"}", "the record: not valid UTF-8");
	assert_malformed("{" PLAIN ",\"zone\":\"\\ud800\"}", "the record: not JSON");
	record_release(read_well("{" PLAIN ",\"zone\":\"\\\\u0000\"}"));
}

static void
depth_and_size_are_bounded(void **state)
{
	char *text = malloc(RECORD_SIZE_MAX + 2);
	struct record *record;

	(void)state;
	assert_non_null(text);
	memset(text, '[', RECORD_SIZE_MAX + 1);
	assert_malformed_bytes(text, 33, "the record: control characters, or nested too deeply");
	assert_malformed_bytes(text, 32, "the record: not JSON");
	assert_malformed_bytes(text, RECORD_SIZE_MAX + 1, "the record: larger than 64 KiB");
	memset(text, ' ', RECORD_SIZE_MAX + 1);
	memcpy(text, "{" PLAIN "}", strlen("{" PLAIN "}"));
	assert_int_equal(record_read("a", text, RECORD_SIZE_MAX, &record, why), SYNOD_OK);
	record_release(record);
	free(text);
}

static void
lists_are_bounded(void **state)
{
	char text[1024] = "{" PLAIN ",\"tags\":[\"a\"";

	(void)state;
	for (int i = 1; i < RECORD_LIST_MAX; i++)
		strcat(text, ",\"a\"");
	strcat(text, "]}");
	record_release(read_well(text));
	text[strlen(text) - 2] = '\0';
	strcat(text, ",\"a\"]}");
	assert_malformed(text, "tags: more than 64");
}

static void
a_name_outside_of_the_grammar_is_malformed(void **state)
{
	struct record *record;

	(void)state;
	assert_int_equal(record_read("-a", FULL, strlen(FULL), &record, why), SYNOD_BAD_MESSAGE);
	assert_string_equal(why, "id: not 1 to 63 of a-z A-Z 0-9 . _ -");
}

static void
a_record_is_written_as_it_was_read(void **state)
{
	struct record *record = read_well(FULL);
	struct buffer text = BUFFER_EMPTY;

	(void)state;
	record_write(record, &text);
	assert_int_equal(text.size, strlen(FULL));
	assert_memory_equal(text.bytes, FULL, text.size);
	buffer_fini(&text);
	record_release(record);
}

static void
what_is_empty_is_not_written(void **state)
{
	static const char expected[] =
		"{\"address\":\"h\",\"port\":1,\"state\":\"passing\",\"weight\":100}\n";
	struct record *record = read_well("{" PLAIN "}");
	struct buffer text = BUFFER_EMPTY;

	(void)state;
	record_write(record, &text);
	assert_int_equal(text.size, strlen(expected));
	assert_memory_equal(text.bytes, expected, text.size);
	buffer_fini(&text);
	record_release(record);
}

static void
assert_drained(const char *text, const char *expected)
{
	struct buffer rewritten = BUFFER_EMPTY;

	assert_int_equal(record_rewrite_health(text, strlen(text), SYNOD_DRAINING, &rewritten, why),
	                 SYNOD_OK);
	buffer_append(&rewritten, "", 1);
	assert_string_equal((const char *)rewritten.bytes, expected);
	buffer_fini(&rewritten);
}

static void
another_health_leaves_every_other_byte(void **state)
{
	(void)state;
	assert_drained("{" PLAIN ",\"state\":\"passing\",\"big\":9007199254740993}",
	               "{" PLAIN ",\"state\": \"draining\",\"big\":9007199254740993}");
	assert_drained("{\"x\":{\"state\":1},\"\\u0073tate\" : null , " PLAIN "}\n",
	               "{\"x\":{\"state\":1},\"\\u0073tate\" : \"draining\", " PLAIN "}\n");
	assert_drained("{" PLAIN ",\"x\":\"\\\"}:,\",\"state\":\"warning\"}",
	               "{" PLAIN ",\"x\":\"\\\"}:,\",\"state\": \"draining\"}");
	assert_drained(" {" PLAIN ",\"x\":[1,{\"a\":2}]}",
	               " {\"state\": \"draining\", " PLAIN ",\"x\":[1,{\"a\":2}]}");
}

static void
what_cannot_be_read_is_not_rewritten(void **state)
{
	struct buffer rewritten = BUFFER_EMPTY;

	(void)state;
	assert_int_equal(record_rewrite_health("{}", 2, SYNOD_DRAINING, &rewritten, why),
	                 SYNOD_BAD_MESSAGE);
	assert_string_equal(why, "address: missing");
	assert_int_equal(rewritten.size, 0);
}

/* The bound is generous for sanitizers and busy machines: the aim is 50 ms in all. */
static void
ten_thousand_records_are_read_quickly(void **state)
{
	struct timespec begin, end;
	double elapsed_ms;

	(void)state;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	for (int i = 0; i < 10000; i++)
		record_release(read_well(FULL));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	elapsed_ms = (double)(end.tv_sec - begin.tv_sec) * 1e3 +
	             (double)(end.tv_nsec - begin.tv_nsec) / 1e6;
	print_message("10,000 records in %.1f ms\n", elapsed_ms);
	assert_true(elapsed_ms < 2000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_with_everything_is_read),
		cmocka_unit_test(address_and_port_are_enough),
		cmocka_unit_test(unknown_fields_do_not_matter),
		cmocka_unit_test(what_is_no_record_is_malformed_and_named),
		cmocka_unit_test(what_the_parser_would_let_pass_is_malformed),
		cmocka_unit_test(depth_and_size_are_bounded),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(a_name_outside_of_the_grammar_is_malformed),
		cmocka_unit_test(a_record_is_written_as_it_was_read),
		cmocka_unit_test(what_is_empty_is_not_written),
		cmocka_unit_test(another_health_leaves_every_other_byte),
		cmocka_unit_test(what_cannot_be_read_is_not_rewritten),
		cmocka_unit_test(ten_thousand_records_are_read_quickly),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
