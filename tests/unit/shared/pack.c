/* MessagePack: what is written reads back; what is hostile is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/error.h"
#include "shared/pack.h"

static struct cursor
cursor_on(const void *bytes, size_t size)
{
	struct cursor cursor;

	cursor_init(&cursor, (struct slice){bytes, size});
	return cursor;
}

#define CURSOR(literal) cursor_on(literal, sizeof(literal) - 1)

/* One element and nothing else, of whatever type. */
static int
check_whole(const void *bytes, size_t size)
{
	struct cursor cursor = cursor_on(bytes, size);

	cursor_skip(&cursor, 1);
	return cursor_finish(&cursor);
}

#define WHOLE(literal) check_whole(literal, sizeof(literal) - 1)

static void
reads_back_unsigned_integers_of_every_size(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;

	(void)state;
	for (unsigned bit = 0; bit <= 64; bit++) {
		for (int offset = -1; offset <= 1; offset++) {
			uint64_t value = (bit < 64 ? UINT64_C(1) << bit : 0) + (uint64_t)offset;
			struct cursor cursor;

			buffer_clear(&buffer);
			pack_u64(&buffer, value);
			cursor_init(&cursor, buffer_slice(&buffer));
			assert_true(cursor_u64(&cursor) == value);
			assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
		}
	}
	buffer_fini(&buffer);
}

static void
reads_back_signed_integers_of_every_size(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;

	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		for (int offset = -2; offset <= 2; offset++) {
			uint64_t bits = (UINT64_C(1) << bit) + (uint64_t)offset;
			int64_t value;
			struct cursor cursor;

			memcpy(&value, &bits, sizeof value);
			for (unsigned sign = 0; sign < 2; sign++) {
				if (sign == 1)
					value = value == INT64_MIN ? INT64_MAX : -value;
				buffer_clear(&buffer);
				pack_i64(&buffer, value);
				cursor_init(&cursor, buffer_slice(&buffer));
				assert_true(cursor_i64(&cursor) == value);
				assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
			}
		}
	}
	buffer_fini(&buffer);
}

static void
accepts_integers_in_longer_forms_than_needed(void **state)
{
	struct cursor cursor = CURSOR("\xcc\x05\xcd\x00\x05\xce\x00\x00\x00\x05"
	                              "\xcf\x00\x00\x00\x00\x00\x00\x00\x05\xd0\x05\xd1\x00\x05"
	                              "\xd3\x00\x00\x00\x00\x00\x00\x00\x05");

	(void)state;
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(cursor_u64(&cursor), 5);
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
}

static void
refuses_integers_that_do_not_fit_the_type_asked_for(void **state)
{
	struct cursor negative = CURSOR("\xff");
	struct cursor large = CURSOR("\xcf\x80\x00\x00\x00\x00\x00\x00\x00");
	struct cursor smallest = CURSOR("\xd3\x80\x00\x00\x00\x00\x00\x00\x00");

	(void)state;
	assert_int_equal(cursor_u64(&negative), 0);
	assert_int_equal(cursor_finish(&negative), SYNOD_BAD_MESSAGE);
	assert_int_equal(cursor_i64(&large), 0);
	assert_int_equal(cursor_finish(&large), SYNOD_BAD_MESSAGE);
	assert_true(cursor_i64(&smallest) == INT64_MIN);
	assert_int_equal(cursor_finish(&smallest), SYNOD_OK);
}

static void
reads_back_strings_and_binaries_of_every_head(void **state)
{
	const size_t sizes[] = {0, 1, 31, 32, 255, 256, 65535, 65536};
	static uint8_t bytes[65536];
	struct buffer buffer = BUFFER_EMPTY;

	(void)state;
	memset(bytes, 'x', sizeof bytes);
	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct slice slice = {bytes, sizes[i]};
		struct cursor cursor;
		struct slice binary;

		buffer_clear(&buffer);
		pack_string(&buffer, slice);
		pack_binary(&buffer, slice);
		cursor_init(&cursor, buffer_slice(&buffer));
		assert_true(slice_equal(cursor_string(&cursor), slice));
		binary = cursor_binary(&cursor);
		assert_true(slice_equal(binary, slice));
		assert_non_null(binary.bytes);
		assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	}
	buffer_fini(&buffer);
}

