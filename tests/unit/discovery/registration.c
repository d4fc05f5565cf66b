/* Registrations over a fake of the public interface: every phase, every way out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/discovery/check.h"
#include "client/discovery/record.h"

/* Time passes at once if a test wants it to. */
void fake_hook_after(struct synod_hook *hook, unsigned delay_ms);
#define synod_hook_after fake_hook_after
#include "tests/unit/client/fake_synod.h"
#undef synod_hook_after

#define PATH    "/services/web/10.0.0.7-8080"
#define PASSING "\"state\":\"passing\""

static const char drained[] =
	"{\"address\":\"10.0.0.7\",\"port\":8080,\"state\": \"draining\",\"weight\":100}\n";

static struct {
	bool time_passes;
	bool answers_at_once;
	int answer; /* with which */
	char data[FAKE_CALLS_MAX][256];
	enum synod_node_kind kind[FAKE_CALLS_MAX];
	uint64_t owner[FAKE_CALLS_MAX]; /* of the condition; UINT64_MAX: there is none */
	unsigned brake_percent;
	bool make_parents;
} asked;

static struct {
	unsigned calls;
	enum synod_service_status status;
	int error;
	unsigned verdicts;
	size_t check;
	char why[64];
	bool should_deregister;
} told;

static struct {
	void (*on_verdict)(void *context, size_t check, enum synod_health health, const char *why);
	void *context;
	unsigned started;
	unsigned stopped;
	int refuse_with;
	bool is_thread; /* this one */
} checking;

static struct synod_service *service;

static int
set_up(void **state)
{
	(void)state;
	fake_reset();
	memset(&asked, 0, sizeof asked);
	memset(&told, 0, sizeof told);
	memset(&checking, 0, sizeof checking);
	service = NULL;
	return 0;
}

/* ---- the world around it ---- */

void
synod_hook_after(struct synod_hook *hook, unsigned delay_ms)
{
	fake_hook_after(hook, delay_ms);
	if (!asked.time_passes)
		return;
	hook->delay_ms = UINT_MAX;
	fake_enter();
	hook->options.on_time(hook->options.context);
	fake_leave();
}

static void
answer_with(unsigned index, struct synod_result result)
{
	result.node.stat.owner =
		result.node.stat.owner != 0 ? result.node.stat.owner : fake.handle.session;
	if (result.revision == 0)
		result.revision = 100 + index;
	fake_finish(index, &result);
}

static void
answer(unsigned index, int error)
{
	answer_with(index, (struct synod_result){.error = error});
}

static int
submit(const char *what, const char *path, const void *data, size_t size,
       const struct synod_write_options *options)
{
	unsigned index = fake.call_count;
	int error = fake_submit(what, path, &options->call, 0);

	if (error != SYNOD_OK)
		return error;
	assert_true(size < sizeof asked.data[0]);
	if (data != NULL)
		memcpy(asked.data[index], data, size);
	asked.kind[index] = options->kind;
	asked.owner[index] = UINT64_MAX;
	if (options->condition_count > 0) {
		assert_int_equal(options->conditions[0].kind, SYNOD_IF_OWNER);
		assert_int_equal(options->conditions[0].relation, SYNOD_EQUAL);
		asked.owner[index] = options->conditions[0].number;
	}
	asked.brake_percent = options->brake_percent;
	asked.make_parents = options->make_parents;
	if (asked.answers_at_once)
		answer(index, asked.answer);
	return SYNOD_OK;
}

int
synod_put(struct synod *synod, const char *path, const void *data, size_t size,
          const struct synod_write_options *options, struct synod_result **result)
{
	(void)synod;
	(void)result;
	assert_true(options->want_stat);
	return submit("put", path, data, size, options);
}

int
synod_create(struct synod *synod, const char *path, const void *data, size_t size,
             const struct synod_write_options *options, struct synod_result **result)
{
	(void)synod;
	(void)result;
	return submit("create", path, data, size, options);
}

int
synod_set(struct synod *synod, const char *path, const void *data, size_t size,
          const struct synod_write_options *options, struct synod_result **result)
{
	(void)synod;
	(void)result;
	return submit("set", path, data, size, options);
}

int
synod_delete(struct synod *synod, const char *path, const struct synod_write_options *options,
             struct synod_result **result)
{
	(void)synod;
	(void)result;
	return submit("delete", path, NULL, 0, options);
}

int
synod_get(struct synod *synod, const char *path, const struct synod_read_options *options,
          struct synod_result **result)
{
	(void)synod;
	(void)result;
	return fake_submit("get", path, &options->call, 0);
}

int
check_validate(const struct synod_check *check, char *why)
{
	why[0] = '\0';
	return check->kind == SYNOD_CHECK_TCP ? SYNOD_OK : SYNOD_BAD_ARGUMENT;
}

int
checks_start(const struct synod_check *checks, size_t count,
             void (*on_verdict)(void *context, size_t check, enum synod_health health,
                                const char *why),
             void *context, struct checks **started)
{
	(void)checks;
	(void)count;
	if (checking.refuse_with != SYNOD_OK)
		return checking.refuse_with;
	checking.on_verdict = on_verdict;
	checking.context = context;
	checking.started++;
	*started = (struct checks *)&checking;
	return SYNOD_OK;
}

void
checks_stop(struct checks *checks)
{
	assert_ptr_equal(checks, &checking);
	__atomic_add_fetch(&checking.stopped, 1, __ATOMIC_SEQ_CST);
}

bool
checks_in_thread(void)
{
	return checking.is_thread;
}

/* ---- what a test does ---- */

