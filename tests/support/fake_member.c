/* A scripted member over any transport. */
#include "tests/support/fake_member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/check.h"
#include "shared/error.h"

#define CONNECTIONS_MAX 64

enum fake_item {
	FAKE_ITEM_STOP = 1,
	FAKE_ITEM_DROP,
};

struct fake_member {
	struct fake_ensemble *ensemble;
	struct clock *clock;
	struct actor *actor;
	struct connection_listener listener;
	char address[64];
	struct actor_item stop_item;
	struct actor_item drop_item;
	/* The actor's. */
	struct connection *connections[CONNECTIONS_MAX];
	unsigned open_count;
	bool is_stopping;
	bool is_unheard;
	/* Under the ensemble's lock, together with everything in the ensemble. */
	bool is_stopped;
	struct fake_fault faults[FAKE_FAULTS_MAX];
	unsigned fault_count;
	enum fake_greeting greeting;
	int greeting_error;
	uint8_t cluster_id[CLUSTER_ID_SIZE];
	bool is_mute;
	bool answers_keepalives;
	int keepalive_error;
	char told_address[64];
	unsigned request_counts[256];
	unsigned accepted_count;
	unsigned keepalive_count;
	uint64_t last_at_least;
	uint64_t last_acknowledged;
};

static void
lock(struct fake_member *member)
{
	pthread_mutex_lock(&member->ensemble->lock);
}

static void
unlock(struct fake_member *member)
{
	pthread_mutex_unlock(&member->ensemble->lock);
}

/* ---- the ensemble ---- */

struct fake_ensemble *
fake_ensemble_new(void)
{
	struct fake_ensemble *ensemble = check_calloc(1, sizeof *ensemble);

	pthread_mutex_init(&ensemble->lock, NULL);
	ensemble->writes = check_calloc(FAKE_WRITES_MAX, sizeof *ensemble->writes);
	ensemble->answers = check_calloc(FAKE_WRITES_MAX, sizeof *ensemble->answers);
	ensemble->watches = check_calloc(1, sizeof *ensemble->watches);
	ensemble->revision = 100;
	memset(ensemble->cluster_id, 0xc1, sizeof ensemble->cluster_id);
	return ensemble;
}

void
fake_ensemble_free(struct fake_ensemble *ensemble)
{
	pthread_mutex_destroy(&ensemble->lock);
	free(ensemble->watches);
	free(ensemble->writes);
	free(ensemble->answers);
	free(ensemble);
}

static uint64_t *
ttl_of_lease(struct fake_ensemble *ensemble, uint64_t id)
{
	for (unsigned i = 0; i < ensemble->lease_count; i++)
		if (ensemble->leases[i].id == id)
			return &ensemble->leases[i].ttl_ms;
	return NULL;
}

static void
set_lease(struct fake_ensemble *ensemble, uint64_t id, uint64_t ttl_ms)
{
	uint64_t *ttl = ttl_of_lease(ensemble, id);

	if (ttl == NULL) {
		CHECK(ensemble->lease_count < FAKE_LEASES_MAX);
		ensemble->leases[ensemble->lease_count].id = id;
		ttl = &ensemble->leases[ensemble->lease_count++].ttl_ms;
	}
	*ttl = ttl_ms;
}

void
fake_ensemble_set_lease(struct fake_ensemble *ensemble, uint64_t id, uint64_t ttl_ms)
{
	pthread_mutex_lock(&ensemble->lock);
	set_lease(ensemble, id, ttl_ms);
	pthread_mutex_unlock(&ensemble->lock);
}

static struct fake_session *
session_by_id(struct fake_ensemble *ensemble, uint64_t id)
{
	for (unsigned i = 0; i < ensemble->session_count; i++)
		if (ensemble->sessions[i].id == id && !ensemble->sessions[i].has_ended)
			return &ensemble->sessions[i];
	return NULL;
}

static struct fake_session *
session_by_secret(struct fake_ensemble *ensemble, struct slice secret)
{
	for (unsigned i = 0; i < ensemble->session_count; i++) {
		struct fake_session *session = &ensemble->sessions[i];

		if (session->secret_size == secret.size &&
		    memcmp(session->secret, secret.bytes, secret.size) == 0)
			return session;
	}
	return NULL;
}