static void
tells_absent_binaries_from_empty_ones(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;
	struct cursor cursor;

	(void)state;
	pack_binary(&buffer, (struct slice){NULL, 0});
	pack_binary(&buffer, slice_of(""));
	cursor_init(&cursor, buffer_slice(&buffer));
	assert_true(cursor_is_nil(&cursor));
	assert_null(cursor_binary(&cursor).bytes);
	assert_false(cursor_is_nil(&cursor));
	assert_non_null(cursor_binary(&cursor).bytes);
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	buffer_fini(&buffer);
}

static void
reads_back_a_nested_array(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;
	struct cursor cursor;

	(void)state;
	pack_array(&buffer, 4);
	pack_bool(&buffer, true);
	pack_array(&buffer, 2);
	pack_i64(&buffer, -7);
	pack_nil(&buffer);
	pack_bool(&buffer, false);
	pack_array(&buffer, 0);
	cursor_init(&cursor, buffer_slice(&buffer));
	assert_int_equal(cursor_array(&cursor), 4);
	assert_true(cursor_bool(&cursor));
	assert_int_equal(cursor_array(&cursor), 2);
	assert_int_equal(cursor_i64(&cursor), -7);
	assert_true(cursor_nil(&cursor));
	cursor_leave(&cursor);
	assert_false(cursor_nil(&cursor));
	assert_false(cursor_bool(&cursor));
	assert_int_equal(cursor_array(&cursor), 0);
	cursor_leave(&cursor);
	cursor_leave(&cursor);
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	buffer_fini(&buffer);
}

static void
copies_a_packed_element_as_it_is(void **state)
{
	struct buffer inner = BUFFER_EMPTY;
	struct buffer outer = BUFFER_EMPTY;
	struct cursor cursor;

	(void)state;
	pack_array(&inner, 2);
	pack_u64(&inner, 300);
	pack_string(&inner, slice_of("x"));
	pack_array(&outer, 2);
	pack_raw(&outer, buffer_slice(&inner));
	pack_nil(&outer);
	cursor_init(&cursor, buffer_slice(&outer));
	assert_int_equal(cursor_array(&cursor), 2);
	assert_true(slice_equal(cursor_raw(&cursor), buffer_slice(&inner)));
	assert_true(cursor_nil(&cursor));
	cursor_leave(&cursor);
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	buffer_fini(&inner);
	buffer_fini(&outer);
}

static void
refuses_maps_extensions_floats_and_reserved_codes(void **state)
{
	const uint8_t codes[] = {0x80, 0x81, 0xc1, 0xc7, 0xc8, 0xc9, 0xca, 0xcb,
	                         0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xde, 0xdf};

	(void)state;
	for (unsigned i = 0; i < sizeof codes; i++) {
		uint8_t bytes[32] = {codes[i]};
		struct cursor cursor = cursor_on(bytes, sizeof bytes);

		cursor_skip(&cursor, 1);
		assert_true(cursor.failed);
	}
}

static void
refuses_counts_that_the_bytes_cannot_hold(void **state)
{
	(void)state;
	assert_int_equal(WHOLE("\xdd\xff\xff\xff\xff"), SYNOD_BAD_MESSAGE);
	assert_int_equal(WHOLE("\xdd\x01\x00\x00\x00"), SYNOD_BAD_MESSAGE);
	assert_int_equal(WHOLE("\xdd\x00\x00\x00\x02\x01"), SYNOD_BAD_MESSAGE);
	assert_int_equal(WHOLE("\xdc\xff\xff\x01"), SYNOD_BAD_MESSAGE);
	assert_int_equal(WHOLE("\x92\x01"), SYNOD_BAD_MESSAGE);
	assert_int_equal(WHOLE("\xc6\xff\xff\xff\xff\x01"), SYNOD_BAD_MESSAGE);
	assert_int_equal(WHOLE("\xdb\xff\xff\xff\xff\x01"), SYNOD_BAD_MESSAGE);
	assert_int_equal(WHOLE("\xa2\x01"), SYNOD_BAD_MESSAGE);
	assert_int_equal(WHOLE("\xdd\x00\x00\x00\x01\x01"), SYNOD_OK);
}

