/* The session's requests against fake members, in virtual time. */
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

#define MANY 3000

static struct setting *setting;

static int
set_up(void **state)
{
	(void)state;
	setting = setting_new(2);
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
fault(unsigned member, struct fake_fault fault)
{
	fake_member_fault(setting->members[member], fault);
}

/* Open on the first member only, with a session. */
static void
open_with_session(void)
{
	struct reply reply;

	setting_open(setting, 1, 0);
	setting_put(setting, "/first", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
}

static void
assert_written(unsigned index, const char *expected)
{
	assert_true(index < setting->ensemble->write_count);
	assert_string_equal(setting->ensemble->writes[index], expected);
}

static void
opens_a_session_with_the_first_write(void **state)
{
	struct reply reply;

	(void)state;
	setting_open(setting, 1, 0);
	setting_get(setting, "/a", SYNOD_LINEARIZABLE, 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
	assert_string_equal(reply.data, "hello");
	assert_int_equal(synod_session_id(setting->synod), 0);
	setting_put(setting, "/a", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
	assert_int_equal(reply.version, 1);
	assert_int_equal(synod_session_id(setting->synod), 1001);
	assert_written(0, "PUT /a");
}

static void
executes_writes_in_the_order_of_their_calls(void **state)
{
	static struct reply replies[MANY];
	char name[FAKE_NAME_SIZE];

	(void)state;
	setting_open(setting, 1, 0);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "/n%u", i);
		setting_put(setting, name, 0, &replies[i]);
	}
	assert_int_equal(setting_await(setting, &replies[MANY - 1], 5000), SYNOD_OK);
	assert_int_equal(setting->ensemble->write_count, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "PUT /n%u", i);
		assert_written(i, name);
		assert_int_equal(replies[i].done_count, 1);
	}
}

static void
acknowledges_what_has_been_answered(void **state)
{
	struct reply reply;

	(void)state;
	open_with_session();
	setting_put(setting, "/a", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
	setting_put(setting, "/b", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
	assert_int_equal(fake_member_last_acknowledged(setting->members[0]), 2);
}

static void
repeats_unanswered_writes_once_after_a_lost_connection(void **state)
{
	struct reply replies[4];

	(void)state;
	open_with_session();
	fault(0, (struct fake_fault){OP_PUT, 1, FAKE_ANSWER_EXECUTE, 0, NULL, {NULL, 0}, 0});
	fault(0, (struct fake_fault){OP_PUT, 1, FAKE_EXECUTE_DROP, 0, NULL, {NULL, 0}, 0});
	setting_put(setting, "/a", 0, &replies[0]);
	setting_put(setting, "/b", 0, &replies[1]);
	setting_put(setting, "/c", 0, &replies[2]);
	setting_put(setting, "/d", 0, &replies[3]);
	assert_int_equal(setting_await(setting, &replies[3], 2000), SYNOD_OK);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(replies[i].error, SYNOD_OK);
	assert_int_equal(replies[1].version, 3);
	assert_int_equal(setting->ensemble->write_count, 5);
	assert_written(2, "PUT /b");
	assert_written(3, "PUT /c");
	assert_int_equal(fake_member_requests(setting->members[0], OP_SESSION_ATTACH), 1);
	assert_int_equal(fake_member_requests(setting->members[0], OP_SESSION_OPEN), 1);
}

static void
opens_the_same_session_when_the_answer_was_lost(void **state)
{
	struct reply reply;

	(void)state;
	setting_open(setting, 1, 0);
	fault(0, (struct fake_fault){OP_SESSION_OPEN, 1, FAKE_IGNORE, 0, NULL, {NULL, 0}, 0});
	setting_put(setting, "/a", 0, &reply);
	fake_world_run_for(setting->world, 50);
	fake_member_drop_all(setting->members[0]);
	assert_int_equal(setting_await(setting, &reply, 2000), SYNOD_OK);
	fake_member_drop_all(setting->members[0]);
	setting_put(setting, "/b", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 2000), SYNOD_OK);
	assert_int_equal(setting->ensemble->session_count, 1);
}

static void
repeats_in_order_what_was_refused_for_now(void **state)
{
	struct reply replies[3];

	(void)state;
	open_with_session();
	/* The first is refused, so the others arrive out of order. */
	fault(0, (struct fake_fault){OP_PUT, 1, FAKE_ANSWER, SYNOD_RETRY, "not now", {NULL, 0}, 0});
	setting_put(setting, "/a", 0, &replies[0]);
	setting_put(setting, "/b", 0, &replies[1]);
	setting_put(setting, "/c", 0, &replies[2]);
	assert_int_equal(setting_await(setting, &replies[2], 1000), SYNOD_OK);
	assert_int_equal(setting->ensemble->write_count, 4);
	assert_written(1, "PUT /a");
	assert_written(2, "PUT /b");
	assert_written(3, "PUT /c");
}

static void
tries_again_soon_at_first_and_rarely_later(void **state)
{
	struct reply reply;
	unsigned early;

	(void)state;
	open_with_session();
	fault(0, (struct fake_fault){
			 OP_PUT, 100000, FAKE_ANSWER, SYNOD_NO_QUORUM, NULL, {NULL, 0}, 0});
	setting_put(setting, "/a", 60000, &reply);
	fake_world_run_for(setting->world, 100);
	early = fake_member_requests(setting->members[0], OP_PUT);
	assert_in_range(early, 8, 25);
	fake_world_run_for(setting->world, 10000);
	assert_in_range(fake_member_requests(setting->members[0], OP_PUT), early + 40, early + 120);
	fake_member_clear_faults(setting->members[0]);
	assert_int_equal(setting_await(setting, &reply, 400), SYNOD_OK);
}

static void
goes_to_another_member_when_one_refuses_for_a_second(void **state)
{
	struct reply reply;
	unsigned refusing;

	(void)state;
	setting_open(setting, 2, 0);
	setting_put(setting, "/a", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
	refusing = fake_member_connections(setting->members[0]) > 0 ? 0 : 1;
	fault(refusing,
	      (struct fake_fault){0, 100000, FAKE_ANSWER, SYNOD_RETRY, NULL, {NULL, 0}, 0});
	setting_put(setting, "/b", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1500), SYNOD_OK);
	assert_int_equal(fake_member_connections(setting->members[1 - refusing]), 1);
	assert_written(1, "PUT /b");
}

static void
stays_with_a_member_that_answers(void **state)
{
	struct reply reply;

	(void)state;
	setting_open(setting, 2, 0);
	for (unsigned i = 0; i < 20; i++) {
		setting_put(setting, "/a", 0, &reply);
		assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
		fake_world_run_for(setting->world, 3000);
	}
	assert_int_equal(fake_member_connections(setting->members[0]) +
	                         fake_member_connections(setting->members[1]),
	                 1);
}

static void
waits_when_the_ensemble_is_busy(void **state)
{
	struct reply reply;

	(void)state;
	open_with_session();
	fault(0, (struct fake_fault){OP_PUT, 3, FAKE_ANSWER, SYNOD_BUSY, NULL, {NULL, 0}, 0});
	setting_put(setting, "/a", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
	fault(0, (struct fake_fault){OP_GET, 100000, FAKE_ANSWER, SYNOD_BUSY, NULL, {NULL, 0}, 0});
	setting_get(setting, "/a", SYNOD_LINEARIZABLE, 700, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_BUSY);
}

static void
gives_definite_errors_to_the_caller_with_their_text(void **state)
{
	struct reply reply;

	(void)state;
	open_with_session();
	fault(0, (struct fake_fault){
			 OP_PUT, 1, FAKE_REFUSE_IN_LOG, SYNOD_NO_PARENT, NULL, {NULL, 0}, 0});
	setting_put(setting, "/a/b", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_NO_PARENT);
	fault(0,
	      (struct fake_fault){OP_GET, 1, FAKE_ANSWER, SYNOD_NOT_FOUND, "no /z", {NULL, 0}, 0});
	setting_get(setting, "/z", SYNOD_LINEARIZABLE, 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_NOT_FOUND);
	assert_string_equal(reply.message, "no /z");
	setting_put(setting, "/c", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
}

/* ---- numbers that must be used up ---- */

static void
uses_up_the_number_of_a_write_that_was_refused_before_the_log(void **state)
{
	struct reply replies[3];

	(void)state;
	open_with_session();
	fault(0, (struct fake_fault){OP_PUT, 1, FAKE_ANSWER, SYNOD_NO_SPACE, "full", {NULL, 0}, 0});
	setting_put(setting, "/a", 0, &replies[0]);
	setting_put(setting, "/b", 0, &replies[1]);
	setting_put(setting, "/c", 0, &replies[2]);
	assert_int_equal(setting_await(setting, &replies[2], 1000), SYNOD_OK);
	assert_int_equal(replies[0].error, SYNOD_NO_SPACE);
	assert_string_equal(replies[0].message, "full");
	assert_int_equal(replies[0].done_count, 1);
	assert_int_equal(replies[1].error, SYNOD_OK);
	assert_written(1, "DELETE /nothing");
	assert_written(2, "PUT /b");
	assert_written(3, "PUT /c");
}

/* What takes the place of a refused write may be refused, too: then it is sent again. */
static void
a_number_is_used_up_in_the_end(void **state)
{
	struct reply replies[2];

	(void)state;
	open_with_session();
	fault(0, (struct fake_fault){OP_PUT, 1, FAKE_ANSWER, SYNOD_NO_SPACE, "full", {NULL, 0}, 0});
	fault(0,
	      (struct fake_fault){OP_DELETE, 3, FAKE_ANSWER, SYNOD_NO_SPACE, "full", {NULL, 0}, 0});
	setting_put(setting, "/a", 0, &replies[0]);
	setting_put(setting, "/b", 0, &replies[1]);
	assert_int_equal(setting_await(setting, &replies[1], 10000), SYNOD_OK);
	assert_int_equal(replies[0].error, SYNOD_NO_SPACE);
	assert_written(1, "DELETE /nothing");
	assert_written(2, "PUT /b");
}

static void
does_not_repeat_a_write_whose_time_ran_out_but_keeps_the_order(void **state)
{
	struct reply replies[2];

	(void)state;
	open_with_session();
	fault(0, (struct fake_fault){OP_PUT, 2, FAKE_IGNORE, 0, NULL, {NULL, 0}, 0});
	setting_put(setting, "/a", 300, &replies[0]);
	setting_put(setting, "/b", 0, &replies[1]);
	assert_int_equal(setting_await(setting, &replies[0], 400), SYNOD_UNKNOWN);
	assert_int_equal(setting_await(setting, &replies[1], 10000), SYNOD_OK);
	assert_int_equal(setting->ensemble->write_count, 3);
	assert_written(1, "DELETE /nothing");
	assert_written(2, "PUT /b");
	assert_int_equal(replies[0].done_count, 1);
}

static void
fetches_the_kept_answer_of_a_write_whose_time_ran_out_after_it_was_executed(void **state)
{
	struct reply replies[2];

	(void)state;
	open_with_session();
	fault(0, (struct fake_fault){OP_PUT, 1, FAKE_EXECUTE_DROP, 0, NULL, {NULL, 0}, 0});
	fake_member_set_greeting(setting->members[0], FAKE_GREETS_NOT, 0);
	setting_put(setting, "/a", 300, &replies[0]);
	assert_int_equal(setting_await(setting, &replies[0], 400), SYNOD_UNKNOWN);
	fake_member_set_greeting(setting->members[0], FAKE_GREETS, 0);
	setting_put(setting, "/b", 0, &replies[1]);
	assert_int_equal(setting_await(setting, &replies[1], 10000), SYNOD_OK);
	assert_int_equal(setting->ensemble->write_count, 3);
	assert_written(1, "PUT /a");
	assert_written(2, "PUT /b");
}

/* ---- time ---- */

static void
says_timeout_when_nobody_is_there(void **state)
{
	struct reply write;
	struct reply read;

	(void)state;
	setting_open_at(setting, "127.0.0.1:9", 0);
	setting_put(setting, "/a", 1000, &write);
	setting_get(setting, "/a", SYNOD_LOCAL, 500, &read);
	assert_int_equal(setting_await(setting, &read, 600), SYNOD_TIMEOUT);
	assert_non_null(strstr(read.message, "127.0.0.1:9: "));
	assert_false(write.is_done);
	assert_int_equal(setting_await(setting, &write, 600), SYNOD_TIMEOUT);
}

static void
says_no_quorum_when_members_answer_but_cannot_serve(void **state)
{
	struct reply read;
	struct reply write;
	struct reply local;

	(void)state;
	open_with_session();
	fault(0, (struct fake_fault){OP_GET, 1, FAKE_ANSWER, SYNOD_NO_QUORUM, NULL, {NULL, 0}, 0});
	fault(0,
	      (struct fake_fault){OP_STAT, 100000, FAKE_ANSWER, SYNOD_RETRY, NULL, {NULL, 0}, 0});
	fault(0, (struct fake_fault){OP_PUT, 100000, FAKE_ANSWER, SYNOD_RETRY, NULL, {NULL, 0}, 0});
	setting_get(setting, "/a", SYNOD_LINEARIZABLE, 2, &read);
	setting_put(setting, "/a", 10000, &write);
	fake_world_run_for(setting->world, 1);
	setting_put(setting, "/b", 500, &write);
	assert_int_equal(setting_await(setting, &read, 1000), SYNOD_NO_QUORUM);
	assert_int_equal(setting_await(setting, &write, 1000), SYNOD_NO_QUORUM);
	/* What needs no quorum goes on. */
	setting_get(setting, "/a", SYNOD_LOCAL, 100, &local);
	assert_int_equal(setting_await(setting, &local, 100), SYNOD_OK);
}

static void
repeats_reads_until_one_is_answered(void **state)
{
	struct reply reply;

	(void)state;
	setting_open(setting, 1, 0);
	fault(0, (struct fake_fault){OP_GET, 1, FAKE_DROP, 0, NULL, {NULL, 0}, 0});
	fault(0, (struct fake_fault){OP_GET, 2, FAKE_ANSWER, SYNOD_RETRY, NULL, {NULL, 0}, 0});
	fault(0, (struct fake_fault){OP_GET, 1, FAKE_MALFORMED, 0, NULL, {NULL, 0}, 0});
	fault(0, (struct fake_fault){OP_GET, 1, FAKE_GARBAGE, 0, NULL, {NULL, 0}, 0});
	setting_get(setting, "/a", SYNOD_LINEARIZABLE, 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 10000), SYNOD_OK);
	assert_int_equal(fake_member_requests(setting->members[0], OP_GET), 6);
}

static void
leaves_a_member_that_pings_but_never_answers(void **state)
{
	struct reply reply;
	unsigned dumb;

	(void)state;
	setting_open(setting, 2, 0);
	setting_get(setting, "/a", SYNOD_LINEARIZABLE, 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
	dumb = fake_member_connections(setting->members[0]) > 0 ? 0 : 1;
	fault(dumb, (struct fake_fault){OP_GET, 100, FAKE_IGNORE, 0, NULL, {NULL, 0}, 0});
	setting_get(setting, "/a", SYNOD_LINEARIZABLE, 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 6000), SYNOD_OK);
}

/* ---- reads ---- */

static void
reads_its_own_writes_at_any_member(void **state)
{
	struct reply reply;

	(void)state;
	open_with_session();
	setting_get(setting, "/a", SYNOD_AT_LEAST, 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
	assert_int_equal(fake_member_last_at_least(setting->members[0]),
	                 setting->ensemble->revision);
}

/* [parent stat, [[name]...], more] */
static void
pack_page(struct buffer *out, unsigned first, unsigned count, bool more)
{
	const struct node_stat stat = {.children = 9};
	char name[16];

	pack_array(out, 3);
	stat_encode(out, &stat);
	pack_array(out, count);
	for (unsigned i = first; i < first + count; i++) {
		snprintf(name, sizeof name, "c%03u", i);
		pack_array(out, 3);
		pack_string(out, slice_of(name));
		pack_nil(out);
		pack_nil(out);
	}
	pack_bool(out, more);
}

static void
fetches_a_listing_in_pages_of_one_revision(void **state)
{
	struct buffer pages[3] = {BUFFER_EMPTY, BUFFER_EMPTY, BUFFER_EMPTY};
	struct reply reply;

	(void)state;
	setting_open(setting, 1, 0);
	for (unsigned i = 0; i < 3; i++) {
		pack_page(&pages[i], i * 100, 100, i < 2);
		fault(0, (struct fake_fault){OP_LIST, 1, FAKE_RESULT, SYNOD_OK, NULL,
		                             buffer_slice(&pages[i]), 500 + i});
	}
	setting_list(setting, "/", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
	assert_int_equal(reply.child_count, 300);
	assert_string_equal(reply.first, "c000");
	assert_string_equal(reply.last, "c299");
	assert_int_equal(reply.revision, 500);
	assert_int_equal(fake_member_last_at_least(setting->members[0]), 500);
	assert_false(reply.more);
	for (unsigned i = 0; i < 3; i++)
		buffer_fini(&pages[i]);
}

static void
starts_a_listing_again_when_it_changed_between_pages(void **state)
{
	struct buffer first = BUFFER_EMPTY;
	struct buffer whole = BUFFER_EMPTY;
	struct reply reply;

	(void)state;
	setting_open(setting, 1, 0);
	pack_page(&first, 0, 2, true);
	pack_page(&whole, 1, 3, false);
	fault(0, (struct fake_fault){OP_LIST, 1, FAKE_RESULT, SYNOD_OK, NULL, buffer_slice(&first),
	                             500});
	fault(0, (struct fake_fault){OP_LIST, 1, FAKE_ANSWER, SYNOD_CONFLICT, NULL, {NULL, 0}, 0});
	fault(0, (struct fake_fault){OP_LIST, 1, FAKE_RESULT, SYNOD_OK, NULL, buffer_slice(&whole),
	                             501});
	setting_list(setting, "/", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
	assert_int_equal(reply.child_count, 3);
	assert_string_equal(reply.first, "c001");
	assert_int_equal(reply.revision, 501);
	buffer_fini(&first);
	buffer_fini(&whole);
}

/* ---- hostile members ---- */

static void
reports_an_answer_that_makes_no_sense(void **state)
{
	static const uint8_t seven[] = {7};
	struct reply reply;

	(void)state;
	open_with_session();
	fault(0, (struct fake_fault){OP_GET, 1, FAKE_RESULT, SYNOD_OK, NULL, {seven, 1}, 0});
	setting_get(setting, "/a", SYNOD_LINEARIZABLE, 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_BAD_MESSAGE);
	fault(0, (struct fake_fault){OP_LIST, 1, FAKE_RESULT, SYNOD_OK, NULL, {seven, 1}, 0});
	setting_list(setting, "/a", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_BAD_MESSAGE);
	setting_put(setting, "/b", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
}

static void
survives_nonsense_about_the_session_and_the_members(void **state)
{
	static const uint8_t nothing[] = {0x90};
	static const uint8_t lies[] = {0xdd, 0xff, 0xff, 0xff, 0xff};
	struct reply reply;

	(void)state;
	fault(0, (struct fake_fault){OP_MEMBERS, 1, FAKE_RESULT, SYNOD_OK, NULL, {nothing, 1}, 0});
	fault(0, (struct fake_fault){
			 OP_SESSION_OPEN, 2, FAKE_RESULT, SYNOD_OK, NULL, {nothing, 1}, 0});
	fault(0, (struct fake_fault){
			 OP_MEMBERS, 1, FAKE_RESULT, SYNOD_OK, NULL, {lies, sizeof lies}, 0});
	setting_open(setting, 1, 0);
	setting_put(setting, "/a", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 5000), SYNOD_OK);
}

/* ---- the end ---- */

static void
closes_the_session_when_the_handle_is_closed(void **state)
{
	(void)state;
	open_with_session();
	setting_close(setting);
	assert_true(setting->ensemble->sessions[0].has_ended);
}

static void
completes_everything_when_the_handle_is_closed(void **state)
{
	static struct reply sent[SESSION_WINDOW];
	struct reply unsent;
	struct reply read;

	(void)state;
	open_with_session();
	fault(0, (struct fake_fault){0, 100000, FAKE_IGNORE, 0, NULL, {NULL, 0}, 0});
	setting_get(setting, "/a", SYNOD_LINEARIZABLE, 0, &read);
	for (unsigned i = 0; i < SESSION_WINDOW; i++)
		setting_put(setting, "/a", 0, &sent[i]);
	setting_put(setting, "/b", 0, &unsent); /* more than may be on its way */
	fake_world_run_for(setting->world, 10);
	setting_close(setting);
	assert_int_equal(sent[0].error, SYNOD_UNKNOWN);
	assert_int_equal(read.error, SYNOD_CLOSED);
	assert_int_equal(unsent.error, SYNOD_CLOSED);
	assert_int_equal(sent[0].done_count + read.done_count + unsent.done_count, 3);
}

static void
refuses_calls_beyond_the_bound(void **state)
{
	struct reply reply = {0};
	const struct synod_write_options options = {
		.call = {.done = reply_on_done, .context = &reply, .timeout_ms = 10},
	};
	unsigned taken = 0;

	(void)state;
	setting_open_at(setting, "127.0.0.1:9", 0);
	while (taken <= CALLS_MAX &&
	       synod_put(setting->synod, "/a", NULL, 0, &options, NULL) == SYNOD_OK)
		taken++;
	assert_int_equal(taken, CALLS_MAX);
	assert_int_equal(synod_put(setting->synod, "/a", NULL, 0, &options, NULL), SYNOD_BUSY);
	fake_world_run_for(setting->world, 50);
	assert_int_equal(reply.done_count, CALLS_MAX);
	assert_int_equal(synod_put(setting->synod, "/a", NULL, 0, &options, NULL), SYNOD_OK);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(opens_a_session_with_the_first_write),
		TEST(executes_writes_in_the_order_of_their_calls),
		TEST(acknowledges_what_has_been_answered),
		TEST(repeats_unanswered_writes_once_after_a_lost_connection),
		TEST(opens_the_same_session_when_the_answer_was_lost),
		TEST(repeats_in_order_what_was_refused_for_now),
		TEST(tries_again_soon_at_first_and_rarely_later),
		TEST(goes_to_another_member_when_one_refuses_for_a_second),
		TEST(stays_with_a_member_that_answers),
		TEST(waits_when_the_ensemble_is_busy),
		TEST(gives_definite_errors_to_the_caller_with_their_text),
		TEST(uses_up_the_number_of_a_write_that_was_refused_before_the_log),
		TEST(a_number_is_used_up_in_the_end),
		TEST(does_not_repeat_a_write_whose_time_ran_out_but_keeps_the_order),
		TEST(fetches_the_kept_answer_of_a_write_whose_time_ran_out_after_it_was_executed),
		TEST(says_timeout_when_nobody_is_there),
		TEST(says_no_quorum_when_members_answer_but_cannot_serve),
		TEST(repeats_reads_until_one_is_answered),
		TEST(leaves_a_member_that_pings_but_never_answers),
		TEST(reads_its_own_writes_at_any_member),
		TEST(fetches_a_listing_in_pages_of_one_revision),
		TEST(starts_a_listing_again_when_it_changed_between_pages),
		TEST(reports_an_answer_that_makes_no_sense),
		TEST(survives_nonsense_about_the_session_and_the_members),
		TEST(closes_the_session_when_the_handle_is_closed),
		TEST(completes_everything_when_the_handle_is_closed),
		TEST(refuses_calls_beyond_the_bound),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
