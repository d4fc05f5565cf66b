/* Finding a member that answers, and noticing when it no longer does. */
#include "client/contact.h"

#include <stdio.h>
#include <string.h>

#include "client/synod.h"
#include "shared/error.h"
#include "shared/fields.h"

#define PAUSE_MIN_US 20000
#define PAUSE_MAX_US 1000000
#define SOFTWARE     "libsynod " SYNOD_VERSION

/* ---- failing and trying again ---- */

static bool
is_mismatch(int error)
{
	return error >= SYNOD_WRONG_PROTOCOL && error <= SYNOD_WRONG_DISK;
}

static void
remember_problem(struct contact *contact, int error, const char *why)
{
	uint64_t bit = UINT64_C(1) << (contact->index % 64);

	contact->error = error;
	snprintf(contact->problem, sizeof contact->problem, "%s: %s",
	         endpoints_at(contact->endpoints, contact->index), why);
	if (is_mismatch(error))
		contact->mismatches |= bit;
	else
		contact->mismatches &= ~bit;
}

/* 20 ms after the first round in vain, doubling to 1 s; three quarters to five quarters of it. */
static uint64_t
pause_us(struct contact *contact, unsigned rounds)
{
	uint64_t pause = PAUSE_MIN_US;

	for (unsigned i = 1; i < rounds && pause < PAUSE_MAX_US; i++)
		pause *= 2;
	if (pause > PAUSE_MAX_US)
		pause = PAUSE_MAX_US;
	return pause * 3 / 4 + clock_random(contact->clock) % (pause / 2);
}

static void
try_next(struct contact *contact, uint64_t now_us)
{
	unsigned count = endpoints_count(contact->endpoints);

	contact->failures++;
	contact->index = (contact->index + 1) % count;
	contact->state = CONTACT_WAITING;
	contact->retry_us = now_us;
	if (contact->failures % count == 0)
		contact->retry_us += pause_us(contact, contact->failures / count);
}

/* The present connection is no longer ours; its on_closed releases it. */
static void
abandon(struct contact *contact)
{
	struct connection *connection = contact->connection;

	contact->connection = NULL;
	buffer_clear(&contact->output);
	contact->pinged_us = 0;
	contact->waiting_since_us = 0;
	if (connection != NULL)
		connection_close(connection);
}

static void
fail(struct contact *contact, int error, const char *why, uint64_t now_us)
{
	bool was_up = contact->state == CONTACT_UP;

	remember_problem(contact, error, why);
	abandon(contact);
	try_next(contact, now_us);
	if (was_up)
		contact->handler->on_down(contact->owner);
}

void
contact_switch(struct contact *contact, int error, const char *why, uint64_t now_us)
{
	if (contact->state == CONTACT_GREETING || contact->state == CONTACT_UP)
		fail(contact, error, why, now_us);
}

void
contact_was_useful(struct contact *contact)
{
	contact->was_useful = true;
	contact->failures = 0;
}

bool
contact_is_hopeless(const struct contact *contact)
{
	unsigned count = endpoints_count(contact->endpoints);
	uint64_t all = count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;

	return (contact->mismatches & all) == all;
}

/* ---- frames ---- */

static void
write_number(struct contact *contact, uint8_t type, uint64_t number)
{
	size_t begin = frame_begin(&contact->output, type);

	pack_array(&contact->output, 1);
	pack_u64(&contact->output, number);
	frame_end(&contact->output, begin);
}

void
contact_write_hello(struct buffer *out)
{
	const struct hello hello = {
		.version_min = PROTOCOL_VERSION_MIN,
		.version_max = PROTOCOL_VERSION_MAX,
		.role = HELLO_CLIENT,
		.name = slice_of(""),
		.software = slice_of(SOFTWARE),
	};
	size_t begin = frame_begin(out, FRAME_HELLO);

	hello_encode(out, &hello);
	frame_end(out, begin);
}

