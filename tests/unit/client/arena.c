/* Memory that is given out piece by piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "client/arena.h"

static void
gives_out_zeroed_pieces_that_do_not_overlap(void **state)
{
	struct arena arena = {0};
	unsigned char *pieces[500];

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		pieces[i] = arena_alloc(&arena, i + 1);
		assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
		for (unsigned k = 0; k <= i; k++)
			assert_int_equal(pieces[i][k], 0);
		memset(pieces[i], (int)(i % 255) + 1, i + 1);
	}
	for (unsigned i = 0; i < 500; i++)
		for (unsigned k = 0; k <= i; k++)
			assert_int_equal(pieces[i][k], i % 255 + 1);
	arena_fini(&arena);
}

static void
copies_with_a_zero_byte_behind(void **state)
{
	struct arena arena = {0};

	(void)state;
	assert_string_equal(arena_copy(&arena, slice_of("text")), "text");
	assert_string_equal(arena_copy(&arena, slice_of("")), "");
	assert_null(arena_copy(&arena, (struct slice){NULL, 0}));
	assert_false(arena.has_failed);
	arena_fini(&arena);
}

static void
says_when_memory_ran_out(void **state)
{
	struct arena arena = {0};

	(void)state;
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_true(arena.has_failed);
	arena_clear(&arena);
	assert_false(arena.has_failed);
	assert_non_null(arena_alloc(&arena, 10));
	arena_fini(&arena);
}

static void
can_be_used_again_after_it_was_cleared(void **state)
{
	struct arena arena = {0};

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		unsigned char *piece = arena_alloc(&arena, i * 100);

		assert_non_null(piece);
		for (unsigned k = 0; k < i * 100; k++)
			assert_int_equal(piece[k], 0);
		memset(piece, 0xff, i * 100);
		arena_clear(&arena);
	}
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_out_zeroed_pieces_that_do_not_overlap),
		cmocka_unit_test(copies_with_a_zero_byte_behind),
		cmocka_unit_test(says_when_memory_ran_out),
		cmocka_unit_test(can_be_used_again_after_it_was_cleared),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
