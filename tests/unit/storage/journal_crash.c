/* The journal when the power goes: at every operation, at every byte, and at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/error.h"
#include "tests/support/journal_fixture.h"

#define SEGMENT_BYTES ((size_t)12 << 10)

static uint64_t random_state;

static uint64_t
draw(uint64_t bound)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (z ^ z >> 31) % bound;
}

/* Open after a crash and compare: what was committed is there, and at most the batch at hand more.
 * An explanation if not, else NULL. */
static const char *
recover(struct journal_fixture *fixture)
{
	struct journal_model committed = fixture->committed;
	struct journal_model pending = fixture->pending;

	int error = fixture_open(fixture, 0);
	if (error != SYNOD_OK)
		return fixture->why[0] ? fixture->why : error_name(error);
	if (fixture->recovered.damaged_first != 0)
		return "damage reported where there is none";
	const struct journal_recovered *recovered = &fixture->recovered;
	if (recovered->length == committed.length &&
	    ballot_equal(recovered->accepted, committed.accepted) &&
	    fixture_holds(fixture, &committed, 16, 4096)) {
		fixture->pending = fixture->committed;
		return NULL;
	}
	if (recovered->length == pending.length &&
	    ballot_equal(recovered->accepted, pending.accepted) &&
	    fixture_holds(fixture, &pending, 16, 4096)) {
		fixture->committed = pending;
		fixture->pending = pending;
		return NULL;
	}
	return "neither what was committed nor with the batch at hand";
}

/* A little of everything; stops at the first failure. */
static int
run_script(struct journal_fixture *fixture)
{
	int error = fixture->journal ? SYNOD_OK : fixture_open(fixture, 0);

	uint64_t first = fixture->pending.accepted.round + 1;
	for (uint64_t round = first; error == SYNOD_OK && round < first + 6; round++) {
		uint64_t length = fixture->pending.length;
		fixture_sync(fixture, round, round % 3 == 0 && length > 2 ? length - 2 : length);
		fixture_append(fixture, 1);
		error = fixture_commit(fixture);
		for (unsigned i = 0; error == SYNOD_OK && i < 3; i++) {
			fixture_append(fixture, 6);
			error = fixture_commit(fixture);
			if (error == SYNOD_OK && i == 1)
				error = journal_make_room(fixture->journal, 2048);
		}
		if (error == SYNOD_OK)
			error = journal_mark(fixture->journal);
	}
	return error;
}

static uint64_t
count_script_operations(void)
{
	struct journal_fixture *fixture = calloc(1, sizeof *fixture);

	fixture_init(fixture, 1, SEGMENT_BYTES);
	uint64_t before = memory_disk_operations(fixture->disk);
	assert_int_equal(run_script(fixture), SYNOD_OK);
	/* The script is worth something only if it changes segments. */
	assert_non_null(memory_disk_content(fixture->disk, fixture_segment(2)).bytes);
	uint64_t count = memory_disk_operations(fixture->disk) - before;
	fixture_fini(fixture);
	free(fixture);
	return count;
}

static void
crash_script_at(uint64_t operation, enum memory_crash kind, uint64_t seed)
{
	struct journal_fixture *fixture = calloc(1, sizeof *fixture);

	fixture_init(fixture, seed, SEGMENT_BYTES);
	memory_disk_power_off_at(fixture->disk, operation);
	assert_int_equal(run_script(fixture), SYNOD_IO);
	memory_disk_crash(fixture->disk, kind);
	const char *wrong = recover(fixture);
	if (!wrong && run_script(fixture) != SYNOD_OK)
		wrong = "cannot go on";
	if (!wrong)
		wrong = recover(fixture);
	if (wrong)
		fail_msg("operation %d, crash %d, seed %d: %s", (int)operation, (int)kind,
		         (int)seed, wrong);
	fixture_fini(fixture);
	free(fixture);
}

static void
survives_a_crash_at_every_operation(void **state)
{
	uint64_t count = count_script_operations();

	(void)state;
	for (uint64_t operation = 1; operation <= count; operation++) {
		crash_script_at(operation, CRASH_LOSE, 1);
		crash_script_at(operation, CRASH_LOSE, 2);
		crash_script_at(operation, CRASH_KEEP, 1);
		for (uint64_t seed = 1; seed <= 12; seed++)
			crash_script_at(operation, CRASH_RANDOM, seed);
	}
}

/* The same, but only the process dies: nothing is lost, and nothing may be invented. */
static void
survives_a_failure_of_every_operation(void **state)
{
	uint64_t count = count_script_operations();

	(void)state;
	for (uint64_t operation = 1; operation <= count; operation++) {
		struct journal_fixture *fixture = calloc(1, sizeof *fixture);
		fixture_init(fixture, 1, SEGMENT_BYTES);
		memory_disk_fail_at(fixture->disk, operation, SYNOD_IO);
		run_script(fixture);
		const char *wrong = recover(fixture);
		if (!wrong) {
			memory_disk_crash(fixture->disk, CRASH_LOSE);
			wrong = recover(fixture);
		}
		if (wrong)
			fail_msg("operation %d: %s", (int)operation, wrong);
		fixture_fini(fixture);
		free(fixture);
	}
}

static void
survives_a_full_disk_at_every_operation(void **state)
{
	uint64_t count = count_script_operations();

	(void)state;
	for (uint64_t operation = 1; operation <= count; operation++) {
		struct journal_fixture *fixture = calloc(1, sizeof *fixture);
		fixture_init(fixture, 1, SEGMENT_BYTES);
		memory_disk_fail_at(fixture->disk, operation, SYNOD_NO_SPACE);
		int error = run_script(fixture);
		assert_true(error == SYNOD_OK || error == SYNOD_NO_SPACE || error == SYNOD_IO);
		/* Refused, it goes on where it was. */
		if (error == SYNOD_NO_SPACE && fixture->journal)
			assert_true(fixture_holds(fixture, &fixture->committed, 16, 4096));
		memory_disk_crash(fixture->disk, CRASH_RANDOM);
		const char *wrong = recover(fixture);
		if (wrong)
			fail_msg("operation %d: %s", (int)operation, wrong);
		fixture_fini(fixture);
		free(fixture);
	}
}

