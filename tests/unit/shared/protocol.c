/* Messages: what is encoded decodes to the same, and nothing else decodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/error.h"
#include "shared/protocol.h"

static const uint8_t id_bytes[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255};

static const struct hello hello_of_member = {
	.version_min = 1,
	.version_max = 3,
	.role = HELLO_MEMBER,
	.member_id = UINT64_MAX,
	.epoch = 7,
	.cluster_id = {id_bytes, CLUSTER_ID_SIZE},
	.disk_id = {id_bytes, DISK_ID_SIZE},
	.name = {(const uint8_t *)"a", 1},
	.software = {(const uint8_t *)"synod 0.1.0", 11},
};

static const struct node_stat whole_stat = {
	.created = 1,
	.modified = 200,
	.children_modified = 70000,
	.version = 5000000000,
	.children_version = 6,
	.access_version = 7,
	.created_ms = 1700000000000,
	.modified_ms = 1700000000001,
	.owner = UINT64_MAX,
	.data_size = DATA_SIZE_MAX,
	.has_data = true,
	.children = 11,
	.sequence = 12,
	.kind = NODE_PERSISTENT,
};

static const struct change whole_change = {
	.revision = 1000,
	.ordinal = 2,
	.path = {(const uint8_t *)"/services/web", 13},
	.kind = CHANGE_MODIFIED,
	.version = 4,
	.owner = 5,
	.cause = CAUSE_REQUEST,
	.data = {(const uint8_t *)"data", 4},
	.previous_owner = 77,
};

static struct member_status
whole_status(void)
{
	return (struct member_status){
		.name = slice_of("a"),
		.member_id = 1,
		.role = ROLE_LEADER,
		.leader = slice_of("a"),
		.ballot = slice_of("1.7.2"),
		.epoch = 1,
		.chosen = 100,
		.applied = 99,
		.length = 101,
		.revision = 98,
		.nodes = 1000,
		.sessions = 3,
		.clients = 4,
		.pending = 5,
		.database_bytes = 1 << 20,
		.journal_bytes = 64 << 20,
		.sync_p99_us = 800,
		.uptime_ms = 123456,
		.state_hash = slice_of("00112233445566778899aabbccddeeff"),
		.software = slice_of("synod 0.1.0"),
		.problem = slice_of("disk nearly full"),
		.cluster_id = slice_of("ffeeddccbbaa99887766554433221100"),
		.voters = 3,
		.tolerates = 1,
	};
}

/* ---- one example of every message, and a decoder that only tells the error ---- */

static void
write_hello(struct buffer *out)
{
	hello_encode(out, &hello_of_member);
}

static void
write_request(struct buffer *out)
{
	const struct request request = {
		.xid = 300,
		.op = OP_CREATE,
		.seq = 70000,
		.acknowledged = 69999,
		.body = slice_of("\x92\xa2/a\xc0"),
	};

	request_encode(out, &request);
}

static void
write_response(struct buffer *out)
{
	response_encode_head(out, 300, SYNOD_CONFLICT, 70000, 12);
	pack_string(out, slice_of("version is 7"));
}

static void
write_status(struct buffer *out)
{
	struct member_status status = whole_status();

	member_status_encode(out, &status);
}

static void
write_stat(struct buffer *out)
{
	stat_encode(out, &whole_stat);
}

static void
write_change(struct buffer *out)
{
	change_encode(out, &whole_change);
}

static int
read_hello(struct slice body)
{
	struct hello hello;

	return hello_decode(body, &hello);
}

static int
read_request(struct slice body)
{
	struct request request;

	return request_decode(body, &request);
}

static int
read_response(struct slice body)
{
	struct response response;

	return response_decode(body, &response);
}

static int
read_status(struct slice body)
{
	struct member_status status;

	return member_status_decode(body, &status);
}

static int
read_stat(struct slice body)
{
	struct node_stat stat;
	struct cursor cursor;

	cursor_init(&cursor, body);
	stat_decode(&cursor, &stat);
	return cursor_finish(&cursor);
}

