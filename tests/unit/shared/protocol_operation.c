/* Operations and transactions: all bad input is found before anything else sees it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/error.h"
#include "shared/path.h"
#include "shared/protocol.h"

static struct buffer body; /* of the message under test */

static int
tear_down(void **state)
{
	(void)state;
	buffer_fini(&body);
	return 0;
}

static const uint8_t *
large_data(void)
{
	static uint8_t bytes[DATA_SIZE_MAX + 1];

	return bytes;
}

/* Encode, decode, and give back what was decoded. */
static int
check(const struct operation *operation, const struct condition *conditions,
      struct operation *decoded)
{
	const char *why = NULL;
	struct operation ignored;
	int error;

	buffer_clear(&body);
	operation_encode(&body, operation, conditions);
	error = operation_decode(operation->op, buffer_slice(&body),
	                         decoded != NULL ? decoded : &ignored, &why);
	assert_int_equal(error == SYNOD_OK, why == NULL);
	return error;
}

static int
check_path_of(uint8_t op, uint32_t flags, const char *path)
{
	const struct operation operation = {.op = op, .flags = flags, .path = slice_of(path)};

	return check(&operation, NULL, NULL);
}

static int
check_condition_of(uint8_t op, struct condition condition)
{
	const struct operation operation = {
		.op = op,
		.path = slice_of("/a"),
		.condition_count = 1,
	};

	return check(&operation, &condition, NULL);
}

static void
assert_same_operation(const struct operation *a, const struct operation *b)
{
	assert_int_equal(a->op, b->op);
	assert_int_equal(a->flags, b->flags);
	assert_true(slice_equal(a->path, b->path));
	assert_true(slice_equal(a->data, b->data));
	assert_int_equal(a->data.bytes == NULL, b->data.bytes == NULL);
	assert_int_equal(a->condition_count, b->condition_count);
	assert_true(slice_equal(a->after, b->after));
	assert_int_equal(a->after.bytes == NULL, b->after.bytes == NULL);
	assert_true(a->limit == b->limit);
	assert_true(a->revision == b->revision);
	assert_int_equal(a->kind, b->kind);
	assert_true(a->lease == b->lease);
	assert_true(a->ttl_ms == b->ttl_ms);
	assert_true(a->brake_percent == b->brake_percent);
}