static void
reports_no_count_for_an_array_that_lies(void **state)
{
	struct cursor large = CURSOR("\xdd\xff\xff\xff\xff\x01");
	struct cursor by_one = CURSOR("\x92\x01");

	(void)state;
	assert_int_equal(cursor_array(&large), 0);
	assert_true(large.failed);
	assert_int_equal(cursor_array(&by_one), 0);
	assert_true(by_one.failed);
}

static void
gives_no_bytes_for_a_size_that_lies(void **state)
{
	struct cursor string = CURSOR("\xa2x");
	struct cursor binary = CURSOR("\xc4\x02x");

	(void)state;
	assert_null(cursor_string(&string).bytes);
	assert_true(string.failed);
	assert_null(cursor_binary(&binary).bytes);
	assert_true(binary.failed);
}

static void
nests_to_its_limit_and_no_deeper(void **state)
{
	uint8_t bytes[PACK_DEPTH_MAX + 2];
	struct cursor cursor;

	(void)state;
	memset(bytes, 0x91, sizeof bytes);
	bytes[PACK_DEPTH_MAX] = 0x01;
	assert_int_equal(check_whole(bytes, PACK_DEPTH_MAX + 1), SYNOD_OK);
	cursor = cursor_on(bytes, PACK_DEPTH_MAX + 1);
	for (unsigned i = 0; i < PACK_DEPTH_MAX; i++)
		assert_int_equal(cursor_array(&cursor), 1);
	assert_int_equal(cursor_u64(&cursor), 1);
	bytes[PACK_DEPTH_MAX] = 0x91;
	bytes[PACK_DEPTH_MAX + 1] = 0x01;
	assert_int_equal(check_whole(bytes, PACK_DEPTH_MAX + 2), SYNOD_BAD_MESSAGE);
	cursor = cursor_on(bytes, PACK_DEPTH_MAX + 2);
	for (unsigned i = 0; i < PACK_DEPTH_MAX; i++)
		cursor_array(&cursor);
	assert_false(cursor.failed);
	assert_int_equal(cursor_array(&cursor), 0);
	assert_true(cursor.failed);
}

static void
counts_the_arrays_around_it_when_skipping(void **state)
{
	uint8_t bytes[PACK_DEPTH_MAX + 2] = {0};
	struct cursor cursor = cursor_on(bytes, sizeof bytes);

	(void)state;
	memset(bytes, 0x91, sizeof bytes);
	bytes[PACK_DEPTH_MAX + 1] = 0x01;
	cursor_array(&cursor);
	cursor_array(&cursor);
	cursor_skip(&cursor, 1);
	assert_true(cursor.failed);
}

static void
refuses_a_million_nested_arrays_without_recursion(void **state)
{
	size_t size = 1000000;
	uint8_t *bytes = malloc(size);

	(void)state;
	assert_non_null(bytes);
	memset(bytes, 0x91, size);
	assert_int_equal(check_whole(bytes, size), SYNOD_BAD_MESSAGE);
	free(bytes);
}

static void
skips_as_many_elements_as_asked_for(void **state)
{
	struct cursor cursor = CURSOR("\x01\x92\x02\x91\xa1\x61\x90\xc0\x07");

	(void)state;
	cursor_skip(&cursor, 0);
	cursor_skip(&cursor, 4);
	assert_int_equal(cursor_u64(&cursor), 7);
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	cursor_skip(&cursor, 1);
	assert_true(cursor.failed);
}

static void
stays_failed_after_the_first_error(void **state)
{
	struct cursor cursor = CURSOR("\x93\xa1\x61\xc3\x05");

	(void)state;
	assert_int_equal(cursor_array(&cursor), 3);
	assert_int_equal(cursor_u64(&cursor), 0);
	assert_false(cursor_bool(&cursor));
	assert_int_equal(cursor_u64(&cursor), 0);
	assert_int_equal(cursor_i64(&cursor), 0);
	assert_int_equal(cursor_array(&cursor), 0);
	assert_false(cursor_is_nil(&cursor));
	assert_false(cursor_nil(&cursor));
	assert_null(cursor_string(&cursor).bytes);
	assert_null(cursor_binary(&cursor).bytes);
	assert_null(cursor_raw(&cursor).bytes);
	cursor_skip(&cursor, 0xffffffff);
	cursor_leave(&cursor);
	cursor_leave(&cursor);
	assert_int_equal(cursor_finish(&cursor), SYNOD_BAD_MESSAGE);
}

