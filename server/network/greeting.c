/* Greetings: who is at the other end, and whether it belongs there. */
#include "server/network/greeting.h"

#include <stdio.h>
#include <string.h>

#include "shared/error.h"
#include "shared/log.h"

const struct member_identity *
greeting_member(const struct identity *identity, member_id id)
{
	for (unsigned i = 0; i < identity->member_count; i++)
		if (identity->members[i].id == id)
			return &identity->members[i];
	return NULL;
}

void
greeting_append(struct buffer *out, const struct identity *identity, const char *software)
{
	const struct member_identity *self = greeting_member(identity, identity->self);
	struct hello hello = {
		.version_min = PROTOCOL_VERSION_MIN,
		.version_max = PROTOCOL_VERSION_MAX,
		.role = HELLO_MEMBER,
		.member_id = identity->self,
		.epoch = identity->epoch,
		.cluster_id = {identity->cluster_id, CLUSTER_ID_SIZE},
		.disk_id = {identity->disk_id, DISK_ID_SIZE},
		.name = slice_of(self != NULL ? self->name : ""),
		.software = slice_of(software),
	};
	size_t begin = frame_begin(out, FRAME_HELLO);

	hello_encode(out, &hello);
	frame_end(out, begin);
}

static int
check_role(const struct hello *hello, enum hello_role role, char *why)
{
	if (hello->role == role)
		return SYNOD_OK;
	if (role == HELLO_MEMBER)
		snprintf(
			why, GREETING_WHY_MAX,
			"this port is for members; clients connect to the port given by --clients");
	else
		snprintf(why, GREETING_WHY_MAX,
		         "this port is for clients; members connect to the address in --peers");
	return SYNOD_BAD_ARGUMENT;
}

/* Of a client that names a cluster, and of every member. */
static int
check_cluster(const struct hello *hello, const struct identity *identity, char *why)
{
	struct slice ours = {identity->cluster_id, CLUSTER_ID_SIZE};

	if (hello->cluster_id.bytes == NULL && hello->role == HELLO_CLIENT)
		return SYNOD_OK;
	if (slice_equal(hello->cluster_id, ours))
		return SYNOD_OK;
	snprintf(why, GREETING_WHY_MAX,
	         "the two belong to different clusters: their --peers differ, or an address "
	         "leads to another ensemble");
	return SYNOD_WRONG_CLUSTER;
}

static int
check_member(const struct hello *hello, const struct identity *identity, char *why)
{
	if (hello->epoch != identity->epoch) {
		snprintf(why, GREETING_WHY_MAX,
		         "the greeting is of epoch %llu, this member is in epoch %llu",
		         (unsigned long long)hello->epoch, (unsigned long long)identity->epoch);
		return SYNOD_WRONG_MEMBER;
	}
	if (hello->member_id == identity->self) {
		snprintf(why, GREETING_WHY_MAX,
		         "the greeting claims this member's own id: two processes were started "
		         "with the "
		         "same --name, or the address is this member's own");
		return SYNOD_WRONG_MEMBER;
	}
	if (greeting_member(identity, hello->member_id) == NULL) {
		snprintf(why, GREETING_WHY_MAX, "no member of this ensemble has id %llu",
		         (unsigned long long)hello->member_id);
		return SYNOD_WRONG_MEMBER;
	}
	return SYNOD_OK;
}

int
greeting_check(const struct frame *frame, enum hello_role role, const struct identity *identity,
               struct hello *hello, char *why)
{
	int error = hello_decode(frame->body, hello);

	if (error != SYNOD_OK) {
		snprintf(why, GREETING_WHY_MAX, "the greeting is malformed");
		return error;
	}
	if (hello->version_min > PROTOCOL_VERSION_MAX ||
	    hello->version_max < PROTOCOL_VERSION_MIN) {
		snprintf(why, GREETING_WHY_MAX,
		         "no common protocol version: the greeting says %u to %u, this member "
		         "speaks %u to %u",
		         hello->version_min, hello->version_max, PROTOCOL_VERSION_MIN,
		         PROTOCOL_VERSION_MAX);
		return SYNOD_WRONG_PROTOCOL;
	}
	error = check_role(hello, role, why);
	if (error == SYNOD_OK)
		error = check_cluster(hello, identity, why);
	if (error == SYNOD_OK && role == HELLO_MEMBER)
		error = check_member(hello, identity, why);
	return error;
}

int
greeting_read_number(const struct frame *frame, uint64_t *number)
{
	struct cursor cursor;
	uint32_t count;

	cursor_init(&cursor, frame->body);
	count = cursor_array(&cursor);
	*number = cursor_u64(&cursor);
	if (count > 1)
		cursor_skip(&cursor, count - 1);
	cursor_leave(&cursor);
	return count < 1 ? SYNOD_BAD_MESSAGE : cursor_finish(&cursor);
}

int
greeting_answer_ping(struct connection *connection, const struct frame *frame)
{
	struct buffer out = BUFFER_EMPTY;
	uint64_t number;
	size_t begin;

	if (greeting_read_number(frame, &number) != SYNOD_OK)
		return SYNOD_BAD_MESSAGE;
	begin = frame_begin(&out, FRAME_PONG);
	pack_array(&out, 1);
	pack_u64(&out, number);
	frame_end(&out, begin);
	if (!out.failed)
		connection_write(connection, buffer_slice(&out));
	buffer_fini(&out);
	connection_flush(connection);
	return SYNOD_OK;
}

void
refusal_log(struct refusal_log *log, uint64_t now_ms, const char *what,
            struct connection *connection, int error, const char *why)
{
	unsigned cause = (unsigned)error < REFUSAL_CAUSES ? (unsigned)error : 0;
	char address[MEMBER_ADDRESS_MAX + 1];

	if (log->logged_ms[cause] != 0 && now_ms < log->logged_ms[cause] + 1000) {
		log->skipped[cause]++;
		return;
	}
	connection->stream->ops->peer_address(connection->stream, address, sizeof address);
	log_warning("%s: %s address=%s error=%s more=%u", what, why, address, error_name(error),
	            log->skipped[cause]);
	log->logged_ms[cause] = now_ms > 0 ? now_ms : 1;
	log->skipped[cause] = 0;
}