static int
read_change(struct slice body)
{
	struct change change;
	struct cursor cursor;

	cursor_init(&cursor, body);
	change_decode(&cursor, &change);
	return cursor_finish(&cursor);
}

static const struct {
	const char *name;
	void (*write)(struct buffer *out);
	int (*read)(struct slice body);
	uint32_t required; /* fields */
} messages[] = {
	{"hello", write_hello, read_hello, 3},
	{"request", write_request, read_request, 5},
	{"response", write_response, read_response, 5},
	{"status", write_status, read_status, 3},
	{"stat", write_stat, read_stat, 13},
	{"change", write_change, read_change, 7},
};

#define MESSAGE_COUNT (sizeof messages / sizeof messages[0])

/* In memory of exactly its size, so that the sanitizer sees every read beyond it. */
static int
read_copy(size_t message, const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);
	int error;

	assert_non_null(copy);
	if (size > 0)
		memcpy(copy, bytes, size);
	error = messages[message].read((struct slice){copy, size});
	free(copy);
	return error;
}

/* The first COUNT fields of the array in BODY, and nils for those that it lacks. */
static void
with_fields(struct buffer *out, struct slice body, uint32_t count)
{
	struct cursor cursor;
	uint32_t present;

	cursor_init(&cursor, body);
	present = cursor_array(&cursor);
	pack_array(out, count);
	for (uint32_t i = 0; i < count; i++) {
		if (i < present)
			pack_raw(out, cursor_raw(&cursor));
		else
			pack_nil(out);
	}
}

static void
reads_every_message_that_it_writes(void **state)
{
	(void)state;
	for (size_t i = 0; i < MESSAGE_COUNT; i++) {
		struct buffer buffer = BUFFER_EMPTY;

		messages[i].write(&buffer);
		assert_int_equal(read_copy(i, buffer.bytes, buffer.size), SYNOD_OK);
		buffer_fini(&buffer);
	}
}

static void
refuses_every_truncation_of_every_message(void **state)
{
	(void)state;
	for (size_t i = 0; i < MESSAGE_COUNT; i++) {
		struct buffer buffer = BUFFER_EMPTY;

		messages[i].write(&buffer);
		for (size_t size = 0; size < buffer.size; size++) {
			if (read_copy(i, buffer.bytes, size) != SYNOD_BAD_MESSAGE)
				fail_msg("%s cut to %zu bytes", messages[i].name, size);
		}
		buffer_fini(&buffer);
	}
}

static void
survives_every_change_of_one_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < MESSAGE_COUNT; i++) {
		struct buffer buffer = BUFFER_EMPTY;

		messages[i].write(&buffer);
		for (size_t at = 0; at < buffer.size; at++) {
			for (unsigned change = 1; change < 256; change++) {
				int error;

				buffer.bytes[at] ^= (uint8_t)change;
				error = read_copy(i, buffer.bytes, buffer.size);
				buffer.bytes[at] ^= (uint8_t)change;
				assert_true(error == SYNOD_OK || error == SYNOD_BAD_MESSAGE ||
				            error == SYNOD_UNSUPPORTED);
			}
		}
		buffer_fini(&buffer);
	}
}

static void
refuses_trailing_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < MESSAGE_COUNT; i++) {
		struct buffer buffer = BUFFER_EMPTY;

		messages[i].write(&buffer);
		pack_nil(&buffer);
		assert_int_equal(read_copy(i, buffer.bytes, buffer.size), SYNOD_BAD_MESSAGE);
		buffer_fini(&buffer);
	}
}

static void
ignores_fields_of_a_later_version(void **state)
{
	(void)state;
	for (size_t i = 0; i < MESSAGE_COUNT; i++) {
		struct buffer buffer = BUFFER_EMPTY;
		struct buffer longer = BUFFER_EMPTY;

		messages[i].write(&buffer);
		with_fields(&longer, buffer_slice(&buffer), 40);
		assert_int_equal(read_copy(i, longer.bytes, longer.size), SYNOD_OK);
		buffer_fini(&buffer);
		buffer_fini(&longer);
	}
}