static int
check_hello(struct contact *contact, const struct hello *hello)
{
	if (hello->version_min > PROTOCOL_VERSION_MAX || hello->version_max < PROTOCOL_VERSION_MIN)
		return SYNOD_WRONG_PROTOCOL;
	if (hello->role != HELLO_MEMBER)
		return SYNOD_BAD_MESSAGE;
	if (hello->cluster_id.bytes == NULL)
		return SYNOD_OK;
	if (contact->knows_cluster &&
	    memcmp(contact->cluster_id, hello->cluster_id.bytes, CLUSTER_ID_SIZE) != 0)
		return SYNOD_WRONG_CLUSTER;
	memcpy(contact->cluster_id, hello->cluster_id.bytes, CLUSTER_ID_SIZE);
	contact->knows_cluster = true;
	return SYNOD_OK;
}

static void
on_hello(struct contact *contact, const struct frame *frame, uint64_t now_us)
{
	struct hello hello;
	int error = hello_decode(frame->body, &hello);

	if (error == SYNOD_OK)
		error = check_hello(contact, &hello);
	if (error != SYNOD_OK) {
		fail(contact, error, error_text(error), now_us);
		return;
	}
	contact->mismatches &= ~(UINT64_C(1) << (contact->index % 64));
	contact->state = CONTACT_UP;
	contact->connection->is_up = true;
	contact->up_since_us = now_us;
	contact->was_useful = false;
	contact->handler->on_up(contact->owner);
}

static void
on_refused(struct contact *contact, const struct frame *frame, uint64_t now_us)
{
	char text[CONTACT_TEXT_MAX / 4];
	char why[CONTACT_TEXT_MAX / 2];
	int error = connection_refusal(frame, text, sizeof text);

	if (error == SYNOD_OK)
		error = SYNOD_BAD_MESSAGE;
	snprintf(why, sizeof why, "the member refused the connection: %s", text);
	fail(contact, error, why, now_us);
}

static void
on_ping(struct contact *contact, const struct frame *frame)
{
	struct cursor cursor;
	struct fields fields;
	uint64_t number;

	cursor_init(&cursor, frame->body);
	fields = fields_enter(&cursor, 1);
	number = field_u64(&fields);
	fields_leave(&fields);
	if (cursor_finish(&cursor) == SYNOD_OK)
		write_number(contact, FRAME_PONG, number);
}

static void
on_frame_up(struct contact *contact, const struct frame *frame, uint64_t now_us)
{
	int error = SYNOD_OK;

	switch (frame->type) {
	case FRAME_HELLO: break;
	case FRAME_PING: on_ping(contact, frame); break;
	case FRAME_PONG: contact->pinged_us = 0; break;
	default: error = contact->handler->on_frame(contact->owner, frame); break;
	}
	if (error != SYNOD_OK)
		contact_switch(contact, error, error_text(error), now_us);
}

static int
on_frame(struct connection *connection, const struct frame *frame)
{
	struct contact *contact = connection->owner;
	uint64_t now_us = clock_now_us(contact->clock);

	if (connection != contact->connection)
		return SYNOD_OK;
	contact->heard_us = now_us;
	if (frame->type == FRAME_REFUSED)
		on_refused(contact, frame, now_us);
	else if (contact->state == CONTACT_UP)
		on_frame_up(contact, frame, now_us);
	else if (frame->type == FRAME_HELLO)
		on_hello(contact, frame, now_us);
	else
		fail(contact, SYNOD_BAD_MESSAGE, "it does not greet as a member of Synod does",
		     now_us);
	return SYNOD_OK;
}

static void
on_closed(struct connection *connection, int error)
{
	struct contact *contact = connection->owner;

	if (connection == contact->connection) {
		contact->connection = NULL;
		fail(contact, error,
		     error == SYNOD_CLOSED ? "the member closed the connection" : error_text(error),
		     clock_now_us(contact->clock));
	}
	connection_release(connection);
	contact->open_connections--;
	if (contact->state == CONTACT_STOPPED && contact->open_connections == 0)
		contact->handler->on_stopped(contact->owner);
}

static const struct connection_handler connection_handler = {on_frame, on_closed};

/* ---- time ---- */

