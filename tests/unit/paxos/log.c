/* The ring of recent entries, against a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "server/paxos/log.h"

static struct entry *
value(uint32_t size)
{
	static const uint8_t bytes[64];

	return entry_new_copy(ENTRY_COMMAND, bytes, size);
}

static void
holds_what_was_appended_while_it_grows(void **state)
{
	struct log log;

	(void)state;
	log_init(&log, 100);
	assert_null(log_get(&log, 100));
	for (uint32_t i = 1; i <= 1000; i++)
		log_append(&log, value(i % 64));
	assert_int_equal(log.length, 1100);
	assert_int_equal(log.first, 101);
	for (uint32_t i = 1; i <= 1000; i++)
		assert_int_equal(log_get(&log, 100 + i)->size, i % 64);
	assert_null(log_get(&log, 1101));
	assert_int_equal(log.bytes, log.unsettled_bytes);
	log_fini(&log);
}

static void
settling_frees_the_window_but_not_the_cache(void **state)
{
	struct log log;
	size_t each;

	(void)state;
	log_init(&log, 0);
	for (int i = 0; i < 10; i++)
		log_append(&log, value(8));
	each = log_cost(log_get(&log, 1));
	log_settle(&log, 4);
	assert_int_equal(log.unsettled_bytes, 6 * each);
	assert_int_equal(log.bytes, 10 * each);
	assert_non_null(log_get(&log, 1));
	log_settle(&log, 10);
	assert_int_equal(log.unsettled_bytes, 0);
	log_fini(&log);
}

static void
evicts_nothing_that_is_not_settled(void **state)
{
	struct log log;

	(void)state;
	log_init(&log, 0);
	for (int i = 0; i < 10; i++)
		log_append(&log, value(8));
	log_evict(&log, 10, 0, 0);
	assert_int_equal(log.first, 1);
	log_settle(&log, 7);
	log_evict(&log, 5, 0, 0); /* beyond 5 it is not durable */
	assert_int_equal(log.first, 6);
	log_evict(&log, 10, 4, SIZE_MAX);
	assert_int_equal(log.first, 7);
	log_evict(&log, 10, 0, 0);
	assert_int_equal(log.first, 8);
	assert_null(log_get(&log, 7));
	assert_non_null(log_get(&log, 8));
	log_fini(&log);
}

static void
cutting_forgets_the_newest_entries(void **state)
{
	struct log log;
	size_t each;

	(void)state;
	log_init(&log, 0);
	for (int i = 0; i < 10; i++)
		log_append(&log, value(8));
	each = log_cost(log_get(&log, 1));
	log_settle(&log, 3);
	log_cut(&log, 6);
	assert_int_equal(log.length, 6);
	assert_null(log_get(&log, 7));
	assert_int_equal(log.unsettled_bytes, 3 * each);
	log_cut(&log, 3);
	assert_int_equal(log.unsettled_bytes, 0);
	log_append(&log, value(1));
	assert_int_equal(log_get(&log, 4)->size, 1);
	log_fini(&log);
}

/* After a restart only the tail is here, and the cut may lie before it. */
static void
cuts_below_what_is_in_memory(void **state)
{
	struct log log;

	(void)state;
	log_init(&log, 90);
	for (int i = 0; i < 10; i++)
		log_append(&log, value(8));
	log_settle(&log, 50);
	log_cut(&log, 60);
	assert_int_equal(log.length, 60);
	assert_int_equal(log.first, 61);
	assert_int_equal(log.bytes, 0);
	log_append(&log, value(2));
	assert_int_equal(log_get(&log, 61)->size, 2);
	log_settle(&log, 61);
	assert_int_equal(log.unsettled_bytes, 0);
	log_fini(&log);
}

static void
knows_its_stop_until_it_is_cut(void **state)
{
	struct log log;

	(void)state;
	log_init(&log, 0);
	log_append(&log, value(1));
	log_append(&log, entry_new_copy(ENTRY_STOP, "", 0));
	assert_int_equal(log.stop, 2);
	log_cut(&log, 2);
	assert_int_equal(log.stop, 2);
	log_cut(&log, 1);
	assert_int_equal(log.stop, 0);
	log_fini(&log);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_what_was_appended_while_it_grows),
		cmocka_unit_test(settling_frees_the_window_but_not_the_cache),
		cmocka_unit_test(evicts_nothing_that_is_not_settled),
		cmocka_unit_test(cutting_forgets_the_newest_entries),
		cmocka_unit_test(cuts_below_what_is_in_memory),
		cmocka_unit_test(knows_its_stop_until_it_is_cut),
	};

	alarm(120);
	return cmocka_run_group_tests_name("paxos/log", tests, NULL, NULL);
}
