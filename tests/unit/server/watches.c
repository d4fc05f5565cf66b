/* Watches: each is told just the changes of its scope, in order, once, none left out, whatever its
 * connection and the history do meanwhile. */
#include "tests/unit/server/watching.h"

/* ---- what is for whom ---- */

static void
each_scope_is_told_its_own_changes_and_no_others(void **state)
{
	struct onlooker onlooker;
	struct hall hall;

	(void)state;
	hall_open(&hall, NULL);
	onlooker_come(&onlooker);
	watch(&hall, &onlooker, 1, "/a", WATCH_NODE);
	watch(&hall, &onlooker, 2, "/a", WATCH_CHILDREN);
	watch(&hall, &onlooker, 3, "/a", WATCH_SUBTREE);
	watch(&hall, &onlooker, 4, "/", WATCH_SUBTREE);
	watch(&hall, &onlooker, 5, "/", WATCH_CHILDREN);
	watch(&hall, &onlooker, 6, "/", WATCH_NODE);
	hall_put(&hall, "/a", "1");
	hall_put(&hall, "/a/b", "2");
	hall_put(&hall, "/a/b/c", "3");
	hall_put(&hall, "/ab", "4");
	hall_put(&hall, "/b/a", "5");
	assert_all_told(&hall, &onlooker);
	assert_int_equal(view_of(&onlooker, 1)->event_count, 1);
	assert_int_equal(view_of(&onlooker, 2)->event_count, 2);
	assert_int_equal(view_of(&onlooker, 3)->event_count, 3);
	assert_int_equal(view_of(&onlooker, 4)->event_count, 5);
	assert_int_equal(view_of(&onlooker, 5)->event_count, 3);
	assert_int_equal(view_of(&onlooker, 6)->event_count, 0);
	assert_int_equal(write_node(&hall.fixture, OP_SET, 0, "/", "root"), SYNOD_OK);
	publish(&hall);
	assert_all_told(&hall, &onlooker);
	assert_int_equal(view_of(&onlooker, 6)->event_count, 1);
	onlooker_go(&hall, &onlooker);
	hall_close(&hall);
}

static void
all_changes_of_a_revision_are_one_event(void **state)
{
	struct batch batch = {0};
	struct onlooker onlooker;
	struct hall hall;

	(void)state;
	hall_open(&hall, NULL);
	onlooker_come(&onlooker);
	assert_int_equal(watch_from(&hall, &onlooker, 1, "/", WATCH_SUBTREE, WATCH_WITH_DATA, 0),
	                 SYNOD_OK);
	watch(&hall, &onlooker, 2, "/a", WATCH_NODE);
	batch_add(&batch, THEN, OP_PUT, 0, "/a", "1");
	batch_add(&batch, THEN, OP_PUT, 0, "/b", "2");
	batch_add(&batch, THEN, OP_PUT, 0, "/a", "3");
	assert_int_equal(batch_run(&hall.fixture, &batch), SYNOD_OK);
	publish(&hall);
	assert_all_told(&hall, &onlooker);
	assert_int_equal(view_of(&onlooker, 1)->event_count, 1);
	assert_int_equal(view_of(&onlooker, 2)->event_count, 1);
	onlooker_go(&hall, &onlooker);
	hall_close(&hall);
}

static void
every_connection_is_told_and_flushed_once(void **state)
{
	static struct onlooker onlookers[200];
	struct hall hall;

	(void)state;
	hall_open(&hall, NULL);
	for (unsigned i = 0; i < 200; i++) {
		onlooker_come(&onlookers[i]);
		watch_from(&hall, &onlookers[i], 1 + i % 3, "/a", WATCH_NODE,
		           i % 2 ? WATCH_WITH_DATA : 0, 0);
	}
	hall_put(&hall, "/a", "some data");
	for (unsigned i = 0; i < 200; i++) {
		assert_all_told(&hall, &onlookers[i]);
		assert_int_equal(onlookers[i].sink.flush_count, 1);
		assert_int_equal(onlookers[i].views[0].event_count, 1);
	}
	for (unsigned i = 0; i < 200; i++)
		onlooker_go(&hall, &onlookers[i]);
	hall_close(&hall);
}

static uint64_t
open_other_session(struct hall *hall)
{
	assert_int_equal(open_session_as(&hall->fixture, 5000, 2), SYNOD_OK);
	publish(hall);
	return hall->fixture.applied.session_opened;
}