static void
operations_keep_their_fields(void **state)
{
	const struct operation operations[] = {
		{.op = OP_GET, .path = slice_of("/")},
		{.op = OP_STAT, .path = slice_of("/synod/members")},
		{.op = OP_LIST,
	         .flags = OP_WITH_STAT | OP_WITH_DATA,
	         .path = slice_of("/services"),
	         .after = slice_of("web"),
	         .limit = LIST_LIMIT_MAX,
	         .revision = 1234},
		{.op = OP_LIST, .path = slice_of("/services")},
		{.op = OP_LOG,
	         .flags = OP_RECURSIVE | OP_WITH_DATA,
	         .path = slice_of("/"),
	         .revision = 77,
	         .limit = 5},
		{.op = OP_CREATE,
	         .flags = OP_SEQUENTIAL | OP_PARENTS | OP_WITH_STAT,
	         .path = slice_of("/queue/job-"),
	         .data = slice_of("payload")},
		{.op = OP_SET,
	         .flags = OP_PREVIOUS | OP_WITH_STAT,
	         .path = slice_of("/"),
	         .data = slice_of("")},
		{.op = OP_PUT, .flags = OP_PARENTS | OP_PREVIOUS, .path = slice_of("/a")},
		{.op = OP_PUT, .path = slice_of("/a"), .kind = NODE_LEASED, .lease = 7},
		{.op = OP_CREATE, .path = slice_of("/a"), .kind = NODE_TTL, .ttl_ms = 5000},
		{.op = OP_PUT, .path = slice_of("/a"), .kind = NODE_SERVICE, .brake_percent = 30},
		{.op = OP_DELETE, .flags = OP_RECURSIVE | OP_PREVIOUS, .path = slice_of("/a")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
		struct operation decoded;

		assert_int_equal(check(&operations[i], NULL, &decoded), SYNOD_OK);
		assert_same_operation(&operations[i], &decoded);
	}
}

static const struct condition every_condition[] = {
	{.kind = CONDITION_EXISTS, .relation = RELATION_EQUAL, .number = 1},
	{.kind = CONDITION_VERSION, .relation = RELATION_LESS, .number = UINT64_MAX},
	{.kind = CONDITION_CREATED, .relation = RELATION_GREATER, .number = 9},
	{.kind = CONDITION_MODIFIED, .relation = RELATION_NOT_EQUAL, .number = 9},
	{.kind = CONDITION_OWNER, .relation = RELATION_EQUAL, .number = 0},
	{.kind = CONDITION_DATA,
         .relation = RELATION_EQUAL,
         .path = {(const uint8_t *)"/b", 2},
         .data = {(const uint8_t *)"x", 1}},
	{.kind = CONDITION_DATA, .relation = RELATION_NOT_EQUAL},
	{.kind = CONDITION_CHILDREN_VERSION, .relation = RELATION_EQUAL, .number = 1},
	{.kind = CONDITION_CHILDREN,
         .relation = RELATION_EQUAL,
         .path = {(const uint8_t *)"/", 1},
         .number = 1},
};

#define EVERY_CONDITION_COUNT (sizeof every_condition / sizeof every_condition[0])

static void
conditions_keep_their_fields_and_can_be_read_twice(void **state)
{
	const struct operation operation = {
		.op = OP_SET,
		.path = slice_of("/a"),
		.condition_count = EVERY_CONDITION_COUNT,
	};
	struct operation decoded;

	(void)state;
	assert_int_equal(check(&operation, every_condition, &decoded), SYNOD_OK);
	assert_int_equal(decoded.condition_count, EVERY_CONDITION_COUNT);
	for (unsigned pass = 0; pass < 2; pass++) {
		struct cursor cursor = decoded.conditions;

		for (size_t i = 0; i < EVERY_CONDITION_COUNT; i++) {
			const struct condition *sent = &every_condition[i];
			struct condition condition;

			condition_next(&cursor, &condition);
			assert_int_equal(condition.kind, sent->kind);
			assert_int_equal(condition.relation, sent->relation);
			assert_true(slice_equal(condition.path, sent->path));
			assert_int_equal(condition.path.bytes == NULL, sent->path.bytes == NULL);
			assert_true(condition.number == sent->number);
			assert_true(slice_equal(condition.data, sent->data));
			assert_int_equal(condition.data.bytes == NULL, sent->data.bytes == NULL);
		}
	}
}

static void
checks_the_grammar_of_the_path(void **state)
{
	(void)state;
	assert_int_equal(check_path_of(OP_GET, 0, ""), SYNOD_BAD_PATH);
	assert_int_equal(check_path_of(OP_GET, 0, "a"), SYNOD_BAD_PATH);
	assert_int_equal(check_path_of(OP_LIST, 0, "/a/"), SYNOD_BAD_PATH);
	assert_int_equal(check_path_of(OP_CREATE, 0, "/a/"), SYNOD_BAD_PATH);
	assert_int_equal(check_path_of(OP_DELETE, 0, "/a/../b"), SYNOD_BAD_PATH);
	assert_int_equal(check_path_of(OP_SET, 0, "/a\x01"), SYNOD_BAD_PATH);
	assert_int_equal(check_path_of(OP_SET, 0, "/a"), SYNOD_OK);
}

static void
lets_nobody_write_what_is_reserved_and_everybody_read_it(void **state)
{
	const uint8_t writes[] = {OP_CREATE, OP_SET, OP_PUT, OP_DELETE};
	const uint8_t reads[] = {OP_GET, OP_STAT, OP_LIST, OP_LOG};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(check_path_of(writes[i], 0, "/synod"), SYNOD_RESERVED);
		assert_int_equal(check_path_of(writes[i], 0, "/synod/a"), SYNOD_RESERVED);
		assert_int_equal(check_path_of(writes[i], 0, "/synod2"), SYNOD_OK);
		assert_int_equal(check_path_of(reads[i], 0, "/synod/a"), SYNOD_OK);
	}
}

static void
lets_the_root_be_set_only(void **state)
{
	(void)state;
	assert_int_equal(check_path_of(OP_SET, 0, "/"), SYNOD_OK);
	assert_int_equal(check_path_of(OP_CREATE, 0, "/"), SYNOD_BAD_ARGUMENT);
	assert_int_equal(check_path_of(OP_PUT, 0, "/"), SYNOD_BAD_ARGUMENT);
	assert_int_equal(check_path_of(OP_DELETE, 0, "/"), SYNOD_BAD_ARGUMENT);
	assert_int_equal(check_path_of(OP_DELETE, OP_RECURSIVE, "/"), SYNOD_BAD_ARGUMENT);
}

static void
takes_a_prefix_for_a_sequential_node(void **state)
{
	(void)state;
	assert_int_equal(check_path_of(OP_CREATE, OP_SEQUENTIAL, "/"), SYNOD_OK);
	assert_int_equal(check_path_of(OP_CREATE, OP_SEQUENTIAL, "/dir/"), SYNOD_OK);
	assert_int_equal(check_path_of(OP_CREATE, OP_SEQUENTIAL, "/dir/job-"), SYNOD_OK);
	assert_int_equal(check_path_of(OP_CREATE, OP_SEQUENTIAL, "/synod"), SYNOD_OK);
	assert_int_equal(check_path_of(OP_CREATE, OP_SEQUENTIAL, "/synod/"), SYNOD_RESERVED);
	assert_int_equal(check_path_of(OP_CREATE, OP_SEQUENTIAL, ""), SYNOD_BAD_PATH);
	assert_int_equal(check_path_of(OP_CREATE, OP_SEQUENTIAL, "//"), SYNOD_BAD_PATH);
	assert_int_equal(check_path_of(OP_CREATE, OP_SEQUENTIAL, "dir/"), SYNOD_BAD_PATH);
	assert_int_equal(check_path_of(OP_CREATE, OP_SEQUENTIAL, "/a//"), SYNOD_BAD_PATH);
	assert_int_equal(check_path_of(OP_CREATE, OP_SEQUENTIAL, "/../"), SYNOD_BAD_PATH);
}

