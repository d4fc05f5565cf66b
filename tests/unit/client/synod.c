/* The public interface over a real network: blocking calls, threads, callbacks, closing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/synod.h"
#include "shared/error.h"
#include "tests/support/fake_member.h"

#define THREADS        4
#define CALLS          200
#define CHAIN          5000
#define CHAIN_PARALLEL 64

static struct transport *transport;
static struct fake_ensemble *ensemble;
static struct fake_member *member;
static struct synod *synod;

static void
open_handle(void)
{
	const struct synod_options options = {.endpoints = fake_member_address(member)};

	assert_int_equal(synod_open(&options, &synod), SYNOD_OK);
}

static int
set_up(void **state)
{
	(void)state;
	transport = transport_nng_new();
	ensemble = fake_ensemble_new();
	member = fake_member_new(ensemble, transport, clock_real(), ACTOR_STRAND);
	synod = NULL;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	synod_close(synod);
	fake_member_stop(member);
	fake_member_free(member);
	fake_ensemble_free(ensemble);
	transport->ops->free(transport);
	return 0;
}

static bool
wait_for(atomic_uint *count, unsigned wanted)
{
	const struct timespec pause = {0, 1000000};

	for (unsigned i = 0; i < 30000 && atomic_load(count) < wanted; i++)
		nanosleep(&pause, NULL);
	return atomic_load(count) >= wanted;
}

/* ---- arguments ---- */

static void
refuses_bad_options(void **state)
{
	static const char *const endpoints[] = {"",      ",",         "a:0",     "a:70000",
	                                        "a b:1", "[::1:7400", "a:1,,b:2"};
	struct synod_options options = {0};

	(void)state;
	assert_int_equal(synod_open(&options, NULL), SYNOD_BAD_ARGUMENT);
	for (unsigned i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
		options.endpoints = endpoints[i];
		assert_int_equal(synod_open(&options, &synod), SYNOD_BAD_ARGUMENT);
		assert_null(synod);
	}
	options.endpoints = "127.0.0.1:1";
	options.session_timeout_ms = 999;
	assert_int_equal(synod_open(&options, &synod), SYNOD_BAD_ARGUMENT);
	options.session_timeout_ms = 3600001;
	assert_int_equal(synod_open(&options, &synod), SYNOD_BAD_ARGUMENT);
}

static void
takes_its_endpoints_from_the_environment(void **state)
{
	struct synod_result *result;

	(void)state;
	setenv("SYNOD_ENDPOINTS", fake_member_address(member), 1);
	assert_int_equal(synod_open(NULL, &synod), SYNOD_OK);
	unsetenv("SYNOD_ENDPOINTS");
	assert_int_equal(synod_get(synod, "/a", NULL, &result), SYNOD_OK);
	synod_result_free(result);
}