static void
put_ephemeral(struct hall *hall, const char *path)
{
	struct operation operation = {.op = OP_PUT, .path = slice_of(path), .kind = NODE_EPHEMERAL};

	assert_int_equal(write_operation(&hall->fixture, &operation, NULL), SYNOD_OK);
	publish(hall);
}

static void
an_owner_is_told_what_others_do_to_its_nodes(void **state)
{
	struct onlooker onlooker;
	struct hall hall;
	uint64_t own, other;

	(void)state;
	hall_open(&hall, NULL);
	own = hall.fixture.session;
	other = open_other_session(&hall);
	onlooker_come(&onlooker);
	watch(&hall, &onlooker, 1, "/", WATCH_OWNED);
	put_ephemeral(&hall, "/mine");
	put_ephemeral(&hall, "/taken");
	hall_put(&hall, "/nobodys", "x");
	assert_all_told(&hall, &onlooker);
	assert_int_equal(view_of(&onlooker, 1)->event_count, 2);
	hall.fixture.session = other;
	hall.fixture.seq = hall.fixture.acknowledged = 0;
	put_ephemeral(&hall, "/taken");
	put_ephemeral(&hall, "/theirs");
	hall_delete(&hall, "/mine");
	assert_all_told(&hall, &onlooker);
	assert_int_equal(view_of(&onlooker, 1)->event_count, 4);
	assert_int_equal(view_of(&onlooker, 1)->session, own);
	onlooker_go(&hall, &onlooker);
	hall_close(&hall);
}

static void
an_owner_begins_with_what_it_owns(void **state)
{
	struct onlooker onlooker;
	struct hall hall;

	(void)state;
	hall_open(&hall, NULL);
	onlooker_come(&onlooker);
	put_ephemeral(&hall, "/mine");
	hall_put(&hall, "/nobodys", "x");
	assert_int_equal(watch_from(&hall, &onlooker, 1, "/", WATCH_OWNED, WATCH_INITIAL, 0),
	                 SYNOD_OK);
	assert_all_told(&hall, &onlooker);
	assert_int_equal(view_of(&onlooker, 1)->state_count, 1);
	onlooker_go(&hall, &onlooker);
	hall_close(&hall);
}

/* ---- starting ---- */

static void
a_watch_resumes_where_it_is_told_to(void **state)
{
	struct onlooker onlooker;
	struct hall hall;

	(void)state;
	hall_open(&hall, NULL);
	onlooker_come(&onlooker);
	for (unsigned i = 0; i < 20; i++)
		hall_put(&hall, i % 2 ? "/a" : "/b", "x");
	for (uint64_t from = 1; from <= hall.fixture.slot + 1; from++) {
		assert_int_equal(
			watch_from(&hall, &onlooker, 1, "/a", WATCH_NODE, WATCH_WITH_DATA, from),
			SYNOD_OK);
		hall_settle(&hall);
		assert_all_told(&hall, &onlooker);
		assert_int_equal(unwatch(&hall, &onlooker, 1), SYNOD_OK);
	}
	assert_int_equal(
		watch_from(&hall, &onlooker, 1, "/a", WATCH_NODE, 0, hall.fixture.slot + 2),
		SYNOD_BAD_ARGUMENT);
	onlooker_go(&hall, &onlooker);
	hall_close(&hall);
}

static void
changes_while_a_watch_catches_up_are_neither_lost_nor_repeated(void **state)
{
	struct onlooker onlooker;
	struct hall hall;

	(void)state;
	hall_open(&hall, NULL);
	onlooker_come(&onlooker);
	for (unsigned i = 0; i < 100; i++)
		hall_put_bytes(&hall, "/a", 10000);
	assert_int_equal(watch_from(&hall, &onlooker, 1, "/a", WATCH_NODE, WATCH_WITH_DATA, 1),
	                 SYNOD_OK);
	while (watches_want_to_catch_up(hall.watches, hall.fixture.slot)) {
		watches_catch_up(hall.watches, hall.fixture.namespace);
		hear_all(&hall, &onlooker);
		if (hall.change_count < 200)
			hall_put_bytes(&hall, "/a", 10000);
	}
	assert_true(view_of(&onlooker, 1)->event_count > 3);
	hall_put(&hall, "/a", "live");
	assert_all_told(&hall, &onlooker);
	onlooker_go(&hall, &onlooker);
	hall_close(&hall);
}

