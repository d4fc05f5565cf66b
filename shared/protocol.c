/* Encoding and decoding of everything in protocol.h but operations (protocol_operation.c). */
#include "shared/protocol.h"

#include "shared/error.h"
#include "shared/fields.h"

enum op_class
op_class(unsigned op)
{
	switch (op) {
#define OP(name, number, class, text)                                                              \
	case (number):                                                                             \
		return OP_CLASS_##class;
#include "shared/ops.def"
#undef OP
	default: return OP_CLASS_NONE;
	}
}

const char *
op_name(unsigned op)
{
	switch (op) {
#define OP(name, number, class, text)                                                              \
	case (number):                                                                             \
		return #name;
#include "shared/ops.def"
#undef OP
	default: return "?";
	}
}

/* ---- HELLO ---- */

/* Absent, or exactly SIZE bytes. */
static struct slice
field_id(struct fields *fields, size_t size)
{
	struct slice id = field_binary(fields);

	if (id.bytes != NULL && id.size != size)
		cursor_fail(fields->cursor);
	return id;
}

void
hello_encode(struct buffer *out, const struct hello *hello)
{
	pack_array(out, 9);
	pack_u64(out, hello->version_min);
	pack_u64(out, hello->version_max);
	pack_u64(out, hello->role);
	pack_binary(out, hello->cluster_id);
	pack_u64(out, hello->member_id);
	pack_binary(out, hello->disk_id);
	pack_u64(out, hello->epoch);
	pack_string(out, hello->name);
	pack_string(out, hello->software);
}

int
hello_decode(struct slice body, struct hello *hello)
{
	struct cursor cursor;
	struct fields fields;

	cursor_init(&cursor, body);
	fields = fields_enter(&cursor, 3);
	hello->version_min = (uint32_t)field_number(&fields, UINT32_MAX);
	hello->version_max = (uint32_t)field_number(&fields, UINT32_MAX);
	hello->role = (uint8_t)field_number(&fields, HELLO_MEMBER);
	hello->cluster_id = field_id(&fields, CLUSTER_ID_SIZE);
	hello->member_id = field_u64(&fields);
	hello->disk_id = field_id(&fields, DISK_ID_SIZE);
	hello->epoch = field_u64(&fields);
	hello->name = field_string(&fields);
	hello->software = field_string(&fields);
	fields_leave(&fields);
	if (hello->role == 0 || hello->version_min > hello->version_max)
		cursor_fail(&cursor);
	return cursor_finish(&cursor);
}

/* ---- REQUEST and RESPONSE ---- */

void
request_encode(struct buffer *out, const struct request *request)
{
	enum op_class class = op_class(request->op);
	uint64_t a = 0;
	uint64_t b = 0;

	if (class == OP_CLASS_WRITE) {
		a = request->seq;
		b = request->acknowledged;
	} else if (class == OP_CLASS_READ) {
		a = request->consistency;
		b = request->at_least;
	} else if (class == OP_CLASS_WATCH) {
		b = request->at_least;
	}
	pack_array(out, 5);
	pack_u64(out, request->xid);
	pack_u64(out, request->op);
	pack_u64(out, a);
	pack_u64(out, b);
	pack_raw(out, request->body);
}

/* What A and B mean for this class of operation. */
static int
request_set(struct request *request, uint64_t op, uint64_t a, uint64_t b)
{
	enum op_class class = op <= UINT8_MAX ? op_class((unsigned)op) : OP_CLASS_NONE;

	if (class == OP_CLASS_NONE)
		return SYNOD_UNSUPPORTED;
	request->op = (uint8_t)op;
	if (class == OP_CLASS_WRITE) {
		request->seq = a;
		request->acknowledged = b;
	} else if (class == OP_CLASS_READ) {
		if (a > CONSISTENCY_LOCAL)
			return SYNOD_UNSUPPORTED;
		request->consistency = (uint8_t)a;
		request->at_least = b;
	} else if (class == OP_CLASS_WATCH) {
		request->at_least = b;
	}
	return SYNOD_OK;
}

int
request_decode(struct slice body, struct request *request)
{
	struct cursor cursor;
	struct fields fields;
	uint64_t op;
	uint64_t a;
	uint64_t b;

	*request = (struct request){0};
	cursor_init(&cursor, body);
	fields = fields_enter(&cursor, 5);
	request->xid = field_u64(&fields);
	op = field_u64(&fields);
	a = field_u64(&fields);
	b = field_u64(&fields);
	fields_next(&fields);
	request->body = cursor_raw(&cursor);
	fields_leave(&fields);
	if (cursor_finish(&cursor) != SYNOD_OK)
		return SYNOD_BAD_MESSAGE;
	return request_set(request, op, a, b);
}

void
response_encode_head(struct buffer *out, uint64_t xid, int error, uint64_t revision,
                     uint64_t stale_ms)
{
	pack_array(out, 5);
	pack_u64(out, xid);
	pack_u64(out, (uint64_t)error);
	pack_u64(out, revision);
	pack_u64(out, stale_ms);
}

int
response_decode(struct slice body, struct response *response)
{
	struct cursor cursor;
	struct fields fields;

	cursor_init(&cursor, body);
	fields = fields_enter(&cursor, 5);
	response->xid = field_u64(&fields);
	response->error = (int)field_number(&fields, INT32_MAX);
	response->revision = field_u64(&fields);
	response->stale_ms = field_u64(&fields);
	fields_next(&fields);
	response->result = cursor_raw(&cursor);
	fields_leave(&fields);
	return cursor_finish(&cursor);
}