/* ---- sending ---- */

static void
send_buffer(struct connection *connection, struct buffer *out)
{
	CHECK(!out->failed);
	connection_write(connection, buffer_slice(out));
	connection_flush(connection);
	buffer_fini(out);
}

static void
answer(struct connection *connection, uint64_t xid, int error, uint64_t revision,
       struct slice result)
{
	struct buffer out = BUFFER_EMPTY;
	size_t begin = frame_begin(&out, FRAME_RESPONSE);

	response_encode_head(&out, xid, error, revision, 0);
	if (result.bytes != NULL)
		pack_raw(&out, result);
	else
		pack_nil(&out);
	frame_end(&out, begin);
	send_buffer(connection, &out);
}

static void
answer_text(struct connection *connection, uint64_t xid, int error, uint64_t revision,
            const char *text)
{
	struct buffer packed = BUFFER_EMPTY;

	if (text != NULL)
		pack_string(&packed, slice_of(text));
	answer(connection, xid, error, revision, buffer_slice(&packed));
	buffer_fini(&packed);
}

/* ---- what requests do ---- */

struct asked {
	struct fake_member *member;
	struct connection *connection;
	const struct request *request;
};

static uint64_t *
session_of(struct connection *connection)
{
	return connection->context;
}

static void
answer_session(const struct asked *asked, const struct fake_session *session)
{
	struct buffer result = BUFFER_EMPTY;

	*session_of(asked->connection) = session->id;
	pack_array(&result, 3);
	pack_u64(&result, session->id);
	pack_u64(&result, session->timeout_ms);
	pack_u64(&result, session->last_seq);
	answer(asked->connection, asked->request->xid, SYNOD_OK, asked->member->ensemble->revision,
	       buffer_slice(&result));
	buffer_fini(&result);
}

static void
open_session(const struct asked *asked)
{
	struct fake_ensemble *ensemble = asked->member->ensemble;
	struct fake_session *session;
	struct cursor cursor;
	uint64_t timeout_ms;
	struct slice secret;

	cursor_init(&cursor, asked->request->body);
	CHECK(cursor_array(&cursor) >= 2);
	timeout_ms = cursor_u64(&cursor);
	secret = cursor_binary(&cursor);
	CHECK(!cursor.failed);
	CHECK(secret.size >= SESSION_SECRET_MIN);
	session = session_by_secret(ensemble, secret);
	if (session == NULL) {
		CHECK(ensemble->session_count < FAKE_SESSIONS_MAX);
		session = &ensemble->sessions[ensemble->session_count++];
		session->id = 1000 + ensemble->session_count;
		session->timeout_ms = timeout_ms;
		session->secret_size = secret.size;
		memcpy(session->secret, secret.bytes, secret.size);
	}
	answer_session(asked, session);
}

static void
attach_session(const struct asked *asked)
{
	struct fake_session *session;
	struct cursor cursor;
	struct slice secret;

	cursor_init(&cursor, asked->request->body);
	CHECK(cursor_array(&cursor) >= 2);
	session = session_by_id(asked->member->ensemble, cursor_u64(&cursor));
	secret = cursor_binary(&cursor);
	if (session == NULL)
		answer_text(asked->connection, asked->request->xid, SYNOD_SESSION_ENDED, 0, NULL);
	else if (secret.size != session->secret_size ||
	         memcmp(secret.bytes, session->secret, secret.size) != 0)
		answer_text(asked->connection, asked->request->xid, SYNOD_WRONG_SECRET, 0, NULL);
	else
		answer_session(asked, session);
}

static void
record_write(struct fake_ensemble *ensemble, const struct request *request)
{
	struct cursor cursor;
	struct slice path = slice_of("");

	cursor_init(&cursor, request->body);
	if (request->op != OP_TXN && request->op != OP_SESSION_CLOSE &&
	    request->op != OP_LEASE_GRANT && request->op != OP_REVOKE) {
		cursor_array(&cursor);
		path = cursor_string(&cursor);
	}
	CHECK(ensemble->write_count < FAKE_WRITES_MAX);
	snprintf(ensemble->writes[ensemble->write_count++], FAKE_NAME_SIZE, "%s %.*s",
	         op_name(request->op), (int)path.size, (const char *)path.bytes);
}