static void
a_watch_begins_with_the_state_and_goes_on_without_a_gap(void **state)
{
	struct onlooker onlooker;
	struct hall hall;

	(void)state;
	hall_open(&hall, NULL);
	onlooker_come(&onlooker);
	hall_put(&hall, "/a/b", "1");
	hall_put(&hall, "/a/c", "2");
	hall_put(&hall, "/a/d/e", "3");
	hall_delete(&hall, "/a/c");
	for (uint8_t scope = WATCH_NODE; scope <= WATCH_SUBTREE; scope++)
		assert_int_equal(watch_from(&hall, &onlooker, scope, "/a", scope,
		                            WATCH_INITIAL | (scope & 1 ? WATCH_WITH_DATA : 0), 1),
		                 SYNOD_OK);
	assert_int_equal(watch_from(&hall, &onlooker, 9, "/none", WATCH_NODE, WATCH_INITIAL, 0),
	                 SYNOD_OK);
	hall_put(&hall, "/a/b", "4");
	hall_put(&hall, "/none", "5");
	assert_all_told(&hall, &onlooker);
	for (uint8_t scope = WATCH_NODE; scope <= WATCH_SUBTREE; scope++)
		assert_int_equal(view_of(&onlooker, scope)->state_count, 1);
	assert_int_equal(view_of(&onlooker, 9)->event_count, 2);
	onlooker_go(&hall, &onlooker);
	hall_close(&hall);
}

static void
a_large_state_comes_in_parts_and_a_very_large_one_is_refused(void **state)
{
	struct onlooker onlooker;
	unsigned parts = 0, items = 0;
	struct frame frame;
	char path[16];
	struct hall hall;

	(void)state;
	hall_open(&hall, NULL);
	onlooker_come(&onlooker);
	for (unsigned i = 0; i < 10; i++) {
		snprintf(path, sizeof path, "/a/%u", i);
		hall_put_bytes(&hall, path, 900000);
	}
	assert_int_equal(watch_from(&hall, &onlooker, 1, "/a", WATCH_SUBTREE,
	                            WATCH_INITIAL | WATCH_WITH_DATA, 0),
	                 SYNOD_OK);
	flusher_flush(&hall.flusher);
	for (bool more = true; more; parts++) {
		struct event event;

		assert_true(sink_frame(&onlooker.sink, &frame));
		assert_true(frame.body.size < FRAME_CLIENT_MAX);
		assert_int_equal(event_decode(frame.body, &event), SYNOD_OK);
		assert_int_equal(event.kind, EVENT_STATE);
		assert_int_equal(event.revision, hall.fixture.slot);
		more = event.more;
		items += event.item_count;
	}
	assert_int_equal(items, 11);
	assert_int_equal(parts, 10);
	for (unsigned i = 10; i < 20; i++) {
		snprintf(path, sizeof path, "/a/%u", i);
		hall_put_bytes(&hall, path, 900000);
	}
	onlooker.views[0].number = 0;
	assert_int_equal(unwatch(&hall, &onlooker, 1), SYNOD_OK);
	onlooker.sink.read = onlooker.sink.sent.size;
	assert_int_equal(watch_from(&hall, &onlooker, 2, "/a", WATCH_SUBTREE,
	                            WATCH_INITIAL | WATCH_WITH_DATA, 0),
	                 SYNOD_TOO_LARGE);
	assert_int_equal(watches_count(hall.watches), 0);
	assert_int_equal(watch_from(&hall, &onlooker, 2, "/a", WATCH_SUBTREE, WATCH_INITIAL, 0),
	                 SYNOD_OK);
	assert_all_told(&hall, &onlooker);
	onlooker_go(&hall, &onlooker);
	hall_close(&hall);
}

/* ---- bad input and bounds ---- */

