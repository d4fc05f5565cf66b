/*
 * Every decoder of the messages between clients and members.
 *
 * The first byte chooses the decoder, the second the operation where one is
 * needed; the rest is the message.  What is accepted is encoded, decoded and
 * encoded again: the two encodings are equal.
 */
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "shared/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
expect_equal(struct buffer *first, struct buffer *second)
{
	CHECK(!first->failed);
	CHECK(!second->failed);
	CHECK(slice_equal(buffer_slice(first), buffer_slice(second)));
	buffer_fini(first);
	buffer_fini(second);
}

static void
try_hello(struct slice body)
{
	struct buffer first = BUFFER_EMPTY;
	struct buffer second = BUFFER_EMPTY;
	struct hello hello;

	if (hello_decode(body, &hello) != SYNOD_OK)
		return;
	hello_encode(&first, &hello);
	CHECK(hello_decode(buffer_slice(&first), &hello) == SYNOD_OK);
	hello_encode(&second, &hello);
	expect_equal(&first, &second);
}

static void
try_response(struct slice body)
{
	struct buffer first = BUFFER_EMPTY;
	struct buffer second = BUFFER_EMPTY;
	struct response response;

	if (response_decode(body, &response) != SYNOD_OK)
		return;
	response_encode_head(&first, response.xid, response.error, response.revision,
	                     response.stale_ms);
	pack_raw(&first, response.result);
	CHECK(response_decode(buffer_slice(&first), &response) == SYNOD_OK);
	response_encode_head(&second, response.xid, response.error, response.revision,
	                     response.stale_ms);
	pack_raw(&second, response.result);
	expect_equal(&first, &second);
}

static void
try_stat(struct slice body)
{
	struct buffer first = BUFFER_EMPTY;
	struct buffer second = BUFFER_EMPTY;
	struct node_stat stat;
	struct cursor cursor;

	cursor_init(&cursor, body);
	stat_decode(&cursor, &stat);
	if (cursor_finish(&cursor) != SYNOD_OK)
		return;
	stat_encode(&first, &stat);
	cursor_init(&cursor, buffer_slice(&first));
	stat_decode(&cursor, &stat);
	CHECK(cursor_finish(&cursor) == SYNOD_OK);
	stat_encode(&second, &stat);
	expect_equal(&first, &second);
}

static void
try_change(struct slice body)
{
	struct buffer first = BUFFER_EMPTY;
	struct buffer second = BUFFER_EMPTY;
	struct change change;
	struct cursor cursor;

	cursor_init(&cursor, body);
	change_decode(&cursor, &change);
	if (cursor_finish(&cursor) != SYNOD_OK)
		return;
	change_encode(&first, &change);
	cursor_init(&cursor, buffer_slice(&first));
	change_decode(&cursor, &change);
	CHECK(cursor_finish(&cursor) == SYNOD_OK);
	change_encode(&second, &change);
	expect_equal(&first, &second);
}

static void
try_status(struct slice body)
{
	struct buffer first = BUFFER_EMPTY;
	struct buffer second = BUFFER_EMPTY;
	struct member_status status;

	if (member_status_decode(body, &status) != SYNOD_OK)
		return;
	member_status_encode(&first, &status);
	CHECK(member_status_decode(buffer_slice(&first), &status) == SYNOD_OK);
	member_status_encode(&second, &status);
	expect_equal(&first, &second);
}

/* ---- operations ---- */

static void
encode_decoded_operation(struct buffer *out, const struct operation *operation)
{
	struct condition conditions[CONDITIONS_MAX];
	struct cursor cursor = operation->conditions;

	CHECK(operation->condition_count <= CONDITIONS_MAX);
	for (uint32_t i = 0; i < operation->condition_count; i++)
		condition_next(&cursor, &conditions[i]);
	operation_encode(out, operation, conditions);
}