static void
takes_defaults_for_missing_fields_but_not_for_required_ones(void **state)
{
	(void)state;
	for (size_t i = 0; i < MESSAGE_COUNT; i++) {
		struct buffer buffer = BUFFER_EMPTY;
		struct buffer shorter = BUFFER_EMPTY;

		messages[i].write(&buffer);
		with_fields(&shorter, buffer_slice(&buffer), messages[i].required);
		assert_int_equal(read_copy(i, shorter.bytes, shorter.size), SYNOD_OK);
		buffer_clear(&shorter);
		with_fields(&shorter, buffer_slice(&buffer), messages[i].required - 1);
		assert_int_equal(read_copy(i, shorter.bytes, shorter.size), SYNOD_BAD_MESSAGE);
		buffer_fini(&buffer);
		buffer_fini(&shorter);
	}
}

static void
refuses_what_is_not_the_message_at_all(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} rows[] = {
		{"", 0},
		{"\xc0", 1},
		{"\x05", 1},
		{"\x80", 1},
		{"\x90", 1},
		{"\xdd\xff\xff\xff\xff", 5},
		{"\xdc\xff\xff", 3},
		{"\x99\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91", 12},
		{"\x95\xcb\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 14},
	};

	(void)state;
	for (size_t i = 0; i < MESSAGE_COUNT; i++) {
		for (size_t j = 0; j < sizeof rows / sizeof rows[0]; j++) {
			assert_int_equal(read_copy(i, (const uint8_t *)rows[j].bytes, rows[j].size),
			                 SYNOD_BAD_MESSAGE);
		}
	}
}

/* ---- field by field ---- */

static void
hello_keeps_its_fields(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;
	struct hello hello;

	(void)state;
	hello_encode(&buffer, &hello_of_member);
	assert_int_equal(hello_decode(buffer_slice(&buffer), &hello), SYNOD_OK);
	assert_int_equal(hello.version_min, 1);
	assert_int_equal(hello.version_max, 3);
	assert_int_equal(hello.role, HELLO_MEMBER);
	assert_true(hello.member_id == UINT64_MAX);
	assert_int_equal(hello.epoch, 7);
	assert_true(slice_equal(hello.cluster_id, hello_of_member.cluster_id));
	assert_true(slice_equal(hello.disk_id, hello_of_member.disk_id));
	assert_true(slice_equal(hello.name, hello_of_member.name));
	assert_true(slice_equal(hello.software, hello_of_member.software));
	buffer_fini(&buffer);
}

static void
hello_of_a_client_has_no_identity(void **state)
{
	const struct hello sent = {.version_min = 1, .version_max = 1, .role = HELLO_CLIENT};
	struct buffer buffer = BUFFER_EMPTY;
	struct hello hello;

	(void)state;
	hello_encode(&buffer, &sent);
	assert_int_equal(hello_decode(buffer_slice(&buffer), &hello), SYNOD_OK);
	assert_null(hello.cluster_id.bytes);
	assert_null(hello.disk_id.bytes);
	assert_int_equal(hello.name.size, 0);
	buffer_fini(&buffer);
}

static void
hello_refuses_roles_versions_and_identities_that_cannot_be(void **state)
{
	struct hello wrong[5];
	struct buffer buffer = BUFFER_EMPTY;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		wrong[i] = hello_of_member;
	wrong[0].role = 0;
	wrong[1].role = 3;
	wrong[2].version_min = 4;
	wrong[3].cluster_id.size = 15;
	wrong[4].disk_id.size = 0;
	for (unsigned i = 0; i < 5; i++) {
		struct hello hello;

		buffer_clear(&buffer);
		hello_encode(&buffer, &wrong[i]);
		assert_int_equal(hello_decode(buffer_slice(&buffer), &hello), SYNOD_BAD_MESSAGE);
	}
	buffer_fini(&buffer);
}