static void
what_makes_no_sense_is_refused(void **state)
{
	struct onlooker onlooker;
	struct hall hall;
	uint64_t session;

	(void)state;
	hall_open(&hall, NULL);
	onlooker_come(&onlooker);
	watch(&hall, &onlooker, 1, "/a", WATCH_NODE);
	assert_int_equal(watch_from(&hall, &onlooker, 1, "/b", WATCH_NODE, 0, 0),
	                 SYNOD_BAD_ARGUMENT);
	assert_int_equal(watch_from(&hall, &onlooker, 0, "/b", WATCH_NODE, 0, 0),
	                 SYNOD_BAD_ARGUMENT);
	assert_int_equal(watch_from(&hall, &onlooker, 2, "b", WATCH_NODE, 0, 0), SYNOD_BAD_PATH);
	assert_int_equal(watch_from(&hall, &onlooker, 2, "/b", 9, 0, 0), SYNOD_UNSUPPORTED);
	assert_int_equal(watch_from(&hall, &onlooker, 2, "/b", WATCH_NODE, 128, 0),
	                 SYNOD_UNSUPPORTED);
	session = hall.fixture.session;
	hall.fixture.session = 0;
	assert_int_equal(watch_from(&hall, &onlooker, 2, "/", WATCH_OWNED, 0, 0),
	                 SYNOD_SESSION_ENDED);
	hall.fixture.session = session;
	assert_int_equal(unwatch(&hall, &onlooker, 7), SYNOD_NOT_FOUND);
	assert_int_equal(unwatch(&hall, &onlooker, 1), SYNOD_OK);
	assert_int_equal(unwatch(&hall, &onlooker, 1), SYNOD_NOT_FOUND);
	hall_put(&hall, "/a", "x");
	assert_int_equal(hear_all(&hall, &onlooker), 0);
	onlooker_go(&hall, &onlooker);
	hall_close(&hall);
}

static void
a_connection_has_a_bounded_number_of_watches(void **state)
{
	struct onlooker onlooker, other;
	struct hall hall;
	char path[16];

	(void)state;
	hall_open(&hall, NULL);
	onlooker_come(&onlooker);
	onlooker_come(&other);
	for (unsigned i = 0; i < WATCHES_PER_CLIENT_MAX; i++) {
		snprintf(path, sizeof path, "/%u", i % 5000);
		watch(&hall, &onlooker, 1 + i, path, WATCH_NODE + i % 3);
	}
	assert_int_equal(watch_from(&hall, &onlooker, 20000, "/a", WATCH_NODE, 0, 0), SYNOD_LIMIT);
	watch(&hall, &other, 1, "/7", WATCH_NODE);
	assert_int_equal(unwatch(&hall, &onlooker, 5), SYNOD_OK);
	watch(&hall, &onlooker, 20000, "/a", WATCH_NODE);
	hall_put(&hall, "/7", "x");
	hall_put(&hall, "/4999", "x");
	assert_all_told(&hall, &onlooker);
	assert_all_told(&hall, &other);
	assert_int_equal(watches_count(hall.watches), WATCHES_PER_CLIENT_MAX + 1);
	onlooker_go(&hall, &onlooker);
	assert_int_equal(watches_count(hall.watches), 1);
	hall_put(&hall, "/7", "y");
	assert_all_told(&hall, &other);
	onlooker_go(&hall, &other);
	assert_int_equal(watches_count(hall.watches), 0);
	hall_close(&hall);
}

/* ---- slow connections ---- */

static void
a_slow_connection_is_told_everything_once_it_reads_again(void **state)
{
	struct onlooker slow, quick;
	struct hall hall;

	(void)state;
	hall_open(&hall, NULL);
	onlooker_come(&slow);
	onlooker_come(&quick);
	watch_from(&hall, &slow, 1, "/a", WATCH_NODE, WATCH_WITH_DATA, 0);
	watch_from(&hall, &slow, 2, "/", WATCH_SUBTREE, 0, 0);
	watch_from(&hall, &quick, 1, "/a", WATCH_NODE, WATCH_WITH_DATA, 0);
	slow.sink.is_stuck = true;
	for (unsigned i = 0; i < 100; i++) {
		hall_put_bytes(&hall, "/a", 100000);
		hall_settle(&hall);
		assert_all_told(&hall, &quick);
		assert_true(slow.sink.sent.size < WATCH_OUTPUT_MAX + 300000);
	}
	assert_false(watches_may_start(hall.watches,
	                               &(struct pending){.connection = slow.sink.connection}));
	while (hear_all(&hall, &slow) > 0) {
		hall_tick(&hall, 100);
		hall_settle(&hall);
	}
	assert_all_told(&hall, &slow);
	assert_true(watches_may_start(hall.watches,
	                              &(struct pending){.connection = slow.sink.connection}));
	hall_put(&hall, "/a", "live again");
	assert_all_told(&hall, &slow);
	onlooker_go(&hall, &slow);
	onlooker_go(&hall, &quick);
	hall_close(&hall);
}