static void
dial(struct contact *contact, uint64_t now_us)
{
	const char *address = endpoints_at(contact->endpoints, contact->index);
	struct connection *connection;
	int error = connection_dial(contact->transport, address, CONTACT_DIAL_MS, contact->actor,
	                            &connection_handler, contact, FRAME_CLIENT_MAX, now_us / 1000,
	                            &connection);

	if (error != SYNOD_OK) {
		fail(contact, error, error_text(error), now_us);
		return;
	}
	contact->connection = connection;
	contact->open_connections++;
	contact->state = CONTACT_GREETING;
	contact->deadline_us = now_us + (CONTACT_DIAL_MS + CONTACT_HELLO_MS) * UINT64_C(1000);
	contact_write_hello(&contact->output);
	contact_flush(contact, now_us);
}

void
contact_start(struct contact *contact, uint64_t now_us)
{
	contact->index =
		(unsigned)(clock_random(contact->clock) % endpoints_count(contact->endpoints));
	contact->state = CONTACT_WAITING;
	contact->retry_us = now_us;
	contact_on_time(contact, now_us);
}

void
contact_stop(struct contact *contact)
{
	contact->state = CONTACT_STOPPED;
	abandon(contact);
	if (contact->open_connections == 0)
		contact->handler->on_stopped(contact->owner);
}

void
contact_fini(struct contact *contact)
{
	buffer_fini(&contact->output);
}

/* Nothing was heard since then although something was awaited; without that, since anything was. */
static uint64_t
quiet_since_us(const struct contact *contact)
{
	uint64_t since_us = contact->waiting_since_us;

	if (since_us == 0)
		since_us = contact->pinged_us;
	return contact->heard_us > since_us ? contact->heard_us : since_us;
}

/* How long the member may be quiet before it is pinged. */
static uint64_t
ping_after_us(const struct contact *contact)
{
	if (contact->waiting_since_us != 0)
		return contact->silence_ms * UINT64_C(500);
	return (contact->is_listening ? CONTACT_LISTEN_MS : CONTACT_IDLE_MS) * UINT64_C(1000);
}

static void
check_silence(struct contact *contact, uint64_t now_us)
{
	uint64_t quiet_us = now_us - quiet_since_us(contact);

	if (contact->pinged_us != 0) {
		if (quiet_us >= contact->silence_ms * UINT64_C(1000))
			fail(contact, SYNOD_TIMEOUT, "the member has fallen silent", now_us);
	} else if (quiet_us >= ping_after_us(contact)) {
		contact->pinged_us = now_us;
		write_number(contact, FRAME_PING, ++contact->ping_number);
	}
}

void
contact_on_time(struct contact *contact, uint64_t now_us)
{
	switch (contact->state) {
	case CONTACT_WAITING:
		if (now_us >= contact->retry_us)
			dial(contact, now_us);
		break;
	case CONTACT_GREETING:
		if (now_us >= contact->deadline_us)
			fail(contact, SYNOD_TIMEOUT, "no greeting in time", now_us);
		break;
	case CONTACT_UP: check_silence(contact, now_us); break;
	case CONTACT_STOPPED: break;
	}
}

uint64_t
contact_next_us(const struct contact *contact)
{
	switch (contact->state) {
	case CONTACT_WAITING: return contact->retry_us;
	case CONTACT_GREETING: return contact->deadline_us;
	case CONTACT_STOPPED: return UINT64_MAX;
	case CONTACT_UP: break;
	}
	if (contact->pinged_us != 0)
		return quiet_since_us(contact) + contact->silence_ms * UINT64_C(1000);
	return quiet_since_us(contact) + ping_after_us(contact);
}

void
contact_set_waiting(struct contact *contact, bool is_waiting, uint64_t now_us)
{
	if (!is_waiting)
		contact->waiting_since_us = 0;
	else if (contact->waiting_since_us == 0)
		contact->waiting_since_us = now_us;
}

void
contact_flush(struct contact *contact, uint64_t now_us)
{
	if (contact->output.size == 0 && !contact->output.failed)
		return;
	if (contact->output.failed) {
		buffer_fini(&contact->output);
		contact_switch(contact, SYNOD_NO_MEMORY, error_text(SYNOD_NO_MEMORY), now_us);
		return;
	}
	if (contact->connection != NULL) {
		connection_write(contact->connection, buffer_slice(&contact->output));
		connection_flush(contact->connection);
	}
	buffer_clear(&contact->output);
}