/* Three batches committed and a fourth written but not synced. */
static void
leave_batch_unsynced(struct journal_fixture *fixture, uint64_t seed)
{
	fixture_init(fixture, seed, 4 * SEGMENT_BYTES);
	assert_int_equal(fixture_open(fixture, 0), SYNOD_OK);
	fixture_fill(fixture, 3, 4);
	assert_int_equal(journal_make_room(fixture->journal, 8192), SYNOD_OK);
	fixture_append(fixture, 9);
	memory_disk_power_off_at(fixture->disk, 2);
	assert_int_equal(fixture_commit(fixture), SYNOD_IO);
}

static void
survives_a_tear_at_every_byte_of_a_batch(void **state)
{
	/* More than nine entries with their records and the end mark can have. */
	size_t size = 9 * (300 + 72) + 1024;
	unsigned torn = 0;

	(void)state;
	for (size_t kept = 0; kept <= size; kept++) {
		struct journal_fixture *fixture = calloc(1, sizeof *fixture);
		leave_batch_unsynced(fixture, 3);
		memory_disk_crash_after(fixture->disk, kept);
		const char *wrong = recover(fixture);
		if (wrong)
			fail_msg("%d bytes kept: %s", (int)kept, wrong);
		torn += fixture->recovered.torn_bytes > 0;
		fixture_fini(fixture);
		free(fixture);
	}
	assert_true(torn > 1000);
}

static void
survives_any_loss_of_sectors_of_a_batch(void **state)
{
	unsigned torn = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 500; seed++) {
		struct journal_fixture *fixture = calloc(1, sizeof *fixture);
		leave_batch_unsynced(fixture, seed);
		memory_disk_crash(fixture->disk, CRASH_RANDOM);
		const char *wrong = recover(fixture);
		if (wrong)
			fail_msg("seed %d: %s", (int)seed, wrong);
		torn += fixture->recovered.torn_bytes > 0;
		fixture_fini(fixture);
		free(fixture);
	}
	assert_true(torn > 30);
}

/* ---- at random ---- */

static int
random_step(struct journal_fixture *fixture)
{
	uint64_t length = fixture->pending.length;

	switch (draw(12)) {
	case 0: fixture_sync(fixture, fixture->pending.accepted.round + 1, length); return SYNOD_OK;
	case 1:
		fixture_sync(fixture, fixture->pending.accepted.round + 1, draw(length + 1));
		return SYNOD_OK;
	case 2: return journal_make_room(fixture->journal, (size_t)draw(20000));
	case 3: fixture_commit(fixture); return journal_mark(fixture->journal);
	case 4:
	case 5:
	case 6: return fixture_commit(fixture);
	default:
		if (!ballot_is_none(fixture->pending.accepted) && length < MODEL_SLOTS_MAX - 20)
			fixture_append(fixture, (uint32_t)draw(12));
		return SYNOD_OK;
	}
}

static const char *
random_life(struct journal_fixture *fixture)
{
	for (unsigned life = 0; life < 4; life++) {
		const char *wrong = recover(fixture);
		if (wrong)
			return wrong;
		memory_disk_power_off_at(fixture->disk, 1 + draw(120));
		if (draw(4) == 0)
			memory_disk_fail_at(fixture->disk, 1 + draw(40),
			                    draw(2) ? SYNOD_IO : SYNOD_NO_SPACE);
		memory_disk_set_capacity(fixture->disk, draw(3) ? UINT64_MAX : 30000 + draw(60000));
		fixture->entry_size_max = 300;
		for (;;) {
			int error = random_step(fixture);
			if (error != SYNOD_OK && error != SYNOD_NO_SPACE)
				break;
			if (memory_disk_operations(fixture->disk) > 100000)
				return "does not end";
			if (error == SYNOD_NO_SPACE && draw(8) == 0)
				break;
		}
		/* Gathered and dropped at the end is not at hand. */
		memory_disk_set_capacity(fixture->disk, UINT64_MAX);
		memory_disk_crash(fixture->disk, draw(5) ? CRASH_RANDOM : CRASH_KEEP);
	}
	return recover(fixture);
}

static void
agrees_with_the_model_whatever_happens(void **state)
{
	const char *seeds = getenv("SYNOD_SEEDS");
	uint64_t count = seeds ? strtoull(seeds, NULL, 10) : 2000;

	(void)state;
	for (uint64_t seed = 1; seed <= count; seed++) {
		struct journal_fixture *fixture = calloc(1, sizeof *fixture);
		random_state = seed;
		fixture_init(fixture, seed, (size_t)(8 + draw(24)) << 10);
		const char *wrong = random_life(fixture);
		if (wrong)
			fail_msg("seed %d: %s", (int)seed, wrong);
		fixture_fini(fixture);
		free(fixture);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(survives_a_crash_at_every_operation),
		cmocka_unit_test(survives_a_failure_of_every_operation),
		cmocka_unit_test(survives_a_full_disk_at_every_operation),
		cmocka_unit_test(survives_a_tear_at_every_byte_of_a_batch),
		cmocka_unit_test(survives_any_loss_of_sectors_of_a_batch),
		cmocka_unit_test(agrees_with_the_model_whatever_happens),
	};

	alarm(300);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