static uint64_t
first_number(struct slice body)
{
	struct cursor cursor;
	uint64_t number;

	cursor_init(&cursor, body);
	cursor_array(&cursor);
	number = cursor_u64(&cursor);
	CHECK(!cursor.failed);
	return number;
}

static uint64_t
grant_lease(struct fake_ensemble *ensemble, struct slice body)
{
	uint64_t id = 500 + ensemble->lease_count;

	set_lease(ensemble, id, first_number(body));
	return id;
}

/* Use up the number: SYNOD_OK with *VERSION, the answer kept, or why it cannot be. */
static int
execute(struct fake_ensemble *ensemble, uint64_t id, const struct request *request, int refusal,
        uint64_t *version)
{
	struct fake_session *session = session_by_id(ensemble, id);

	if (session == NULL)
		return SYNOD_SESSION_ENDED;
	if (request->seq > session->last_seq + 1)
		return SYNOD_OUT_OF_ORDER;
	if (request->seq <= session->last_seq) {
		for (unsigned i = 0; i < ensemble->answer_count; i++) {
			if (ensemble->answers[i].session == id &&
			    ensemble->answers[i].seq == request->seq) {
				*version = ensemble->answers[i].version;
				return ensemble->answers[i].error;
			}
		}
		CHECK(!"every number that was used has an answer");
	}
	session->last_seq = request->seq;
	ensemble->revision++;
	if (refusal == SYNOD_OK)
		record_write(ensemble, request);
	if (request->op == OP_SESSION_CLOSE)
		session->has_ended = true;
	*version = refusal == SYNOD_OK && request->op == OP_LEASE_GRANT
	                   ? grant_lease(ensemble, request->body)
	                   : ensemble->write_count;
	if (refusal == SYNOD_OK && request->op == OP_REVOKE)
		set_lease(ensemble, first_number(request->body), 0);
	CHECK(ensemble->answer_count < FAKE_WRITES_MAX);
	ensemble->answers[ensemble->answer_count].session = id;
	ensemble->answers[ensemble->answer_count].seq = request->seq;
	ensemble->answers[ensemble->answer_count].error = refusal;
	ensemble->answers[ensemble->answer_count++].version = *version;
	return refusal;
}

static void
write_node(const struct asked *asked, int refusal, bool is_answered)
{
	struct fake_ensemble *ensemble = asked->member->ensemble;
	const struct request *request = asked->request;
	struct buffer result = BUFFER_EMPTY;
	uint64_t version = 0;
	int error = execute(ensemble, *session_of(asked->connection), request, refusal, &version);

	asked->member->last_acknowledged = request->acknowledged;
	if (error == SYNOD_OK && request->op != OP_TXN) {
		pack_array(&result, request->op == OP_LEASE_GRANT ? 2 : 1);
		pack_u64(&result, version);
		if (request->op == OP_LEASE_GRANT)
			pack_u64(&result, *ttl_of_lease(ensemble, version));
	} else if (error == SYNOD_OK) {
		pack_array(&result, 3);
		pack_bool(&result, true);
		pack_nil(&result);
		pack_array(&result, 0);
	}
	if (is_answered)
		answer(asked->connection, request->xid, error,
		       error == SYNOD_OUT_OF_ORDER || error == SYNOD_SESSION_ENDED
		               ? 0
		               : ensemble->revision,
		       buffer_slice(&result));
	buffer_fini(&result);
}

static void
read_node(const struct asked *asked)
{
	const struct node_stat stat = {
		.created = 7, .modified = 8, .has_data = true, .data_size = 5};
	struct fake_ensemble *ensemble = asked->member->ensemble;
	struct buffer result = BUFFER_EMPTY;

	asked->member->last_at_least = asked->request->at_least;
	if (asked->request->op == OP_GET) {
		pack_array(&result, 2);
		stat_encode(&result, &stat);
		pack_binary(&result, slice_of("hello"));
	} else if (asked->request->op == OP_STAT) {
		pack_array(&result, 1);
		stat_encode(&result, &stat);
	} else {
		pack_array(&result, 3);
		if (asked->request->op == OP_LIST)
			stat_encode(&result, &stat);
		pack_array(&result, 0);
		if (asked->request->op == OP_LOG)
			pack_u64(&result, 1);
		pack_bool(&result, false);
	}
	answer(asked->connection, asked->request->xid, SYNOD_OK, ensemble->revision,
	       buffer_slice(&result));
	buffer_fini(&result);
}

