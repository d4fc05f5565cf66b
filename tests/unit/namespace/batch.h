/* Bodies of transactions, put together for tests. */
#ifndef TESTS_UNIT_NAMESPACE_BATCH_H
#define TESTS_UNIT_NAMESPACE_BATCH_H

#include "tests/unit/namespace/fixture.h"

struct batch {
	struct buffer conditions;
	uint32_t condition_count;
	struct buffer branches[2]; /* then, else */
	uint32_t counts[2];
};

enum {
	THEN = 0,
	ELSE = 1
};

static inline void
batch_if(struct batch *batch, const struct condition *condition)
{
	condition_encode(&batch->conditions, condition);
	batch->condition_count++;
}

static inline void
batch_add_with(struct batch *batch, int branch, const struct operation *operation,
               const struct condition *conditions)
{
	struct buffer *out = &batch->branches[branch];

	pack_array(out, 2);
	pack_u64(out, operation->op);
	operation_encode(out, operation, conditions);
	batch->counts[branch]++;
}

static inline void
batch_add(struct batch *batch, int branch, uint8_t op, uint32_t flags, const char *path,
          const char *data)
{
	struct operation operation = {.op = op, .flags = flags, .path = slice_of(path)};

	if (data != NULL)
		operation.data = slice_of(data);
	batch_add_with(batch, branch, &operation, NULL);
}

static inline void
batch_encode(struct batch *batch, struct buffer *body)
{
	pack_array(body, 3);
	pack_array(body, batch->condition_count);
	pack_raw(body, buffer_slice(&batch->conditions));
	for (int branch = THEN; branch <= ELSE; branch++) {
		pack_array(body, batch->counts[branch]);
		pack_raw(body, buffer_slice(&batch->branches[branch]));
	}
}

/* Apply BATCH and forget it. */
static inline int
batch_run(struct fixture *fixture, struct batch *batch)
{
	struct buffer body = BUFFER_EMPTY;
	int error;

	batch_encode(batch, &body);
	error = write_body(fixture, OP_TXN, buffer_slice(&body));
	buffer_fini(&body);
	buffer_fini(&batch->conditions);
	buffer_fini(&batch->branches[THEN]);
	buffer_fini(&batch->branches[ELSE]);
	*batch = (struct batch){0};
	return error;
}

struct batch_result {
	bool then_taken;
	bool has_failed;
	uint64_t failed_index;
	uint32_t count;
	struct slice results[TXN_OPERATIONS_MAX]; /* of those that succeeded */
};

static inline struct batch_result
batch_result(const struct fixture *fixture)
{
	struct batch_result result = {0};
	struct cursor cursor;

	cursor_init(&cursor, buffer_slice(&fixture->result));
	assert_int_equal(cursor_array(&cursor), 3);
	result.then_taken = cursor_bool(&cursor);
	result.has_failed = !cursor_nil(&cursor);
	if (result.has_failed)
		result.failed_index = cursor_u64(&cursor);
	result.count = cursor_array(&cursor);
	for (uint32_t i = 0; i < result.count; i++) {
		assert_int_equal(cursor_array(&cursor), 2);
		assert_int_equal(cursor_u64(&cursor), SYNOD_OK);
		result.results[i] = cursor_raw(&cursor);
		cursor_leave(&cursor);
	}
	cursor_leave(&cursor);
	cursor_leave(&cursor);
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	return result;
}

#endif