static void
what_is_not_kept_any_more_is_made_up_for_with_the_state(void **state)
{
	const struct namespace_options options = {.change_bytes_max = 2u << 20};
	struct onlooker slow;
	struct hall hall;

	(void)state;
	hall_open(&hall, &options);
	onlooker_come(&slow);
	watch_from(&hall, &slow, 1, "/a", WATCH_SUBTREE, WATCH_WITH_DATA, 0);
	slow.sink.is_stuck = true;
	for (unsigned i = 0; i < 100; i++)
		hall_put_bytes(&hall, i % 2 ? "/a" : "/a/b", 100000);
	assert_true(namespace_history_from(hall.fixture.namespace) > 50);
	while (hear_all(&hall, &slow) > 0) {
		hall_tick(&hall, 100);
		hall_settle(&hall);
	}
	assert_all_told(&hall, &slow);
	assert_int_equal(view_of(&slow, 1)->compacted_count, 1);
	/* So is a watch that asks for too much. */
	assert_int_equal(watch_from(&hall, &slow, 2, "/a/b", WATCH_NODE, 0, 3), SYNOD_OK);
	hall_settle(&hall);
	assert_all_told(&hall, &slow);
	assert_int_equal(view_of(&slow, 2)->compacted_count, 1);
	hall_put(&hall, "/a/b", "x");
	assert_all_told(&hall, &slow);
	onlooker_go(&hall, &slow);
	hall_close(&hall);
}

static void
a_watch_ends_if_the_state_that_would_make_up_is_too_large(void **state)
{
	const struct namespace_options options = {.change_bytes_max = 1u << 20};
	struct onlooker onlooker;
	struct hall hall;
	char path[16];

	(void)state;
	hall_open(&hall, &options);
	onlooker_come(&onlooker);
	for (unsigned i = 0; i < 18; i++) {
		snprintf(path, sizeof path, "/a/%u", i);
		hall_put_bytes(&hall, path, 1000000);
	}
	assert_int_equal(watch_from(&hall, &onlooker, 1, "/a", WATCH_SUBTREE, WATCH_WITH_DATA, 2),
	                 SYNOD_OK);
	hall_settle(&hall);
	hear_all(&hall, &onlooker);
	assert_int_equal(onlooker.views[0].ended, SYNOD_COMPACTED);
	assert_int_equal(watches_count(hall.watches), 0);
	onlooker_go(&hall, &onlooker);
	hall_close(&hall);
}

/* ---- answers ---- */

static void
answer(struct hall *hall, struct onlooker *onlooker)
{
	uint64_t revision = namespace_revision(hall->fixture.namespace);
	struct buffer scratch = BUFFER_EMPTY;
	struct pending *pending = check_calloc(1, sizeof *pending);

	pending->connection = onlooker->sink.connection;
	if (watches_must_hold(hall->watches, pending->connection->id, revision)) {
		watches_hold(hall->watches, pending, revision);
	} else {
		pending_answer(pending, SYNOD_OK, revision, 0, (struct slice){0}, &scratch);
		flusher_touch(&hall->flusher, pending->connection);
		free(pending);
	}
	buffer_fini(&scratch);
}

/* Write the answers that were held until now; how many. */
static unsigned
write_released(struct hall *hall)
{
	struct pending *pending = watches_released(hall->watches);
	struct buffer scratch = BUFFER_EMPTY;
	unsigned count = 0;

	while (pending) {
		struct pending *next = pending->next;

		pending_answer(pending, SYNOD_OK, pending->index, 0, (struct slice){0}, &scratch);
		flusher_touch(&hall->flusher, pending->connection);
		free(pending);
		pending = next;
		count++;
	}
	buffer_fini(&scratch);
	return count;
}