static void
try_operation(uint8_t op, struct slice body)
{
	struct buffer first = BUFFER_EMPTY;
	struct buffer second = BUFFER_EMPTY;
	struct operation operation;
	const char *why = NULL;
	int error = operation_decode(op, body, &operation, &why);

	CHECK((error == SYNOD_OK) == (why == NULL));
	if (error != SYNOD_OK)
		return;
	encode_decoded_operation(&first, &operation);
	CHECK(operation_decode(op, buffer_slice(&first), &operation, NULL) == SYNOD_OK);
	encode_decoded_operation(&second, &operation);
	expect_equal(&first, &second);
}

static void
encode_branch(struct buffer *out, struct cursor cursor, uint32_t count)
{
	struct operation operation;

	pack_array(out, count);
	for (uint32_t i = 0; i < count; i++) {
		operation_next(&cursor, &operation);
		pack_array(out, 2);
		pack_u64(out, operation.op);
		encode_decoded_operation(out, &operation);
	}
}

static void
encode_decoded_transaction(struct buffer *out, const struct transaction *transaction)
{
	struct cursor cursor = transaction->conditions;
	struct condition condition;

	pack_array(out, 3);
	pack_array(out, transaction->condition_count);
	for (uint32_t i = 0; i < transaction->condition_count; i++) {
		condition_next(&cursor, &condition);
		CHECK(condition.path.bytes != NULL);
		condition_encode(out, &condition);
	}
	encode_branch(out, transaction->then_operations, transaction->then_count);
	encode_branch(out, transaction->else_operations, transaction->else_count);
}

static void
try_transaction(struct slice body)
{
	struct buffer first = BUFFER_EMPTY;
	struct buffer second = BUFFER_EMPTY;
	struct transaction transaction;
	const char *why = NULL;
	int error = transaction_decode(body, &transaction, &why);

	CHECK((error == SYNOD_OK) == (why == NULL));
	if (error != SYNOD_OK)
		return;
	encode_decoded_transaction(&first, &transaction);
	CHECK(transaction_decode(buffer_slice(&first), &transaction, NULL) == SYNOD_OK);
	encode_decoded_transaction(&second, &transaction);
	expect_equal(&first, &second);
}

static void
try_request(struct slice body)
{
	struct buffer first = BUFFER_EMPTY;
	struct buffer second = BUFFER_EMPTY;
	struct request request;

	if (request_decode(body, &request) != SYNOD_OK)
		return;
	if (request.op == OP_TXN)
		try_transaction(request.body);
	else
		try_operation(request.op, request.body);
	request_encode(&first, &request);
	CHECK(request_decode(buffer_slice(&first), &request) == SYNOD_OK);
	request_encode(&second, &request);
	expect_equal(&first, &second);
}

/* ---- watches ---- */

static void
try_watch(struct slice body)
{
	struct buffer first = BUFFER_EMPTY;
	struct buffer second = BUFFER_EMPTY;
	struct watch_request watch;
	const char *why = NULL;
	int error = watch_request_decode(body, &watch, &why);

	if (error != SYNOD_OK)
		return;
	CHECK(why == NULL);
	watch_request_encode(&first, &watch);
	CHECK(watch_request_decode(buffer_slice(&first), &watch, NULL) == SYNOD_OK);
	watch_request_encode(&second, &watch);
	expect_equal(&first, &second);
}

/* Items are checked as they are read: reading them all ends within the event. */
static void
try_event(struct slice body)
{
	struct event event;
	struct cursor items;

	if (event_decode(body, &event) != SYNOD_OK)
		return;
	items = event.items;
	for (uint32_t i = 0; i < event.item_count && !items.failed; i++) {
		struct state_item item;
		struct change change;

		if (event.kind == EVENT_STATE)
			state_item_decode(&items, &item);
		else
			change_decode(&items, &change);
		CHECK(items.at <= body.bytes + body.size);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct slice body;

	if (size < 2)
		return 0;
	body = (struct slice){bytes + 2, size - 2};
	switch (bytes[0]) {
	case 'h': try_hello(body); break;
	case 'q': try_request(body); break;
	case 'r': try_response(body); break;
	case 's': try_stat(body); break;
	case 'c': try_change(body); break;
	case 'm': try_status(body); break;
	case 't': try_transaction(body); break;
	case 'w': try_watch(body); break;
	case 'e': try_event(body); break;
	default: try_operation(bytes[1], body); break;
	}
	return 0;
}
