/* Decoding of answers: what they say, and that a malformed one is never more than an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/request.h"
#include "client/result.h"
#include "shared/error.h"

static const struct node_stat stat = {
	.created = 1,
	.modified = 2,
	.children_modified = 3,
	.version = 4,
	.children_version = 5,
	.access_version = 6,
	.created_ms = 7,
	.modified_ms = 8,
	.owner = 9,
	.data_size = 10,
	.has_data = true,
	.children = 11,
	.sequence = 12,
	.kind = NODE_CONTENDER,
	.ttl_ms = 13,
	.token = 14,
	.mode = LOCK_SHARED,
};

static struct buffer body;
static struct buffer packed;
static struct outcome *outcome;

static int
set_up(void **state)
{
	(void)state;
	body = packed = BUFFER_EMPTY;
	outcome = outcome_new();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	buffer_fini(&body);
	buffer_fini(&packed);
	outcome_free(outcome);
	return 0;
}

static void
ask(uint8_t op, const char *path)
{
	const struct operation operation = {.op = op, .path = slice_of(path)};

	operation_encode(&body, &operation, NULL);
}

static const struct synod_result *
decode(uint8_t op, int error)
{
	const struct response response = {
		.error = error,
		.revision = 77,
		.stale_ms = 5,
		.result = buffer_slice(&packed),
	};

	outcome_decode(outcome, op, buffer_slice(&body), &response);
	return &outcome->result;
}

/*
 * Every way to cut the answer short, and every way to change one byte of it, gives
 * a result; the sanitizers watch.
 */
static void
decode_damaged(uint8_t op)
{
	struct response response = {.revision = 77};
	uint8_t *copy = malloc(packed.size);

	for (size_t size = 0; size < packed.size; size++) {
		memcpy(copy, packed.bytes, packed.size);
		response.result = (struct slice){copy, size};
		outcome_clear(outcome);
		outcome_decode(outcome, op, buffer_slice(&body), &response);
		assert_int_equal(outcome->result.error, SYNOD_BAD_MESSAGE);
	}
	for (size_t i = 0; i < packed.size; i++) {
		for (unsigned value = 0; value < 256; value++) {
			memcpy(copy, packed.bytes, packed.size);
			copy[i] = (uint8_t)value;
			response.result = (struct slice){copy, packed.size};
			outcome_clear(outcome);
			outcome_decode(outcome, op, buffer_slice(&body), &response);
		}
	}
	free(copy);
}

static void
decodes_a_get(void **state)
{
	const struct synod_result *result;

	(void)state;
	ask(OP_GET, "/a/b");
	pack_array(&packed, 2);
	stat_encode(&packed, &stat);
	pack_binary(&packed, slice_of("data"));
	result = decode(OP_GET, SYNOD_OK);
	assert_int_equal(result->error, SYNOD_OK);
	assert_int_equal(result->revision, 77);
	assert_int_equal(result->stale_ms, 5);
	assert_int_equal(result->failed_index, -1);
	assert_string_equal(result->node.path, "/a/b");
	assert_int_equal(result->node.size, 4);
	assert_memory_equal(result->node.data, "data", 5);
	assert_true(result->node.has_stat);
	assert_int_equal(result->node.stat.created, 1);
	assert_int_equal(result->node.stat.access_version, 6);
	assert_int_equal(result->node.stat.sequence, 12);
	assert_int_equal(result->node.stat.kind, SYNOD_CONTENDER);
	assert_int_equal(result->node.stat.ttl_ms, 13);
	assert_int_equal(result->node.stat.token, 14);
	assert_int_equal(result->node.stat.mode, 2);
	decode_damaged(OP_GET);
}

static void
tells_absent_data_from_empty_data(void **state)
{
	(void)state;
	ask(OP_GET, "/");
	pack_array(&packed, 2);
	stat_encode(&packed, &stat);
	pack_nil(&packed);
	assert_null(decode(OP_GET, SYNOD_OK)->node.data);
	outcome_clear(outcome);
	buffer_clear(&packed);
	pack_array(&packed, 2);
	stat_encode(&packed, &stat);
	pack_binary(&packed, slice_of(""));
	assert_non_null(decode(OP_GET, SYNOD_OK)->node.data);
	assert_int_equal(outcome->result.node.size, 0);
}