static void
on_status(void *context, struct synod_service *of, enum synod_service_status status, int error)
{
	assert_ptr_equal(context, &told);
	assert_ptr_equal(of, service);
	assert_int_equal(synod_service_status(of), status);
	told.calls++;
	told.status = status;
	told.error = error;
	if (told.should_deregister)
		assert_int_equal(synod_service_deregister(of, 100), SYNOD_OK);
}

static void
on_check(void *context, struct synod_service *of, size_t check, enum synod_health health,
         const char *why)
{
	assert_ptr_equal(context, &told);
	assert_ptr_equal(of, service);
	(void)health;
	told.verdicts++;
	told.check = check;
	snprintf(told.why, sizeof told.why, "%s", why);
}

static struct synod_service_options
plain(void)
{
	return (struct synod_service_options){
		.instance = {.address = "10.0.0.7", .port = 8080},
		.on_status = on_status,
		.on_check = on_check,
		.context = &told,
	};
}

static void
start(void)
{
	const struct synod_service_options options = plain();

	assert_int_equal(synod_service_register(&fake.handle, "web", &options, &service), SYNOD_OK);
}

static void
assert_asked(unsigned index, const char *what)
{
	assert_int_equal(fake.call_count, index + 1);
	assert_string_equal(fake.calls[index].what, what);
}

static void
assert_told(enum synod_service_status status, int error)
{
	assert_int_equal(told.status, status);
	assert_int_equal(told.error, error);
	assert_int_equal(synod_service_status(service), status);
}

/* The put is call 0. */
static void
hold(void)
{
	start();
	assert_asked(0, "put " PATH);
	answer(0, SYNOD_OK);
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
}

static void
see(uint64_t revision, uint64_t owner, const char *data)
{
	fake_change((struct synod_change){.revision = revision,
	                                  .path = PATH,
	                                  .kind = SYNOD_MODIFIED,
	                                  .owner = owner,
	                                  .data = data,
	                                  .size = strlen(data)});
}

static void
see_deleted(uint64_t revision, uint64_t owner, unsigned cause)
{
	fake_change((struct synod_change){.revision = revision,
	                                  .path = PATH,
	                                  .kind = SYNOD_DELETED,
	                                  .owner = owner,
	                                  .cause = cause});
}

static void
looked(unsigned index, uint64_t owner, const char *data)
{
	struct synod_result result = {.revision = 200};

	result.node.data = data;
	result.node.size = strlen(data);
	result.node.stat.owner = owner;
	fake_finish(index, &result);
}

static void
assert_nothing_left(void)
{
	for (unsigned i = 0; i < FAKE_HOOKS_MAX; i++)
		assert_false(fake.hooks[i].is_used);
	for (unsigned i = 0; i < fake.watch_count; i++)
		assert_false(fake.watches[i].is_open);
	for (unsigned i = 0; i < fake.call_count; i++)
		assert_true(fake.calls[i].is_done);
}

/* Every call is answered with ERROR as soon as it is made. */
static void
answer_at_once(int error)
{
	asked.answers_at_once = true;
	asked.answer = error;
}

static void
end(void)
{
	answer_at_once(SYNOD_OK);
	assert_int_equal(synod_service_deregister(service, 0), SYNOD_OK);
	assert_nothing_left();
}

/* ---- registering ---- */

static void
the_first_registration_replaces_whatever_is_there(void **state)
{
	(void)state;
	start();
	assert_asked(0, "put " PATH);
	assert_int_equal(asked.kind[0], SYNOD_EPHEMERAL);
	assert_int_equal(asked.owner[0], UINT64_MAX);
	assert_string_equal(asked.data[0], "{\"address\":\"10.0.0.7\",\"port\":8080," PASSING
	                                   ",\"weight\":100}\n");
	assert_string_equal(synod_service_id(service), "10.0.0.7-8080");
	assert_int_equal(synod_service_status(service), SYNOD_SERVICE_PENDING);
	assert_int_equal(told.calls, 0);
	answer(0, SYNOD_OK);
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
	assert_int_equal(told.calls, 1);
	assert_string_equal(fake.watches[0].path, PATH);
	assert_true(fake.watches[0].options.with_data);
	end();
}

static void
registering_blocks_without_on_status(void **state)
{
	struct synod_service_options options = plain();

	(void)state;
	options.on_status = NULL;
	fake_enter();
	assert_int_equal(synod_service_register(&fake.handle, "web", &options, &service),
	                 SYNOD_BAD_ARGUMENT);
	fake_leave();
	answer_at_once(SYNOD_OK);
	assert_int_equal(synod_service_register(&fake.handle, "web", &options, &service), SYNOD_OK);
	assert_int_equal(synod_service_status(service), SYNOD_SERVICE_REGISTERED);
	end();
}

static void
blocking_registration_that_fails_leaves_nothing(void **state)
{
	struct synod_service_options options = plain();

	(void)state;
	options.on_status = NULL;
	answer_at_once(SYNOD_NO_QUORUM);
	assert_int_equal(synod_service_register(&fake.handle, "web", &options, &service),
	                 SYNOD_NO_QUORUM);
	assert_null(service);
	assert_int_equal(fake.call_count, 1);
	assert_nothing_left();
	fake.refuse_next = SYNOD_LIMIT; /* the watch */
	assert_int_equal(synod_service_register(&fake.handle, "web", &options, &service),
	                 SYNOD_LIMIT);
	assert_nothing_left();
}