static void
request_round_trip(const struct request *sent, struct request *request)
{
	struct buffer buffer = BUFFER_EMPTY;

	request_encode(&buffer, sent);
	assert_int_equal(request_decode(buffer_slice(&buffer), request), SYNOD_OK);
	assert_true(request->xid == sent->xid);
	assert_int_equal(request->op, sent->op);
	assert_true(slice_equal(request->body, sent->body));
	request->body = sent->body;
	buffer_fini(&buffer);
}

static void
request_carries_what_its_class_needs(void **state)
{
	const struct request sent = {
		.xid = UINT64_MAX,
		.op = OP_SET,
		.seq = 8,
		.acknowledged = 7,
		.consistency = CONSISTENCY_AT_LEAST,
		.at_least = 99,
		.body = slice_of("\x90"),
	};
	struct request of_class = sent;
	struct request request;

	(void)state;
	request_round_trip(&of_class, &request);
	assert_int_equal(request.seq, 8);
	assert_int_equal(request.acknowledged, 7);
	assert_int_equal(request.consistency, 0);
	assert_int_equal(request.at_least, 0);
	of_class.op = OP_LIST;
	request_round_trip(&of_class, &request);
	assert_int_equal(request.seq, 0);
	assert_int_equal(request.acknowledged, 0);
	assert_int_equal(request.consistency, CONSISTENCY_AT_LEAST);
	assert_int_equal(request.at_least, 99);
	of_class.op = OP_WATCH;
	request_round_trip(&of_class, &request);
	assert_int_equal(request.seq, 0);
	assert_int_equal(request.consistency, 0);
	assert_int_equal(request.at_least, 99);
	of_class.op = OP_STATUS;
	request_round_trip(&of_class, &request);
	assert_int_equal(request.seq, 0);
	assert_int_equal(request.at_least, 0);
}

static void
request_of_a_later_version_can_still_be_answered(void **state)
{
	static const char *const bodies[] = {
		"\x95\x2a\x63\x00\x00\xc0",         /* op 99 */
		"\x95\x2a\xcd\x01\x01\x01\x01\xc0", /* op 257 */
		"\x95\x2a\x01\x03\x01\xc0",         /* consistency 3 */
	};
	const size_t sizes[] = {6, 8, 6};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct request request;
		struct slice body = {(const uint8_t *)bodies[i], sizes[i]};

		assert_int_equal(request_decode(body, &request), SYNOD_UNSUPPORTED);
		assert_int_equal(request.xid, 42);
	}
}

static void
response_keeps_its_fields(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;
	struct response response;

	(void)state;
	write_response(&buffer);
	assert_int_equal(response_decode(buffer_slice(&buffer), &response), SYNOD_OK);
	assert_int_equal(response.xid, 300);
	assert_int_equal(response.error, SYNOD_CONFLICT);
	assert_int_equal(response.revision, 70000);
	assert_int_equal(response.stale_ms, 12);
	assert_true(slice_equal(response.result, slice_of("\xac"
	                                                  "version is 7")));
	buffer_fini(&buffer);
}

static void
stat_keeps_its_fields(void **state)
{
	struct node_stat sent = whole_stat;
	struct buffer buffer = BUFFER_EMPTY;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct node_stat stat;
		struct cursor cursor;

		buffer_clear(&buffer);
		stat_encode(&buffer, &sent);
		cursor_init(&cursor, buffer_slice(&buffer));
		memset(&stat, 0xee, sizeof stat);
		stat_decode(&cursor, &stat);
		assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
		assert_true(stat.created == sent.created);
		assert_true(stat.modified == sent.modified);
		assert_true(stat.children_modified == sent.children_modified);
		assert_true(stat.version == sent.version);
		assert_true(stat.children_version == sent.children_version);
		assert_true(stat.access_version == sent.access_version);
		assert_true(stat.created_ms == sent.created_ms);
		assert_true(stat.modified_ms == sent.modified_ms);
		assert_true(stat.owner == sent.owner);
		assert_true(stat.data_size == sent.data_size);
		assert_int_equal(stat.has_data, sent.has_data);
		assert_true(stat.children == sent.children);
		assert_true(stat.sequence == sent.sequence);
		assert_int_equal(stat.kind, sent.kind);
		sent.has_data = false;
		sent.data_size = 0;
	}
	buffer_fini(&buffer);
}