static void
decodes_a_write_with_the_node_before_and_after(void **state)
{
	const struct synod_result *result;

	(void)state;
	ask(OP_CREATE, "/q/n-");
	pack_array(&packed, 4);
	pack_u64(&packed, 4);
	pack_string(&packed, slice_of("/q/n-0000000012"));
	stat_encode(&packed, &stat);
	pack_array(&packed, 2);
	stat_encode(&packed, &stat);
	pack_binary(&packed, slice_of("old"));
	result = decode(OP_CREATE, SYNOD_OK);
	assert_int_equal(result->error, SYNOD_OK);
	assert_string_equal(result->node.path, "/q/n-0000000012");
	assert_true(result->node.has_stat);
	assert_true(result->has_previous);
	assert_string_equal(result->previous.data, "old");
	decode_damaged(OP_CREATE);
}

static void
decodes_a_write_that_tells_only_its_version(void **state)
{
	const struct synod_result *result;

	(void)state;
	ask(OP_SET, "/a");
	pack_array(&packed, 1);
	pack_u64(&packed, 9);
	result = decode(OP_SET, SYNOD_OK);
	assert_int_equal(result->error, SYNOD_OK);
	assert_int_equal(result->node.stat.version, 9);
	assert_false(result->node.has_stat);
	assert_false(result->has_previous);
	assert_string_equal(result->node.path, "/a");
}

static void
decodes_a_place_in_a_queue(void **state)
{
	const struct synod_result *result;

	(void)state;
	ask(OP_ACQUIRE, "/lock");
	pack_array(&packed, 3);
	pack_u64(&packed, 0);
	pack_string(&packed, slice_of("/lock/c0000000007"));
	pack_u64(&packed, 2);
	result = decode(OP_ACQUIRE, SYNOD_OK);
	assert_int_equal(result->error, SYNOD_OK);
	assert_int_equal(result->token, 0);
	assert_int_equal(result->ahead, 2);
	assert_string_equal(result->node.path, "/lock/c0000000007");
	decode_damaged(OP_ACQUIRE);
}

static void
decodes_what_was_given_back_granted_and_revoked(void **state)
{
	(void)state;
	ask(OP_RELEASE, "/lock");
	pack_array(&packed, 1);
	pack_u64(&packed, 44);
	assert_int_equal(decode(OP_RELEASE, SYNOD_OK)->token, 44);
	assert_string_equal(outcome->result.node.path, "/lock");
	outcome_clear(outcome);
	buffer_clear(&packed);
	pack_array(&packed, 2);
	pack_u64(&packed, 501);
	pack_u64(&packed, 9000);
	assert_int_equal(decode(OP_LEASE_GRANT, SYNOD_OK)->id, 501);
	assert_int_equal(outcome->result.ttl_ms, 9000);
	assert_null(outcome->result.node.path);
	outcome_clear(outcome);
	buffer_clear(&packed);
	pack_array(&packed, 1);
	pack_u64(&packed, 3);
	assert_int_equal(decode(OP_REVOKE, SYNOD_OK)->deleted, 3);
}

static void
decodes_what_an_owner_owns(void **state)
{
	const struct synod_result *result;

	(void)state;
	ask(OP_OWNED, "/");
	pack_array(&packed, 2);
	pack_array(&packed, 2);
	pack_string(&packed, slice_of("/a/b"));
	pack_string(&packed, slice_of("/c"));
	pack_bool(&packed, false);
	result = decode(OP_OWNED, SYNOD_OK);
	assert_int_equal(result->error, SYNOD_OK);
	assert_int_equal(result->child_count, 2);
	assert_string_equal(result->children[0].path, "/a/b");
	assert_string_equal(result->children[1].path, "/c");
	assert_false(result->children[1].has_stat);
	assert_null(result->node.path);
	decode_damaged(OP_OWNED);
}

static void
skips_fields_that_are_newer_than_it(void **state)
{
	(void)state;
	ask(OP_SET, "/a");
	pack_array(&packed, 6);
	pack_u64(&packed, 9);
	pack_nil(&packed);
	pack_nil(&packed);
	pack_nil(&packed);
	pack_string(&packed, slice_of("from the future"));
	pack_array(&packed, 0);
	assert_int_equal(decode(OP_SET, SYNOD_OK)->error, SYNOD_OK);
}

