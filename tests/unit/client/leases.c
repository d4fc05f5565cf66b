/* Keeping leases alive against fake members, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/error.h"
#include "tests/support/fake_client.h"

#define TTL_MS 10000

static struct setting *setting;
static unsigned end_count;
static uint64_t ended;

static int
set_up(void **state)
{
	(void)state;
	setting = setting_new(2);
	end_count = 0;
	ended = 0;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	setting_free(setting);
	return 0;
}

static void
on_end(void *context, uint64_t lease)
{
	assert_ptr_equal(context, setting);
	end_count++;
	ended = lease;
}

static int
keep(uint64_t lease, uint64_t ttl_ms)
{
	return synod_lease_keep(setting->synod, lease, ttl_ms, on_end, setting);
}

static unsigned
remaining(uint64_t lease)
{
	return synod_lease_remaining_ms(setting->synod, lease);
}

struct granted {
	bool is_done;
	int error;
	uint64_t id;
	uint64_t ttl_ms;
};

static void
on_granted(void *context, const struct synod_result *result)
{
	struct granted *granted = context;

	granted->is_done = true;
	granted->error = result->error;
	granted->id = result->id;
	granted->ttl_ms = result->ttl_ms;
}

static uint64_t
grant(uint64_t ttl_ms)
{
	struct granted granted = {0};
	const struct synod_call call = {.done = on_granted, .context = &granted};

	assert_int_equal(synod_lease_grant(setting->synod, ttl_ms, &call, NULL), SYNOD_OK);
	assert_true(fake_world_run_until(setting->world, &granted.is_done, 1000));
	assert_int_equal(granted.error, SYNOD_OK);
	assert_int_equal(granted.ttl_ms, ttl_ms);
	return granted.id;
}

static void
keeps_a_lease_without_a_session(void **state)
{
	(void)state;
	fake_ensemble_set_lease(setting->ensemble, 77, TTL_MS);
	setting_open(setting, 1, 0);
	assert_int_equal(remaining(77), 0);
	assert_int_equal(keep(77, TTL_MS), SYNOD_OK);
	fake_world_run_for(setting->world, 100);
	assert_in_range(remaining(77), TTL_MS - 1200, TTL_MS - 1000);
	fake_world_run_for(setting->world, 5 * TTL_MS);
	assert_in_range(remaining(77), TTL_MS / 2, TTL_MS - 1000);
	assert_in_range(setting->ensemble->lease_keepalives, 15, 17); /* three for each ttl */
	assert_int_equal(setting->ensemble->session_count, 0);
	assert_int_equal(end_count, 0);
}

static void
counts_on_a_lease_from_when_it_was_asked_for(void **state)
{
	uint64_t id;

	(void)state;
	setting_open(setting, 1, 0);
	fake_member_set_keepalive(setting->members[0], false, SYNOD_OK);
	id = grant(TTL_MS);
	assert_int_equal(remaining(id), 0); /* nobody keeps it */
	assert_int_equal(keep(id, TTL_MS), SYNOD_OK);
	assert_in_range(remaining(id), TTL_MS - 1100, TTL_MS - 1000);
	fake_world_run_for(setting->world, 2000);
	assert_in_range(remaining(id), TTL_MS - 3100, TTL_MS - 3000);
}

/* What the way there and back took is missing from the time that remains. */
static void
reckons_from_when_the_keepalive_was_sent(void **state)
{
	unsigned first;

	(void)state;
	fake_ensemble_set_lease(setting->ensemble, 77, TTL_MS);
	setting_open(setting, 1, 0);
	fake_world_run_for(setting->world, 100);
	assert_int_equal(keep(77, TTL_MS), SYNOD_OK);
	while (remaining(77) == 0)
		assert_true(fake_world_step(setting->world));
	first = remaining(77);
	assert_true(first < TTL_MS - 1000);
}