/* The deletion is refused: it cannot be known whether the first one was executed. */
static void
what_may_have_been_registered_is_deleted(void **state)
{
	struct synod_service_options options = plain();

	(void)state;
	options.on_status = NULL;
	answer_at_once(SYNOD_UNKNOWN);
	assert_int_equal(synod_service_register(&fake.handle, "web", &options, &service),
	                 SYNOD_UNKNOWN);
	assert_asked(1, "delete " PATH);
	assert_int_equal(asked.owner[1], 7);
	answer_at_once(SYNOD_OK);
	fake_time();
	assert_asked(2, "delete " PATH);
	assert_nothing_left();
}

static void
a_service_that_does_not_exist_is_made(void **state)
{
	struct synod_service_options options = plain();

	(void)state;
	options.brake_percent = 70;
	assert_int_equal(synod_service_register(&fake.handle, "web", &options, &service), SYNOD_OK);
	answer(0, SYNOD_NO_PARENT);
	assert_asked(1, "create /services/web");
	assert_int_equal(asked.kind[1], SYNOD_SERVICE);
	assert_int_equal(asked.brake_percent, 70);
	assert_true(asked.make_parents);
	answer(1, SYNOD_EXISTS);
	assert_asked(2, "put " PATH);
	answer(2, SYNOD_OK);
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
	end();
}

static void
what_fails_is_told_and_tried_again(void **state)
{
	(void)state;
	start();
	answer(0, SYNOD_NO_QUORUM);
	assert_told(SYNOD_SERVICE_PENDING, SYNOD_NO_QUORUM);
	assert_int_equal(fake.call_count, 1);
	fake_time();
	assert_asked(1, "put " PATH);
	fake.refuse_next = SYNOD_OK;
	answer(1, SYNOD_NO_QUORUM);
	assert_int_equal(told.calls, 1);
	fake_state(SYNOD_CONNECTED, 7, 9000);
	assert_asked(2, "put " PATH);
	answer(2, SYNOD_OK);
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
	end();
}

static void
what_the_library_does_not_take_is_tried_again(void **state)
{
	(void)state;
	hold();
	fake.refuse_next = SYNOD_BUSY;
	assert_int_equal(synod_service_set_weight(service, 5), SYNOD_OK);
	assert_int_equal(fake.call_count, 1);
	fake_time();
	assert_asked(1, "set " PATH);
	assert_non_null(strstr(asked.data[1], "\"weight\":5"));
	answer(1, SYNOD_OK);
	end();
}

static void
what_the_ensemble_refuses_for_good_is_final(void **state)
{
	static const int errors[] = {SYNOD_NO_CHILDREN, SYNOD_NOT_EMPTY};

	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		set_up(state);
		start();
		answer(0, errors[i]);
		assert_told(SYNOD_SERVICE_REFUSED, errors[i]);
		fake_time();
		fake_state(SYNOD_EXPIRED, 0, 0);
		assert_int_equal(fake.call_count, 1);
		end();
	}
}

static void
one_registration_per_record_and_handle(void **state)
{
	const struct synod_service_options options = plain();
	struct synod_service *other;

	(void)state;
	hold();
	assert_int_equal(synod_service_register(&fake.handle, "web", &options, &other),
	                 SYNOD_EXISTS);
	assert_null(other);
	end();
	answer_at_once(SYNOD_OK);
	start();
	end();
}

static void
arguments_are_checked(void **state)
{
	struct synod_check check = {.kind = SYNOD_CHECK_TCP, .target = "h:1"};
	struct synod_service_options options = plain();

	(void)state;
	assert_int_equal(synod_service_register(&fake.handle, "a/b", &options, &service),
	                 SYNOD_BAD_PATH);
	options.instance.id = "-";
	assert_int_equal(synod_service_register(&fake.handle, "web", &options, &service),
	                 SYNOD_BAD_PATH);
	options = plain();
	options.instance.port = 70000;
	assert_int_equal(synod_service_register(&fake.handle, "web", &options, &service),
	                 SYNOD_BAD_ARGUMENT);
	options = plain();
	options.instance.address = NULL;
	assert_int_equal(synod_service_register(&fake.handle, "web", &options, &service),
	                 SYNOD_BAD_ARGUMENT);
	options = plain();
	options.brake_percent = 101;
	assert_int_equal(synod_service_register(&fake.handle, "web", &options, &service),
	                 SYNOD_BAD_ARGUMENT);
	options = plain();
	options.check_count = 1;
	assert_int_equal(synod_service_register(&fake.handle, "web", &options, &service),
	                 SYNOD_BAD_ARGUMENT);
	options.checks = &check;
	check.kind = SYNOD_CHECK_COMMAND; /* the fake's word for a bad one */
	assert_int_equal(synod_service_register(&fake.handle, "web", &options, &service),
	                 SYNOD_BAD_ARGUMENT);
	assert_null(service);
	assert_nothing_left();
}

static void
assert_id(const char *address, const char *expected)
{
	struct synod_service_options options = plain();

	options.instance.address = address;
	answer_at_once(SYNOD_OK);
	assert_int_equal(synod_service_register(&fake.handle, "web", &options, &service), SYNOD_OK);
	assert_string_equal(synod_service_id(service), expected);
	end();
}

