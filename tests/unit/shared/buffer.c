/* The growable buffer and borrowed slices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "shared/buffer.h"

static void
starts_empty_and_grows_with_what_is_appended(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		uint8_t byte = (uint8_t)i;

		buffer_append(&buffer, &byte, 1);
	}
	assert_int_equal(buffer.size, 100000);
	assert_int_equal(buffer.failed, 0);
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(buffer.bytes[i], (uint8_t)i);
	buffer_fini(&buffer);
	assert_null(buffer.bytes);
	assert_int_equal(buffer.capacity, 0);
}

static void
appends_nothing_without_an_address(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;

	(void)state;
	buffer_append(&buffer, NULL, 0);
	assert_int_equal(buffer.size, 0);
	assert_int_equal(buffer.failed, 0);
	buffer_fini(&buffer);
}

static void
reserves_room_without_counting_it_as_content(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;
	uint8_t *room;

	(void)state;
	buffer_append(&buffer, "ab", 2);
	room = buffer_reserve(&buffer, 1000);
	assert_non_null(room);
	assert_ptr_equal(room, buffer.bytes + 2);
	assert_int_equal(buffer.size, 2);
	assert_true(buffer.capacity >= 1002);
	memset(room, 'x', 1000);
	assert_ptr_equal(buffer_reserve(&buffer, 1000), room);
	buffer_fini(&buffer);
}

static void
remembers_a_failed_allocation_until_it_is_cleared(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;

	(void)state;
	buffer_append(&buffer, "ab", 2);
	assert_null(buffer_reserve(&buffer, SIZE_MAX));
	assert_true(buffer.failed);
	buffer_append(&buffer, "cd", 2);
	assert_int_equal(buffer.size, 2);
	assert_null(buffer_reserve(&buffer, 1));
	buffer_clear(&buffer);
	buffer_append(&buffer, "ef", 2);
	assert_memory_equal(buffer.bytes, "ef", 2);
	buffer_fini(&buffer);
}

static void
keeps_up_to_a_mebibyte_when_cleared(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;
	uint8_t *small;

	(void)state;
	small = buffer_reserve(&buffer, 1000);
	buffer_append(&buffer, "x", 1);
	buffer_clear(&buffer);
	assert_int_equal(buffer.size, 0);
	assert_ptr_equal(buffer_reserve(&buffer, 1000), small);
	assert_non_null(buffer_reserve(&buffer, (1u << 20) + 1));
	buffer_clear(&buffer);
	assert_int_equal(buffer.capacity, 0);
	buffer_fini(&buffer);
}

static void
consumes_from_the_front(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;

	(void)state;
	buffer_append(&buffer, "abcdef", 6);
	buffer_consume(&buffer, 0);
	assert_int_equal(buffer.size, 6);
	buffer_consume(&buffer, 2);
	assert_int_equal(buffer.size, 4);
	assert_memory_equal(buffer.bytes, "cdef", 4);
	buffer_consume(&buffer, 4);
	assert_int_equal(buffer.size, 0);
	buffer_fini(&buffer);
}

static void
orders_slices_by_bytes_then_by_size(void **state)
{
	struct slice none = {NULL, 0};

	(void)state;
	assert_true(slice_compare(slice_of("a"), slice_of("b")) < 0);
	assert_true(slice_compare(slice_of("b"), slice_of("a")) > 0);
	assert_true(slice_compare(slice_of("a"), slice_of("ab")) < 0);
	assert_true(slice_compare(slice_of("ab"), slice_of("a")) > 0);
	assert_true(slice_compare(slice_of("\x7f"), slice_of("\x80")) < 0);
	assert_int_equal(slice_compare(slice_of("ab"), slice_of("ab")), 0);
	assert_int_equal(slice_compare(none, none), 0);
	assert_true(slice_compare(none, slice_of("a")) < 0);
}

static void
compares_slices_for_equality(void **state)
{
	struct slice none = {NULL, 0};

	(void)state;
	assert_true(slice_equal(slice_of("abc"), slice_of("abc")));
	assert_false(slice_equal(slice_of("abc"), slice_of("abd")));
	assert_false(slice_equal(slice_of("abc"), slice_of("ab")));
	assert_true(slice_equal(none, slice_of("")));
	assert_int_equal(slice_of("abc").size, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_empty_and_grows_with_what_is_appended),
		cmocka_unit_test(appends_nothing_without_an_address),
		cmocka_unit_test(reserves_room_without_counting_it_as_content),
		cmocka_unit_test(remembers_a_failed_allocation_until_it_is_cleared),
		cmocka_unit_test(keeps_up_to_a_mebibyte_when_cleared),
		cmocka_unit_test(consumes_from_the_front),
		cmocka_unit_test(orders_slices_by_bytes_then_by_size),
		cmocka_unit_test(compares_slices_for_equality),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