static void
tells_when_a_lease_has_ended(void **state)
{
	(void)state;
	fake_ensemble_set_lease(setting->ensemble, 77, TTL_MS);
	fake_ensemble_set_lease(setting->ensemble, 78, TTL_MS);
	setting_open(setting, 1, 0);
	keep(77, TTL_MS);
	keep(78, TTL_MS);
	fake_world_run_for(setting->world, 100);
	assert_true(remaining(77) > 0);
	fake_ensemble_set_lease(setting->ensemble, 77, 0);
	fake_world_run_for(setting->world, TTL_MS / 2);
	assert_int_equal(end_count, 1);
	assert_int_equal(ended, 77);
	assert_int_equal(remaining(77), 0);
	assert_true(remaining(78) > 0);
	assert_int_equal(synod_lease_let_go(setting->synod, 77), SYNOD_NO_LEASE);
	fake_world_run_for(setting->world, 2 * TTL_MS);
	assert_int_equal(end_count, 1);
}

static void
tells_the_end_of_a_lease_that_never_was(void **state)
{
	(void)state;
	setting_open(setting, 1, 0);
	assert_int_equal(keep(4711, TTL_MS), SYNOD_OK);
	fake_world_run_for(setting->world, 100);
	assert_int_equal(end_count, 1);
	assert_int_equal(ended, 4711);
}

static void
lets_go_of_a_lease(void **state)
{
	unsigned before;

	(void)state;
	fake_ensemble_set_lease(setting->ensemble, 77, TTL_MS);
	setting_open(setting, 1, 0);
	keep(77, TTL_MS);
	fake_world_run_for(setting->world, 100);
	assert_int_equal(synod_lease_let_go(setting->synod, 77), SYNOD_OK);
	before = setting->ensemble->lease_keepalives;
	fake_world_run_for(setting->world, 2 * TTL_MS);
	assert_int_equal(setting->ensemble->lease_keepalives, before);
	assert_int_equal(remaining(77), 0);
	assert_int_equal(end_count, 0);
}

static void
cannot_count_on_a_lease_without_answers_but_takes_it_up_again(void **state)
{
	(void)state;
	fake_ensemble_set_lease(setting->ensemble, 77, TTL_MS);
	setting_open(setting, 1, 0);
	keep(77, TTL_MS);
	fake_world_run_for(setting->world, 100);
	fake_member_set_keepalive(setting->members[0], false, SYNOD_OK);
	fake_world_run_for(setting->world, TTL_MS);
	assert_int_equal(remaining(77), 0);
	assert_int_equal(end_count, 0);
	fake_member_set_keepalive(setting->members[0], true, SYNOD_OK);
	fake_world_run_for(setting->world, TTL_MS / 10);
	assert_true(remaining(77) > 0);
}

static void
leaves_a_member_that_does_not_answer_for_a_lease(void **state)
{
	unsigned first;

	(void)state;
	fake_ensemble_set_lease(setting->ensemble, 77, TTL_MS);
	setting_open(setting, 2, 0);
	fake_world_run_for(setting->world, 100);
	first = fake_member_connections(setting->members[0]) > 0 ? 0 : 1;
	fake_member_set_keepalive(setting->members[first], false, SYNOD_OK);
	keep(77, TTL_MS);
	fake_world_run_for(setting->world, TTL_MS / 2);
	assert_int_equal(fake_member_connections(setting->members[1 - first]), 1);
	assert_true(remaining(77) > 0);
}

