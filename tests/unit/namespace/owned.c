/* What sessions and leases own, and its end with them. */
#include "tests/unit/namespace/living.h"

static void
end_by(struct fixture *fixture, struct party *party, struct party *other, uint8_t cause)
{
	if (cause == CAUSE_CLOSED) {
		leave(fixture, party);
	} else if (cause == CAUSE_EXPIRED) {
		expire(fixture, party);
	} else {
		act_as(fixture, other);
		assert_int_equal(revoke_id(fixture, party->session, true), SYNOD_OK);
		assert_int_equal(answered_count(fixture), 2);
	}
}

static void
deletes_all_in_one_revision_with_the_cause(void **state)
{
	static const uint8_t causes[] = {CAUSE_CLOSED, CAUSE_EXPIRED, CAUSE_REVOKED};
	struct fixture fixture;
	struct party own;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/d/kept", "x");
	own = (struct party){fixture.session, fixture.seq};
	for (unsigned i = 0; i < 3; i++) {
		struct party party = join(&fixture, i);
		uint64_t nodes = namespace_nodes(fixture.namespace);

		act_as(&fixture, &party);
		assert_int_equal(create_ephemeral(&fixture, "/d/a"), SYNOD_OK);
		act_as(&fixture, &party);
		assert_int_equal(create_ephemeral(&fixture, "/e"), SYNOD_OK);
		if (i == 1)
			commit(&fixture);
		end_by(&fixture, &party, &own, causes[i]);
		assert_true(fixture.applied.session_ended == party.session);
		assert_int_equal(last_change_count(&fixture), 2);
		for (unsigned at = 0; at < 2; at++) {
			struct change change = last_change(&fixture, at);

			assert_int_equal(change.kind, CHANGE_DELETED);
			assert_int_equal(change.cause, causes[i]);
			assert_true(change.owner == party.session);
			assert_true(change.revision == fixture.slot);
			assert_int_equal(change.ordinal, at);
			assert_true(slice_equal(change.path, slice_of(at == 0 ? "/e" : "/d/a")));
		}
		assert_int_equal(namespace_nodes(fixture.namespace), nodes);
		assert_int_equal(stat_of(&fixture, "/d").children, 1);
		assert_hash_is_true(&fixture);
	}
	fixture_close(&fixture);
}

static void
deletes_what_a_lease_owns_and_leaves_what_its_session_does(void **state)
{
	struct fixture fixture;
	uint64_t lease;

	(void)state;
	fixture_open(&fixture);
	lease = grant_lease(&fixture);
	assert_int_equal(create_leased(&fixture, "/l", lease), SYNOD_OK);
	assert_int_equal(create_ephemeral(&fixture, "/e"), SYNOD_OK);
	assert_true(stat_of(&fixture, "/l").owner == lease);
	assert_int_equal(stat_of(&fixture, "/l").kind, NODE_LEASED);
	assert_int_equal(revoke_id(&fixture, lease, false), SYNOD_OK);
	assert_int_equal(answered_count(&fixture), 1);
	assert_false(exists(&fixture, "/l"));
	assert_true(exists(&fixture, "/e"));
	write_body(&fixture, OP_SESSION_CLOSE, slice_of("\x90"));
	assert_false(exists(&fixture, "/e"));
	fixture_close(&fixture);
}