static void
refuses_the_wrong_type(void **state)
{
	struct cursor string = CURSOR("\xc4\x01\x61");
	struct cursor binary = CURSOR("\xa1\x61");
	struct cursor boolean = CURSOR("\x01");
	struct cursor array = CURSOR("\xc0");

	(void)state;
	assert_null(cursor_string(&string).bytes);
	assert_true(string.failed);
	assert_null(cursor_binary(&binary).bytes);
	assert_true(binary.failed);
	assert_false(cursor_bool(&boolean));
	assert_true(boolean.failed);
	assert_int_equal(cursor_array(&array), 0);
	assert_true(array.failed);
}

static void
refuses_strings_that_are_not_text(void **state)
{
	struct cursor cursor = CURSOR("\xa2\xc0\xaf");

	(void)state;
	assert_null(cursor_string(&cursor).bytes);
	assert_int_equal(cursor_finish(&cursor), SYNOD_BAD_MESSAGE);
	/* Skipped, it is only bytes. */
	assert_int_equal(WHOLE("\xa2\xc0\xaf"), SYNOD_OK);
}

static void
refuses_bytes_left_over_and_nothing_at_all(void **state)
{
	struct cursor cursor = cursor_on(NULL, 0);

	(void)state;
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	assert_false(cursor_is_nil(&cursor));
	assert_int_equal(cursor_u64(&cursor), 0);
	assert_int_equal(cursor_finish(&cursor), SYNOD_BAD_MESSAGE);
	assert_int_equal(WHOLE("\x01\x02"), SYNOD_BAD_MESSAGE);
}

static void
fails_when_its_reader_says_so(void **state)
{
	struct cursor cursor = CURSOR("\x01");

	(void)state;
	assert_int_equal(cursor_u64(&cursor), 1);
	cursor_fail(&cursor);
	assert_int_equal(cursor_finish(&cursor), SYNOD_BAD_MESSAGE);
}

/* Every head of every length, cut at every byte, in memory of exactly that size. */
static void
reads_nothing_beyond_its_end(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 256; code++) {
		for (size_t size = 1; size < 12; size++) {
			uint8_t *bytes = calloc(1, size);

			assert_non_null(bytes);
			bytes[0] = (uint8_t)code;
			if (size > 1)
				bytes[size - 1] = 3;
			check_whole(bytes, size);
			free(bytes);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_back_unsigned_integers_of_every_size),
		cmocka_unit_test(reads_back_signed_integers_of_every_size),
		cmocka_unit_test(accepts_integers_in_longer_forms_than_needed),
		cmocka_unit_test(refuses_integers_that_do_not_fit_the_type_asked_for),
		cmocka_unit_test(reads_back_strings_and_binaries_of_every_head),
		cmocka_unit_test(tells_absent_binaries_from_empty_ones),
		cmocka_unit_test(reads_back_a_nested_array),
		cmocka_unit_test(copies_a_packed_element_as_it_is),
		cmocka_unit_test(refuses_maps_extensions_floats_and_reserved_codes),
		cmocka_unit_test(refuses_counts_that_the_bytes_cannot_hold),
		cmocka_unit_test(reports_no_count_for_an_array_that_lies),
		cmocka_unit_test(gives_no_bytes_for_a_size_that_lies),
		cmocka_unit_test(nests_to_its_limit_and_no_deeper),
		cmocka_unit_test(counts_the_arrays_around_it_when_skipping),
		cmocka_unit_test(refuses_a_million_nested_arrays_without_recursion),
		cmocka_unit_test(skips_as_many_elements_as_asked_for),
		cmocka_unit_test(stays_failed_after_the_first_error),
		cmocka_unit_test(refuses_the_wrong_type),
		cmocka_unit_test(refuses_strings_that_are_not_text),
		cmocka_unit_test(refuses_bytes_left_over_and_nothing_at_all),
		cmocka_unit_test(fails_when_its_reader_says_so),
		cmocka_unit_test(reads_nothing_beyond_its_end),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