static void
tell_members(const struct asked *asked)
{
	struct buffer result = BUFFER_EMPTY;

	pack_array(&result, 2);
	for (unsigned i = 1; i <= 2; i++) {
		pack_array(&result, 7);
		pack_u64(&result, i);
		pack_string(&result, slice_of(i == 1 ? "a" : "b"));
		pack_string(&result, slice_of("127.0.0.1:1"));
		pack_string(&result, slice_of(i == 1 ? "" : asked->member->told_address));
		pack_u64(&result, i == 1 ? ROLE_LEADER : ROLE_FOLLOWER);
		pack_bool(&result, true);
		pack_u64(&result, 40 + i);
	}
	answer(asked->connection, asked->request->xid, SYNOD_OK, 0, buffer_slice(&result));
	buffer_fini(&result);
}

static void
tell_status(const struct asked *asked)
{
	struct buffer result = BUFFER_EMPTY;
	const struct member_status status = {
		.name = slice_of("a"),
		.member_id = 1,
		.role = ROLE_LEADER,
		.leader = slice_of("a"),
		.ballot = slice_of("1.7.1"),
		.chosen = 12,
		.state_hash = slice_of("00"),
		.software = slice_of("synod fake"),
		.problem = slice_of(""),
		.cluster_id = slice_of("c1"),
		.voters = 3,
	};

	member_status_encode(&result, &status);
	answer(asked->connection, asked->request->xid, SYNOD_OK, 0, buffer_slice(&result));
	buffer_fini(&result);
}

static void
watch(const struct asked *asked)
{
	struct fake_ensemble *ensemble = asked->member->ensemble;
	struct buffer result = BUFFER_EMPTY;
	uint64_t first;

	if (asked->request->op == OP_UNWATCH) {
		fake_watches_end(ensemble->watches, asked->connection, asked->request->body);
		pack_array(&result, 0);
	} else {
		first = fake_watches_add(ensemble->watches, asked->connection, asked->request->body,
		                         ensemble->revision);
		pack_array(&result, 1);
		pack_u64(&result, first);
	}
	answer(asked->connection, asked->request->xid, SYNOD_OK, ensemble->revision,
	       buffer_slice(&result));
	buffer_fini(&result);
}

static void
serve(const struct asked *asked)
{
	switch (op_class(asked->request->op)) {
	case OP_CLASS_READ: read_node(asked); return;
	case OP_CLASS_WRITE: write_node(asked, SYNOD_OK, true); return;
	case OP_CLASS_WATCH: watch(asked); return;
	default: break;
	}
	switch (asked->request->op) {
	case OP_SESSION_OPEN: open_session(asked); break;
	case OP_SESSION_ATTACH: attach_session(asked); break;
	case OP_MEMBERS: tell_members(asked); break;
	case OP_STATUS: tell_status(asked); break;
	default: answer_text(asked->connection, asked->request->xid, SYNOD_OK, 0, NULL); break;
	}
}

/* ---- faults ---- */

static bool
take_fault(struct fake_member *member, uint8_t op, struct fake_fault *fault)
{
	for (unsigned i = 0; i < member->fault_count; i++) {
		struct fake_fault *ordered = &member->faults[i];

		if (ordered->count == 0 || (ordered->op != 0 && ordered->op != op))
			continue;
		/* The members' addresses are asked for behind the application's back. */
		if (ordered->op == 0 && op == OP_MEMBERS)
			continue;
		ordered->count--;
		*fault = *ordered;
		return true;
	}
	return false;
}

static void
send_garbage(struct connection *connection)
{
	connection_write(connection, slice_of("this is not a frame of Synod at all"));
	connection_flush(connection);
}

static void
send_malformed(struct connection *connection)
{
	struct buffer out = BUFFER_EMPTY;
	size_t begin = frame_begin(&out, FRAME_RESPONSE);

	pack_array(&out, 2);
	pack_u64(&out, 1);
	pack_string(&out, slice_of("?"));
	frame_end(&out, begin);
	send_buffer(connection, &out);
}

