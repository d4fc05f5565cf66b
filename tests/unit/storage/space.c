/* Watching the space: states, hysteresis and the ballast. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "server/storage/space.h"
#include "shared/error.h"
#include "tests/support/disk_memory.h"

#define R 1000u

static void
refuses_growth_below_twice_the_reserve(void **state)
{
	(void)state;
	assert_int_equal(space_decide(R, SPACE_PLENTY, true, 2 * R).state, SPACE_PLENTY);
	assert_int_equal(space_decide(R, SPACE_PLENTY, true, 2 * R - 1).state, SPACE_LOW);
}

static void
allows_growth_again_only_at_three_times_the_reserve(void **state)
{
	(void)state;
	assert_int_equal(space_decide(R, SPACE_LOW, true, 3 * R - 1).state, SPACE_LOW);
	assert_int_equal(space_decide(R, SPACE_LOW, true, 3 * R).state, SPACE_PLENTY);
}

static void
gives_the_ballast_up_before_the_journal_must_stop(void **state)
{
	(void)state;
	assert_int_equal(space_decide(R, SPACE_LOW, true, R + R / 4).action, SPACE_NOTHING);
	assert_int_equal(space_decide(R, SPACE_LOW, true, R + R / 4 - 1).action,
	                 SPACE_DROP_BALLAST);
	assert_int_equal(space_decide(R, SPACE_LOW, false, 0).action, SPACE_NOTHING);
}

static void
giving_the_ballast_up_does_not_look_like_recovery(void **state)
{
	(void)state;
	for (uint64_t bytes = 0; bytes < R + R / 4; bytes++) {
		struct space_decision decision = space_decide(R, SPACE_LOW, false, bytes + R);
		assert_int_equal(decision.state, SPACE_LOW);
		assert_int_equal(decision.action, SPACE_NOTHING);
	}
}

static void
makes_the_ballast_anew_when_it_leaves_plenty(void **state)
{
	(void)state;
	assert_int_equal(space_decide(R, SPACE_LOW, false, 4 * R - 1).action, SPACE_NOTHING);
	assert_int_equal(space_decide(R, SPACE_LOW, false, 4 * R).action, SPACE_MAKE_BALLAST);
}

static void
follows_a_disk_that_fills_and_empties(void **state)
{
	struct disk *disk = memory_disk_new(1);
	struct disk_file *file;
	struct space *space;
	char why[256];

	(void)state;
	disk->ops->make_directory(disk, "data");
	memory_disk_set_capacity(disk, 10 * R);
	assert_int_equal(space_open(disk, "data", R, &space, why), SYNOD_OK);
	assert_int_equal(memory_disk_content(disk, "data/ballast").size, R);
	assert_int_equal(space_check(space), SPACE_PLENTY);

	assert_int_equal(disk->ops->open(disk, "data/other", DISK_CREATE, &file), SYNOD_OK);
	assert_int_equal(file->ops->allocate(file, 7 * R + 1), SYNOD_OK);
	assert_int_equal(space_check(space), SPACE_LOW);
	assert_int_equal(memory_disk_content(disk, "data/ballast").size, R);

	assert_int_equal(file->ops->allocate(file, 8 * R), SYNOD_OK);
	assert_int_equal(space_check(space), SPACE_LOW);
	assert_null(memory_disk_content(disk, "data/ballast").bytes);
	assert_int_equal(space_check(space), SPACE_LOW);

	assert_int_equal(file->ops->truncate(file, R), SYNOD_OK);
	assert_int_equal(space_check(space), SPACE_PLENTY);
	assert_int_equal(memory_disk_content(disk, "data/ballast").size, R);
	space_close(space);

	/* The ballast of the last run is known again; one of another size is replaced. */
	assert_int_equal(space_open(disk, "data", R, &space, why), SYNOD_OK);
	space_close(space);
	assert_int_equal(space_open(disk, "data", R / 2, &space, why), SYNOD_OK);
	assert_int_equal(memory_disk_content(disk, "data/ballast").size, R / 2);
	space_close(space);
	file->ops->close(file);
	memory_disk_free(disk);
}

static void
does_without_a_ballast_where_it_cannot_be_made(void **state)
{
	struct disk *disk = memory_disk_new(1);
	struct space *space;
	char why[256];

	(void)state;
	disk->ops->make_directory(disk, "data");
	memory_disk_fail_at(disk, 2, SYNOD_NO_SPACE);
	assert_int_equal(space_open(disk, "data", R, &space, why), SYNOD_OK);
	assert_null(memory_disk_content(disk, "data/ballast").bytes);
	assert_int_equal(space_check(space), SPACE_PLENTY);
	assert_int_equal(memory_disk_content(disk, "data/ballast").size, R);
	space_close(space);
	memory_disk_free(disk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_growth_below_twice_the_reserve),
		cmocka_unit_test(allows_growth_again_only_at_three_times_the_reserve),
		cmocka_unit_test(gives_the_ballast_up_before_the_journal_must_stop),
		cmocka_unit_test(giving_the_ballast_up_does_not_look_like_recovery),
		cmocka_unit_test(makes_the_ballast_anew_when_it_leaves_plenty),
		cmocka_unit_test(follows_a_disk_that_fills_and_empties),
		cmocka_unit_test(does_without_a_ballast_where_it_cannot_be_made),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
