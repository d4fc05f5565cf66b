/* Double barriers over a small fake namespace; the other participants are the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "tests/unit/client/fake_nodes.h"

#define OWN   "/b/in-000000000000000a"
#define OTHER "/b/in-000000000000000b"
#define READY "/b/ready"

static unsigned waits;

static int
set_up(void **state)
{
	(void)state;
	nodes_reset();
	waits = 0;
	return 0;
}

static int
enter(unsigned count, unsigned timeout_ms)
{
	return synod_barrier_enter(&nodes.handle, "/b", count, timeout_ms);
}

static int
leave(unsigned timeout_ms)
{
	return synod_barrier_leave(&nodes.handle, "/b", timeout_ms);
}

static void
one_alone_passes_again_and_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(enter(1, 0), SYNOD_OK);
		assert_non_null(nodes_find(OWN));
		assert_non_null(nodes_find(READY));
		assert_int_equal(leave(0), SYNOD_OK);
		assert_null(nodes_find(OWN));
		assert_null(nodes_find(READY));
	}
}

static void
other_comes(const char *what, const char *path)
{
	(void)path;
	if (strcmp(what, "wait") == 0 && waits++ == 0)
		nodes_write(OTHER, NULL);
}

static void
the_last_to_come_is_waited_for(void **state)
{
	(void)state;
	nodes.meanwhile = other_comes;
	assert_int_equal(enter(2, 0), SYNOD_OK);
	assert_int_equal(waits > 0, true);
	assert_non_null(nodes_find(READY));
}

static void
other_goes(const char *what, const char *path)
{
	(void)path;
	if (strcmp(what, "wait") == 0 && waits++ == 0)
		nodes_delete(OTHER);
}

static void
the_last_to_go_is_waited_for(void **state)
{
	(void)state;
	nodes_write(OTHER, NULL);
	assert_int_equal(enter(2, 0), SYNOD_OK);
	nodes.meanwhile = other_goes;
	assert_int_equal(leave(0), SYNOD_OK);
	assert_true(waits > 0);
	assert_null(nodes_find(READY));
}

/* The others close the barrier, and are in their next round when we look. */
static void
next_round_begins(const char *what, const char *path)
{
	(void)path;
	if (strcmp(what, "wait") != 0 || waits++ > 0)
		return;
	nodes_delete(OTHER);
	nodes_delete(READY);
	nodes_write(OTHER, NULL);
	nodes_write(READY, NULL);
}

static void
a_round_that_is_over_is_left_although_the_next_one_runs(void **state)
{
	(void)state;
	nodes_write(OTHER, NULL);
	assert_int_equal(enter(2, 0), SYNOD_OK);
	nodes.meanwhile = next_round_begins;
	assert_int_equal(leave(0), SYNOD_OK);
	assert_non_null(nodes_find(READY)); /* theirs */
}

static void
round_ends(const char *what, const char *path)
{
	(void)path;
	if (strcmp(what, "wait") == 0 && waits++ == 0) {
		assert_null(nodes_find(OWN));
		nodes_delete(OTHER);
		nodes_delete(READY);
	}
}

static void
who_comes_while_it_is_open_waits_for_the_next_round(void **state)
{
	(void)state;
	nodes_write(OTHER, NULL);
	nodes_write(READY, NULL);
	nodes.meanwhile = round_ends;
	assert_int_equal(enter(1, 0), SYNOD_OK);
	assert_true(waits > 0);
}

static void
an_open_barrier_whose_participants_died_is_closed(void **state)
{
	(void)state;
	nodes_write(READY, NULL);
	assert_int_equal(enter(1, 0), SYNOD_OK);
	assert_non_null(nodes_find(OWN));
}

static void
who_gives_up_is_not_counted(void **state)
{
	(void)state;
	assert_int_equal(enter(2, 20), SYNOD_TIMEOUT);
	assert_null(nodes_find(OWN));
	assert_int_equal(leave(20), SYNOD_NOT_FOUND);
	nodes_write(OTHER, NULL);
	assert_int_equal(enter(3, 20), SYNOD_TIMEOUT);
	assert_null(nodes_find(READY));
}

static void
opens_at_the_last_moment(const char *what, const char *path)
{
	if (strcmp(what, "delete") == 0 && strcmp(path, OWN) == 0) {
		nodes_write(OTHER, NULL);
		nodes_write(READY, NULL);
		nodes.meanwhile = NULL;
	}
}

static void
giving_up_when_it_has_opened_is_entering(void **state)
{
	(void)state;
	nodes.meanwhile = opens_at_the_last_moment;
	assert_int_equal(enter(2, 20), SYNOD_OK);
	assert_non_null(nodes_find(OWN));
}

static void
entering_twice_is_refused(void **state)
{
	(void)state;
	assert_int_equal(enter(1, 0), SYNOD_OK);
	assert_int_equal(enter(1, 0), SYNOD_EXISTS); /* open */
	nodes_delete(READY);
	assert_int_equal(enter(1, 0), SYNOD_EXISTS); /* closed */
}

static void
session_ends(const char *what, const char *path)
{
	(void)path;
	if (strcmp(what, "wait") == 0 && waits++ == 0)
		nodes_delete(OWN);
}

static void
the_end_of_the_session_ends_the_waiting(void **state)
{
	(void)state;
	nodes.meanwhile = session_ends;
	assert_int_equal(enter(2, 0), SYNOD_SESSION_ENDED);
}

static void
open_session(const char *what, const char *path)
{
	if (strcmp(what, "create") == 0 && strcmp(path, "/b") == 0)
		nodes.handle.session = 0xa;
}

static void
the_first_write_opens_the_session_that_gives_the_name(void **state)
{
	(void)state;
	nodes.handle.session = 0;
	nodes.meanwhile = open_session;
	assert_int_equal(enter(1, 0), SYNOD_OK);
	assert_non_null(nodes_find(OWN));
}

static void
refuses_nonsense(void **state)
{
	(void)state;
	assert_int_equal(enter(0, 0), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_barrier_enter(NULL, "/b", 1, 0), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_barrier_enter(&nodes.handle, NULL, 1, 0), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_barrier_leave(NULL, "/b", 0), SYNOD_BAD_ARGUMENT);
	nodes.is_in_callback = true;
	assert_int_equal(enter(1, 0), SYNOD_BAD_ARGUMENT);
	assert_int_equal(nodes.calls, 0);
	nodes.is_in_callback = false;
	nodes.fail_with = SYNOD_NO_QUORUM;
	assert_int_equal(enter(1, 0), SYNOD_NO_QUORUM);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_alone_passes_again_and_again),
		TEST(the_last_to_come_is_waited_for),
		TEST(the_last_to_go_is_waited_for),
		TEST(a_round_that_is_over_is_left_although_the_next_one_runs),
		TEST(who_comes_while_it_is_open_waits_for_the_next_round),
		TEST(an_open_barrier_whose_participants_died_is_closed),
		TEST(who_gives_up_is_not_counted),
		TEST(giving_up_when_it_has_opened_is_entering),
		TEST(entering_twice_is_refused),
		TEST(the_end_of_the_session_ends_the_waiting),
		TEST(the_first_write_opens_the_session_that_gives_the_name),
		TEST(refuses_nonsense),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