static void
misbehave(const struct asked *asked, const struct fake_fault *fault)
{
	struct fake_ensemble *ensemble = asked->member->ensemble;
	struct connection *connection = asked->connection;
	uint64_t xid = asked->request->xid;
	struct fake_session *session;

	asked->member->last_at_least = asked->request->at_least;
	switch (fault->action) {
	case FAKE_ANSWER: answer_text(connection, xid, fault->error, 0, fault->text); break;
	case FAKE_ANSWER_EXECUTE: serve(asked); break;
	case FAKE_RESULT:
		answer(connection, xid, fault->error,
		       fault->revision != 0 ? fault->revision : ensemble->revision, fault->result);
		break;
	case FAKE_IGNORE: break;
	case FAKE_DROP: connection_close(connection); break;
	case FAKE_EXECUTE_DROP:
		write_node(asked, SYNOD_OK, false);
		connection_close(connection);
		break;
	case FAKE_GARBAGE: send_garbage(connection); break;
	case FAKE_MALFORMED: send_malformed(connection); break;
	case FAKE_END_SESSION:
		session = session_by_id(ensemble, *session_of(connection));
		if (session != NULL)
			session->has_ended = true;
		answer_text(connection, xid, SYNOD_SESSION_ENDED, 0, NULL);
		break;
	case FAKE_REFUSE_IN_LOG: write_node(asked, fault->error, true); break;
	}
}

/* ---- frames ---- */

static void
greet(struct fake_member *member, struct connection *connection)
{
	const struct hello hello = {
		.version_min =
			member->greeting == FAKE_GREETS_LATER_VERSION ? 90 : PROTOCOL_VERSION_MIN,
		.version_max =
			member->greeting == FAKE_GREETS_LATER_VERSION ? 91 : PROTOCOL_VERSION_MAX,
		.role = member->greeting == FAKE_GREETS_AS_CLIENT ? HELLO_CLIENT : HELLO_MEMBER,
		.member_id = 1,
		.epoch = 1,
		.cluster_id = {member->cluster_id, CLUSTER_ID_SIZE},
		.name = slice_of("a"),
		.software = slice_of("synod fake"),
	};
	struct buffer out = BUFFER_EMPTY;
	size_t begin;

	if (member->greeting == FAKE_GREETS_NOT)
		return;
	if (member->greeting == FAKE_GREETS_REFUSING) {
		connection_refuse(connection, member->greeting_error, NULL);
		return;
	}
	if (member->greeting == FAKE_GREETS_GARBAGE) {
		send_garbage(connection);
		return;
	}
	begin = frame_begin(&out, FRAME_HELLO);
	hello_encode(&out, &hello);
	frame_end(&out, begin);
	send_buffer(connection, &out);
}

static uint64_t
number_in(const struct frame *frame)
{
	struct cursor cursor;
	uint64_t number;

	cursor_init(&cursor, frame->body);
	CHECK(cursor_array(&cursor) == 1);
	number = cursor_u64(&cursor);
	CHECK(!cursor.failed);
	return number;
}

static void
on_ping(struct fake_member *member, struct connection *connection, const struct frame *frame)
{
	struct buffer out = BUFFER_EMPTY;
	size_t begin;

	if (member->is_mute)
		return;
	begin = frame_begin(&out, FRAME_PONG);
	pack_array(&out, 1);
	pack_u64(&out, number_in(frame));
	frame_end(&out, begin);
	send_buffer(connection, &out);
}

/* The ttl of each of the leases that CURSOR is at. */
static void
answer_leases(struct fake_ensemble *ensemble, struct buffer *out, struct cursor *cursor,
              uint32_t count)
{
	pack_array(out, count);
	ensemble->lease_keepalives += count;
	for (uint32_t i = 0; i < count; i++) {
		const uint64_t *ttl_ms = ttl_of_lease(ensemble, cursor_u64(cursor));

		pack_u64(out, ttl_ms != NULL ? *ttl_ms : 0);
	}
	CHECK(!cursor->failed);
}

