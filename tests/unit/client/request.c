/* Encoding of requests: what the members read, and what is refused before it is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/request.h"
#include "shared/error.h"

static struct buffer body;
static const char *why;

static int
set_up(void **state)
{
	(void)state;
	body = BUFFER_EMPTY;
	why = NULL;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	buffer_fini(&body);
	return 0;
}

static void
encodes_every_option_of_a_write(void **state)
{
	const struct synod_condition conditions[] = {
		{.kind = SYNOD_IF_VERSION, .relation = SYNOD_LESS, .number = 5},
		{.kind = SYNOD_IF_DATA, .path = "/b", .data = "x", .size = 1},
	};
	const struct synod_write_options options = {
		.conditions = conditions,
		.condition_count = 2,
		.make_parents = true,
		.want_previous = true,
		.want_stat = true,
	};
	struct operation operation;
	struct condition condition;

	(void)state;
	assert_int_equal(request_write(&body, OP_PUT, "/a", slice_of("data"), &options, &why),
	                 SYNOD_OK);
	assert_int_equal(operation_decode(OP_PUT, buffer_slice(&body), &operation, NULL), SYNOD_OK);
	assert_true(slice_equal(operation.path, slice_of("/a")));
	assert_true(slice_equal(operation.data, slice_of("data")));
	assert_int_equal(operation.flags, OP_PARENTS | OP_PREVIOUS | OP_WITH_STAT);
	assert_int_equal(operation.condition_count, 2);
	condition_next(&operation.conditions, &condition);
	assert_int_equal(condition.kind, CONDITION_VERSION);
	assert_int_equal(condition.relation, RELATION_LESS);
	assert_int_equal(condition.number, 5);
	assert_null(condition.path.bytes);
	condition_next(&operation.conditions, &condition);
	assert_int_equal(condition.relation, RELATION_EQUAL);
	assert_true(slice_equal(condition.path, slice_of("/b")));
	assert_true(slice_equal(condition.data, slice_of("x")));
}

static void
tells_absent_from_empty(void **state)
{
	struct operation operation;

	(void)state;
	assert_int_equal(request_write(&body, OP_PUT, "/a", request_data(NULL, 0), NULL, &why),
	                 SYNOD_OK);
	operation_decode(OP_PUT, buffer_slice(&body), &operation, NULL);
	assert_null(operation.data.bytes);
	buffer_clear(&body);
	assert_int_equal(request_write(&body, OP_PUT, "/a", request_data("", 0), NULL, &why),
	                 SYNOD_OK);
	operation_decode(OP_PUT, buffer_slice(&body), &operation, NULL);
	assert_non_null(operation.data.bytes);
	assert_int_equal(operation.data.size, 0);
}

static void
assert_refused(int error, uint8_t op, const char *path, const struct synod_write_options *options)
{
	why = NULL;
	buffer_clear(&body);
	assert_int_equal(request_write(&body, op, path, (struct slice){NULL, 0}, options, &why),
	                 error);
	assert_non_null(why);
}

static void
refuses_what_a_member_would_refuse(void **state)
{
	const struct synod_write_options sequential = {.sequential = true};
	const struct synod_condition strange = {.kind = (enum synod_condition_kind)99};
	const struct synod_condition huge = {.kind = (enum synod_condition_kind)4097};
	const struct synod_condition nothing = {.kind = SYNOD_IF_DATA, .size = 1};
	const struct synod_write_options bad_condition = {.conditions = &strange,
	                                                  .condition_count = 1};
	const struct synod_write_options bad_kind = {.conditions = &huge, .condition_count = 1};
	const struct synod_write_options bad_data = {.conditions = &nothing, .condition_count = 1};
	const struct synod_write_options many = {.conditions = &strange, .condition_count = 65};

	(void)state;
	assert_refused(SYNOD_BAD_ARGUMENT, OP_PUT, NULL, NULL);
	assert_refused(SYNOD_BAD_PATH, OP_PUT, "", NULL);
	assert_refused(SYNOD_BAD_PATH, OP_PUT, "/a/", NULL);
	assert_refused(SYNOD_BAD_PATH, OP_PUT, "/a/../b", NULL);
	assert_refused(SYNOD_BAD_PATH, OP_PUT, "/\xff", NULL);
	assert_refused(SYNOD_RESERVED, OP_PUT, "/synod/a", NULL);
	assert_refused(SYNOD_BAD_ARGUMENT, OP_DELETE, "/", NULL);
	assert_refused(SYNOD_BAD_ARGUMENT, OP_PUT, "/a", &sequential);
	assert_refused(SYNOD_UNSUPPORTED, OP_PUT, "/a", &bad_condition);
	assert_refused(SYNOD_BAD_ARGUMENT, OP_PUT, "/a", &bad_kind);
	assert_refused(SYNOD_BAD_ARGUMENT, OP_PUT, "/a", &bad_data);
	assert_refused(SYNOD_BAD_ARGUMENT, OP_PUT, "/a", &many);
}

static void
encodes_whose_a_node_is(void **state)
{
	const struct synod_write_options leased = {.kind = SYNOD_LEASED, .lease = 77};
	const struct synod_write_options ttl = {.kind = SYNOD_TTL, .ttl_ms = 5000};
	const struct synod_write_options service = {.kind = SYNOD_SERVICE, .brake_percent = 30};
	struct operation operation;

	(void)state;
	assert_int_equal(request_write(&body, OP_PUT, "/a", slice_of("x"), &leased, &why),
	                 SYNOD_OK);
	assert_int_equal(operation_decode(OP_PUT, buffer_slice(&body), &operation, NULL), SYNOD_OK);
	assert_int_equal(operation.kind, NODE_LEASED);
	assert_int_equal(operation.lease, 77);
	buffer_clear(&body);
	assert_int_equal(request_write(&body, OP_CREATE, "/a", slice_of("x"), &ttl, &why),
	                 SYNOD_OK);
	assert_int_equal(operation_decode(OP_CREATE, buffer_slice(&body), &operation, NULL),
	                 SYNOD_OK);
	assert_int_equal(operation.kind, NODE_TTL);
	assert_int_equal(operation.ttl_ms, 5000);
	buffer_clear(&body);
	assert_int_equal(request_write(&body, OP_PUT, "/a", slice_of("x"), &service, &why),
	                 SYNOD_OK);
	assert_int_equal(operation_decode(OP_PUT, buffer_slice(&body), &operation, NULL), SYNOD_OK);
	assert_int_equal(operation.kind, NODE_SERVICE);
	assert_int_equal(operation.brake_percent, 30);
}

static void
refuses_kinds_that_make_no_sense(void **state)
{
	const struct synod_write_options leased = {.kind = SYNOD_LEASED};
	const struct synod_write_options lease = {.lease = 7};
	const struct synod_write_options brief = {.kind = SYNOD_TTL, .ttl_ms = 999};
	const struct synod_write_options lock = {.kind = SYNOD_LOCK};
	const struct synod_write_options suspect = {.kind = SYNOD_SUSPECT};
	const struct synod_write_options brake = {.brake_percent = 50};
	const struct synod_write_options ephemeral = {.kind = SYNOD_EPHEMERAL};
	const struct synod_write_options strange = {.kind = (enum synod_node_kind)257};

	(void)state;
	assert_refused(SYNOD_BAD_ARGUMENT, OP_PUT, "/a", &leased);
	assert_refused(SYNOD_BAD_ARGUMENT, OP_PUT, "/a", &lease);
	assert_refused(SYNOD_BAD_ARGUMENT, OP_PUT, "/a", &brief);
	assert_refused(SYNOD_BAD_ARGUMENT, OP_PUT, "/a", &lock);
	assert_refused(SYNOD_BAD_ARGUMENT, OP_PUT, "/a", &suspect);
	assert_refused(SYNOD_BAD_ARGUMENT, OP_PUT, "/a", &brake);
	assert_refused(SYNOD_BAD_ARGUMENT, OP_SET, "/a", &brake);
	assert_refused(SYNOD_BAD_ARGUMENT, OP_SET, "/a", &ephemeral);
	assert_refused(SYNOD_BAD_ARGUMENT, OP_DELETE, "/a", &lease);
	assert_refused(SYNOD_BAD_ARGUMENT, OP_PUT, "/a", &strange);
}

static void
encodes_a_guard_as_one_more_condition(void **state)
{
	static struct synod_condition conditions[CONDITIONS_MAX];
	struct synod_write_options options = {.guard = {"/lock", 42}};
	struct operation operation;
	struct condition condition;

	(void)state;
	assert_int_equal(request_write(&body, OP_SET, "/a", slice_of("x"), &options, &why),
	                 SYNOD_OK);
	assert_int_equal(operation_decode(OP_SET, buffer_slice(&body), &operation, NULL), SYNOD_OK);
	assert_int_equal(operation.condition_count, 1);
	condition_next(&operation.conditions, &condition);
	assert_int_equal(condition.kind, CONDITION_TOKEN);
	assert_int_equal(condition.relation, RELATION_EQUAL);
	assert_true(slice_equal(condition.path, slice_of("/lock")));
	assert_int_equal(condition.number, 42);
	for (unsigned i = 0; i < CONDITIONS_MAX; i++)
		conditions[i] = (struct synod_condition){.kind = SYNOD_IF_VERSION};
	options.conditions = conditions;
	options.condition_count = CONDITIONS_MAX;
	assert_refused(SYNOD_BAD_ARGUMENT, OP_SET, "/a", &options);
	options.condition_count = CONDITIONS_MAX - 1;
	assert_int_equal(request_write(&body, OP_SET, "/a", slice_of("x"), &options, &why),
	                 SYNOD_OK);
	options = (struct synod_write_options){.guard = {"lock", 42}};
	assert_refused(SYNOD_BAD_PATH, OP_SET, "/a", &options);
}

static void
guards_a_transaction_and_its_operations(void **state)
{
	const struct synod_write_options guarded = {.guard = {"/lock", 42}};
	const struct synod_operation then = {.op = SYNOD_OP_SET, .path = "/a", .write = &guarded};
	const struct synod_transaction request = {.then_operations = &then, .then_count = 1};
	struct transaction transaction;
	struct operation operation;
	struct condition condition;

	(void)state;
	assert_int_equal(request_txn(&body, &request, &guarded.guard, &why), SYNOD_OK);
	assert_int_equal(transaction_decode(buffer_slice(&body), &transaction, NULL), SYNOD_OK);
	assert_int_equal(transaction.condition_count, 1);
	condition_next(&transaction.conditions, &condition);
	assert_int_equal(condition.kind, CONDITION_TOKEN);
	operation_next(&transaction.then_operations, &operation);
	assert_int_equal(operation.condition_count, 1);
	condition_next(&operation.conditions, &condition);
	assert_int_equal(condition.number, 42);
}

static void
encodes_contending_and_withdrawing(void **state)
{
	struct synod_contend_options options = {
		.value = "me", .size = 2, .try_only = true, .limit = 3, .delay_ms = 500};
	struct operation operation;

	(void)state;
	assert_int_equal(request_contend(&body, "/lock", &options, &why), SYNOD_OK);
	assert_int_equal(operation_decode(OP_ACQUIRE, buffer_slice(&body), &operation, NULL),
	                 SYNOD_OK);
	assert_true(slice_equal(operation.path, slice_of("/lock")));
	assert_true(slice_equal(operation.data, slice_of("me")));
	assert_int_equal(operation.flags, OP_TRY);
	assert_int_equal(operation.limit, 3);
	assert_int_equal(operation.ttl_ms, 500);
	buffer_clear(&body);
	options.shared = true;
	assert_int_equal(request_contend(&body, "/lock", &options, &why), SYNOD_BAD_ARGUMENT);
	options = (struct synod_contend_options){.delay_ms = LOCK_DELAY_MAX_MS + 1};
	assert_int_equal(request_contend(&body, "/lock", &options, &why), SYNOD_BAD_ARGUMENT);
	options = (struct synod_contend_options){0};
	assert_int_equal(request_contend(&body, NULL, &options, &why), SYNOD_BAD_ARGUMENT);
	assert_int_equal(request_contend(&body, "/", &options, &why), SYNOD_BAD_ARGUMENT);
	buffer_clear(&body);
	assert_int_equal(request_withdraw(&body, "/lock", 9, &why), SYNOD_OK);
	assert_int_equal(operation_decode(OP_RELEASE, buffer_slice(&body), &operation, NULL),
	                 SYNOD_OK);
	assert_int_equal(operation.token, 9);
	assert_int_equal(request_withdraw(&body, "lock", 9, &why), SYNOD_BAD_PATH);
}

static void
knows_the_bounds_of_leases(void **state)
{
	(void)state;
	assert_int_equal(request_lease_grant(&body, LEASE_TTL_MIN_MS, &why), SYNOD_OK);
	assert_int_equal(request_lease_grant(&body, LEASE_TTL_MAX_MS, &why), SYNOD_OK);
	assert_int_equal(request_lease_grant(&body, LEASE_TTL_MIN_MS - 1, &why),
	                 SYNOD_BAD_ARGUMENT);
	assert_int_equal(request_lease_grant(&body, LEASE_TTL_MAX_MS + UINT64_C(1), &why),
	                 SYNOD_BAD_ARGUMENT);
	assert_int_equal(request_revoke(&body, 0, false, &why), SYNOD_BAD_ARGUMENT);
	assert_int_equal(request_revoke(&body, 5, true, &why), SYNOD_OK);
}

static void
encodes_both_branches_of_a_transaction(void **state)
{
	const struct synod_condition exists = {.kind = SYNOD_IF_EXISTS, .path = "/a", .number = 1};
	const struct synod_read_options read = {.with_data = true, .limit = 3};
	const struct synod_operation then[] = {
		{.op = SYNOD_OP_SET, .path = "/a", .data = "1", .size = 1},
		{.op = SYNOD_OP_LIST, .path = "/", .read = &read},
	};
	const struct synod_operation otherwise[] = {{.op = SYNOD_OP_CREATE, .path = "/a"}};
	const struct synod_transaction request = {
		.conditions = &exists,
		.condition_count = 1,
		.then_operations = then,
		.then_count = 2,
		.else_operations = otherwise,
		.else_count = 1,
	};
	struct transaction transaction;
	struct operation operation;

	(void)state;
	assert_int_equal(request_txn(&body, &request, NULL, &why), SYNOD_OK);
	assert_int_equal(transaction_decode(buffer_slice(&body), &transaction, NULL), SYNOD_OK);
	assert_int_equal(transaction.condition_count, 1);
	assert_int_equal(transaction.then_count, 2);
	assert_int_equal(transaction.else_count, 1);
	operation_next(&transaction.then_operations, &operation);
	assert_int_equal(operation.op, OP_SET);
	operation_next(&transaction.then_operations, &operation);
	assert_int_equal(operation.op, OP_LIST);
	assert_int_equal(operation.limit, 3);
	assert_int_equal(operation.flags, OP_WITH_DATA);
}

static void
refuses_transactions_that_are_wrong(void **state)
{
	static struct synod_operation many[TXN_OPERATIONS_MAX + 1];
	static char megabyte[DATA_SIZE_MAX];
	struct synod_transaction request = {.then_operations = many};
	struct synod_operation operation = {.op = (enum synod_op)OP_LOG, .path = "/a"};

	(void)state;
	for (unsigned i = 0; i <= TXN_OPERATIONS_MAX; i++)
		many[i] = (struct synod_operation){.op = SYNOD_OP_GET, .path = "/a"};
	request.then_count = TXN_OPERATIONS_MAX + 1;
	assert_int_equal(request_txn(&body, &request, NULL, &why), SYNOD_BAD_ARGUMENT);
	for (unsigned i = 0; i < 3; i++)
		many[i] = (struct synod_operation){SYNOD_OP_PUT,    "/a", megabyte,
		                                   sizeof megabyte, NULL, NULL};
	request.then_count = 3;
	buffer_clear(&body);
	assert_int_equal(request_txn(&body, &request, NULL, &why), SYNOD_TOO_LARGE);
	request = (struct synod_transaction){.else_operations = &operation, .else_count = 1};
	buffer_clear(&body);
	assert_int_equal(request_txn(&body, &request, NULL, &why), SYNOD_BAD_ARGUMENT);
	operation = (struct synod_operation){.op = SYNOD_OP_GET};
	buffer_clear(&body);
	assert_int_equal(request_txn(&body, &request, NULL, &why), SYNOD_BAD_ARGUMENT);
	request.else_operations = NULL;
	buffer_clear(&body);
	assert_int_equal(request_txn(&body, &request, NULL, &why), SYNOD_BAD_ARGUMENT);
}

static void
knows_a_write_that_changes_nothing(void **state)
{
	struct operation operation;

	(void)state;
	request_nothing(&body);
	assert_int_equal(operation_decode(OP_DELETE, buffer_slice(&body), &operation, NULL),
	                 SYNOD_OK);
	assert_int_equal(operation.condition_count, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(encodes_every_option_of_a_write),
		TEST(tells_absent_from_empty),
		TEST(refuses_what_a_member_would_refuse),
		TEST(encodes_whose_a_node_is),
		TEST(refuses_kinds_that_make_no_sense),
		TEST(encodes_a_guard_as_one_more_condition),
		TEST(guards_a_transaction_and_its_operations),
		TEST(encodes_contending_and_withdrawing),
		TEST(knows_the_bounds_of_leases),
		TEST(encodes_both_branches_of_a_transaction),
		TEST(refuses_transactions_that_are_wrong),
		TEST(knows_a_write_that_changes_nothing),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