static void
leaves_room_for_the_counter_of_a_sequential_node(void **state)
{
	char path[PATH_SIZE_MAX + 2];
	size_t name_max = PATH_COMPONENT_MAX - SEQUENCE_DIGITS_MAX;

	(void)state;
	memset(path, 'a', sizeof path);
	path[0] = '/';
	path[name_max + 1] = '\0';
	assert_int_equal(check_path_of(OP_CREATE, OP_SEQUENTIAL, path), SYNOD_OK);
	path[name_max + 1] = 'a';
	path[name_max + 2] = '\0';
	assert_int_equal(check_path_of(OP_CREATE, OP_SEQUENTIAL, path), SYNOD_BAD_PATH);
	assert_int_equal(check_path_of(OP_CREATE, 0, path), SYNOD_OK);

	for (size_t i = 0; i <= PATH_SIZE_MAX; i++)
		path[i] = i % 200 == 0 ? '/' : 'a';
	path[PATH_SIZE_MAX + 1] = '\0';
	assert_int_equal(check_path_of(OP_CREATE, OP_SEQUENTIAL, path), SYNOD_BAD_PATH);
	path[PATH_SIZE_MAX - SEQUENCE_DIGITS_MAX + 1] = '\0';
	assert_int_equal(check_path_of(OP_CREATE, OP_SEQUENTIAL, path), SYNOD_BAD_PATH);
	path[PATH_SIZE_MAX - SEQUENCE_DIGITS_MAX] = '\0';
	assert_int_equal(check_path_of(OP_CREATE, OP_SEQUENTIAL, path), SYNOD_OK);
}

static void
makes_the_conditions_of_a_sequential_node_name_their_path(void **state)
{
	const struct operation operation = {
		.op = OP_CREATE,
		.flags = OP_SEQUENTIAL,
		.path = slice_of("/dir/"),
		.condition_count = 1,
	};
	struct condition condition = {
		.kind = CONDITION_EXISTS,
		.relation = RELATION_EQUAL,
		.number = 1,
	};

	(void)state;
	assert_int_equal(check(&operation, &condition, NULL), SYNOD_BAD_ARGUMENT);
	condition.path = slice_of("/dir");
	assert_int_equal(check(&operation, &condition, NULL), SYNOD_OK);
}

static void
knows_which_flags_belong_to_which_operation(void **state)
{
	static const struct {
		uint8_t op;
		uint32_t flags;
	} rows[] = {
		{OP_GET, 0},
		{OP_STAT, 0},
		{OP_LIST, OP_WITH_STAT | OP_WITH_DATA},
		{OP_LOG, OP_RECURSIVE | OP_WITH_DATA},
		{OP_CREATE, OP_SEQUENTIAL | OP_PARENTS | OP_PREVIOUS | OP_WITH_STAT},
		{OP_SET, OP_PREVIOUS | OP_WITH_STAT},
		{OP_PUT, OP_PARENTS | OP_PREVIOUS | OP_WITH_STAT},
		{OP_DELETE, OP_RECURSIVE | OP_PREVIOUS},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		for (unsigned bit = 0; bit < 32; bit++) {
			uint32_t flag = UINT32_C(1) << bit;
			int expected = (flag & rows[i].flags) != 0    ? SYNOD_OK
			               : (flag & OP_FLAGS_KNOWN) != 0 ? SYNOD_BAD_ARGUMENT
			                                              : SYNOD_UNSUPPORTED;

			assert_int_equal(check_path_of(rows[i].op, flag, "/a"), expected);
		}
	}
}

static void
limits_the_data_of_a_node(void **state)
{
	struct operation operation = {
		.op = OP_PUT,
		.path = slice_of("/a"),
		.data = {large_data(), DATA_SIZE_MAX},
	};

	(void)state;
	assert_int_equal(check(&operation, NULL, NULL), SYNOD_OK);
	operation.data.size++;
	assert_int_equal(check(&operation, NULL, NULL), SYNOD_TOO_LARGE);
}

static void
refuses_data_where_none_is_written(void **state)
{
	const uint8_t ops[] = {OP_GET, OP_STAT, OP_LIST, OP_LOG, OP_DELETE};

	(void)state;
	for (unsigned i = 0; i < sizeof ops; i++) {
		const struct operation operation = {
			.op = ops[i],
			.path = slice_of("/a"),
			.data = slice_of(""),
		};

		assert_int_equal(check(&operation, NULL, NULL), SYNOD_BAD_ARGUMENT);
	}
}