static void
answers_wait_for_the_events_that_they_reflect(void **state)
{
	struct onlooker onlooker, other;
	struct hall hall;

	(void)state;
	hall_open(&hall, NULL);
	onlooker_come(&onlooker);
	onlooker_come(&other);
	for (unsigned i = 0; i < 100; i++)
		hall_put_bytes(&hall, "/a", 10000);
	watch_from(&hall, &onlooker, 1, "/a", WATCH_NODE, WATCH_WITH_DATA, 1);
	watch_from(&hall, &onlooker, 2, "/b", WATCH_NODE, 0, 0);
	answer(&hall, &other);
	answer(&hall, &onlooker);
	hear_all(&hall, &other);
	assert_int_equal(other.answer_count, 1);
	assert_int_equal(hear_all(&hall, &onlooker), 0);
	watches_catch_up(hall.watches, hall.fixture.namespace);
	assert_int_equal(write_released(&hall), 0);
	hall_settle(&hall);
	assert_int_equal(write_released(&hall), 1);
	hear_all(&hall, &onlooker);
	assert_int_equal(onlooker.answer_count, 1);
	answer(&hall, &onlooker);
	hear_all(&hall, &onlooker);
	assert_int_equal(onlooker.answer_count, 2);
	/* Those of a connection that is gone need not wait any more. */
	watch_from(&hall, &onlooker, 3, "/a", WATCH_NODE, 0, 1);
	answer(&hall, &onlooker);
	watches_forget(hall.watches, onlooker.sink.connection->id);
	assert_int_equal(write_released(&hall), 1);
	onlooker_go(&hall, &onlooker);
	onlooker_go(&hall, &other);
	hall_close(&hall);
}

static void
an_answer_does_not_wait_for_a_watch_that_was_ended(void **state)
{
	struct onlooker onlooker;
	struct hall hall;

	(void)state;
	hall_open(&hall, NULL);
	onlooker_come(&onlooker);
	hall_put(&hall, "/a", "x");
	watch_from(&hall, &onlooker, 1, "/a", WATCH_NODE, 0, 1);
	answer(&hall, &onlooker);
	assert_int_equal(unwatch(&hall, &onlooker, 1), SYNOD_OK);
	assert_int_equal(write_released(&hall), 1);
	onlooker_go(&hall, &onlooker);
	hall_close(&hall);
}

/* ---- marks ---- */

static void
marks_say_what_has_been_told_and_never_more(void **state)
{
	struct onlooker quiet, slow;
	struct hall hall;

	(void)state;
	hall_open(&hall, NULL);
	onlooker_come(&quiet);
	onlooker_come(&slow);
	watch(&hall, &quiet, 1, "/other", WATCH_NODE);
	watch_from(&hall, &slow, 1, "/a", WATCH_NODE, WATCH_WITH_DATA, 0);
	slow.sink.is_stuck = true;
	hall_tick(&hall, WATCH_MARK_MS);
	hear_all(&hall, &quiet);
	assert_int_equal(quiet.mark_count, 0); /* nothing was applied since */
	for (unsigned i = 0; i < 30; i++)
		hall_put_bytes(&hall, "/a", 100000);
	hall_tick(&hall, 1);
	hear_all(&hall, &quiet);
	assert_int_equal(quiet.mark_count, 1);
	assert_int_equal(quiet.marked, hall.fixture.slot);
	hear_all(&hall, &slow);
	assert_int_equal(slow.mark_count, 0);
	hall_tick(&hall, 100);
	hall_settle(&hall);
	hear_all(&hall, &slow);
	hall_tick(&hall, 100);
	hall_settle(&hall);
	hear_all(&hall, &slow);
	hall_tick(&hall, 100);
	hear_all(&hall, &slow);
	hall_put(&hall, "/a", "x");
	hall_tick(&hall, WATCH_MARK_MS);
	assert_all_told(&hall, &slow);
	assert_int_equal(slow.marked, hall.fixture.slot);
	hear_all(&hall, &quiet);
	assert_int_equal(quiet.mark_count, 2);
	onlooker_go(&hall, &quiet);
	onlooker_go(&hall, &slow);
	hall_close(&hall);
}

