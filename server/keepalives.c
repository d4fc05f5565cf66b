/*
 * Keepalives: never logged, answered only once a quorum has confirmed the leader
 * since they arrived.
 *
 * A member gathers its clients' keepalives of one run into a batch.  On the leader
 * the batch renews the deadlines at once and waits for one confirmed index, which
 * is the proof that nobody else can have led meanwhile; on another member it goes
 * to the leader, which does the same.  An unanswered batch is sent again.
 *
 * Between members leases travel apart from sessions, which only their own clients
 * may keep alive: whoever knows the id of one cannot pass it off as a lease.
 */
#include <stdlib.h>
#include <string.h>

#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/planted.h"

/* Rows held while no leader answers; more are dropped, their clients send new ones. */
#define HELD_MAX 100000

static struct keepalive_batch *
batch_new(struct member *member)
{
	struct keepalive_batch *batch = check_calloc(1, sizeof *batch);

	batch->id = ++member->next_batch;
	return batch;
}

void
keepalive_batch_free(struct keepalive_batch *batch)
{
	if (!batch)
		return;
	free(batch->rows);
	free(batch);
}

static void
batch_add(struct keepalive_batch *batch, const struct keepalive *row)
{
	if (batch->count == batch->capacity) {
		batch->capacity = batch->capacity ? batch->capacity * 2 : 8;
		batch->rows = check_realloc(batch->rows, batch->capacity * sizeof *batch->rows);
	}
	batch->rows[batch->count++] = *row;
}

static bool
has_room(struct member *member, uint32_t lease_count)
{
	if (!member->keepalives)
		member->keepalives = batch_new(member);
	return member->keepalives->count + 1 + lease_count <= HELD_MAX;
}

/* Put the keepalives of BATCH among those not yet sent. */
static void
hold_again(struct member *member, struct keepalive_batch *batch)
{
	const struct keepalive *end = batch->rows + batch->count;

	for (const struct keepalive *at = batch->rows; at < end;) {
		const struct keepalive *next = at + 1 + at->lease_count;

		for (bool is_held = has_room(member, at->lease_count); at < next; at++) {
			if (is_held)
				batch_add(member->keepalives, at);
		}
	}
	keepalive_batch_free(batch);
}

/* A connection without a session may keep leases, and is then told of nothing else. */
static int
error_of(const struct keepalive *rows)
{
	if (rows->timeout_ms || (rows->id == 0 && rows->lease_count > 0))
		return SYNOD_OK;
	return SYNOD_SESSION_ENDED;
}

/* Answer the keepalive that begins at ROWS. */
static void
answer(struct member *member, const struct keepalive *rows)
{
	struct client *client = clients_find(member->clients, rows->connection);
	size_t begin;

	if (!client)
		return;
	buffer_clear(&member->scratch);
	begin = frame_begin(&member->scratch, FRAME_ALIVE);
	pack_array(&member->scratch, rows->lease_count > 0 ? 4 : 3);
	pack_u64(&member->scratch, rows->number);
	pack_u64(&member->scratch, (uint64_t)error_of(rows));
	pack_u64(&member->scratch, rows->timeout_ms);
	if (rows->lease_count > 0)
		pack_array(&member->scratch, rows->lease_count);
	for (uint32_t i = 1; i <= rows->lease_count; i++)
		pack_u64(&member->scratch, rows[i].timeout_ms);
	frame_end(&member->scratch, begin);
	connection_write(client->connection, buffer_slice(&member->scratch));
	flusher_touch(&member->flusher, client->connection);
}

static void
answer_batch(struct member *member, struct keepalive_batch *batch)
{
	for (size_t i = 0; i < batch->count; i += 1 + batch->rows[i].lease_count)
		answer(member, &batch->rows[i]);
	keepalive_batch_free(batch);
}