static void
rides_on_the_keepalives_of_the_session(void **state)
{
	struct reply reply;
	unsigned alone;
	unsigned before;

	(void)state;
	fake_ensemble_set_lease(setting->ensemble, 77, TTL_MS);
	setting_open(setting, 1, TTL_MS);
	setting_put(setting, "/a", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
	before = fake_member_keepalives(setting->members[0]);
	fake_world_run_for(setting->world, 10 * TTL_MS);
	alone = fake_member_keepalives(setting->members[0]) - before;
	keep(77, TTL_MS);
	before = fake_member_keepalives(setting->members[0]);
	fake_world_run_for(setting->world, 10 * TTL_MS);
	assert_in_range(fake_member_keepalives(setting->members[0]) - before, alone, alone + 5);
	assert_true(remaining(77) > 0);
	assert_true(synod_session_remaining_ms(setting->synod) > 0);
}

static void
keeps_a_thousand_and_no_more(void **state)
{
	(void)state;
	setting_open(setting, 1, 0);
	for (unsigned i = 1; i <= LEASES_KEPT_MAX; i++) {
		fake_ensemble_set_lease(setting->ensemble, i * 7 % 1009 + 1, TTL_MS);
		assert_int_equal(keep(i * 7 % 1009 + 1, TTL_MS), SYNOD_OK);
	}
	assert_int_equal(keep(5000, TTL_MS), SYNOD_LIMIT);
	assert_int_equal(keep(8, TTL_MS), SYNOD_OK); /* one that is kept already */
	fake_world_run_for(setting->world, 3 * TTL_MS);
	for (unsigned i = 1; i <= LEASES_KEPT_MAX; i++)
		assert_true(remaining(i * 7 % 1009 + 1) > 0);
	assert_int_equal(end_count, 0);
	assert_in_range(setting->ensemble->lease_keepalives, 9 * LEASES_KEPT_MAX,
	                12 * LEASES_KEPT_MAX);
}

static void
refuses_bad_arguments(void **state)
{
	(void)state;
	setting_open(setting, 1, 0);
	assert_int_equal(keep(0, TTL_MS), SYNOD_BAD_ARGUMENT);
	assert_int_equal(keep(7, LEASE_TTL_MIN_MS - 1), SYNOD_BAD_ARGUMENT);
	assert_int_equal(keep(7, LEASE_TTL_MAX_MS + UINT64_C(1)), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_lease_keep(NULL, 7, TTL_MS, NULL, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_lease_let_go(NULL, 7), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_lease_remaining_ms(NULL, 7), 0);
}

static bool
was_written(const char *what)
{
	for (unsigned i = 0; i < setting->ensemble->write_count; i++)
		if (strncmp(setting->ensemble->writes[i], what, strlen(what)) == 0)
			return true;
	return false;
}

static void
revokes_what_it_granted_and_keeps_when_it_closes(void **state)
{
	uint64_t kept;
	uint64_t left;

	(void)state;
	fake_ensemble_set_lease(setting->ensemble, 77, TTL_MS);
	setting_open(setting, 1, 0);
	kept = grant(TTL_MS);
	left = grant(TTL_MS);
	keep(kept, TTL_MS);
	keep(77, TTL_MS);
	fake_world_run_for(setting->world, 100);
	setting_close(setting);
	assert_true(was_written("REVOKE"));
	assert_true(was_written("SESSION_CLOSE"));
	for (unsigned i = 0; i < setting->ensemble->lease_count; i++) {
		uint64_t id = setting->ensemble->leases[i].id;

		assert_int_equal(setting->ensemble->leases[i].ttl_ms, id == kept ? 0 : TTL_MS);
	}
	assert_true(left != kept);
	assert_int_equal(end_count, 0);
}

static void
no_longer_counts_on_a_lease_that_it_revoked(void **state)
{
	struct granted revoked = {0};
	const struct synod_call call = {.done = on_granted, .context = &revoked};
	uint64_t id;

	(void)state;
	setting_open(setting, 1, 0);
	id = grant(TTL_MS);
	keep(id, TTL_MS);
	assert_int_equal(synod_lease_revoke(setting->synod, id, &call, NULL), SYNOD_OK);
	assert_true(fake_world_run_until(setting->world, &revoked.is_done, 1000));
	assert_int_equal(remaining(id), 0);
	assert_int_equal(end_count, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(keeps_a_lease_without_a_session),
		TEST(counts_on_a_lease_from_when_it_was_asked_for),
		TEST(reckons_from_when_the_keepalive_was_sent),
		TEST(tells_when_a_lease_has_ended),
		TEST(tells_the_end_of_a_lease_that_never_was),
		TEST(lets_go_of_a_lease),
		TEST(cannot_count_on_a_lease_without_answers_but_takes_it_up_again),
		TEST(leaves_a_member_that_does_not_answer_for_a_lease),
		TEST(rides_on_the_keepalives_of_the_session),
		TEST(keeps_a_thousand_and_no_more),
		TEST(refuses_bad_arguments),
		TEST(revokes_what_it_granted_and_keeps_when_it_closes),
		TEST(no_longer_counts_on_a_lease_that_it_revoked),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