/* Otherwise its client would resume from there again, until that is not kept any more. */
static void
a_watch_of_a_past_without_anything_for_it_gets_a_mark(void **state)
{
	struct onlooker onlooker;
	struct hall hall;

	(void)state;
	hall_open(&hall, NULL);
	hall_put(&hall, "/a", "x");
	hall_put(&hall, "/a", "y");
	onlooker_come(&onlooker);
	watch_from(&hall, &onlooker, 1, "/other", WATCH_NODE, 0, 1);
	hall_settle(&hall);
	hall_tick(&hall, WATCH_MARK_MS);
	hear_all(&hall, &onlooker);
	assert_int_equal(onlooker.mark_count, 1);
	assert_int_equal(onlooker.marked, hall.fixture.slot);
	hall_tick(&hall, WATCH_MARK_MS);
	hear_all(&hall, &onlooker);
	assert_int_equal(onlooker.mark_count, 1);
	onlooker_go(&hall, &onlooker);
	hall_close(&hall);
}

/* ---- very large revisions ---- */

#define MANY 20000

static void
grow_tree(struct hall *hall)
{
	for (unsigned i = 0; i < MANY; i += 100) {
		struct batch batch = {0};
		char path[64];

		for (unsigned k = i; k < i + 100; k++) {
			snprintf(path, sizeof path, "/tree/a-name-that-is-not-so-short-%05u", k);
			batch_add(&batch, THEN, OP_PUT, OP_PARENTS, path, NULL);
		}
		assert_int_equal(batch_run(&hall->fixture, &batch), SYNOD_OK);
		publish(hall);
	}
}

static void
a_revision_too_large_for_one_event_is_told_in_parts(void **state)
{
	struct onlooker whole, one, none;
	struct hall hall;

	(void)state;
	hall_open(&hall, NULL);
	onlooker_come(&whole);
	onlooker_come(&one);
	onlooker_come(&none);
	grow_tree(&hall);
	watch(&hall, &whole, 1, "/tree", WATCH_SUBTREE);
	watch(&hall, &one, 1, "/tree/a-name-that-is-not-so-short-00007", WATCH_NODE);
	watch(&hall, &none, 1, "/elsewhere", WATCH_SUBTREE);
	hall_delete(&hall, "/tree");
	hall_put(&hall, "/tree/a-name-that-is-not-so-short-00007", "x");
	hall_settle(&hall);
	assert_all_told(&hall, &whole);
	assert_true(view_of(&whole, 1)->event_count >= 3);
	assert_all_told(&hall, &one);
	assert_all_told(&hall, &none);
	assert_int_equal(view_of(&none, 1)->event_count, 0);
	onlooker_go(&hall, &whole);
	onlooker_go(&hall, &one);
	onlooker_go(&hall, &none);
	hall_close(&hall);
}

/* ---- everything at once ---- */

static const uint64_t numbers[] = {1, 2, 3, 4, 5, 6};

static void
random_watch(struct hall *hall, struct chance *chance, struct onlooker *onlooker)
{
	uint64_t number = numbers[chance_below(chance, 6)];
	uint64_t applied = hall->fixture.slot;
	uint64_t from =
		chance_one_in(chance, 2) ? 0 : 1 + chance_below(chance, (unsigned)applied + 1);
	uint8_t scope = (uint8_t)(WATCH_NODE + chance_below(chance, 3));
	char path[8] = "/";

	if (onlooker->sink.is_stuck ||
	    !watches_may_start(hall->watches,
	                       &(struct pending){.connection = onlooker->sink.connection}))
		return;
	if (view_of(onlooker, number) != NULL) {
		assert_int_equal(unwatch(hall, onlooker, number), SYNOD_OK);
		hear_all(hall, onlooker);
		return;
	}
	if (!chance_one_in(chance, 4))
		random_path(chance, path);
	assert_int_equal(watch_from(hall, onlooker, number, path, scope,
	                            chance_below(chance, WATCH_FLAGS_KNOWN + 1), from),
	                 SYNOD_OK);
}

static void
random_write(struct hall *hall, struct chance *chance)
{
	struct batch batch = {0};
	char path[8];

	if (chance_one_in(chance, 3)) {
		random_batch(chance, &batch, 4, 64);
		batch_run(&hall->fixture, &batch);
	} else if (chance_one_in(chance, 5)) {
		random_path(chance, path);
		write_node(&hall->fixture, OP_DELETE, OP_RECURSIVE, path, NULL);
	} else {
		struct operation operation = {.op = OP_PUT, .flags = OP_PARENTS};
		static uint8_t bytes[60000];

		random_path(chance, path);
		operation.path = slice_of(path);
		operation.data = (struct slice){bytes, chance_below(chance, sizeof bytes)};
		write_operation(&hall->fixture, &operation, NULL);
	}
	publish(hall);
}