void
keepalives_on_client(void *owner, struct client *client, uint64_t number, const uint64_t *leases,
                     unsigned lease_count)
{
	struct member *member = owner;
	struct keepalive head = {
		.connection = client->connection->id,
		.number = number,
		.id = client->session,
		.lease_count = lease_count,
	};

	if (client->session == 0 && lease_count == 0) {
		answer(member, &head);
		return;
	}
	if (!has_room(member, lease_count))
		return;
	batch_add(member->keepalives, &head);
	for (unsigned i = 0; i < lease_count; i++) {
		struct keepalive row = {.id = leases[i], .is_lease = true};

		batch_add(member->keepalives, &row);
	}
}

/* ---- between members: [batch, [of each session...], [of each lease...]] ---- */

static bool
is_sent(const struct keepalive *row, bool is_lease)
{
	return row->is_lease == is_lease && (is_lease || row->id != 0);
}

static uint64_t
id_of(const struct keepalive *row)
{
	return row->id;
}

static uint64_t
timeout_of(const struct keepalive *row)
{
	return row->timeout_ms;
}

/* One array: what OF says of every row of this sort. */
static void
pack_rows(struct buffer *out, const struct keepalive_batch *batch, bool is_lease,
          uint64_t (*of)(const struct keepalive *row))
{
	uint32_t count = 0;

	for (size_t i = 0; i < batch->count; i++)
		count += is_sent(&batch->rows[i], is_lease);
	pack_array(out, count);
	for (size_t i = 0; i < batch->count; i++) {
		if (is_sent(&batch->rows[i], is_lease))
			pack_u64(out, of(&batch->rows[i]));
	}
}

/* ---- on the leader ---- */

static void
renew(struct member *member, struct keepalive_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct keepalive *row = &batch->rows[i];

		if (!sessions_renew(member->sessions, row->id, row->is_lease, member->now_ms,
		                    &row->timeout_ms))
			row->timeout_ms = 0;
	}
}

/* Wait for one confirmed index on behalf of BATCH. */
static void
confirm(struct member *member, struct keepalive_batch *batch)
{
	struct read_batch *read;

	if (PLANTED(KEEPALIVE_UNCONFIRMED)) {
		keepalives_on_confirmed(member, batch, SYNOD_OK);
		return;
	}
	read = check_calloc(1, sizeof *read);
	read->keepalives = batch;
	reads_ask(member, read);
}

static void
answer_member(struct member *member, struct keepalive_batch *batch)
{
	buffer_clear(&member->body);
	pack_array(&member->body, 3);
	pack_u64(&member->body, batch->origin_batch);
	pack_rows(&member->body, batch, false, timeout_of);
	pack_rows(&member->body, batch, true, timeout_of);
	links_send(member->links, batch->origin, FRAME_SESSIONS_ALIVE, buffer_slice(&member->body));
}

void
keepalives_on_confirmed(struct member *member, struct keepalive_batch *batch, int error)
{
	if (batch->origin) {
		if (!error)
			answer_member(member, batch);
		keepalive_batch_free(batch); /* on an error the origin sends it again */
		return;
	}
	if (error) {
		hold_again(member, batch);
		return;
	}
	answer_batch(member, batch);
}

/* One array of ids from another member. */
static void
read_rows(struct cursor *cursor, struct keepalive_batch *batch, bool is_lease)
{
	uint32_t count = cursor_array(cursor);

	for (uint32_t i = 0; i < count && !cursor->failed; i++) {
		struct keepalive row = {.id = cursor_u64(cursor), .is_lease = is_lease};

		batch_add(batch, &row);
	}
	cursor_leave(cursor);
}

int
keepalives_on_sessions(struct member *member, uint64_t from, struct slice body)
{
	struct keepalive_batch *batch;
	struct cursor cursor;
	uint32_t count;

	if (!member_leads(member))
		return SYNOD_OK; /* the origin sends it again, to whoever leads then */
	batch = batch_new(member);
	batch->origin = from;
	cursor_init(&cursor, body);
	count = cursor_array(&cursor);
	if (count < 2)
		cursor_fail(&cursor);
	batch->origin_batch = cursor_u64(&cursor);
	read_rows(&cursor, batch, false);
	if (count > 2)
		read_rows(&cursor, batch, true);
	if (cursor.failed) {
		keepalive_batch_free(batch);
		return SYNOD_BAD_MESSAGE;
	}
	renew(member, batch);
	confirm(member, batch);
	return SYNOD_OK;
}