static void
checks_the_arguments_of_a_listing(void **state)
{
	struct operation operation = {
		.op = OP_LIST,
		.path = slice_of("/a"),
		.limit = LIST_LIMIT_MAX + 1,
	};

	(void)state;
	assert_int_equal(check(&operation, NULL, NULL), SYNOD_BAD_ARGUMENT);
	operation.limit = UINT64_MAX;
	assert_int_equal(check(&operation, NULL, NULL), SYNOD_BAD_ARGUMENT);
	operation.limit = 0;
	operation.after = slice_of("a/b");
	assert_int_equal(check(&operation, NULL, NULL), SYNOD_BAD_PATH);
	operation.after = slice_of("");
	assert_int_equal(check(&operation, NULL, NULL), SYNOD_BAD_PATH);
	operation.after = slice_of("b");
	assert_int_equal(check(&operation, NULL, NULL), SYNOD_OK);
}

static int
check_kind_of(uint8_t op, uint8_t kind, uint64_t lease, uint64_t ttl_ms, uint64_t brake_percent)
{
	const struct operation operation = {
		.op = op,
		.path = slice_of("/a"),
		.kind = kind,
		.lease = lease,
		.ttl_ms = ttl_ms,
		.brake_percent = brake_percent,
	};

	return check(&operation, NULL, NULL);
}

static void
knows_which_kinds_a_client_may_ask_for(void **state)
{
	const uint8_t ops[] = {OP_CREATE, OP_PUT};

	(void)state;
	for (unsigned i = 0; i < sizeof ops; i++) {
		assert_int_equal(check_kind_of(ops[i], NODE_PERSISTENT, 0, 0, 0), SYNOD_OK);
		assert_int_equal(check_kind_of(ops[i], NODE_EPHEMERAL, 0, 0, 0), SYNOD_OK);
		assert_int_equal(check_kind_of(ops[i], NODE_LEASED, 7, 0, 0), SYNOD_OK);
		assert_int_equal(check_kind_of(ops[i], NODE_CONTAINER, 0, 0, 0), SYNOD_OK);
		assert_int_equal(check_kind_of(ops[i], NODE_TTL, 0, 5000, 0), SYNOD_OK);
		assert_int_equal(check_kind_of(ops[i], NODE_SERVICE, 0, 0, 0), SYNOD_OK);
		assert_int_equal(check_kind_of(ops[i], NODE_LOCK, 0, 0, 0), SYNOD_BAD_ARGUMENT);
		assert_int_equal(check_kind_of(ops[i], NODE_CONTENDER, 0, 0, 0),
		                 SYNOD_BAD_ARGUMENT);
		assert_int_equal(check_kind_of(ops[i], NODE_SUSPECT, 0, 0, 0), SYNOD_BAD_ARGUMENT);
		assert_int_equal(check_kind_of(ops[i], NODE_SUSPECT + 1, 0, 0, 0),
		                 SYNOD_UNSUPPORTED);
	}
}

static void
checks_the_brake_of_a_service(void **state)
{
	(void)state;
	assert_int_equal(check_kind_of(OP_PUT, NODE_SERVICE, 0, 0, 1), SYNOD_OK);
	assert_int_equal(check_kind_of(OP_PUT, NODE_SERVICE, 0, 0, 100), SYNOD_OK);
	assert_int_equal(check_kind_of(OP_PUT, NODE_SERVICE, 0, 0, 101), SYNOD_BAD_ARGUMENT);
	assert_int_equal(check_kind_of(OP_PUT, NODE_SERVICE, 0, 0, UINT64_MAX), SYNOD_BAD_ARGUMENT);
	assert_int_equal(check_kind_of(OP_PUT, NODE_SERVICE, 7, 0, 50), SYNOD_BAD_ARGUMENT);
	assert_int_equal(check_kind_of(OP_PUT, NODE_SERVICE, 0, 5000, 50), SYNOD_BAD_ARGUMENT);
	assert_int_equal(check_kind_of(OP_PUT, NODE_CONTAINER, 0, 0, 50), SYNOD_BAD_ARGUMENT);
	assert_int_equal(check_kind_of(OP_CREATE, NODE_PERSISTENT, 0, 0, 50), SYNOD_BAD_ARGUMENT);
}

/* As a peer that knows of no brake writes it. */
static void
a_service_without_a_brake_is_one(void **state)
{
	struct operation operation;

	(void)state;
	buffer_clear(&body);
	pack_array(&body, 7);
	pack_string(&body, slice_of("/a"));
	pack_u64(&body, 0);
	pack_nil(&body);
	pack_array(&body, 0);
	pack_u64(&body, NODE_SERVICE);
	pack_u64(&body, 0);
	pack_u64(&body, 0);
	assert_int_equal(operation_decode(OP_PUT, buffer_slice(&body), &operation, NULL), SYNOD_OK);
	assert_int_equal(operation.kind, NODE_SERVICE);
	assert_int_equal(operation.brake_percent, 0);
}