#define ONLOOKERS 4

/* One connection comes, watches, is slow at times, is answered, and goes. */
static void
random_step(struct hall *hall, struct chance *chance, struct onlooker *onlooker)
{
	switch (chance_below(chance, 12)) {
	case 0:
		if (!chance_one_in(chance, 10))
			break;
		write_released(hall);
		onlooker_go(hall, onlooker);
		onlooker_come(onlooker);
		break;
	case 1:
	case 2: random_watch(hall, chance, onlooker); break;
	case 3: onlooker->sink.is_stuck = chance_one_in(chance, 2); break;
	case 4: hear(hall, onlooker, chance_below(chance, 20)); break;
	case 5:
		if (onlooker->views[0].number != 0)
			answer(hall, onlooker);
		break;
	case 6: hall_tick(hall, chance_below(chance, 4000)); break;
	case 7:
	case 8:
		if (watches_want_to_catch_up(hall->watches, hall->fixture.slot))
			watches_catch_up(hall->watches, hall->fixture.namespace);
		write_released(hall);
		break;
	default: random_write(hall, chance); break;
	}
}

static void
random_history(uint64_t seed)
{
	const struct namespace_options options = {.change_bytes_max = 1500000};
	struct onlooker onlookers[ONLOOKERS];
	struct chance chance = {.state = seed};
	struct hall hall;

	hall_open(&hall, &options);
	for (unsigned i = 0; i < ONLOOKERS; i++)
		onlooker_come(&onlookers[i]);
	for (unsigned i = 0; i < 1500; i++)
		random_step(&hall, &chance, &onlookers[chance_below(&chance, ONLOOKERS)]);
	for (unsigned i = 0; i < ONLOOKERS; i++)
		onlookers[i].sink.is_stuck = false;
	hall_settle(&hall);
	write_released(&hall);
	for (unsigned round = 0; round < 100; round++) {
		for (unsigned i = 0; i < ONLOOKERS; i++)
			hear_all(&hall, &onlookers[i]);
		hall_tick(&hall, 100);
		hall_settle(&hall);
		write_released(&hall);
	}
	for (unsigned i = 0; i < ONLOOKERS; i++) {
		assert_all_told(&hall, &onlookers[i]);
		onlooker_go(&hall, &onlookers[i]);
	}
	assert_int_equal(write_released(&hall), 0);
	hall_close(&hall);
}

static void
random_histories_are_told_in_order_whole_and_once(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++)
		random_history(seed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_scope_is_told_its_own_changes_and_no_others),
		cmocka_unit_test(all_changes_of_a_revision_are_one_event),
		cmocka_unit_test(every_connection_is_told_and_flushed_once),
		cmocka_unit_test(an_owner_is_told_what_others_do_to_its_nodes),
		cmocka_unit_test(an_owner_begins_with_what_it_owns),
		cmocka_unit_test(a_watch_resumes_where_it_is_told_to),
		cmocka_unit_test(changes_while_a_watch_catches_up_are_neither_lost_nor_repeated),
		cmocka_unit_test(a_watch_begins_with_the_state_and_goes_on_without_a_gap),
		cmocka_unit_test(a_large_state_comes_in_parts_and_a_very_large_one_is_refused),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(a_connection_has_a_bounded_number_of_watches),
		cmocka_unit_test(a_slow_connection_is_told_everything_once_it_reads_again),
		cmocka_unit_test(what_is_not_kept_any_more_is_made_up_for_with_the_state),
		cmocka_unit_test(a_watch_ends_if_the_state_that_would_make_up_is_too_large),
		cmocka_unit_test(answers_wait_for_the_events_that_they_reflect),
		cmocka_unit_test(an_answer_does_not_wait_for_a_watch_that_was_ended),
		cmocka_unit_test(marks_say_what_has_been_told_and_never_more),
		cmocka_unit_test(a_watch_of_a_past_without_anything_for_it_gets_a_mark),
		cmocka_unit_test(a_revision_too_large_for_one_event_is_told_in_parts),
		cmocka_unit_test(random_histories_are_told_in_order_whole_and_once),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