static void
on_keepalive(struct fake_member *member, struct connection *connection, const struct frame *frame)
{
	struct fake_session *session = session_by_id(member->ensemble, *session_of(connection));
	struct buffer out = BUFFER_EMPTY;
	struct cursor cursor;
	uint32_t field_count;
	uint32_t lease_count;
	size_t begin;
	int error = member->keepalive_error;

	member->keepalive_count++;
	if (!member->answers_keepalives)
		return;
	cursor_init(&cursor, frame->body);
	field_count = cursor_array(&cursor);
	begin = frame_begin(&out, FRAME_ALIVE);
	pack_array(&out, 4);
	pack_u64(&out, cursor_u64(&cursor));
	lease_count = field_count > 1 ? cursor_array(&cursor) : 0;
	if (session == NULL && (*session_of(connection) != 0 || lease_count == 0))
		error = SYNOD_SESSION_ENDED;
	pack_u64(&out, (uint64_t)error);
	pack_u64(&out, session != NULL ? session->timeout_ms : 0);
	answer_leases(member->ensemble, &out, &cursor, lease_count);
	frame_end(&out, begin);
	send_buffer(connection, &out);
}

static void
on_request(struct fake_member *member, struct connection *connection, const struct frame *frame)
{
	struct asked asked = {member, connection, NULL};
	struct request request;
	struct fake_fault fault;

	CHECK(request_decode(frame->body, &request) == SYNOD_OK);
	asked.request = &request;
	member->request_counts[0]++;
	member->request_counts[request.op]++;
	if (take_fault(member, request.op, &fault))
		misbehave(&asked, &fault);
	else
		serve(&asked);
}

static int
on_frame(struct connection *connection, const struct frame *frame)
{
	struct fake_member *member = connection->owner;

	lock(member);
	switch (frame->type) {
	case FRAME_HELLO: greet(member, connection); break;
	case FRAME_PING: on_ping(member, connection, frame); break;
	case FRAME_KEEPALIVE: on_keepalive(member, connection, frame); break;
	case FRAME_REQUEST: on_request(member, connection, frame); break;
	default: break;
	}
	unlock(member);
	return SYNOD_OK;
}

/* ---- connections ---- */

static void
note_stopped(struct fake_member *member)
{
	lock(member);
	member->is_stopped = member->is_unheard && member->open_count == 0;
	unlock(member);
}

static void
on_closed(struct connection *connection, int error)
{
	struct fake_member *member = connection->owner;

	(void)error;
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
		if (member->connections[i] == connection)
			member->connections[i] = NULL;
	lock(member);
	fake_watches_forget(member->ensemble->watches, connection);
	unlock(member);
	free(connection->context);
	connection_release(connection);
	member->open_count--;
	note_stopped(member);
}

static const struct connection_handler connection_handler = {on_frame, on_closed};

static void
on_stream(void *owner, struct stream *stream, uint64_t now_ms)
{
	struct fake_member *member = owner;
	struct connection *connection;
	unsigned i = 0;

	if (member->is_unheard) {
		stream_release(stream);
		return;
	}
	connection = connection_accept(stream, member->actor, &connection_handler, member,
	                               FRAME_CLIENT_MAX, now_ms);
	CHECK(connection != NULL);
	connection->context = check_calloc(1, sizeof(uint64_t));
	while (i < CONNECTIONS_MAX && member->connections[i] != NULL)
		i++;
	CHECK(i < CONNECTIONS_MAX);
	member->connections[i] = connection;
	member->open_count++;
	lock(member);
	member->accepted_count++;
	unlock(member);
}

static void
close_all(struct fake_member *member)
{
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
		if (member->connections[i] != NULL)
			connection_close(member->connections[i]);
}

static void
on_unheard(void *owner)
{
	struct fake_member *member = owner;

	member->is_unheard = true;
	close_all(member);
	note_stopped(member);
}

static void
on_item(void *owner, struct actor_item *item)
{
	struct fake_member *member = owner;

	if (connection_is_item(item)) {
		connection_on_item(item, clock_now_ms(member->clock));
	} else if (item->kind == FAKE_ITEM_DROP) {
		close_all(member);
	} else if (!member->is_stopping) {
		member->is_stopping = true;
		connection_unlisten(&member->listener);
	}
}