static void
refuses_conditions_that_mean_nothing(void **state)
{
	static const struct {
		struct condition condition;
		int error;
	} rows[] = {
		{{.kind = 0, .relation = RELATION_EQUAL}, SYNOD_UNSUPPORTED},
		{{.kind = 10, .relation = RELATION_EQUAL}, SYNOD_UNSUPPORTED},
		{{.kind = CONDITION_TOKEN, .relation = RELATION_LESS}, SYNOD_BAD_ARGUMENT},
		{{.kind = CONDITION_VERSION, .relation = 0}, SYNOD_UNSUPPORTED},
		{{.kind = CONDITION_VERSION, .relation = 5}, SYNOD_UNSUPPORTED},
		{{.kind = CONDITION_EXISTS, .relation = RELATION_NOT_EQUAL}, SYNOD_BAD_ARGUMENT},
		{{.kind = CONDITION_EXISTS, .relation = RELATION_EQUAL, .number = 2},
	         SYNOD_BAD_ARGUMENT},
		{{.kind = CONDITION_DATA, .relation = RELATION_LESS}, SYNOD_BAD_ARGUMENT},
		{{.kind = CONDITION_VERSION,
	          .relation = RELATION_EQUAL,
	          .path = {(const uint8_t *)"b", 1}},
	         SYNOD_BAD_PATH},
	};
	struct condition large = {
		.kind = CONDITION_DATA,
		.relation = RELATION_EQUAL,
		.data = {large_data(), DATA_SIZE_MAX + 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(check_condition_of(OP_SET, rows[i].condition), rows[i].error);
	assert_int_equal(check_condition_of(OP_SET, large), SYNOD_TOO_LARGE);
	large.data.size--;
	assert_int_equal(check_condition_of(OP_GET, large), SYNOD_OK);
}

static void
limits_the_number_of_conditions(void **state)
{
	struct condition conditions[CONDITIONS_MAX + 1];
	struct operation operation = {
		.op = OP_SET,
		.path = slice_of("/a"),
		.condition_count = CONDITIONS_MAX,
	};

	(void)state;
	for (unsigned i = 0; i <= CONDITIONS_MAX; i++)
		conditions[i] = every_condition[0];
	assert_int_equal(check(&operation, conditions, NULL), SYNOD_OK);
	operation.condition_count++;
	assert_int_equal(check(&operation, conditions, NULL), SYNOD_BAD_ARGUMENT);
}

static void
refuses_what_is_no_operation_on_a_node(void **state)
{
	const uint8_t ops[] = {0, OP_TXN, OP_SESSION_OPEN, OP_SESSION_CLOSE, OP_STATUS, 99, 255};

	(void)state;
	for (unsigned i = 0; i < sizeof ops; i++)
		assert_int_equal(check_path_of(ops[i], 0, "/a"), SYNOD_UNSUPPORTED);
	assert_int_equal(check_path_of(OP_CHECK, 0, "/a"), SYNOD_BAD_ARGUMENT);
}

static void
a_path_alone_is_an_operation(void **state)
{
	const uint8_t ops[] = {OP_GET, OP_LIST, OP_LOG, OP_CREATE, OP_DELETE};

	(void)state;
	for (unsigned i = 0; i < sizeof ops; i++) {
		struct operation operation;

		buffer_clear(&body);
		pack_array(&body, 1);
		pack_string(&body, slice_of("/a"));
		assert_int_equal(operation_decode(ops[i], buffer_slice(&body), &operation, NULL),
		                 SYNOD_OK);
		assert_int_equal(operation.flags, 0);
		assert_null(operation.data.bytes);
		assert_null(operation.after.bytes);
		assert_int_equal(operation.condition_count, 0);
	}
}

static void
an_array_without_a_path_is_none(void **state)
{
	struct operation operation;

	(void)state;
	buffer_clear(&body);
	pack_array(&body, 0);
	assert_int_equal(operation_decode(OP_GET, buffer_slice(&body), &operation, NULL),
	                 SYNOD_BAD_MESSAGE);
}

static void
ignores_fields_of_a_later_version(void **state)
{
	struct operation operation;
	struct condition condition;

	(void)state;
	buffer_clear(&body);
	pack_array(&body, 6);
	pack_string(&body, slice_of("/a"));
	pack_u64(&body, OP_PREVIOUS);
	pack_nil(&body);
	pack_array(&body, 1);
	pack_array(&body, 5); /* a condition with a field more */
	pack_u64(&body, CONDITION_VERSION);
	pack_u64(&body, RELATION_EQUAL);
	pack_nil(&body);
	pack_u64(&body, 3);
	pack_array(&body, 0);
	pack_u64(&body, 4711);
	pack_array(&body, 1);
	pack_bool(&body, true);
	assert_int_equal(operation_decode(OP_SET, buffer_slice(&body), &operation, NULL), SYNOD_OK);
	condition_next(&operation.conditions, &condition);
	assert_int_equal(condition.number, 3);
}

static void
reports_a_malformed_message_before_what_it_says(void **state)
{
	const char *why = NULL;
	struct operation operation;

	(void)state;
	buffer_clear(&body);
	pack_array(&body, 3);
	pack_string(&body, slice_of("no path"));
	pack_u64(&body, 0xffff);
	pack_bool(&body, true); /* no data */
	assert_int_equal(operation_decode(OP_SET, buffer_slice(&body), &operation, &why),
	                 SYNOD_BAD_MESSAGE);
	assert_string_equal(why, "malformed message");
}

static void
refuses_a_condition_whose_value_has_the_wrong_type(void **state)
{
	struct operation operation;

	(void)state;
	buffer_clear(&body);
	pack_array(&body, 4);
	pack_string(&body, slice_of("/a"));
	pack_u64(&body, 0);
	pack_nil(&body);
	pack_array(&body, 1);
	pack_array(&body, 4);
	pack_u64(&body, CONDITION_VERSION);
	pack_u64(&body, RELATION_EQUAL);
	pack_nil(&body);
	pack_binary(&body, slice_of("3"));
	assert_int_equal(operation_decode(OP_SET, buffer_slice(&body), &operation, NULL),
	                 SYNOD_BAD_MESSAGE);
}

/* ---- transactions ---- */

static void
write_pair(struct buffer *out, const struct operation *operation,
           const struct condition *conditions)
{
	pack_array(out, 2);
	pack_u64(out, operation->op);
	operation_encode(out, operation, conditions);
}

/* [] -> COUNT times OPERATION, else nothing. */
static int
check_branch_of(const struct operation *operation, uint32_t count)
{
	const char *why = NULL;
	struct transaction transaction;
	int error;

	buffer_clear(&body);
	pack_array(&body, 3);
	pack_array(&body, 0);
	pack_array(&body, count);
	for (uint32_t i = 0; i < count; i++)
		write_pair(&body, operation, NULL);
	pack_array(&body, 0);
	error = transaction_decode(buffer_slice(&body), &transaction, &why);
	assert_int_equal(error == SYNOD_OK, why == NULL);
	return error;
}

static void
write_transaction(struct buffer *out)
{
	const struct condition condition = {
		.kind = CONDITION_EXISTS,
		.relation = RELATION_EQUAL,
		.path = slice_of("/a"),
	};
	const struct operation create = {
		.op = OP_CREATE,
		.flags = OP_PARENTS,
		.path = slice_of("/a/b"),
		.data = slice_of("data"),
	};
	const struct operation test = {
		.op = OP_CHECK,
		.path = slice_of("/c"),
		.condition_count = 1,
	};
	const struct operation list = {
		.op = OP_LIST,
		.path = slice_of("/"),
		.after = slice_of("a"),
		.limit = 3,
	};

	pack_array(out, 3);
	pack_array(out, 1);
	condition_encode(out, &condition);
	pack_array(out, 2);
	write_pair(out, &create, NULL);
	write_pair(out, &test, &every_condition[1]);
	pack_array(out, 1);
	write_pair(out, &list, NULL);
}

static void
reads_a_transaction_with_both_branches(void **state)
{
	struct transaction transaction;
	struct operation operation;
	struct condition condition;

	(void)state;
	buffer_clear(&body);
	write_transaction(&body);
	assert_int_equal(transaction_decode(buffer_slice(&body), &transaction, NULL), SYNOD_OK);
	assert_int_equal(transaction.condition_count, 1);
	condition_next(&transaction.conditions, &condition);
	assert_true(slice_equal(condition.path, slice_of("/a")));
	assert_int_equal(transaction.then_count, 2);
	operation_next(&transaction.then_operations, &operation);
	assert_int_equal(operation.op, OP_CREATE);
	assert_int_equal(operation.flags, OP_PARENTS);
	assert_true(slice_equal(operation.data, slice_of("data")));
	operation_next(&transaction.then_operations, &operation);
	assert_int_equal(operation.op, OP_CHECK);
	condition_next(&operation.conditions, &condition);
	assert_int_equal(condition.kind, CONDITION_VERSION);
	assert_int_equal(transaction.else_count, 1);
	operation_next(&transaction.else_operations, &operation);
	assert_int_equal(operation.op, OP_LIST);
	assert_true(slice_equal(operation.after, slice_of("a")));
	assert_int_equal(operation.limit, 3);
}

static void
needs_no_else_branch(void **state)
{
	struct transaction transaction;

	(void)state;
	buffer_clear(&body);
	pack_array(&body, 2);
	pack_array(&body, 0);
	pack_array(&body, 0);
	assert_int_equal(transaction_decode(buffer_slice(&body), &transaction, NULL), SYNOD_OK);
	assert_int_equal(transaction.else_count, 0);
	buffer_clear(&body);
	pack_array(&body, 1);
	pack_array(&body, 0);
	assert_int_equal(transaction_decode(buffer_slice(&body), &transaction, NULL),
	                 SYNOD_BAD_MESSAGE);
}

static void
contains_only_operations_that_make_sense_inside(void **state)
{
	const uint8_t inside[] = {OP_GET,    OP_STAT, OP_LIST, OP_CHECK,
	                          OP_CREATE, OP_SET,  OP_PUT,  OP_DELETE};
	const uint8_t outside[] = {OP_LOG, OP_SESSION_OPEN, OP_SESSION_CLOSE, OP_STATUS};
	struct operation operation = {.path = slice_of("/a")};

	(void)state;
	for (unsigned i = 0; i < sizeof inside; i++) {
		operation.op = inside[i];
		assert_int_equal(check_branch_of(&operation, 1), SYNOD_OK);
	}
	for (unsigned i = 0; i < sizeof outside; i++) {
		operation.op = outside[i];
		assert_int_equal(check_branch_of(&operation, 1), SYNOD_BAD_ARGUMENT);
	}
	operation.op = 99;
	assert_int_equal(check_branch_of(&operation, 1), SYNOD_UNSUPPORTED);
}

static void
refuses_a_transaction_inside_a_transaction(void **state)
{
	const char *why = NULL;
	struct transaction transaction;

	(void)state;
	buffer_clear(&body);
	pack_array(&body, 2);
	pack_array(&body, 0);
	pack_array(&body, 1);
	pack_array(&body, 2);
	pack_u64(&body, OP_TXN);
	pack_array(&body, 1);
	pack_string(&body, slice_of("/a"));
	assert_int_equal(transaction_decode(buffer_slice(&body), &transaction, &why),
	                 SYNOD_BAD_ARGUMENT);
	assert_string_equal(why, "a transaction inside a transaction");
}

static void
limits_the_operations_of_a_branch(void **state)
{
	const struct operation operation = {.op = OP_SET, .path = slice_of("/a")};

	(void)state;
	assert_int_equal(check_branch_of(&operation, TXN_OPERATIONS_MAX), SYNOD_OK);
	assert_int_equal(check_branch_of(&operation, TXN_OPERATIONS_MAX + 1), SYNOD_BAD_ARGUMENT);
}

static void
checks_every_operation_of_both_branches(void **state)
{
	const struct operation good = {.op = OP_SET, .path = slice_of("/a")};
	const struct operation bad = {.op = OP_SET, .path = slice_of("/a/")};
	const struct operation reserved = {.op = OP_DELETE, .path = slice_of("/synod/x")};
	struct transaction transaction;

	(void)state;
	assert_int_equal(check_branch_of(&bad, 1), SYNOD_BAD_PATH);
	assert_int_equal(check_branch_of(&reserved, 1), SYNOD_RESERVED);
	buffer_clear(&body);
	pack_array(&body, 3);
	pack_array(&body, 0);
	pack_array(&body, 1);
	write_pair(&body, &good, NULL);
	pack_array(&body, 2);
	write_pair(&body, &good, NULL);
	write_pair(&body, &bad, NULL);
	assert_int_equal(transaction_decode(buffer_slice(&body), &transaction, NULL),
	                 SYNOD_BAD_PATH);
}

static void
makes_its_own_conditions_name_their_path(void **state)
{
	struct transaction transaction;

	(void)state;
	buffer_clear(&body);
	pack_array(&body, 2);
	pack_array(&body, 1);
	condition_encode(&body, &every_condition[0]);
	pack_array(&body, 0);
	assert_int_equal(transaction_decode(buffer_slice(&body), &transaction, NULL),
	                 SYNOD_BAD_ARGUMENT);
}

/* ---- hostile bytes ---- */

/* What was accepted can be walked to its end: condition_next() and operation_next() CHECK. */
static void
walk_conditions(struct cursor cursor, uint32_t count)
{
	struct condition condition;

	for (uint32_t i = 0; i < count; i++)
		condition_next(&cursor, &condition);
}

static void
walk_branch(struct cursor cursor, uint32_t count)
{
	struct operation operation;

	for (uint32_t i = 0; i < count; i++) {
		operation_next(&cursor, &operation);
		walk_conditions(operation.conditions, operation.condition_count);
	}
}

static int
walk_operation(struct slice bytes)
{
	struct operation operation;
	int error = operation_decode(OP_LIST, bytes, &operation, NULL);

	if (error == SYNOD_OK)
		walk_conditions(operation.conditions, operation.condition_count);
	return error;
}

static int
walk_transaction(struct slice bytes)
{
	struct transaction transaction;
	int error = transaction_decode(bytes, &transaction, NULL);

	if (error != SYNOD_OK)
		return error;
	walk_conditions(transaction.conditions, transaction.condition_count);
	walk_branch(transaction.then_operations, transaction.then_count);
	walk_branch(transaction.else_operations, transaction.else_count);
	return SYNOD_OK;
}

static void
write_operation(struct buffer *out)
{
	const struct operation operation = {
		.op = OP_LIST,
		.flags = OP_WITH_STAT,
		.path = slice_of("/a"),
		.condition_count = EVERY_CONDITION_COUNT,
		.after = slice_of("b"),
		.limit = 300,
		.revision = 70000,
	};

	operation_encode(out, &operation, every_condition);
}

/* In memory of exactly its size, so that the sanitizer sees every read beyond it. */
static int
walk_copy(int (*walk)(struct slice), const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);
	int error;

	assert_non_null(copy);
	if (size > 0)
		memcpy(copy, bytes, size);
	error = walk((struct slice){copy, size});
	free(copy);
	return error;
}

static void
torment(void (*write)(struct buffer *), int (*walk)(struct slice))
{
	struct buffer buffer = BUFFER_EMPTY;

	write(&buffer);
	assert_int_equal(walk_copy(walk, buffer.bytes, buffer.size), SYNOD_OK);
	for (size_t size = 0; size < buffer.size; size++)
		assert_int_equal(walk_copy(walk, buffer.bytes, size), SYNOD_BAD_MESSAGE);
	for (size_t at = 0; at < buffer.size; at++) {
		for (unsigned change = 1; change < 256; change++) {
			buffer.bytes[at] ^= (uint8_t)change;
			assert_true(error_is_known(walk_copy(walk, buffer.bytes, buffer.size)));
			buffer.bytes[at] ^= (uint8_t)change;
		}
	}
	pack_nil(&buffer);
	assert_int_equal(walk_copy(walk, buffer.bytes, buffer.size), SYNOD_BAD_MESSAGE);
	buffer_fini(&buffer);
}

static void
operations_survive_truncation_and_every_change_of_one_byte(void **state)
{
	(void)state;
	torment(write_operation, walk_operation);
}

static void
transactions_survive_truncation_and_every_change_of_one_byte(void **state)
{
	(void)state;
	torment(write_transaction, walk_transaction);
}

static void
refuses_counts_that_the_message_cannot_hold(void **state)
{
	const char operation[] = "\x94\xa2/a\x00\xc0\xdd\xff\xff\xff\xff";
	const char transaction[] = "\x92\x90\xdd\xff\xff\xff\xff";

	(void)state;
	assert_int_equal(
		walk_copy(walk_operation, (const uint8_t *)operation, sizeof operation - 1),
		SYNOD_BAD_MESSAGE);
	assert_int_equal(
		walk_copy(walk_transaction, (const uint8_t *)transaction, sizeof transaction - 1),
		SYNOD_BAD_MESSAGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_keep_their_fields),
		cmocka_unit_test(conditions_keep_their_fields_and_can_be_read_twice),
		cmocka_unit_test(checks_the_grammar_of_the_path),
		cmocka_unit_test(lets_nobody_write_what_is_reserved_and_everybody_read_it),
		cmocka_unit_test(lets_the_root_be_set_only),
		cmocka_unit_test(takes_a_prefix_for_a_sequential_node),
		cmocka_unit_test(leaves_room_for_the_counter_of_a_sequential_node),
		cmocka_unit_test(makes_the_conditions_of_a_sequential_node_name_their_path),
		cmocka_unit_test(knows_which_flags_belong_to_which_operation),
		cmocka_unit_test(limits_the_data_of_a_node),
		cmocka_unit_test(refuses_data_where_none_is_written),
		cmocka_unit_test(checks_the_arguments_of_a_listing),
		cmocka_unit_test(knows_which_kinds_a_client_may_ask_for),
		cmocka_unit_test(checks_the_brake_of_a_service),
		cmocka_unit_test(a_service_without_a_brake_is_one),
		cmocka_unit_test(refuses_conditions_that_mean_nothing),
		cmocka_unit_test(limits_the_number_of_conditions),
		cmocka_unit_test(refuses_what_is_no_operation_on_a_node),
		cmocka_unit_test(a_path_alone_is_an_operation),
		cmocka_unit_test(an_array_without_a_path_is_none),
		cmocka_unit_test(ignores_fields_of_a_later_version),
		cmocka_unit_test(reports_a_malformed_message_before_what_it_says),
		cmocka_unit_test(refuses_a_condition_whose_value_has_the_wrong_type),
		cmocka_unit_test(reads_a_transaction_with_both_branches),
		cmocka_unit_test(needs_no_else_branch),
		cmocka_unit_test(contains_only_operations_that_make_sense_inside),
		cmocka_unit_test(refuses_a_transaction_inside_a_transaction),
		cmocka_unit_test(limits_the_operations_of_a_branch),
		cmocka_unit_test(checks_every_operation_of_both_branches),
		cmocka_unit_test(makes_its_own_conditions_name_their_path),
		cmocka_unit_test(operations_survive_truncation_and_every_change_of_one_byte),
		cmocka_unit_test(transactions_survive_truncation_and_every_change_of_one_byte),
		cmocka_unit_test(refuses_counts_that_the_message_cannot_hold),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, tear_down);
}