/* ---- on another member ---- */

static bool
send_to_leader(struct member *member, struct keepalive_batch *batch)
{
	uint64_t leader = member->view.leader;

	if (leader == 0 || leader == member->identity.self)
		return false;
	buffer_clear(&member->body);
	pack_array(&member->body, 3);
	pack_u64(&member->body, batch->id);
	pack_rows(&member->body, batch, false, id_of);
	pack_rows(&member->body, batch, true, id_of);
	return links_send(member->links, leader, FRAME_SESSIONS, buffer_slice(&member->body));
}

static struct keepalive_batch *
take_sent(struct member *member, uint64_t id)
{
	for (struct keepalive_batch **link = &member->keepalives_sent; *link;
	     link = &(*link)->next) {
		struct keepalive_batch *batch = *link;

		if (batch->id == id) {
			*link = batch->next;
			return batch;
		}
	}
	return NULL;
}

/* One array of the leader's answer: a timeout for each row that was asked of this sort. */
static void
read_timeouts(struct cursor *cursor, struct keepalive_batch *batch, bool is_lease)
{
	uint32_t count = cursor_array(cursor), read = 0;

	for (size_t i = 0; i < batch->count && !cursor->failed; i++) {
		struct keepalive *row = &batch->rows[i];

		if (!is_sent(row, is_lease))
			continue;
		if (read++ == count)
			cursor_fail(cursor);
		row->timeout_ms = cursor_u64(cursor);
	}
	if (read != count)
		cursor_fail(cursor);
	cursor_leave(cursor);
}

int
keepalives_on_alive(struct member *member, uint64_t from, struct slice body)
{
	struct keepalive_batch *batch;
	struct cursor cursor;
	uint64_t id;
	uint32_t count;

	(void)from;
	cursor_init(&cursor, body);
	count = cursor_array(&cursor);
	id = cursor_u64(&cursor);
	if (count < 3 || cursor.failed)
		return SYNOD_BAD_MESSAGE;
	batch = take_sent(member, id);
	if (!batch)
		return SYNOD_OK; /* sent again meanwhile, to a leader that may be another */
	read_timeouts(&cursor, batch, false);
	read_timeouts(&cursor, batch, true);
	if (cursor.failed) {
		hold_again(member, batch);
		return SYNOD_BAD_MESSAGE;
	}
	answer_batch(member, batch);
	return SYNOD_OK;
}

/* ---- at the end of each run, and as time passes ---- */

void
keepalives_send(struct member *member)
{
	struct keepalive_batch *batch = member->keepalives;

	if (!batch || batch->count == 0)
		return;
	if (member_leads(member)) {
		member->keepalives = NULL;
		renew(member, batch);
		confirm(member, batch);
		return;
	}
	if (!send_to_leader(member, batch))
		return;
	member->keepalives = NULL;
	batch->sent_ms = member->now_ms;
	batch->next = member->keepalives_sent;
	member->keepalives_sent = batch;
}

void
keepalives_on_leader_change(struct member *member)
{
	while (member->keepalives_sent) {
		struct keepalive_batch *batch = member->keepalives_sent;

		member->keepalives_sent = batch->next;
		hold_again(member, batch);
	}
}

void
keepalives_tick(struct member *member)
{
	struct keepalive_batch **link = &member->keepalives_sent;

	while (*link) {
		struct keepalive_batch *batch = *link;

		if (member->now_ms < batch->sent_ms + KEEPALIVE_WAIT_MAX_MS) {
			link = &batch->next;
			continue;
		}
		*link = batch->next;
		hold_again(member, batch);
	}
}

void
keepalives_fini(struct member *member)
{
	keepalive_batch_free(member->keepalives);
	while (member->keepalives_sent) {
		struct keepalive_batch *batch = member->keepalives_sent;

		member->keepalives_sent = batch->next;
		keepalive_batch_free(batch);
	}
}