/* ---- what results are made of ---- */

void
stat_encode(struct buffer *out, const struct node_stat *stat)
{
	pack_array(out, 16);
	pack_u64(out, stat->created);
	pack_u64(out, stat->modified);
	pack_u64(out, stat->children_modified);
	pack_u64(out, stat->version);
	pack_u64(out, stat->children_version);
	pack_u64(out, stat->access_version);
	pack_u64(out, stat->created_ms);
	pack_u64(out, stat->modified_ms);
	pack_u64(out, stat->owner);
	if (stat->has_data)
		pack_u64(out, stat->data_size);
	else
		pack_nil(out);
	pack_u64(out, stat->children);
	pack_u64(out, stat->sequence);
	pack_u64(out, stat->kind);
	pack_u64(out, stat->ttl_ms);
	pack_u64(out, stat->token);
	pack_u64(out, stat->mode);
}

void
stat_decode(struct cursor *cursor, struct node_stat *stat)
{
	struct fields fields = fields_enter(cursor, 13);

	stat->created = field_u64(&fields);
	stat->modified = field_u64(&fields);
	stat->children_modified = field_u64(&fields);
	stat->version = field_u64(&fields);
	stat->children_version = field_u64(&fields);
	stat->access_version = field_u64(&fields);
	stat->created_ms = field_u64(&fields);
	stat->modified_ms = field_u64(&fields);
	stat->owner = field_u64(&fields);
	fields_next(&fields);
	stat->has_data = !cursor_nil(cursor);
	stat->data_size = stat->has_data ? cursor_u64(cursor) : 0;
	stat->children = field_u64(&fields);
	stat->sequence = field_u64(&fields);
	stat->kind = (uint8_t)field_number(&fields, UINT8_MAX);
	stat->ttl_ms = field_u64(&fields);
	stat->token = field_u64(&fields);
	stat->mode = field_u64(&fields);
	stat->expires_ms = 0;
	fields_leave(&fields);
}

void
change_encode(struct buffer *out, const struct change *change)
{
	pack_array(out, change->previous_owner != 0 ? 9 : 8);
	pack_u64(out, change->revision);
	pack_u64(out, change->ordinal);
	pack_string(out, change->path);
	pack_u64(out, change->kind);
	pack_u64(out, change->version);
	pack_u64(out, change->owner);
	pack_u64(out, change->cause);
	pack_binary(out, change->data);
	if (change->previous_owner != 0)
		pack_u64(out, change->previous_owner);
}

void
change_decode(struct cursor *cursor, struct change *change)
{
	struct fields fields = fields_enter(cursor, 7);

	change->revision = field_u64(&fields);
	change->ordinal = field_u64(&fields);
	change->path = field_string(&fields);
	change->kind = (uint8_t)field_number(&fields, UINT8_MAX);
	change->version = field_u64(&fields);
	change->owner = field_u64(&fields);
	change->cause = (uint8_t)field_number(&fields, UINT8_MAX);
	change->data = field_binary(&fields);
	change->previous_owner = field_u64(&fields);
	fields_leave(&fields);
}

void
member_status_encode(struct buffer *out, const struct member_status *status)
{
	pack_array(out, 24);
	pack_string(out, status->name);
	pack_u64(out, status->member_id);
	pack_u64(out, status->role);
	pack_string(out, status->leader);
	pack_string(out, status->ballot);
	pack_u64(out, status->epoch);
	pack_u64(out, status->chosen);
	pack_u64(out, status->applied);
	pack_u64(out, status->length);
	pack_u64(out, status->revision);
	pack_u64(out, status->nodes);
	pack_u64(out, status->sessions);
	pack_u64(out, status->clients);
	pack_u64(out, status->pending);
	pack_u64(out, status->database_bytes);
	pack_u64(out, status->journal_bytes);
	pack_u64(out, status->sync_p99_us);
	pack_u64(out, status->uptime_ms);
	pack_string(out, status->state_hash);
	pack_string(out, status->software);
	pack_string(out, status->problem);
	pack_string(out, status->cluster_id);
	pack_u64(out, status->voters);
	pack_u64(out, status->tolerates);
}

int
member_status_decode(struct slice body, struct member_status *status)
{
	struct cursor cursor;
	struct fields fields;

	cursor_init(&cursor, body);
	fields = fields_enter(&cursor, 3);
	status->name = field_string(&fields);
	status->member_id = field_u64(&fields);
	status->role = (uint8_t)field_number(&fields, UINT8_MAX);
	status->leader = field_string(&fields);
	status->ballot = field_string(&fields);
	status->epoch = field_u64(&fields);
	status->chosen = field_u64(&fields);
	status->applied = field_u64(&fields);
	status->length = field_u64(&fields);
	status->revision = field_u64(&fields);
	status->nodes = field_u64(&fields);
	status->sessions = field_u64(&fields);
	status->clients = field_u64(&fields);
	status->pending = field_u64(&fields);
	status->database_bytes = field_u64(&fields);
	status->journal_bytes = field_u64(&fields);
	status->sync_p99_us = field_u64(&fields);
	status->uptime_ms = field_u64(&fields);
	status->state_hash = field_string(&fields);
	status->software = field_string(&fields);
	status->problem = field_string(&fields);
	status->cluster_id = field_string(&fields);
	status->voters = field_u64(&fields);
	status->tolerates = field_u64(&fields);
	fields_leave(&fields);
	return cursor_finish(&cursor);
}