static void
the_id_comes_from_address_and_port(void **state)
{
	static const char longest[] =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

	(void)state;
	assert_id("a_b.example.org", "a_b.example.org-8080");
	assert_id("2001:db8::1", "2001-db8--1-8080");
	assert_id("::1", "1-8080");
	assert_id("::", "8080");
	assert_id(longest, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-8080");
}

/* ---- losing it, and getting it back ---- */

static void
a_lost_session_leads_to_another_registration(void **state)
{
	(void)state;
	hold();
	fake_state(SYNOD_SUSPENDED, 7, 3000);
	assert_int_equal(told.calls, 1);
	fake_state(SYNOD_EXPIRED, 0, 0);
	assert_told(SYNOD_SERVICE_PENDING, SYNOD_SESSION_ENDED);
	assert_asked(1, "get " PATH);
	answer(1, SYNOD_NOT_FOUND);
	assert_asked(2, "create " PATH);
	fake.handle.session = 8;
	answer(2, SYNOD_OK);
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
	end();
	assert_int_equal(asked.owner[3], 8);
}

static void
a_suspect_is_taken_back(void **state)
{
	(void)state;
	hold();
	fake_state(SYNOD_EXPIRED, 0, 0);
	looked(1, 0, "{}");
	assert_asked(2, "put " PATH);
	assert_int_equal(asked.owner[2], 0);
	answer(2, SYNOD_CONFLICT);
	assert_asked(3, "get " PATH);
	looked(3, 7, "{}");
	assert_asked(4, "put " PATH);
	assert_int_equal(asked.owner[4], 7); /* of our last session */
	fake.handle.session = 8;
	answer(4, SYNOD_OK);
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
	end();
}

static void
what_another_has_meanwhile_is_not_taken_back(void **state)
{
	(void)state;
	hold();
	fake_state(SYNOD_EXPIRED, 0, 0);
	looked(1, 55, "{}");
	assert_told(SYNOD_SERVICE_TAKEN_OVER, SYNOD_OK);
	fake_time();
	fake_state(SYNOD_CONNECTED, 9, 9000);
	assert_int_equal(fake.call_count, 2);
	end();
	assert_int_equal(fake.call_count, 2);
}

static void
a_claim_that_was_not_executed_still_replaces_another(void **state)
{
	(void)state;
	start();
	fake_state(SYNOD_EXPIRED, 0, 0);
	answer(0, SYNOD_UNKNOWN);
	assert_told(SYNOD_SERVICE_PENDING, SYNOD_UNKNOWN);
	fake_time();
	assert_asked(1, "get " PATH);
	looked(1, 55, "{}");
	assert_asked(2, "put " PATH);
	assert_int_equal(asked.owner[2], 55);
	answer(2, SYNOD_OK);
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
	end();
}

static void
a_claim_that_was_executed_does_not(void **state)
{
	(void)state;
	start();
	see(150, 7, asked.data[0]);
	fake_state(SYNOD_EXPIRED, 0, 0);
	answer(0, SYNOD_UNKNOWN);
	fake_time();
	looked(1, 55, "{}");
	assert_told(SYNOD_SERVICE_TAKEN_OVER, SYNOD_OK);
	end();
}

static void
an_update_that_finds_another_looks_first(void **state)
{
	(void)state;
	hold();
	synod_service_set_weight(service, 5);
	assert_asked(1, "set " PATH);
	assert_int_equal(asked.owner[1], 7);
	answer(1, SYNOD_CONFLICT);
	assert_told(SYNOD_SERVICE_PENDING, SYNOD_CONFLICT);
	looked(2, 7, "{}");
	assert_asked(3, "put " PATH);
	answer(3, SYNOD_OK);
	end();
}

static void
the_answer_to_a_phase_that_was_left_is_ignored(void **state)
{
	(void)state;
	hold();
	synod_service_set_weight(service, 5);
	fake_state(SYNOD_EXPIRED, 0, 0);
	assert_int_equal(fake.call_count, 2);
	answer(1, SYNOD_UNKNOWN);
	assert_asked(2, "get " PATH);
	answer(2, SYNOD_NOT_FOUND);
	assert_asked(3, "create " PATH);
	assert_non_null(strstr(asked.data[3], "\"weight\":5"));
	answer(3, SYNOD_OK);
	assert_int_equal(fake.call_count, 4);
	end();
}

/* ---- what the watch tells ---- */

static void
another_owner_ends_it(void **state)
{
	(void)state;
	hold();
	see(150, 55, "{}");
	assert_told(SYNOD_SERVICE_TAKEN_OVER, SYNOD_OK);
	assert_int_equal(synod_service_set_weight(service, 5), SYNOD_OK);
	end();
	assert_int_equal(fake.call_count, 1);
}

static void
what_was_there_before_means_nothing(void **state)
{
	(void)state;
	start();
	see(50, 55, drained);
	see_deleted(51, 55, SYNOD_CAUSE_REQUEST);
	answer(0, SYNOD_OK);
	see(60, 55, "{}");
	see_deleted(61, 7, SYNOD_CAUSE_REQUEST);
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
	end();
}

static void
a_deletion_by_hand_ends_it(void **state)
{
	(void)state;
	hold();
	see_deleted(150, 7, SYNOD_CAUSE_REQUEST);
	assert_told(SYNOD_SERVICE_REMOVED, SYNOD_OK);
	fake_state(SYNOD_EXPIRED, 0, 0);
	assert_int_equal(fake.call_count, 1);
	end();
}

static void
a_deletion_that_overtakes_the_answer_ends_it_too(void **state)
{
	(void)state;
	start();
	see(150, 7, asked.data[0]);
	see_deleted(151, 7, SYNOD_CAUSE_REQUEST);
	answer_with(0, (struct synod_result){.revision = 150});
	assert_told(SYNOD_SERVICE_REMOVED, SYNOD_OK);
	assert_int_equal(told.calls, 1);
	end();
	assert_int_equal(fake.call_count, 1);
}

static void
what_came_before_the_answer_does_not_end_it(void **state)
{
	(void)state;
	start();
	see(150, 7, "{}"); /* of an earlier registration */
	see_deleted(151, 7, SYNOD_CAUSE_REQUEST);
	see(152, 55, "{}");
	answer_with(0, (struct synod_result){.revision = 153});
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
	end();
}

/* The record of the first may be there or not; and its deletion must not come after the second. */
static void
one_that_leaves_makes_room_for_the_next(void **state)
{
	(void)state;
	hold();
	fake_enter();
	assert_int_equal(synod_service_deregister(service, 0), SYNOD_OK);
	assert_asked(1, "delete " PATH);
	start();
	assert_asked(2, "get " PATH);
	answer(1, SYNOD_UNKNOWN);
	fake_leave();
	looked(2, 7, "{}");
	assert_asked(3, "put " PATH);
	answer(3, SYNOD_OK);
	fake_time();
	assert_int_equal(fake.call_count, 4);
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
	end();
}

/* The last of them answers for what the first one had under way, even if there was no session when
 * it was let go. */
static void
what_a_predecessor_has_under_way_is_waited_for(void **state)
{
	(void)state;
	fake.handle.session = 0;
	fake_enter();
	for (unsigned i = 0; i < 3; i++) {
		start();
		assert_int_equal(synod_service_deregister(service, 0), SYNOD_OK);
		assert_asked(0, "put " PATH);
	}
	fake.handle.session = 7;
	answer(0, SYNOD_OK);
	assert_asked(1, "delete " PATH);
	assert_int_equal(asked.owner[1], 7);
	fake_leave();
	answer(1, SYNOD_OK);
	assert_nothing_left();
}

/* A claim that follows one is made once that is answered. */
static void
who_follows_a_claim_looks_after_its_answer(void **state)
{
	(void)state;
	fake_enter();
	start();
	assert_int_equal(synod_service_deregister(service, 0), SYNOD_OK);
	start();
	assert_asked(0, "put " PATH);
	answer(0, SYNOD_UNKNOWN);
	fake_leave();
	assert_asked(1, "get " PATH);
	looked(1, 7, "{}");
	assert_asked(2, "put " PATH);
	answer(2, SYNOD_OK);
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
	end();
}

static void
what_is_gone_before_its_answer_is_registered_again(void **state)
{
	const struct synod_event none = {.kind = SYNOD_EVENT_STATE, .revision = 300};

	(void)state;
	start();
	fake_event(&none);
	answer(0, SYNOD_OK);
	assert_told(SYNOD_SERVICE_PENDING, SYNOD_NOT_FOUND);
	assert_asked(1, "get " PATH);
	answer(1, SYNOD_NOT_FOUND);
	assert_asked(2, "create " PATH);
	answer_with(2, (struct synod_result){.revision = 301});
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
	end();
}

static void
what_is_anothers_before_its_answer_was_taken_over(void **state)
{
	const char data[] = "{}";
	struct synod_node node = {.path = PATH, .data = data, .size = 2};
	const struct synod_event present = {
		.kind = SYNOD_EVENT_STATE, .revision = 300, .nodes = &node, .node_count = 1};

	(void)state;
	node.stat.owner = 55;
	node.stat.modified = 150;
	start();
	fake_event(&present);
	answer(0, SYNOD_OK);
	assert_told(SYNOD_SERVICE_TAKEN_OVER, SYNOD_OK);
	assert_int_equal(fake.call_count, 1);
	end();
}

static void
what_its_predecessor_left_says_nothing_of_the_next(void **state)
{
	(void)state;
	hold();
	fake_enter();
	assert_int_equal(synod_service_deregister(service, 0), SYNOD_OK);
	start();
	see(150, 7, drained);
	answer(1, SYNOD_UNKNOWN);
	fake_leave();
	looked(2, 7, drained);
	assert_asked(3, "put " PATH);
	assert_non_null(strstr(asked.data[3], PASSING));
	answer_with(3, (struct synod_result){.revision = 160});
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
	see(170, 7, drained);
	assert_told(SYNOD_SERVICE_DRAINED, SYNOD_OK);
	answer(4, SYNOD_OK);
	end();
}

static void
what_vanishes_is_registered_again(void **state)
{
	const struct synod_event none = {
		.kind = SYNOD_EVENT_STATE, .revision = 300, .compacted = true};

	(void)state;
	hold();
	see_deleted(150, 7, SYNOD_CAUSE_EXPIRED);
	assert_told(SYNOD_SERVICE_PENDING, SYNOD_NOT_FOUND);
	answer(1, SYNOD_NOT_FOUND);
	answer(2, SYNOD_OK);
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
	fake_event(&none);
	assert_told(SYNOD_SERVICE_PENDING, SYNOD_NOT_FOUND);
	assert_asked(3, "get " PATH);
	answer(3, SYNOD_NOT_FOUND);
	answer(4, SYNOD_OK);
	end();
}

static void
draining_by_somebody_else_stays(void **state)
{
	(void)state;
	hold();
	see(150, 7, drained);
	assert_told(SYNOD_SERVICE_DRAINED, SYNOD_OK);
	assert_int_equal(synod_service_health(service), SYNOD_DRAINING);
	assert_asked(1, "set " PATH);
	answer(1, SYNOD_OK);
	synod_service_set_health(service, SYNOD_PASSING);
	assert_asked(2, "set " PATH);
	assert_non_null(strstr(asked.data[2], "\"draining\""));
	answer(2, SYNOD_OK);
	fake_state(SYNOD_EXPIRED, 0, 0);
	answer(3, SYNOD_NOT_FOUND);
	assert_non_null(strstr(asked.data[4], "\"draining\""));
	answer(4, SYNOD_OK);
	assert_told(SYNOD_SERVICE_DRAINED, SYNOD_OK);
	end();
}

static void
a_suspect_that_was_drained_stays_drained(void **state)
{
	(void)state;
	hold();
	fake_state(SYNOD_EXPIRED, 0, 0);
	looked(1, 0, drained);
	assert_non_null(strstr(asked.data[2], "\"draining\""));
	answer(2, SYNOD_OK);
	assert_told(SYNOD_SERVICE_DRAINED, SYNOD_OK);
	end();
}

static void
our_own_draining_is_not_somebody_elses(void **state)
{
	(void)state;
	hold();
	synod_service_set_health(service, SYNOD_DRAINING);
	see(150, 7, asked.data[1]);
	answer(1, SYNOD_OK);
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
	synod_service_set_health(service, SYNOD_PASSING);
	assert_non_null(strstr(asked.data[2], PASSING));
	answer(2, SYNOD_OK);
	end();
}

/* Whichever of them was executed. */
static void
our_own_draining_of_unknown_outcome_is_not_somebody_elses(void **state)
{
	(void)state;
	hold();
	synod_service_set_health(service, SYNOD_DRAINING);
	synod_service_set_weight(service, 7);
	answer(1, SYNOD_UNKNOWN);
	fake_time();
	assert_asked(2, "set " PATH);
	assert_non_null(strstr(asked.data[2], "\"weight\":7"));
	see(150, 7, asked.data[1]);
	answer(2, SYNOD_OK);
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
	end();
}

static void
other_edits_by_others_are_not_fought_over(void **state)
{
	(void)state;
	hold();
	see(150, 7, "{\"address\":\"h\",\"port\":1}");
	see(151, 7, "rubbish");
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
	assert_int_equal(fake.call_count, 1);
	end();
}

static void
a_watch_that_ends_is_opened_again(void **state)
{
	const struct synod_event ended = {.kind = SYNOD_EVENT_END, .error = SYNOD_LIMIT};

	(void)state;
	hold();
	fake_event(&ended);
	assert_int_equal(fake.watch_count, 1);
	fake.refuse_next = SYNOD_LIMIT;
	fake_time();
	assert_int_equal(fake.watch_count, 1);
	fake_time();
	assert_int_equal(fake.watch_count, 2);
	assert_false(fake.watches[0].is_open);
	see(150, 55, "{}");
	assert_told(SYNOD_SERVICE_TAKEN_OVER, SYNOD_OK);
	end();
}

/* ---- changing ---- */

static void
the_newest_wish_is_written_one_at_a_time(void **state)
{
	(void)state;
	hold();
	assert_int_equal(synod_service_set_weight(service, 1), SYNOD_OK);
	assert_int_equal(synod_service_set_weight(service, 2), SYNOD_OK);
	assert_int_equal(synod_service_set_health(service, SYNOD_WARNING), SYNOD_OK);
	assert_asked(1, "set " PATH);
	assert_non_null(strstr(asked.data[1], "\"weight\":1}"));
	answer(1, SYNOD_OK);
	assert_asked(2, "set " PATH);
	assert_non_null(strstr(asked.data[2], "\"weight\":2}"));
	assert_non_null(strstr(asked.data[2], "\"warning\""));
	answer(2, SYNOD_UNKNOWN);
	assert_int_equal(fake.call_count, 3);
	fake_time();
	assert_asked(3, "set " PATH);
	assert_string_equal(asked.data[3], asked.data[2]);
	answer(3, SYNOD_OK);
	assert_int_equal(fake.call_count, 4);
	assert_told(SYNOD_SERVICE_REGISTERED, SYNOD_OK);
	end();
}

static void
metadata_come_change_and_go(void **state)
{
	(void)state;
	answer_at_once(SYNOD_OK);
	start();
	assert_int_equal(synod_service_set_metadata(service, "a", "1"), SYNOD_OK);
	assert_int_equal(synod_service_set_metadata(service, "b", "2"), SYNOD_OK);
	assert_int_equal(synod_service_set_metadata(service, "a", "3"), SYNOD_OK);
	assert_non_null(strstr(asked.data[3], "{\"a\":\"3\",\"b\":\"2\"}"));
	assert_int_equal(synod_service_set_metadata(service, "a", NULL), SYNOD_OK);
	assert_non_null(strstr(asked.data[4], "{\"b\":\"2\"}"));
	assert_int_equal(synod_service_set_metadata(service, "x", NULL), SYNOD_OK);
	assert_int_equal(synod_service_set_metadata(service, "", "1"), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_service_set_metadata(service, "a", "\xff"), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_service_set_weight(service, 0), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_service_set_weight(service, 65536), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_service_set_health(service, (enum synod_health)9),
	                 SYNOD_BAD_ARGUMENT);
	end();
}

static void
metadata_are_at_most_64(void **state)
{
	char name[16];

	(void)state;
	start();
	for (int i = 0; i < 64; i++) {
		snprintf(name, sizeof name, "n%d", i);
		assert_int_equal(synod_service_set_metadata(service, name, ""), SYNOD_OK);
	}
	assert_int_equal(synod_service_set_metadata(service, "more", ""), SYNOD_BAD_ARGUMENT);
	for (int i = 0; i < 64; i++) {
		snprintf(name, sizeof name, "n%d", i);
		assert_int_equal(synod_service_set_metadata(service, name, NULL), SYNOD_OK);
	}
	answer(0, SYNOD_OK);
	assert_string_equal(asked.data[1], asked.data[0]);
	answer(1, SYNOD_OK);
	end();
}

/* ---- checks ---- */

static void
start_with_checks(enum synod_health own)
{
	static const struct synod_check checks[] = {{.kind = SYNOD_CHECK_TCP, .target = "h:1"},
	                                            {.kind = SYNOD_CHECK_TCP, .target = "h:2"}};
	struct synod_service_options options = plain();

	options.checks = checks;
	options.check_count = 2;
	options.instance.health = own;
	assert_int_equal(synod_service_register(&fake.handle, "web", &options, &service), SYNOD_OK);
	assert_int_equal(checking.started, 1);
}

static void
judge(size_t check, enum synod_health health, const char *why)
{
	checking.on_verdict(checking.context, check, health, why);
	fake_time();
}

static void
the_worst_verdict_is_the_health(void **state)
{
	(void)state;
	start_with_checks(SYNOD_PASSING);
	assert_non_null(strstr(asked.data[0], "\"starting\""));
	answer(0, SYNOD_OK);
	answer_at_once(SYNOD_OK);
	judge(0, SYNOD_CRITICAL, "refused");
	assert_int_equal(told.verdicts, 1);
	assert_string_equal(told.why, "refused");
	assert_int_equal(synod_service_health(service), SYNOD_STARTING);
	assert_int_equal(fake.call_count, 1);
	judge(1, SYNOD_PASSING, "taken");
	assert_int_equal(told.check, 1);
	assert_asked(1, "set " PATH);
	assert_non_null(strstr(asked.data[1], "\"critical\""));
	judge(0, SYNOD_WARNING, "slow");
	assert_non_null(strstr(asked.data[2], "\"warning\""));
	judge(0, SYNOD_PASSING, "taken");
	assert_non_null(strstr(asked.data[3], PASSING));
	end();
	assert_int_equal(checking.stopped, 1);
}

static void
a_program_that_is_not_ready_stays_starting(void **state)
{
	(void)state;
	start_with_checks(SYNOD_STARTING);
	answer(0, SYNOD_OK);
	judge(0, SYNOD_PASSING, "");
	judge(1, SYNOD_CRITICAL, "");
	assert_int_equal(synod_service_health(service), SYNOD_STARTING);
	assert_int_equal(fake.call_count, 1);
	synod_service_set_health(service, SYNOD_PASSING);
	assert_non_null(strstr(asked.data[1], "\"critical\""));
	answer(1, SYNOD_OK);
	end();
}

static void
checks_that_cannot_start_leave_nothing(void **state)
{
	static const struct synod_check check = {.kind = SYNOD_CHECK_TCP, .target = "h:1"};
	struct synod_service_options options = plain();

	(void)state;
	options.checks = &check;
	options.check_count = 1;
	checking.refuse_with = SYNOD_NO_MEMORY;
	assert_int_equal(synod_service_register(&fake.handle, "web", &options, &service),
	                 SYNOD_NO_MEMORY);
	assert_int_equal(fake.call_count, 0);
	assert_nothing_left();
}

/* ---- deregistering ---- */

static void
a_record_drains_before_it_is_deleted(void **state)
{
	(void)state;
	hold();
	asked.time_passes = true;
	answer_at_once(SYNOD_OK);
	assert_int_equal(synod_service_deregister(service, 1000), SYNOD_OK);
	assert_asked(2, "delete " PATH);
	assert_string_equal(fake.calls[1].what, "set " PATH);
	assert_non_null(strstr(asked.data[1], "\"draining\""));
	assert_int_equal(asked.owner[2], 7);
	assert_nothing_left();
}

static void
in_a_callback_it_is_deleted_at_once(void **state)
{
	(void)state;
	hold();
	told.should_deregister = true;
	see(150, 7, drained);
	assert_asked(1, "delete " PATH);
	assert_int_equal(told.calls, 2);
	answer(1, SYNOD_OK);
	assert_int_equal(told.calls, 2);
	assert_nothing_left();
}

static void
a_write_under_way_is_waited_for(void **state)
{
	(void)state;
	start();
	fake_enter();
	assert_int_equal(synod_service_deregister(service, 0), SYNOD_OK);
	fake_leave();
	assert_int_equal(fake.call_count, 1);
	answer(0, SYNOD_OK);
	assert_asked(1, "delete " PATH);
	answer(1, SYNOD_OK);
	assert_int_equal(told.calls, 0);
	assert_nothing_left();
}

static void
a_deletion_without_an_answer_goes_on(void **state)
{
	(void)state;
	hold();
	answer_at_once(SYNOD_TIMEOUT);
	assert_int_equal(synod_service_deregister(service, 0), SYNOD_UNKNOWN);
	asked.answers_at_once = false;
	fake_time();
	assert_asked(2, "delete " PATH);
	answer(2, SYNOD_NOT_FOUND);
	assert_nothing_left();
}

static void
without_a_session_nothing_is_deleted(void **state)
{
	(void)state;
	hold();
	fake_state(SYNOD_EXPIRED, 0, 0);
	answer(1, SYNOD_TIMEOUT);
	assert_int_equal(synod_service_deregister(service, 0), SYNOD_OK);
	assert_int_equal(fake.call_count, 2);
	assert_nothing_left();
}

static void
a_closing_handle_takes_everything_along(void **state)
{
	(void)state;
	start_with_checks(SYNOD_PASSING);
	answer(0, SYNOD_OK);
	synod_service_set_weight(service, 5);
	fake_close();
	assert_int_equal(checking.stopped, 1);
	assert_int_equal(told.calls, 1);
	assert_nothing_left();
}

/* The checks' end is waited for by a thread, and by the handle's end for that. */
static void
checks_end_beside_a_callback(void **state)
{
	(void)state;
	start_with_checks(SYNOD_PASSING);
	fake_enter();
	assert_int_equal(synod_service_deregister(service, 0), SYNOD_OK);
	fake.callback_depth--;
	fake_close();
	assert_int_equal(checking.stopped, 1);
	assert_nothing_left();
}

static bool
is_anything_left(void)
{
	for (unsigned i = 0; i < FAKE_HOOKS_MAX; i++) {
		if (fake.hooks[i].is_used)
			return true;
	}
	return false;
}

/* It cannot wait for its own end. */
static void
a_check_may_deregister(void **state)
{
	(void)state;
	start_with_checks(SYNOD_PASSING);
	answer(0, SYNOD_OK);
	checking.is_thread = true;
	assert_int_equal(synod_service_deregister(service, 1000), SYNOD_OK);
	checking.is_thread = false;
	assert_asked(1, "delete " PATH);
	answer(1, SYNOD_OK);
	while (is_anything_left())
		fake_time();
	assert_int_equal(checking.stopped, 1);
	assert_nothing_left();
}

static void
deregister_at_close(void *context)
{
	(void)context;
	assert_int_equal(synod_service_deregister(service, 0), SYNOD_OK);
}

/* What the application lets go in a callback may be going already. */
static void
a_callback_may_deregister_while_the_handle_closes(void **state)
{
	const struct synod_hook_options options = {.on_close = deregister_at_close};
	struct synod_hook *hook;

	(void)state;
	hold();
	assert_int_equal(synod_hook_add(&fake.handle, &options, &hook), SYNOD_OK);
	fake_close();
	assert_nothing_left();
}

static void
a_deletion_that_is_taken_late_is_a_success(void **state)
{
	(void)state;
	hold();
	fake.refuse_next = SYNOD_BUSY;
	asked.time_passes = true;
	answer_at_once(SYNOD_OK);
	assert_int_equal(synod_service_deregister(service, 0), SYNOD_OK);
	assert_nothing_left();
}

static void
null_is_accepted(void **state)
{
	(void)state;
	assert_int_equal(synod_service_deregister(NULL, 0), SYNOD_OK);
	assert_null(synod_service_id(NULL));
	assert_int_equal(synod_service_set_health(NULL, SYNOD_PASSING), SYNOD_BAD_ARGUMENT);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_registration_replaces_whatever_is_there),
		TEST(registering_blocks_without_on_status),
		TEST(blocking_registration_that_fails_leaves_nothing),
		TEST(what_may_have_been_registered_is_deleted),
		TEST(a_service_that_does_not_exist_is_made),
		TEST(what_fails_is_told_and_tried_again),
		TEST(what_the_library_does_not_take_is_tried_again),
		TEST(what_the_ensemble_refuses_for_good_is_final),
		TEST(one_registration_per_record_and_handle),
		TEST(arguments_are_checked),
		TEST(the_id_comes_from_address_and_port),
		TEST(a_lost_session_leads_to_another_registration),
		TEST(a_suspect_is_taken_back),
		TEST(what_another_has_meanwhile_is_not_taken_back),
		TEST(a_claim_that_was_not_executed_still_replaces_another),
		TEST(a_claim_that_was_executed_does_not),
		TEST(an_update_that_finds_another_looks_first),
		TEST(the_answer_to_a_phase_that_was_left_is_ignored),
		TEST(another_owner_ends_it),
		TEST(what_was_there_before_means_nothing),
		TEST(a_deletion_by_hand_ends_it),
		TEST(a_deletion_that_overtakes_the_answer_ends_it_too),
		TEST(what_came_before_the_answer_does_not_end_it),
		TEST(one_that_leaves_makes_room_for_the_next),
		TEST(what_a_predecessor_has_under_way_is_waited_for),
		TEST(who_follows_a_claim_looks_after_its_answer),
		TEST(what_is_gone_before_its_answer_is_registered_again),
		TEST(what_is_anothers_before_its_answer_was_taken_over),
		TEST(what_its_predecessor_left_says_nothing_of_the_next),
		TEST(what_vanishes_is_registered_again),
		TEST(draining_by_somebody_else_stays),
		TEST(a_suspect_that_was_drained_stays_drained),
		TEST(our_own_draining_is_not_somebody_elses),
		TEST(our_own_draining_of_unknown_outcome_is_not_somebody_elses),
		TEST(other_edits_by_others_are_not_fought_over),
		TEST(a_watch_that_ends_is_opened_again),
		TEST(the_newest_wish_is_written_one_at_a_time),
		TEST(metadata_come_change_and_go),
		TEST(metadata_are_at_most_64),
		TEST(the_worst_verdict_is_the_health),
		TEST(a_program_that_is_not_ready_stays_starting),
		TEST(checks_that_cannot_start_leave_nothing),
		TEST(a_record_drains_before_it_is_deleted),
		TEST(in_a_callback_it_is_deleted_at_once),
		TEST(a_write_under_way_is_waited_for),
		TEST(a_deletion_without_an_answer_goes_on),
		TEST(without_a_session_nothing_is_deleted),
		TEST(a_closing_handle_takes_everything_along),
		TEST(checks_end_beside_a_callback),
		TEST(a_check_may_deregister),
		TEST(a_callback_may_deregister_while_the_handle_closes),
		TEST(a_deletion_that_is_taken_late_is_a_success),
		TEST(null_is_accepted),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
