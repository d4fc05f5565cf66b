/*
 * Keepalives: never logged, answered only once a quorum has confirmed the leader
 * since they arrived, and expiry of the sessions that fell silent.
 *
 * A member gathers its clients' keepalives of one run into a batch.  On the leader
 * the batch renews the deadlines at once and waits for one confirmed index, which
 * is the proof that nobody else can have led meanwhile; on another member it goes
 * to the leader, which does the same.  An unanswered batch is sent again.
 */
#include <stdlib.h>
#include <string.h>

#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/planted.h"

/* Keepalives held while no leader answers; more are dropped, their clients send new ones. */
#define HELD_MAX 100000

/* Expiries proposed in one look. */
#define EXPIRE_LIMIT 1000

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

/* Put rows back among those not yet sent. */
static void
hold_again(struct member *member, struct keepalive_batch *batch)
{
	if (!member->keepalives)
		member->keepalives = batch_new(member);
	for (size_t i = 0; i < batch->count && member->keepalives->count < HELD_MAX; i++)
		batch_add(member->keepalives, &batch->rows[i]);
	keepalive_batch_free(batch);
}

static void
answer(struct member *member, const struct keepalive *row)
{
	struct client *client = clients_find(member->clients, row->connection);
	size_t begin;

	if (!client)
		return;
	buffer_clear(&member->scratch);
	begin = frame_begin(&member->scratch, FRAME_ALIVE);
	pack_array(&member->scratch, 3);
	pack_u64(&member->scratch, row->number);
	pack_u64(&member->scratch, row->timeout_ms ? SYNOD_OK : SYNOD_SESSION_ENDED);
	pack_u64(&member->scratch, row->timeout_ms);
	frame_end(&member->scratch, begin);
	connection_write(client->connection, buffer_slice(&member->scratch));
	flusher_touch(&member->flusher, client->connection);
}

void
keepalives_on_client(void *owner, struct client *client, uint64_t number)
{
	struct member *member = owner;
	struct keepalive row = {client->connection->id, number, client->session, 0};

	if (client->session == 0) {
		answer(member, &row);
		return;
	}
	if (!member->keepalives)
		member->keepalives = batch_new(member);
	if (member->keepalives->count < HELD_MAX)
		batch_add(member->keepalives, &row);
}

/* ---- on the leader ---- */

static void
renew(struct member *member, struct keepalive_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		if (!sessions_renew(member->sessions, batch->rows[i].session, member->now_ms,
		                    &batch->rows[i].timeout_ms))
			batch->rows[i].timeout_ms = 0;
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
	pack_array(&member->body, 2);
	pack_u64(&member->body, batch->origin_batch);
	pack_array(&member->body, (uint32_t)batch->count);
	for (size_t i = 0; i < batch->count; i++)
		pack_u64(&member->body, batch->rows[i].timeout_ms);
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
	for (size_t i = 0; i < batch->count; i++)
		answer(member, &batch->rows[i]);
	keepalive_batch_free(batch);
}

int
keepalives_on_sessions(struct member *member, uint64_t from, struct slice body)
{
	struct keepalive_batch *batch;
	struct cursor cursor;
	uint32_t count;

	if (!member->view.is_serving || !member->is_surveyed)
		return SYNOD_OK; /* the origin sends it again, to whoever leads then */
	batch = batch_new(member);
	batch->origin = from;
	cursor_init(&cursor, body);
	if (cursor_array(&cursor) < 2)
		cursor_fail(&cursor);
	batch->origin_batch = cursor_u64(&cursor);
	count = cursor_array(&cursor);
	for (uint32_t i = 0; i < count && !cursor.failed; i++) {
		struct keepalive row = {.session = cursor_u64(&cursor)};

		batch_add(batch, &row);
	}
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
	pack_array(&member->body, 2);
	pack_u64(&member->body, batch->id);
	pack_array(&member->body, (uint32_t)batch->count);
	for (size_t i = 0; i < batch->count; i++)
		pack_u64(&member->body, batch->rows[i].session);
	return links_send(member->links, leader, FRAME_SESSIONS, buffer_slice(&member->body));
}

int
keepalives_on_alive(struct member *member, uint64_t from, struct slice body)
{
	struct keepalive_batch *batch = NULL;
	struct cursor cursor;
	uint64_t id;
	uint32_t count;

	(void)from;
	cursor_init(&cursor, body);
	if (cursor_array(&cursor) < 2)
		return SYNOD_BAD_MESSAGE;
	id = cursor_u64(&cursor);
	count = cursor_array(&cursor);
	if (cursor.failed)
		return SYNOD_BAD_MESSAGE;
	for (struct keepalive_batch **link = &member->keepalives_sent; *link;
	     link = &(*link)->next) {
		if ((*link)->id == id) {
			batch = *link;
			*link = batch->next;
			break;
		}
	}
	if (!batch)
		return SYNOD_OK;
	for (size_t i = 0; i < batch->count && i < count; i++) {
		batch->rows[i].timeout_ms = cursor_u64(&cursor);
		if (!cursor.failed)
			answer(member, &batch->rows[i]);
	}
	keepalive_batch_free(batch);
	return cursor.failed ? SYNOD_BAD_MESSAGE : SYNOD_OK;
}

/* ---- at the end of each run, and as time passes ---- */

void
keepalives_send(struct member *member)
{
	struct keepalive_batch *batch = member->keepalives;

	if (!batch || batch->count == 0)
		return;
	if (member->view.is_serving && member->is_surveyed) {
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

static bool
propose_expiry(void *context, uint64_t session, uint64_t generation)
{
	struct member *member = context;
	struct command command = {
		.type = COMMAND_EXPIRE,
		.session = session,
		.generation = generation,
		.ballot = {member->view.ballot.epoch, member->view.ballot.round,
	                   member->view.ballot.member},
	};

	proposals_add_command(member, &command);
	return true;
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
	if (member->view.is_serving && member->is_surveyed && !member->is_full &&
	    member->now_ms >= member->sessions_look_ms)
		member->sessions_look_ms = sessions_expire(member->sessions, member->now_ms,
		                                           EXPIRE_LIMIT, propose_expiry, member);
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