static const struct actor_handler actor_handler = {on_item, NULL};

/* ---- for the tests ---- */

struct fake_member *
fake_member_new(struct fake_ensemble *ensemble, struct transport *transport, struct clock *clock,
                enum actor_mode mode)
{
	struct fake_member *member = check_calloc(1, sizeof *member);

	member->ensemble = ensemble;
	member->clock = clock;
	member->answers_keepalives = true;
	memcpy(member->cluster_id, ensemble->cluster_id, CLUSTER_ID_SIZE);
	member->stop_item.kind = FAKE_ITEM_STOP;
	member->drop_item.kind = FAKE_ITEM_DROP;
	member->actor = actor_new("fake-member", mode, &actor_handler, member);
	CHECK(member->actor != NULL);
	member->listener.actor = member->actor;
	member->listener.on_stream = on_stream;
	member->listener.on_closed = on_unheard;
	member->listener.owner = member;
	CHECK(connection_listen(&member->listener, transport, "127.0.0.1:0") == SYNOD_OK);
	snprintf(member->address, sizeof member->address, "%s",
	         connection_listener_address(&member->listener));
	return member;
}

struct actor *
fake_member_actor(struct fake_member *member)
{
	return member->actor;
}

const char *
fake_member_address(struct fake_member *member)
{
	return member->address;
}

void
fake_member_stop(struct fake_member *member)
{
	actor_post(member->actor, &member->stop_item);
}

bool
fake_member_is_stopped(struct fake_member *member)
{
	bool is_stopped;

	lock(member);
	is_stopped = member->is_stopped;
	unlock(member);
	return is_stopped;
}

void
fake_member_free(struct fake_member *member)
{
	const struct timespec pause = {0, 1000000};

	while (!fake_member_is_stopped(member))
		nanosleep(&pause, NULL);
	actor_free(member->actor);
	free(member);
}

void
fake_member_set_greeting(struct fake_member *member, enum fake_greeting greeting, int error)
{
	lock(member);
	member->greeting = greeting;
	member->greeting_error = error;
	unlock(member);
}

void
fake_member_set_cluster(struct fake_member *member, uint8_t byte)
{
	lock(member);
	memset(member->cluster_id, byte, sizeof member->cluster_id);
	unlock(member);
}

void
fake_member_set_mute(struct fake_member *member, bool is_mute)
{
	lock(member);
	member->is_mute = is_mute;
	unlock(member);
}

void
fake_member_set_keepalive(struct fake_member *member, bool answers, int error)
{
	lock(member);
	member->answers_keepalives = answers;
	member->keepalive_error = error;
	unlock(member);
}

void
fake_member_set_members(struct fake_member *member, const char *address)
{
	lock(member);
	snprintf(member->told_address, sizeof member->told_address, "%s", address);
	unlock(member);
}

void
fake_member_fault(struct fake_member *member, struct fake_fault fault)
{
	lock(member);
	CHECK(member->fault_count < FAKE_FAULTS_MAX);
	member->faults[member->fault_count++] = fault;
	unlock(member);
}

void
fake_member_clear_faults(struct fake_member *member)
{
	lock(member);
	member->fault_count = 0;
	unlock(member);
}

void
fake_member_drop_all(struct fake_member *member)
{
	actor_post(member->actor, &member->drop_item);
}

unsigned
fake_member_requests(struct fake_member *member, uint8_t op)
{
	unsigned count;

	lock(member);
	count = member->request_counts[op];
	unlock(member);
	return count;
}

unsigned
fake_member_connections(struct fake_member *member)
{
	unsigned count;

	lock(member);
	count = member->accepted_count;
	unlock(member);
	return count;
}

unsigned
fake_member_keepalives(struct fake_member *member)
{
	unsigned count;

	lock(member);
	count = member->keepalive_count;
	unlock(member);
	return count;
}

uint64_t
fake_member_last_at_least(struct fake_member *member)
{
	uint64_t revision;

	lock(member);
	revision = member->last_at_least;
	unlock(member);
	return revision;
}

uint64_t
fake_member_last_acknowledged(struct fake_member *member)
{
	uint64_t seq;

	lock(member);
	seq = member->last_acknowledged;
	unlock(member);
	return seq;
}
