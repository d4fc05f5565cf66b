/* Listing sessions and leases: the leader's answer, in pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "client/synod.h"
#include "shared/error.h"
#include "tests/support/fake_member.h"

static struct transport *transport;
static struct fake_ensemble *ensemble;
static struct fake_member *members[2];
static struct synod *synod;
static struct buffer pages[3];

static int
set_up(void **state)
{
	char endpoints[200];
	const struct synod_options options = {.endpoints = endpoints};

	(void)state;
	transport = transport_nng_new();
	ensemble = fake_ensemble_new();
	for (unsigned i = 0; i < 2; i++)
		members[i] = fake_member_new(ensemble, transport, clock_real(), ACTOR_STRAND);
	snprintf(endpoints, sizeof endpoints, "%s,%s", fake_member_address(members[0]),
	         fake_member_address(members[1]));
	assert_int_equal(synod_open(&options, &synod), SYNOD_OK);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	synod_close(synod);
	for (unsigned i = 0; i < 2; i++) {
		fake_member_stop(members[i]);
		fake_member_free(members[i]);
	}
	for (unsigned i = 0; i < 3; i++)
		buffer_fini(&pages[i]);
	fake_ensemble_free(ensemble);
	transport->ops->free(transport);
	return 0;
}

/* MEMBER's next answer: COUNT owners from id FIRST on, every second one a lease. */
static void
answer(unsigned member, unsigned page, bool is_leader, uint64_t first, unsigned count, bool more)
{
	struct buffer *packed = &pages[page];

	buffer_clear(packed);
	pack_array(packed, 3);
	pack_bool(packed, is_leader);
	pack_array(packed, count);
	for (uint64_t id = first; id < first + count; id++) {
		pack_array(packed, 4);
		pack_u64(packed, id);
		pack_bool(packed, id % 2 == 1);
		pack_u64(packed, 10000);
		if (is_leader)
			pack_u64(packed, 7000 + id);
		else
			pack_nil(packed);
	}
	pack_bool(packed, more);
	fake_member_fault(members[member],
	                  (struct fake_fault){OP_SESSIONS, 1, FAKE_RESULT, SYNOD_OK, NULL,
	                                      buffer_slice(packed), 0});
}

static void
takes_the_answer_of_the_leader(void **state)
{
	struct synod_owners *owners;

	(void)state;
	answer(0, 0, false, 1, 2, false);
	answer(1, 1, true, 1, 3, false);
	assert_int_equal(synod_owners(synod, 5000, &owners), SYNOD_OK);
	assert_int_equal(owners->owner_count, 3);
	assert_int_equal(owners->owners[0].id, 1);
	assert_true(owners->owners[0].is_lease);
	assert_int_equal(owners->owners[1].timeout_ms, 10000);
	assert_true(owners->owners[2].has_remaining);
	assert_int_equal(owners->owners[2].remaining_ms, 7003);
	synod_owners_free(owners);
}

static void
goes_on_after_the_last_of_a_page(void **state)
{
	struct synod_owners *owners;

	(void)state;
	answer(0, 0, false, 1, 2, true);
	answer(1, 1, true, 1, 3, true);
	answer(1, 2, true, 4, 2, false);
	assert_int_equal(synod_owners(synod, 5000, &owners), SYNOD_OK);
	assert_int_equal(owners->owner_count, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(owners->owners[i].id, i + 1);
	synod_owners_free(owners);
}

static void
tells_what_another_member_knows_while_nobody_leads(void **state)
{
	struct synod_owners *owners;

	(void)state;
	answer(0, 0, false, 1, 2, false);
	fake_member_fault(
		members[1],
		(struct fake_fault){OP_SESSIONS, 1, FAKE_ANSWER, SYNOD_RETRY, NULL, {NULL, 0}, 0});
	assert_int_equal(synod_owners(synod, 5000, &owners), SYNOD_OK);
	assert_int_equal(owners->owner_count, 2);
	assert_false(owners->owners[0].has_remaining);
	synod_owners_free(owners);
}

static void
gives_the_error_when_nobody_answers_sensibly(void **state)
{
	static const uint8_t nil[] = {0xc0};
	struct synod_owners *owners;

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		fake_member_fault(
			members[i],
			(struct fake_fault){
				OP_SESSIONS, 1, FAKE_RESULT, SYNOD_OK, NULL, {nil, 1}, 0});
	assert_int_equal(synod_owners(synod, 5000, &owners), SYNOD_BAD_MESSAGE);
	assert_null(owners);
	answer(0, 0, true, 5, 2, true);
	answer(0, 1, true, 5, 2, true); /* the same page again */
	fake_member_fault(
		members[1],
		(struct fake_fault){OP_SESSIONS, 1, FAKE_ANSWER, SYNOD_RETRY, NULL, {NULL, 0}, 0});
	assert_int_equal(synod_owners(synod, 5000, &owners), SYNOD_BAD_MESSAGE);
	assert_int_equal(synod_owners(NULL, 0, &owners), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_owners(synod, 0, NULL), SYNOD_BAD_ARGUMENT);
	synod_owners_free(NULL);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(takes_the_answer_of_the_leader),
		TEST(goes_on_after_the_last_of_a_page),
		TEST(tells_what_another_member_knows_while_nobody_leads),
		TEST(gives_the_error_when_nobody_answers_sensibly),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
