/* Watches and events on the wire: what is encoded is decoded, and bad input is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "shared/error.h"
#include "shared/protocol.h"

/* ---- requests ---- */

static int
decode_request(const struct watch_request *request, struct watch_request *decoded, const char **why)
{
	static struct buffer out;

	buffer_clear(&out);
	watch_request_encode(&out, request);
	assert_false(out.failed);
	return watch_request_decode(buffer_slice(&out), decoded, why);
}

static void
assert_refused(struct watch_request request, int error)
{
	struct watch_request decoded;
	const char *why = NULL;

	assert_int_equal(decode_request(&request, &decoded, &why), error);
	assert_non_null(why);
	assert_int_equal(decode_request(&request, &decoded, NULL), error);
}

static void
a_request_comes_back_as_it_was(void **state)
{
	const struct watch_request request = {
		.watch = UINT64_MAX,
		.path = slice_of("/a/b"),
		.scope = WATCH_SUBTREE,
		.flags = WATCH_INITIAL | WATCH_WITH_DATA,
		.from = 77,
	};
	struct watch_request decoded;
	const char *why = NULL;

	(void)state;
	assert_int_equal(decode_request(&request, &decoded, &why), SYNOD_OK);
	assert_null(why);
	assert_true(decoded.watch == UINT64_MAX);
	assert_true(slice_equal(decoded.path, slice_of("/a/b")));
	assert_int_equal(decoded.scope, WATCH_SUBTREE);
	assert_int_equal(decoded.flags, WATCH_INITIAL | WATCH_WITH_DATA);
	assert_int_equal(decoded.from, 77);
}

static void
bad_requests_are_refused_with_a_reason(void **state)
{
	const struct watch_request good = {.watch = 1, .path = slice_of("/a"), .scope = WATCH_NODE};
	struct watch_request bad;

	(void)state;
	bad = good;
	bad.watch = 0;
	assert_refused(bad, SYNOD_BAD_ARGUMENT);
	bad = good;
	bad.path = slice_of("a");
	assert_refused(bad, SYNOD_BAD_PATH);
	bad.path = slice_of("/a/");
	assert_refused(bad, SYNOD_BAD_PATH);
	bad = good;
	bad.scope = 0;
	assert_refused(bad, SYNOD_UNSUPPORTED);
	bad.scope = WATCH_OWNED + 1;
	assert_refused(bad, SYNOD_UNSUPPORTED);
	bad = good;
	bad.flags = WATCH_FLAGS_KNOWN + 1;
	assert_refused(bad, SYNOD_UNSUPPORTED);
	bad = good;
	bad.scope = WATCH_OWNED;
	assert_refused(bad, SYNOD_BAD_ARGUMENT);
}

static void
a_request_without_flags_and_start_has_neither(void **state)
{
	static const uint8_t short_one[] = {0x93, 0x01, 0xa1, '/', WATCH_OWNED};
	struct watch_request decoded;

	(void)state;
	assert_int_equal(
		watch_request_decode((struct slice){short_one, sizeof short_one}, &decoded, NULL),
		SYNOD_OK);
	assert_int_equal(decoded.flags, 0);
	assert_int_equal(decoded.from, 0);
}

static void
a_request_that_is_cut_anywhere_is_malformed(void **state)
{
	const struct watch_request request = {
		.watch = 1000, .path = slice_of("/abc"), .scope = WATCH_NODE, .from = 70000};
	struct watch_request decoded;
	struct buffer out = BUFFER_EMPTY;

	(void)state;
	watch_request_encode(&out, &request);
	for (size_t size = 0; size < out.size; size++)
		assert_int_equal(
			watch_request_decode((struct slice){out.bytes, size}, &decoded, NULL),
			SYNOD_BAD_MESSAGE);
	buffer_append(&out, "", 1);
	assert_int_equal(watch_request_decode(buffer_slice(&out), &decoded, NULL),
	                 SYNOD_BAD_MESSAGE);
	buffer_fini(&out);
}

/* ---- events ---- */

static void
changes_come_back_as_they_were(void **state)
{
	const struct change changes[] = {
		{.revision = 9,
	         .ordinal = 1,
	         .path = slice_of("/a"),
	         .kind = CHANGE_MODIFIED,
	         .version = 3,
	         .owner = 5,
	         .cause = CAUSE_SUPERSEDED,
	         .data = slice_of("x"),
	         .previous_owner = 4},
		{.revision = 9, .ordinal = 2, .path = slice_of("/b"), .kind = CHANGE_DELETED},
	};
	struct buffer out = BUFFER_EMPTY;
	struct event event;
	struct change change;

	(void)state;
	event_encode_head(&out, 7, EVENT_CHANGES, 9, true);
	pack_array(&out, 2);
	change_encode(&out, &changes[0]);
	change_encode(&out, &changes[1]);
	pack_bool(&out, false);
	assert_int_equal(event_decode(buffer_slice(&out), &event), SYNOD_OK);
	assert_int_equal(event.watch, 7);
	assert_int_equal(event.kind, EVENT_CHANGES);
	assert_int_equal(event.revision, 9);
	assert_true(event.more);
	assert_false(event.compacted);
	assert_int_equal(event.item_count, 2);
	change_decode(&event.items, &change);
	assert_true(slice_equal(change.path, slice_of("/a")));
	assert_true(slice_equal(change.data, slice_of("x")));
	assert_int_equal(change.cause, CAUSE_SUPERSEDED);
	assert_int_equal(change.previous_owner, 4);
	change_decode(&event.items, &change);
	assert_true(slice_equal(change.path, slice_of("/b")));
	assert_null(change.data.bytes);
	assert_false(event.items.failed);
	buffer_fini(&out);
}