static void
decodes_a_deletion(void **state)
{
	(void)state;
	ask(OP_DELETE, "/a");
	pack_array(&packed, 2);
	pack_u64(&packed, 12);
	pack_nil(&packed);
	assert_int_equal(decode(OP_DELETE, SYNOD_OK)->deleted, 12);
	decode_damaged(OP_DELETE);
}

static void
decodes_a_listing(void **state)
{
	const struct synod_result *result;

	(void)state;
	ask(OP_LIST, "/a");
	pack_array(&packed, 3);
	stat_encode(&packed, &stat);
	pack_array(&packed, 2);
	pack_array(&packed, 3);
	pack_string(&packed, slice_of("x"));
	stat_encode(&packed, &stat);
	pack_binary(&packed, slice_of("1"));
	pack_array(&packed, 1);
	pack_string(&packed, slice_of("y"));
	pack_bool(&packed, true);
	result = decode(OP_LIST, SYNOD_OK);
	assert_int_equal(result->error, SYNOD_OK);
	assert_int_equal(result->child_count, 2);
	assert_string_equal(result->children[0].path, "x");
	assert_true(result->children[0].has_stat);
	assert_string_equal(result->children[1].path, "y");
	assert_null(result->children[1].data);
	assert_true(result->more);
	decode_damaged(OP_LIST);
}

static void
pack_change(uint64_t revision, uint64_t ordinal, const char *path)
{
	const struct change change = {
		.revision = revision,
		.ordinal = ordinal,
		.path = slice_of(path),
		.kind = CHANGE_MODIFIED,
		.data = slice_of("d"),
	};

	change_encode(&packed, &change);
}

static void
decodes_changes_and_skips_those_it_has(void **state)
{
	const struct synod_result *result;

	(void)state;
	ask(OP_LOG, "/a");
	for (unsigned page = 0; page < 2; page++) {
		buffer_clear(&packed);
		pack_array(&packed, 3);
		pack_array(&packed, 2);
		pack_change(5, page, "/a");
		pack_change(5, page + 1, "/b");
		pack_u64(&packed, 3);
		pack_bool(&packed, page == 0);
		decode(OP_LOG, SYNOD_OK);
	}
	result = &outcome->result;
	assert_int_equal(result->error, SYNOD_OK);
	assert_int_equal(result->change_count, 3);
	assert_int_equal(result->changes[2].ordinal, 2);
	assert_string_equal(result->changes[1].path, "/b");
	assert_int_equal(result->oldest_revision, 3);
	assert_false(result->more);
	decode_damaged(OP_LOG);
}

static void
ask_transaction(void)
{
	const struct synod_operation operations[] = {
		{.op = SYNOD_OP_PUT, .path = "/a", .data = "1", .size = 1},
		{.op = SYNOD_OP_GET, .path = "/b"},
		{.op = SYNOD_OP_LIST, .path = "/c"},
		{.op = SYNOD_OP_CHECK, .path = "/d"},
	};
	const struct synod_transaction transaction = {.then_operations = operations,
	                                              .then_count = 4};
	const char *why = NULL;

	assert_int_equal(request_txn(&body, &transaction, NULL, &why), SYNOD_OK);
}

static void
decodes_a_transaction(void **state)
{
	const struct synod_result *result;

	(void)state;
	ask_transaction();
	pack_array(&packed, 3);
	pack_bool(&packed, true);
	pack_nil(&packed);
	pack_array(&packed, 4);
	pack_array(&packed, 2);
	pack_u64(&packed, SYNOD_OK);
	pack_array(&packed, 1);
	pack_u64(&packed, 3);
	pack_array(&packed, 2);
	pack_u64(&packed, SYNOD_OK);
	pack_array(&packed, 2);
	stat_encode(&packed, &stat);
	pack_binary(&packed, slice_of("b"));
	pack_array(&packed, 2);
	pack_u64(&packed, SYNOD_OK);
	pack_array(&packed, 3);
	stat_encode(&packed, &stat);
	pack_array(&packed, 1);
	pack_array(&packed, 1);
	pack_string(&packed, slice_of("child"));
	pack_bool(&packed, false);
	pack_array(&packed, 2);
	pack_u64(&packed, SYNOD_OK);
	pack_array(&packed, 0);
	result = decode(OP_TXN, SYNOD_OK);
	assert_int_equal(result->error, SYNOD_OK);
	assert_true(result->then_taken);
	assert_int_equal(result->failed_index, -1);
	assert_int_equal(result->result_count, 4);
	assert_int_equal(result->results[0].node.stat.version, 3);
	assert_string_equal(result->results[1].node.path, "/b");
	assert_string_equal(result->results[1].node.data, "b");
	assert_int_equal(result->results[2].child_count, 1);
	assert_string_equal(result->results[2].children[0].path, "child");
	decode_damaged(OP_TXN);
}