static void
change_keeps_its_fields(void **state)
{
	struct change sent = whole_change;
	struct buffer buffer = BUFFER_EMPTY;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct change change;
		struct cursor cursor;

		buffer_clear(&buffer);
		change_encode(&buffer, &sent);
		cursor_init(&cursor, buffer_slice(&buffer));
		change_decode(&cursor, &change);
		assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
		assert_true(change.revision == sent.revision);
		assert_true(change.ordinal == sent.ordinal);
		assert_true(slice_equal(change.path, sent.path));
		assert_int_equal(change.kind, sent.kind);
		assert_true(change.version == sent.version);
		assert_true(change.owner == sent.owner);
		assert_int_equal(change.cause, sent.cause);
		assert_true(change.previous_owner == sent.previous_owner);
		assert_true(slice_equal(change.data, sent.data));
		assert_int_equal(change.data.bytes == NULL, sent.data.bytes == NULL);
		sent.kind = CHANGE_DELETED;
		sent.data = (struct slice){NULL, 0};
	}
	buffer_fini(&buffer);
}

/* Encoding what was decoded must give the same bytes: no field is lost or misplaced. */
static void
status_keeps_its_fields(void **state)
{
	struct member_status sent = whole_status();
	struct buffer first = BUFFER_EMPTY;
	struct buffer second = BUFFER_EMPTY;
	struct member_status status;

	(void)state;
	member_status_encode(&first, &sent);
	assert_int_equal(member_status_decode(buffer_slice(&first), &status), SYNOD_OK);
	assert_true(slice_equal(status.name, sent.name));
	assert_int_equal(status.role, ROLE_LEADER);
	assert_int_equal(status.chosen, 100);
	assert_int_equal(status.sync_p99_us, 800);
	assert_true(slice_equal(status.problem, sent.problem));
	assert_int_equal(status.tolerates, 1);
	member_status_encode(&second, &status);
	assert_true(slice_equal(buffer_slice(&first), buffer_slice(&second)));
	buffer_fini(&first);
	buffer_fini(&second);
}

static void
knows_every_operation_by_number(void **state)
{
	(void)state;
	assert_int_equal(op_class(OP_GET), OP_CLASS_READ);
	assert_int_equal(op_class(OP_TXN), OP_CLASS_WRITE);
	assert_int_equal(op_class(OP_SESSION_OPEN), OP_CLASS_SESSION);
	assert_int_equal(op_class(OP_STATUS), OP_CLASS_MEMBER);
	assert_int_equal(op_class(0), OP_CLASS_NONE);
	assert_int_equal(op_class(99), OP_CLASS_NONE);
	assert_string_equal(op_name(OP_CREATE), "CREATE");
	assert_string_equal(op_name(0), "?");
	assert_string_equal(op_name(1000), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_message_that_it_writes),
		cmocka_unit_test(refuses_every_truncation_of_every_message),
		cmocka_unit_test(survives_every_change_of_one_byte),
		cmocka_unit_test(refuses_trailing_bytes),
		cmocka_unit_test(ignores_fields_of_a_later_version),
		cmocka_unit_test(takes_defaults_for_missing_fields_but_not_for_required_ones),
		cmocka_unit_test(refuses_what_is_not_the_message_at_all),
		cmocka_unit_test(hello_keeps_its_fields),
		cmocka_unit_test(hello_of_a_client_has_no_identity),
		cmocka_unit_test(hello_refuses_roles_versions_and_identities_that_cannot_be),
		cmocka_unit_test(request_carries_what_its_class_needs),
		cmocka_unit_test(request_of_a_later_version_can_still_be_answered),
		cmocka_unit_test(response_keeps_its_fields),
		cmocka_unit_test(stat_keeps_its_fields),
		cmocka_unit_test(change_keeps_its_fields),
		cmocka_unit_test(status_keeps_its_fields),
		cmocka_unit_test(knows_every_operation_by_number),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