static void
finds_them_after_a_restart(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	create_ephemeral(&fixture, "/e");
	commit(&fixture);
	crash(&fixture);
	assert_int_equal(write_body(&fixture, OP_SESSION_CLOSE, slice_of("\x90")), SYNOD_OK);
	assert_false(exists(&fixture, "/e"));
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
leaves_the_revision_alone_when_there_is_nothing(void **state)
{
	struct fixture fixture;
	uint64_t revision;

	(void)state;
	fixture_open(&fixture);
	create_ephemeral(&fixture, "/e");
	put(&fixture, "/other", "x");
	delete_node(&fixture, "/e");
	revision = namespace_revision(fixture.namespace);
	assert_int_equal(write_body(&fixture, OP_SESSION_CLOSE, slice_of("\x90")), SYNOD_OK);
	assert_int_equal(last_change_count(&fixture), 0);
	assert_true(namespace_revision(fixture.namespace) == revision);
	fixture_close(&fixture);
}

static void
leaves_what_another_took_over(void **state)
{
	struct fixture fixture;
	struct party one;
	struct party other;

	(void)state;
	fixture_open(&fixture);
	one = join(&fixture, 8);
	other = join(&fixture, 9);
	act_as(&fixture, &one);
	create_ephemeral(&fixture, "/e");
	act_as(&fixture, &one);
	create_ephemeral(&fixture, "/f");
	act_as(&fixture, &other);
	assert_int_equal(write_kind(&fixture, OP_PUT, "/e", NODE_EPHEMERAL, 0, 0), SYNOD_OK);
	leave(&fixture, &one);
	assert_int_equal(last_change_count(&fixture), 1);
	assert_true(stat_of(&fixture, "/e").owner == other.session);
	assert_false(exists(&fixture, "/f"));
	leave(&fixture, &other);
	assert_false(exists(&fixture, "/e"));
	fixture_close(&fixture);
}

static void
is_not_confused_by_transactions_that_fail(void **state)
{
	struct operation operation = {
		.op = OP_CREATE, .path = slice_of("/e"), .kind = NODE_EPHEMERAL};
	struct batch batch = {0};
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	create_ephemeral(&fixture, "/gone");
	batch_add_with(&batch, THEN, &operation, NULL);
	batch_add(&batch, THEN, OP_DELETE, 0, "/gone", NULL);
	batch_add(&batch, THEN, OP_DELETE, 0, "/missing", NULL);
	assert_int_equal(batch_run(&fixture, &batch), SYNOD_NOT_FOUND);
	assert_int_equal(write_body(&fixture, OP_SESSION_CLOSE, slice_of("\x90")), SYNOD_OK);
	assert_int_equal(last_change_count(&fixture), 1);
	assert_int_equal(namespace_nodes(fixture.namespace), 2);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

struct counted {
	uint64_t revision;
	uint64_t count;
};

static bool
count_deleted(void *context, const struct change *change)
{
	struct counted *counted = context;

	if (change->revision == counted->revision && change->kind == CHANGE_DELETED &&
	    change->cause == CAUSE_CLOSED)
		assert_int_equal(change->ordinal, counted->count++);
	return true;
}

/* More than one batch, than one chunk of the history, and than the cache. */
static void
deletes_very_many(void **state)
{
	struct namespace_options options = {.cache_nodes = 50};
	struct counted counted = {0};
	struct fixture fixture;
	bool is_whole;
	char path[128];

	(void)state;
	fixture_open_with(&fixture, ":memory:", &options);
	for (unsigned i = 0; i < 30; i++) {
		snprintf(path, sizeof path, "/parent%u", i);
		create(&fixture, path);
	}
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(path, sizeof path, "/parent%u/%060u", i % 30, i);
		fixture.acknowledged = fixture.seq;
		assert_int_equal(create_ephemeral(&fixture, path), SYNOD_OK);
	}
	assert_int_equal(write_body(&fixture, OP_SESSION_CLOSE, slice_of("\x90")), SYNOD_OK);
	assert_int_equal(namespace_nodes(fixture.namespace), 32);
	namespace_last_changes(fixture.namespace, &is_whole);
	assert_false(is_whole);
	counted.revision = fixture.slot;
	assert_int_equal(
		namespace_each_change(fixture.namespace, fixture.slot, count_deleted, &counted),
		SYNOD_OK);
	assert_int_equal(counted.count, 5000);
	assert_in_range(fixture.namespace->cache.count, 0, 60);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

/* ---- OWNED ---- */

struct owned_page {
	uint32_t count;
	struct slice first;
	struct slice last;
	bool more;
};

static int
read_owned(struct fixture *fixture, uint64_t owner, const char *after, uint64_t limit,
           struct owned_page *page)
{
	struct operation operation = {
		.op = OP_OWNED, .path = slice_of("/"), .limit = limit, .revision = owner};
	struct cursor cursor;
	int error;

	if (after != NULL)
		operation.after = slice_of(after);
	error = read_operation(fixture, &operation, NULL);
	if (error != SYNOD_OK)
		return error;
	*page = (struct owned_page){0};
	cursor_init(&cursor, buffer_slice(&fixture->result));
	assert_int_equal(cursor_array(&cursor), 2);
	page->count = cursor_array(&cursor);
	for (uint32_t i = 0; i < page->count; i++) {
		page->last = cursor_string(&cursor);
		if (i == 0)
			page->first = page->last;
	}
	cursor_leave(&cursor);
	page->more = cursor_bool(&cursor);
	cursor_leave(&cursor);
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	return error;
}

static void
tells_what_is_owned_in_pages(void **state)
{
	struct fixture fixture;
	struct owned_page page;
	uint64_t lease;

	(void)state;
	fixture_open(&fixture);
	create(&fixture, "/d");
	create_ephemeral(&fixture, "/d/b");
	create_ephemeral(&fixture, "/d/a");
	create_ephemeral(&fixture, "/z");
	lease = grant_lease(&fixture);
	assert_int_equal(read_owned(&fixture, fixture.session, NULL, 0, &page), SYNOD_OK);
	assert_int_equal(page.count, 3);
	assert_true(slice_equal(page.first, slice_of("/z")));
	assert_true(slice_equal(page.last, slice_of("/d/b")));
	assert_false(page.more);
	assert_int_equal(read_owned(&fixture, fixture.session, NULL, 2, &page), SYNOD_OK);
	assert_int_equal(page.count, 2);
	assert_true(slice_equal(page.last, slice_of("/d/a")));
	assert_true(page.more);
	assert_int_equal(read_owned(&fixture, fixture.session, "/d/a", 2, &page), SYNOD_OK);
	assert_int_equal(page.count, 1);
	assert_true(slice_equal(page.last, slice_of("/d/b")));
	assert_false(page.more);
	assert_int_equal(read_owned(&fixture, lease, NULL, 0, &page), SYNOD_OK);
	assert_int_equal(page.count, 0);
	assert_int_equal(read_owned(&fixture, 0, NULL, 0, &page), SYNOD_NO_LEASE);
	assert_int_equal(read_owned(&fixture, 999, NULL, 0, &page), SYNOD_NO_LEASE);
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deletes_all_in_one_revision_with_the_cause),
		cmocka_unit_test(deletes_what_a_lease_owns_and_leaves_what_its_session_does),
		cmocka_unit_test(finds_them_after_a_restart),
		cmocka_unit_test(leaves_the_revision_alone_when_there_is_nothing),
		cmocka_unit_test(leaves_what_another_took_over),
		cmocka_unit_test(is_not_confused_by_transactions_that_fail),
		cmocka_unit_test(deletes_very_many),
		cmocka_unit_test(tells_what_is_owned_in_pages),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