static void
says_which_operation_of_a_transaction_failed(void **state)
{
	const struct synod_result *result;

	(void)state;
	ask_transaction();
	pack_array(&packed, 3);
	pack_bool(&packed, true);
	pack_u64(&packed, 1);
	pack_array(&packed, 0);
	result = decode(OP_TXN, SYNOD_NOT_FOUND);
	assert_int_equal(result->error, SYNOD_NOT_FOUND);
	assert_int_equal(result->failed_index, 1);
	assert_int_equal(result->result_count, 0);
	outcome_clear(outcome);
	assert_int_equal(decode(OP_TXN, SYNOD_OK)->error, SYNOD_BAD_MESSAGE);
	outcome_clear(outcome);
	buffer_clear(&packed);
	pack_array(&packed, 3);
	pack_bool(&packed, true);
	pack_u64(&packed, 0);
	pack_array(&packed, 1);
	pack_array(&packed, 2);
	pack_u64(&packed, SYNOD_NO_PARENT);
	pack_string(&packed, slice_of("no /"));
	result = decode(OP_TXN, SYNOD_OK);
	assert_int_equal(result->error, SYNOD_NO_PARENT);
	assert_int_equal(result->failed_index, 0);
	assert_string_equal(result->results[0].message, "no /");
}

static void
refuses_more_results_than_operations(void **state)
{
	(void)state;
	ask_transaction();
	pack_array(&packed, 3);
	pack_bool(&packed, false);
	pack_nil(&packed);
	pack_array(&packed, 1);
	pack_array(&packed, 2);
	pack_u64(&packed, SYNOD_OK);
	pack_array(&packed, 0);
	assert_int_equal(decode(OP_TXN, SYNOD_OK)->error, SYNOD_BAD_MESSAGE);
}

static void
takes_an_error_with_a_text_or_without(void **state)
{
	(void)state;
	ask(OP_GET, "/a");
	pack_nil(&packed);
	assert_int_equal(decode(OP_GET, SYNOD_NOT_FOUND)->error, SYNOD_NOT_FOUND);
	assert_null(outcome->result.message);
	buffer_clear(&packed);
	outcome_clear(outcome);
	pack_string(&packed, slice_of("why"));
	assert_string_equal(decode(OP_GET, SYNOD_NOT_FOUND)->message, "why");
}

static void
does_not_reserve_memory_for_counts_that_cannot_be(void **state)
{
	static const uint8_t hostile[] = {0x92, 0x9d, 0, 0, 0, 0,    0,    0,    0,    0,
	                                  0,    0,    0, 0, 0, 0xdd, 0x7f, 0xff, 0xff, 0xff};

	(void)state;
	ask(OP_LIST, "/a");
	buffer_append(&packed, hostile, sizeof hostile);
	assert_int_equal(decode(OP_LIST, SYNOD_OK)->error, SYNOD_BAD_MESSAGE);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(decodes_a_get),
		TEST(tells_absent_data_from_empty_data),
		TEST(decodes_a_write_with_the_node_before_and_after),
		TEST(decodes_a_write_that_tells_only_its_version),
		TEST(decodes_a_place_in_a_queue),
		TEST(decodes_what_was_given_back_granted_and_revoked),
		TEST(decodes_what_an_owner_owns),
		TEST(skips_fields_that_are_newer_than_it),
		TEST(decodes_a_deletion),
		TEST(decodes_a_listing),
		TEST(decodes_changes_and_skips_those_it_has),
		TEST(decodes_a_transaction),
		TEST(says_which_operation_of_a_transaction_failed),
		TEST(refuses_more_results_than_operations),
		TEST(takes_an_error_with_a_text_or_without),
		TEST(does_not_reserve_memory_for_counts_that_cannot_be),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