static void
survives_null_everywhere(void **state)
{
	const struct synod_write_options conditions = {.condition_count = 1};
	struct synod_result *result;

	(void)state;
	synod_close(NULL);
	synod_result_free(NULL);
	synod_status_free(NULL);
	synod_members_free(NULL);
	assert_int_equal(synod_session_id(NULL), 0);
	assert_int_equal(synod_session_remaining_ms(NULL), 0);
	assert_int_equal(synod_get(NULL, "/a", NULL, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_put(NULL, "/a", NULL, 0, NULL, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_txn(NULL, NULL, NULL, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_status(NULL, 0, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_members(NULL, 0, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_transfer(NULL, NULL, 0), SYNOD_BAD_ARGUMENT);
	open_handle();
	assert_int_equal(synod_get(synod, NULL, NULL, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_list(synod, NULL, NULL, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_put(synod, NULL, NULL, 0, NULL, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_put(synod, "/a", NULL, 5, NULL, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_put(synod, "/a", NULL, 0, &conditions, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_txn(synod, NULL, NULL, &result), SYNOD_BAD_ARGUMENT);
	assert_string_equal(result->message, "the transaction is NULL");
	synod_result_free(result);
	assert_int_equal(synod_status(synod, 0, NULL), SYNOD_BAD_ARGUMENT);
}

static void
refuses_a_bad_path_before_asking_anybody(void **state)
{
	struct synod_result *result;

	(void)state;
	open_handle();
	assert_int_equal(synod_put(synod, "no/slash", "x", 1, NULL, &result), SYNOD_BAD_PATH);
	assert_int_equal(result->error, SYNOD_BAD_PATH);
	assert_non_null(result->message);
	synod_result_free(result);
	assert_int_equal(synod_put(synod, "/synod/x", "x", 1, NULL, NULL), SYNOD_RESERVED);
	assert_int_equal(fake_member_requests(member, OP_PUT), 0);
}

static void
names_its_errors(void **state)
{
	(void)state;
	assert_string_equal(synod_error_name(SYNOD_NOT_FOUND), "NOT_FOUND");
	assert_string_equal(synod_error_name(-7), "?");
	assert_non_null(synod_error_text(12345));
	assert_non_null(synod_error_hint(12345));
}

/* ---- blocking ---- */

static void
writes_and_reads(void **state)
{
	struct synod_result *result;

	(void)state;
	open_handle();
	assert_int_equal(synod_create(synod, "/a", "x", 1, NULL, &result), SYNOD_OK);
	assert_string_equal(result->node.path, "/a");
	assert_true(result->revision > 0);
	synod_result_free(result);
	assert_int_equal(synod_get(synod, "/a", NULL, &result), SYNOD_OK);
	assert_int_equal(result->node.size, 5);
	assert_memory_equal(result->node.data, "hello", 6);
	assert_true(result->node.has_stat);
	synod_result_free(result);
	assert_int_equal(synod_set(synod, "/a", "", 0, NULL, NULL), SYNOD_OK);
	assert_int_equal(synod_delete(synod, "/a", NULL, NULL), SYNOD_OK);
	assert_int_equal(ensemble->write_count, 3);
	assert_true(synod_session_id(synod) != 0);
	assert_in_range(synod_session_remaining_ms(synod), 1000, 10000);
}

static void
sends_and_receives_the_largest_data(void **state)
{
	char *data = calloc(1, DATA_SIZE_MAX + 1);
	struct buffer answer = BUFFER_EMPTY;
	const struct node_stat stat = {.has_data = true, .data_size = DATA_SIZE_MAX};
	struct synod_result *result;

	(void)state;
	memset(data, 'd', DATA_SIZE_MAX);
	pack_array(&answer, 2);
	stat_encode(&answer, &stat);
	pack_binary(&answer, (struct slice){(const uint8_t *)data, DATA_SIZE_MAX});
	fake_member_fault(member, (struct fake_fault){OP_GET, 1, FAKE_RESULT, SYNOD_OK, NULL,
	                                              buffer_slice(&answer), 0});
	open_handle();
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(synod_put(synod, "/a", data, DATA_SIZE_MAX, NULL, NULL), SYNOD_OK);
	assert_int_equal(synod_put(synod, "/a", data, DATA_SIZE_MAX + 1, NULL, NULL),
	                 SYNOD_TOO_LARGE);
	assert_int_equal(synod_get(synod, "/a", NULL, &result), SYNOD_OK);
	assert_int_equal(result->node.size, DATA_SIZE_MAX);
	assert_memory_equal(result->node.data, data, DATA_SIZE_MAX + 1);
	synod_result_free(result);
	buffer_fini(&answer);
	free(data);
}

static void
times_out_when_nobody_listens(void **state)
{
	const struct synod_options options = {.endpoints = "127.0.0.1:1", .call_timeout_ms = 200};
	struct synod_result *result;

	(void)state;
	assert_int_equal(synod_open(&options, &synod), SYNOD_OK);
	assert_int_equal(synod_put(synod, "/a", "x", 1, NULL, &result), SYNOD_TIMEOUT);
	assert_non_null(strstr(result->message, "127.0.0.1:1: "));
	synod_result_free(result);
}

static void
survives_a_member_that_hangs_up_while_much_is_sent(void **state)
{
	static char data[200000];
	struct sigaction action;

	(void)state;
	/* SIGPIPE has its default, which kills. */
	assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
	fake_member_fault(member, (struct fake_fault){OP_PUT, 3, FAKE_DROP, 0, NULL, {NULL, 0}, 0});
	fake_member_fault(member,
	                  (struct fake_fault){OP_PUT, 3, FAKE_EXECUTE_DROP, 0, NULL, {NULL, 0}, 0});
	open_handle();
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(synod_put(synod, "/a", data, sizeof data, NULL, NULL), SYNOD_OK);
	assert_int_equal(ensemble->write_count, 10);
}

/* ---- threads ---- */

static void *
write_many(void *argument)
{
	atomic_uint *failures = argument;

	for (unsigned i = 0; i < CALLS; i++) {
		if (synod_put(synod, "/a", "x", 1, NULL, NULL) != SYNOD_OK)
			atomic_fetch_add(failures, 1);
		if (synod_get(synod, "/a", NULL, NULL) != SYNOD_OK)
			atomic_fetch_add(failures, 1);
	}
	return NULL;
}

static void
may_be_used_by_many_threads(void **state)
{
	pthread_t threads[THREADS];
	atomic_uint failures = 0;

	(void)state;
	open_handle();
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, &failures), 0);
	for (unsigned i = 0; i < 5; i++) {
		const struct timespec pause = {0, 20000000};

		nanosleep(&pause, NULL);
		fake_member_drop_all(member);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&failures), 0);
	assert_int_equal(ensemble->write_count, THREADS * CALLS);
}

/* ---- callbacks ---- */

struct chain {
	atomic_uint started;
	atomic_uint done;
	atomic_uint failures;
};

static void
go_on(void *context, const struct synod_result *result)
{
	struct chain *chain = context;
	const struct synod_write_options options = {.call = {.done = go_on, .context = chain}};

	if (result->error != SYNOD_OK)
		atomic_fetch_add(&chain->failures, 1);
	if (atomic_fetch_add(&chain->started, 1) < CHAIN &&
	    synod_put(synod, "/chain", "x", 1, &options, NULL) != SYNOD_OK)
		atomic_fetch_add(&chain->failures, 1);
	atomic_fetch_add(&chain->done, 1);
}

static void
makes_calls_from_callbacks(void **state)
{
	struct chain chain = {0};
	const struct synod_write_options options = {.call = {.done = go_on, .context = &chain}};

	(void)state;
	open_handle();
	for (unsigned i = 0; i < CHAIN_PARALLEL; i++)
		assert_int_equal(synod_put(synod, "/chain", "x", 1, &options, NULL), SYNOD_OK);
	assert_true(wait_for(&chain.done, CHAIN + CHAIN_PARALLEL));
	assert_int_equal(atomic_load(&chain.failures), 0);
	assert_int_equal(ensemble->write_count, CHAIN + CHAIN_PARALLEL);
}

struct attempt {
	atomic_uint done;
	int error;
	int status_error;
};

static void
block_in_callback(void *context, const struct synod_result *result)
{
	struct attempt *attempt = context;
	struct synod_status *status;

	(void)result;
	attempt->error = synod_get(synod, "/a", NULL, NULL);
	attempt->status_error = synod_status(synod, 0, &status);
	synod_close(synod);
	atomic_store(&attempt->done, 1);
}

static void
refuses_to_block_in_a_callback(void **state)
{
	struct attempt attempt = {0};
	const struct synod_read_options options = {
		.call = {.done = block_in_callback, .context = &attempt},
	};

	(void)state;
	open_handle();
	assert_int_equal(synod_get(synod, "/a", &options, NULL), SYNOD_OK);
	assert_true(wait_for(&attempt.done, 1));
	assert_int_equal(attempt.error, SYNOD_BAD_ARGUMENT);
	assert_int_equal(attempt.status_error, SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_get(synod, "/a", NULL, NULL), SYNOD_OK);
}

/* ---- closing ---- */

struct tally {
	atomic_uint closed;
	atomic_uint unknown;
	atomic_uint other;
};

static void
count_outcome(void *context, const struct synod_result *result)
{
	struct tally *tally = context;

	if (result->error == SYNOD_CLOSED)
		atomic_fetch_add(&tally->closed, 1);
	else if (result->error == SYNOD_UNKNOWN)
		atomic_fetch_add(&tally->unknown, 1);
	else
		atomic_fetch_add(&tally->other, 1);
}

static void
ends_outstanding_calls_when_closed(void **state)
{
	struct tally tally = {0};
	const struct synod_write_options write = {
		.call = {.done = count_outcome, .context = &tally}};
	const struct synod_read_options read = {.call = {.done = count_outcome, .context = &tally}};

	(void)state;
	open_handle();
	assert_int_equal(synod_put(synod, "/a", "x", 1, NULL, NULL), SYNOD_OK);
	fake_member_fault(member, (struct fake_fault){0, 1000, FAKE_IGNORE, 0, NULL, {NULL, 0}, 0});
	assert_int_equal(synod_put(synod, "/b", "x", 1, &write, NULL), SYNOD_OK);
	assert_int_equal(synod_get(synod, "/b", &read, NULL), SYNOD_OK);
	while (fake_member_requests(member, OP_PUT) < 2)
		usleep(1000);
	synod_close(synod);
	synod = NULL;
	assert_int_equal(atomic_load(&tally.unknown), 1);
	assert_int_equal(atomic_load(&tally.closed), 1);
	assert_int_equal(atomic_load(&tally.other), 0);
}

static void
closes_its_session(void **state)
{
	(void)state;
	open_handle();
	assert_int_equal(synod_put(synod, "/a", "x", 1, NULL, NULL), SYNOD_OK);
	synod_close(synod);
	synod = NULL;
	assert_true(ensemble->sessions[0].has_ended);
}

static void
closes_at_once_when_nobody_is_there(void **state)
{
	const struct synod_options options = {.endpoints = "127.0.0.1:1"};
	struct timespec before;
	struct timespec after;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &before);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(synod_open(&options, &synod), SYNOD_OK);
		synod_close(synod);
	}
	synod = NULL;
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec < 10);
}

/* ---- status ---- */

static void
tells_the_status_of_every_endpoint(void **state)
{
	char endpoints[200];
	struct synod_options options = {.endpoints = endpoints};
	struct synod_status *status;

	(void)state;
	snprintf(endpoints, sizeof endpoints, "%s,127.0.0.1:1,localhost:%s",
	         fake_member_address(member), strrchr(fake_member_address(member), ':') + 1);
	assert_int_equal(synod_open(&options, &synod), SYNOD_OK);
	assert_int_equal(synod_status(synod, 3000, &status), SYNOD_OK);
	/* The same member under two names is one. */
	assert_int_equal(status->member_count, 2);
	assert_int_equal(status->members[0].error, SYNOD_OK);
	assert_string_equal(status->members[0].endpoint, fake_member_address(member));
	assert_string_equal(status->members[0].role, "leader");
	assert_string_equal(status->members[0].ballot, "1.7.1");
	assert_int_equal(status->members[0].chosen, 12);
	assert_int_not_equal(status->members[1].error, SYNOD_OK);
	assert_string_equal(status->members[1].endpoint, "127.0.0.1:1");
	assert_string_not_equal(status->members[1].problem, "");
	synod_status_free(status);
}

static void
tells_of_a_member_that_does_not_answer_in_time(void **state)
{
	struct synod_status *status;

	(void)state;
	fake_member_fault(member,
	                  (struct fake_fault){OP_STATUS, 1, FAKE_IGNORE, 0, NULL, {NULL, 0}, 0});
	open_handle();
	assert_int_equal(synod_status(synod, 100, &status), SYNOD_OK);
	assert_int_equal(status->member_count, 1);
	assert_int_equal(status->members[0].error, SYNOD_TIMEOUT);
	synod_status_free(status);
}

static void
tells_of_a_member_that_refuses_or_talks_nonsense(void **state)
{
	static const uint8_t nil[] = {0xc0};
	struct synod_status *status;

	(void)state;
	fake_member_fault(member, (struct fake_fault){
					  OP_STATUS, 1, FAKE_RESULT, SYNOD_OK, NULL, {nil, 1}, 0});
	open_handle();
	assert_int_equal(synod_status(synod, 2000, &status), SYNOD_OK);
	assert_int_equal(status->members[0].error, SYNOD_BAD_MESSAGE);
	synod_status_free(status);
	fake_member_set_greeting(member, FAKE_GREETS_REFUSING, SYNOD_BUSY);
	assert_int_equal(synod_status(synod, 2000, &status), SYNOD_OK);
	assert_int_equal(status->members[0].error, SYNOD_BUSY);
	synod_status_free(status);
	fake_member_set_greeting(member, FAKE_GREETS_GARBAGE, 0);
	assert_int_equal(synod_status(synod, 2000, &status), SYNOD_OK);
	assert_int_equal(status->members[0].error, SYNOD_BAD_MESSAGE);
	synod_status_free(status);
}

static void
tells_the_members(void **state)
{
	struct synod_members *members;

	(void)state;
	fake_member_set_members(member, "127.0.0.1:2");
	open_handle();
	assert_int_equal(synod_members(synod, 2000, &members), SYNOD_OK);
	assert_int_equal(members->member_count, 2);
	assert_string_equal(members->members[0].name, "a");
	assert_string_equal(members->members[0].role, "leader");
	assert_string_equal(members->members[1].client_address, "127.0.0.1:2");
	assert_int_equal(members->members[1].matched, 42);
	synod_members_free(members);
	fake_member_fault(
		member, (struct fake_fault){
				OP_MEMBERS, 9, FAKE_ANSWER, SYNOD_UNSUPPORTED, NULL, {NULL, 0}, 0});
	assert_int_equal(synod_members(synod, 2000, &members), SYNOD_UNSUPPORTED);
	assert_null(members);
}

static void
asks_the_next_member_to_hand_over_when_one_does_not_lead(void **state)
{
	char endpoints[200];
	struct synod_options options = {.endpoints = endpoints};

	(void)state;
	snprintf(endpoints, sizeof endpoints, "127.0.0.1:1,%s", fake_member_address(member));
	assert_int_equal(synod_open(&options, &synod), SYNOD_OK);
	assert_int_equal(synod_transfer(synod, NULL, 2000), SYNOD_OK);
	fake_member_fault(
		member,
		(struct fake_fault){
			OP_TRANSFER, 1, FAKE_ANSWER, SYNOD_BAD_ARGUMENT, NULL, {NULL, 0}, 0});
	assert_int_equal(synod_transfer(synod, "nobody", 2000), SYNOD_BAD_ARGUMENT);
	fake_member_fault(
		member,
		(struct fake_fault){OP_TRANSFER, 1, FAKE_ANSWER, SYNOD_RETRY, NULL, {NULL, 0}, 0});
	assert_int_equal(synod_transfer(synod, "a", 2000), SYNOD_RETRY);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(refuses_bad_options),
		TEST(takes_its_endpoints_from_the_environment),
		TEST(survives_null_everywhere),
		TEST(refuses_a_bad_path_before_asking_anybody),
		TEST(names_its_errors),
		TEST(writes_and_reads),
		TEST(sends_and_receives_the_largest_data),
		TEST(times_out_when_nobody_listens),
		TEST(survives_a_member_that_hangs_up_while_much_is_sent),
		TEST(may_be_used_by_many_threads),
		TEST(makes_calls_from_callbacks),
		TEST(refuses_to_block_in_a_callback),
		TEST(ends_outstanding_calls_when_closed),
		TEST(closes_its_session),
		TEST(closes_at_once_when_nobody_is_there),
		TEST(tells_the_status_of_every_endpoint),
		TEST(tells_of_a_member_that_does_not_answer_in_time),
		TEST(tells_of_a_member_that_refuses_or_talks_nonsense),
		TEST(tells_the_members),
		TEST(asks_the_next_member_to_hand_over_when_one_does_not_lead),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