static void
state_comes_back_as_it_was(void **state)
{
	const struct node_stat stat = {
		.created = 3, .modified = 4, .owner = 5, .kind = NODE_LEASED};
	struct buffer out = BUFFER_EMPTY;
	struct state_item item;
	struct event event;

	(void)state;
	event_encode_head(&out, 1, EVENT_STATE, 4, false);
	pack_array(&out, 1);
	pack_array(&out, 3);
	pack_string(&out, slice_of("/a"));
	stat_encode(&out, &stat);
	pack_nil(&out);
	pack_bool(&out, true);
	assert_int_equal(event_decode(buffer_slice(&out), &event), SYNOD_OK);
	assert_true(event.compacted);
	assert_int_equal(event.item_count, 1);
	state_item_decode(&event.items, &item);
	assert_false(event.items.failed);
	assert_true(slice_equal(item.path, slice_of("/a")));
	assert_int_equal(item.stat.modified, 4);
	assert_int_equal(item.stat.kind, NODE_LEASED);
	assert_null(item.data.bytes);
	buffer_fini(&out);
}

static void
an_end_carries_its_error_and_a_mark_nothing(void **state)
{
	struct buffer out = BUFFER_EMPTY;
	struct event event;

	(void)state;
	event_encode_head(&out, 3, EVENT_END, 8, false);
	pack_array(&out, 1);
	pack_u64(&out, SYNOD_COMPACTED);
	pack_bool(&out, false);
	assert_int_equal(event_decode(buffer_slice(&out), &event), SYNOD_OK);
	assert_int_equal(event.kind, EVENT_END);
	assert_int_equal(event.error, SYNOD_COMPACTED);
	buffer_clear(&out);
	event_encode_head(&out, 0, EVENT_MARK, 99, false);
	pack_array(&out, 0);
	pack_bool(&out, false);
	assert_int_equal(event_decode(buffer_slice(&out), &event), SYNOD_OK);
	assert_int_equal(event.kind, EVENT_MARK);
	assert_int_equal(event.watch, 0);
	assert_int_equal(event.revision, 99);
	assert_int_equal(event.item_count, 0);
	buffer_fini(&out);
}

static void
an_event_of_a_later_version_is_understood_as_far_as_it_is_known(void **state)
{
	struct buffer out = BUFFER_EMPTY;
	struct event event;

	(void)state;
	pack_array(&out, 8);
	pack_u64(&out, 3);
	pack_u64(&out, 200);
	pack_u64(&out, 8);
	pack_bool(&out, false);
	pack_array(&out, 1);
	pack_string(&out, slice_of("?"));
	pack_bool(&out, true);
	pack_u64(&out, 1);
	pack_nil(&out);
	assert_int_equal(event_decode(buffer_slice(&out), &event), SYNOD_OK);
	assert_int_equal(event.kind, 200);
	assert_true(event.compacted);
	buffer_fini(&out);
}

static void
an_event_that_is_cut_anywhere_is_malformed(void **state)
{
	const struct change change = {.revision = 300, .path = slice_of("/a"), .kind = 1};
	struct buffer out = BUFFER_EMPTY;
	struct event event;

	(void)state;
	event_encode_head(&out, 700, EVENT_CHANGES, 300, false);
	pack_array(&out, 1);
	change_encode(&out, &change);
	pack_bool(&out, false);
	for (size_t size = 0; size < out.size; size++)
		assert_int_equal(event_decode((struct slice){out.bytes, size}, &event),
		                 SYNOD_BAD_MESSAGE);
	buffer_fini(&out);
}

/* An END without its error, and one with more than that. */
static void
an_end_without_an_error_is_malformed(void **state)
{
	struct buffer out = BUFFER_EMPTY;
	struct event event;

	(void)state;
	event_encode_head(&out, 3, EVENT_END, 8, false);
	pack_array(&out, 0);
	pack_bool(&out, false);
	assert_int_equal(event_decode(buffer_slice(&out), &event), SYNOD_BAD_MESSAGE);
	buffer_clear(&out);
	event_encode_head(&out, 3, EVENT_END, 8, false);
	pack_array(&out, 2);
	pack_u64(&out, SYNOD_COMPACTED);
	pack_string(&out, slice_of("why"));
	pack_bool(&out, false);
	assert_int_equal(event_decode(buffer_slice(&out), &event), SYNOD_OK);
	assert_int_equal(event.error, SYNOD_COMPACTED);
	buffer_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_comes_back_as_it_was),
		cmocka_unit_test(bad_requests_are_refused_with_a_reason),
		cmocka_unit_test(a_request_without_flags_and_start_has_neither),
		cmocka_unit_test(a_request_that_is_cut_anywhere_is_malformed),
		cmocka_unit_test(changes_come_back_as_they_were),
		cmocka_unit_test(state_comes_back_as_it_was),
		cmocka_unit_test(an_end_carries_its_error_and_a_mark_nothing),
		cmocka_unit_test(an_event_of_a_later_version_is_understood_as_far_as_it_is_known),
		cmocka_unit_test(an_event_that_is_cut_anywhere_is_malformed),
		cmocka_unit_test(an_end_without_an_error_is_malformed),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
