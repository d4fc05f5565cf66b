/* Entries and their references. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "server/paxos/entry.h"

static void
copies_kind_size_and_bytes(void **state)
{
	struct entry *entry = entry_new_copy(ENTRY_COMMAND, "abc", 3);

	(void)state;
	assert_int_equal(entry->kind, ENTRY_COMMAND);
	assert_int_equal(entry->size, 3);
	assert_memory_equal(entry->bytes, "abc", 3);
	assert_int_equal(atomic_load(&entry->references), 1);
	entry_release(entry);
}

static void
an_empty_entry_needs_no_bytes(void **state)
{
	struct entry *entry = entry_new_copy(ENTRY_STOP, NULL, 0);

	(void)state;
	assert_int_equal(entry->size, 0);
	entry_release(entry);
	entry_release(NULL);
}

static void *
borrow(void *argument)
{
	for (int i = 0; i < 10000; i++)
		entry_release(entry_retain(argument));
	return NULL;
}

/* The sanitizers see it if the last reference goes too early or never. */
static void
is_shared_between_threads(void **state)
{
	struct entry *entry = entry_new_copy(ENTRY_COMMAND, "x", 1);
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, borrow, entry), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&entry->references), 1);
	entry_release(entry);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_kind_size_and_bytes),
		cmocka_unit_test(an_empty_entry_needs_no_bytes),
		cmocka_unit_test(is_shared_between_threads),
	};

	alarm(120);
	return cmocka_run_group_tests_name("paxos/entry", tests, NULL, NULL);
}
