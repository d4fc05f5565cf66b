/* Requests: checked, proposed or forwarded, fed to the executor, and given back. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/log.h"
#include "shared/planted.h"

/* Requests are kept for reuse rather than freed, up to this many. */
#define POOL_MAX 4096

/* ---- a request's life ---- */

static struct pending *
pending_new(struct member *member, uint64_t xid, uint8_t op)
{
	struct pending *pending = member->pool;

	if (pending) {
		member->pool = pending->next;
		member->pool_count--;
	} else {
		pending = check_malloc(sizeof *pending);
	}
	memset(pending, 0, sizeof *pending);
	pending->xid = xid;
	pending->op = op;
	pending->started_ms = member->now_ms;
	member->pending_count++;
	return pending;
}

static void
pending_free(struct member *member, struct pending *pending)
{
	if (pending->client)
		clients_done(member->clients, pending->client);
	connection_release(pending->connection);
	entry_release(pending->entry);
	member->pending_bytes -= pending->body_size;
	free(pending->body);
	buffer_fini(&pending->response);
	member->pending_count--;
	if (member->pool_count == POOL_MAX) {
		free(pending);
		return;
	}
	pending->next = member->pool;
	member->pool = pending;
	member->pool_count++;
}

/* A text as the one packed element of an answer; valid until the next call. */
static struct slice
packed_text(struct member *member, const char *text)
{
	buffer_clear(&member->body);
	if (text)
		pack_string(&member->body, slice_of(text));
	return buffer_slice(&member->body);
}

/* Answer with an error at once, and free. */
static void
fail(struct member *member, struct pending *pending, int error, const char *text)
{
	pending_answer(pending, error, 0, 0, packed_text(member, text), &member->scratch);
	flusher_touch(&member->flusher, pending->connection);
	pending_free(member, pending);
}

static void
set_body(struct member *member, struct pending *pending, const void *bytes, size_t size)
{
	pending->body = check_malloc(size ? size : 1);
	memcpy(pending->body, bytes, size);
	pending->body_size = size;
	member->pending_bytes += size;
}

/* ---- writes ---- */

static void
propose(struct member *member, struct entry *entry, struct pending *pending)
{
	if (member->proposal_count == member->proposal_capacity) {
		member->proposal_capacity = member->proposal_capacity ? member->proposal_capacity * 2 : 256;
		member->proposals = check_realloc(member->proposals,
		                                  member->proposal_capacity * sizeof *member->proposals);
		member->proposal_pendings =
		    check_realloc(member->proposal_pendings,
		                  member->proposal_capacity * sizeof *member->proposal_pendings);
	}
	member->proposals[member->proposal_count] = entry;
	member->proposal_pendings[member->proposal_count++] = pending;
}

static struct entry *
entry_of_command(struct member *member, const struct command *command)
{
	buffer_clear(&member->scratch);
	command_encode(&member->scratch, command);
	CHECK(!member->scratch.failed);
	return entry_new_copy(ENTRY_COMMAND, member->scratch.bytes, (uint32_t)member->scratch.size);
}

void
requests_propose_command(struct member *member, const struct command *command)
{
	struct command stamped = *command;

	stamped.uptime_ms = member_uptime_ms(member);
	stamped.wall_ms = clock_wall_ms(member->options.clock);
	propose(member, entry_of_command(member, &stamped), NULL);
}

/* With the disk nearly full nothing may grow; what shrinks or ends is still taken, and the session
 * that a delete needs. */
static bool
is_growth(uint8_t op)
{
	return op != OP_DELETE && op != OP_SESSION_CLOSE && op != OP_SESSION_OPEN;
}

/*
 * Propose a client's write: a command with this leader's clocks.  A write that is
 * refused here still becomes a command, which uses up its number with the refusal
 * as its answer: otherwise every later write of the session would be out of order
 * for ever, and an earlier copy of it might still be executed.
 */
static void
propose_write(struct member *member, struct pending *pending, const struct request *request,
              int refusal)
{
	uint8_t packed_refusal[1];
	struct command command = {
	    .type = COMMAND_CLIENT,
	    .uptime_ms = member_uptime_ms(member),
	    .wall_ms = clock_wall_ms(member->options.clock),
	    .session = pending->session,
	    .seq = request->seq,
	    .acknowledged = request->acknowledged,
	    .op = request->op,
	    .body = request->body,
	};

	if (!refusal && member->is_low && is_growth(request->op))
		refusal = SYNOD_NO_SPACE;
	if (refusal) {
		CHECK(refusal < 128); /* one byte of MessagePack */
		packed_refusal[0] = (uint8_t)refusal;
		command.op = OP_REFUSED;
		command.body = (struct slice){packed_refusal, sizeof packed_refusal};
	}
	if (member->view.length - member->applied + member->proposal_count >= IN_FLIGHT_MAX) {
		fail(member, pending, SYNOD_BUSY, "too many writes in progress");
		return;
	}
	propose(member, entry_of_command(member, &command), pending);
}

void
requests_propose(struct member *member)
{
	struct paxos_event event = {.type = EVENT_PROPOSE};
	uint32_t count = member->proposal_count, taken;
	uint64_t first;
	int error;

	if (count == 0)
		return;
	event.propose.entries = member->proposals;
	event.propose.count = count;
	member->proposal_count = 0;
	member_step(member, &event);
	taken = member->update.proposed_count;
	first = member->update.proposed_first;
	error = member->update.propose_error;
	CHECK(taken <= count);
	for (uint32_t i = 0; i < taken; i++) {
		struct pending **slot = &member->slots[(first + i) & (SLOTS_MAX - 1)];

		CHECK(*slot == NULL);
		*slot = member->proposal_pendings[i];
	}
	for (uint32_t i = taken; i < count; i++) {
		entry_release(member->proposals[i]);
		if (member->proposal_pendings[i])
			fail(member, member->proposal_pendings[i], error ? error : SYNOD_RETRY, NULL);
	}
}

static void
forward(struct member *member, struct pending *pending, struct slice request)
{
	uint64_t leader = member->view.leader;
	struct pending **slot = &member->forwarded[member->next_tag & (FORWARDED_MAX - 1)];

	if (*slot) {
		fail(member, pending, SYNOD_BUSY, "too many requests are waiting for the leader");
		return;
	}
	buffer_clear(&member->scratch);
	pack_array(&member->scratch, 3);
	pack_u64(&member->scratch, member->next_tag);
	pack_u64(&member->scratch, pending->session);
	pack_raw(&member->scratch, request);
	if (leader == 0 || leader == member->identity.self ||
	    !links_send(member->links, leader, FRAME_FORWARD, buffer_slice(&member->scratch))) {
		fail(member, pending, SYNOD_RETRY, "no leader is known at the moment");
		return;
	}
	pending->tag = member->next_tag++;
	pending->target = leader;
	*slot = pending;
}

static bool
leads(const struct member *member)
{
	return member->view.is_serving && member->is_surveyed;
}

/* SESSION_OPEN's body with the hash of the secret in place of the secret. */
static int
hash_secret(struct slice secret, uint8_t hash[32])
{
	if (secret.size < SESSION_SECRET_MIN || secret.size > SESSION_SECRET_MAX)
		return SYNOD_BAD_ARGUMENT;
	crypto_generichash(hash, 32, secret.bytes, secret.size, NULL, 0);
	return SYNOD_OK;
}

static int
hash_open(struct member *member, struct request *request)
{
	struct cursor cursor;
	struct slice secret;
	uint64_t timeout_ms;
	uint8_t hash[32];
	uint32_t count;

	cursor_init(&cursor, request->body);
	count = cursor_array(&cursor);
	timeout_ms = cursor_u64(&cursor);
	secret = cursor_binary(&cursor);
	if (count < 2 || cursor.failed)
		return SYNOD_BAD_MESSAGE;
	if (hash_secret(secret, hash))
		return SYNOD_BAD_ARGUMENT;
	buffer_clear(&member->body);
	pack_array(&member->body, 2);
	pack_u64(&member->body, timeout_ms);
	pack_binary(&member->body, (struct slice){hash, sizeof hash});
	request->body = buffer_slice(&member->body);
	return SYNOD_OK;
}

/* What is wrong with a write, found before it is proposed. */
static int
check_write(const struct request *request, const char **why)
{
	struct transaction transaction;
	struct operation operation;

	if (request->op == OP_SESSION_CLOSE)
		return SYNOD_OK;
	if (request->op == OP_TXN)
		return transaction_decode(request->body, &transaction, why);
	return operation_decode(request->op, request->body, &operation, why);
}

static void
take_write(struct member *member, struct pending *pending, struct request *request)
{
	const char *why = NULL;
	int refusal = SYNOD_OK;

	if (request->op == OP_SESSION_OPEN) {
		int error = hash_open(member, request);

		if (error) {
			fail(member, pending, error, "a session's secret has 16 to 64 bytes");
			return;
		}
	} else if (pending->session == 0) {
		fail(member, pending, SYNOD_SESSION_ENDED,
		     "this connection has no session: open or attach one");
		return;
	} else {
		refusal = check_write(request, &why);
	}
	if (!leads(member)) {
		buffer_clear(&member->scratch);
		CHECK(request->body.size > 0);
		request_encode(&member->scratch, request);
		/* forward() uses the scratch buffer too: move the bytes aside. */
		struct buffer encoded = member->scratch;

		member->scratch = BUFFER_EMPTY;
		forward(member, pending, buffer_slice(&encoded));
		buffer_fini(&encoded);
		return;
	}
	propose_write(member, pending, request, refusal);
}

/* ---- reads ---- */

static void
gather_read(struct member *member, struct pending *pending)
{
	if (!member->gathered)
		member->gathered = check_calloc(1, sizeof *member->gathered);
	pending->next = member->gathered->reads;
	member->gathered->reads = pending;
}

/* One question to the core for all reads that arrived in this run. */
void
requests_ask_index(struct member *member)
{
	struct paxos_event event = {.type = EVENT_READ};
	struct read_batch *batch = member->gathered;

	if (!batch)
		return;
	member->gathered = NULL;
	batch->id = ++member->next_batch;
	batch->next = member->asked;
	member->asked = batch;
	event.read = batch->id;
	member_step(member, &event);
}

static struct read_batch *
take_batch(struct member *member, uint64_t id)
{
	for (struct read_batch **link = &member->asked; *link; link = &(*link)->next) {
		if ((*link)->id == id) {
			struct read_batch *batch = *link;

			*link = batch->next;
			return batch;
		}
	}
	return NULL;
}

static void
finish_batch(struct member *member, struct read_batch *batch, int error, uint64_t index)
{
	while (batch->reads) {
		struct pending *pending = batch->reads;

		batch->reads = pending->next;
		if (error) {
			fail(member, pending, error, NULL);
			continue;
		}
		pending->index = index;
		executor_read(member->executor, pending);
	}
	if (batch->keepalives)
		keepalives_on_confirmed(member, batch->keepalives, error);
	free(batch);
}

/* The core has answered: an index for each batch, or none. */
void
requests_on_reads(struct member *member)
{
	uint32_t count = member->update.read_count;
	struct paxos_read *reads;

	if (count == 0)
		return;
	/* Answering may step the core again, which reuses the update: take the answers out first. */
	reads = check_malloc(count * sizeof *reads);
	memcpy(reads, member->update.reads, count * sizeof *reads);
	member->update.read_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct read_batch *batch = take_batch(member, reads[i].cookie);

		if (batch)
			finish_batch(member, batch, reads[i].error, reads[i].index);
	}
	free(reads);
}

static void
take_read(struct member *member, struct pending *pending, const struct request *request)
{
	struct operation operation;
	const char *why = NULL;
	int error = operation_decode(request->op, request->body, &operation, &why);

	if (!error && request->op == OP_CHECK)
		error = SYNOD_UNSUPPORTED;
	if (error) {
		fail(member, pending, error, why);
		return;
	}
	set_body(member, pending, request->body.bytes, request->body.size);
	switch (request->consistency) {
	case CONSISTENCY_LINEARIZABLE: gather_read(member, pending); return;
	case CONSISTENCY_AT_LEAST: pending->index = request->at_least; break;
	case CONSISTENCY_LOCAL:
		if (member->view.role != ROLE_LEADER)
			pending->stale_ms = member->now_ms - member->view.heard_ms;
		break;
	default: fail(member, pending, SYNOD_BAD_ARGUMENT, "unknown consistency"); return;
	}
	executor_read(member->executor, pending);
}

static void
take_attach(struct member *member, struct pending *pending, const struct request *request)
{
	struct cursor cursor;
	struct slice secret;
	uint8_t hash[32];
	uint32_t count;

	cursor_init(&cursor, request->body);
	count = cursor_array(&cursor);
	pending->session = cursor_u64(&cursor);
	secret = cursor_binary(&cursor);
	if (count < 2 || cursor.failed) {
		fail(member, pending, SYNOD_BAD_MESSAGE, "SESSION_ATTACH needs [session, secret]");
		return;
	}
	if (hash_secret(secret, hash)) {
		fail(member, pending, SYNOD_WRONG_SECRET, NULL);
		return;
	}
	set_body(member, pending, hash, sizeof hash);
	gather_read(member, pending);
}

/* ---- about the member ---- */

static void
fill_members(struct member *member, struct status_half *half)
{
	struct paxos_voter voters[PAXOS_VOTERS_MAX];
	unsigned voter_count = paxos_voters(member->paxos, voters);

	half->member_count = member->identity.member_count;
	for (unsigned i = 0; i < half->member_count; i++) {
		const struct member_identity *known = &member->identity.members[i];
		struct status_member *row = &half->members[i];
		bool is_self = known->id == member->identity.self;

		row->id = known->id;
		memcpy(row->name, known->name, sizeof row->name);
		memcpy(row->peer_address, known->address, sizeof row->peer_address);
		memcpy(row->client_address, member->client_addresses[i], sizeof row->client_address);
		row->role = ROLE_FOLLOWER;
		if (is_self)
			row->role = (uint8_t)member->view.role;
		else if (known->id == member->view.leader)
			row->role = ROLE_LEADER;
		row->is_reachable = is_self || links_is_up(member->links, known->id);
		for (unsigned k = 0; k < voter_count; k++) {
			if (voters[k].member == known->id)
				row->matched = voters[k].matched;
		}
		if (is_self)
			row->matched = member->view.durable_length;
	}
}

static struct status_half *
status_half_of(struct member *member)
{
	struct status_half *half = check_calloc(1, sizeof *half);
	const struct member_identity *leader = member_find(member, member->view.leader);
	unsigned reachable = 0, quorum = member->identity.member_count / 2 + 1;

	half->view = member->view;
	memcpy(half->name, member->name, sizeof half->name);
	memcpy(half->software, member->software, sizeof half->software);
	if (leader)
		memcpy(half->leader, leader->name, sizeof half->leader);
	half->self = member->identity.self;
	half->epoch = member->identity.epoch;
	memcpy(half->cluster_id, member->identity.cluster_id, CLUSTER_ID_SIZE);
	half->clients = clients_count(member->clients);
	half->pending = member->pending_count;
	half->journal_bytes = recorder_journal_bytes(member->recorder);
	half->sync_p99_us = recorder_sync_p99_us(member->recorder);
	half->uptime_ms = member->now_ms - member->started_ms;
	fill_members(member, half);
	for (unsigned i = 0; i < half->member_count; i++)
		reachable += half->members[i].is_reachable;
	half->tolerates = reachable > quorum ? reachable - quorum : 0;
	if (member->is_full)
		snprintf(half->problem, sizeof half->problem, "disk full: not accepting values");
	else if (member->is_low)
		snprintf(half->problem, sizeof half->problem, "disk nearly full: refusing growth");
	else if (!leader)
		snprintf(half->problem, sizeof half->problem, "no leader is known");
	return half;
}

static void
take_transfer(struct member *member, struct pending *pending, const struct request *request)
{
	struct paxos_event event = {.type = EVENT_TRANSFER};
	const struct member_identity *target = NULL;
	struct cursor cursor;
	struct slice name;

	cursor_init(&cursor, request->body);
	if (cursor_array(&cursor) < 1 || cursor.failed) {
		fail(member, pending, SYNOD_BAD_MESSAGE, "TRANSFER needs [member name]");
		return;
	}
	name = cursor_nil(&cursor) ? (struct slice){0} : cursor_string(&cursor);
	for (unsigned i = 0; i < member->identity.member_count && name.size > 0; i++) {
		if (slice_equal(name, slice_of(member->identity.members[i].name)))
			target = &member->identity.members[i];
	}
	if (cursor.failed || (name.size > 0 && !target)) {
		fail(member, pending, SYNOD_BAD_ARGUMENT, "no member has this name");
		return;
	}
	if (member->view.role != ROLE_LEADER) {
		fail(member, pending, SYNOD_RETRY, "this member does not lead: ask the leader");
		return;
	}
	event.transfer = target ? target->id : 0;
	member_step(member, &event);
	fail(member, pending, SYNOD_OK, NULL);
}

static void
take_member_request(struct member *member, struct pending *pending, const struct request *request)
{
	if (request->op == OP_TRANSFER) {
		take_transfer(member, pending, request);
		return;
	}
	pending->body = (uint8_t *)status_half_of(member);
	pending->body_size = 0; /* not counted among the bodies of clients */
	executor_read(member->executor, pending);
}

/* ---- from clients ---- */

static void
on_request(void *owner, struct client *client, const struct request *arrived)
{
	struct member *member = owner;
	struct request request = *arrived;
	enum op_class class = op_class(request.op);
	struct pending *pending;

	if (class == OP_CLASS_NONE) {
		clients_answer_error(client, request.xid, SYNOD_UNSUPPORTED, NULL);
		return;
	}
	if (member->pending_count >= PENDING_MAX ||
	    member->pending_bytes + request.body.size > PENDING_BYTES_MAX) {
		clients_answer_error(client, request.xid, SYNOD_BUSY,
		                     "this member holds too many requests");
		return;
	}
	pending = pending_new(member, request.xid, request.op);
	pending->client = client;
	client->in_progress++;
	pending->connection = connection_retain(client->connection);
	pending->session = client->session;
	pending->consistency = request.consistency;
	if (request.op == OP_SESSION_ATTACH)
		take_attach(member, pending, &request);
	else if (class == OP_CLASS_WRITE || request.op == OP_SESSION_OPEN)
		take_write(member, pending, &request);
	else if (class == OP_CLASS_READ)
		take_read(member, pending, &request);
	else
		take_member_request(member, pending, &request);
}

static void
on_gone(void *owner, struct client *client)
{
	(void)owner;
	(void)client; /* its requests go on; their answers are dropped with the connection */
}

const struct clients_handler requests_handler = {
    .on_request = on_request,
    .on_keepalive = keepalives_on_client,
    .on_gone = on_gone,
};

/* ---- from and to other members ---- */

int
requests_on_forward(struct member *member, uint64_t from, struct slice body)
{
	struct pending *pending;
	struct request request;
	struct cursor cursor;
	uint64_t tag, session;
	struct slice packed;
	const char *why;
	int refusal = SYNOD_OK;

	cursor_init(&cursor, body);
	if (cursor_array(&cursor) < 3)
		return SYNOD_BAD_MESSAGE;
	tag = cursor_u64(&cursor);
	session = cursor_u64(&cursor);
	packed = cursor_raw(&cursor);
	if (cursor.failed || request_decode(packed, &request))
		return SYNOD_BAD_MESSAGE;
	pending = pending_new(member, request.xid, request.op);
	pending->origin = from;
	pending->origin_tag = tag;
	pending->session = session;
	pending->connection = links_connection(member->links, from);
	if (!pending->connection) {
		pending_free(member, pending);
		return SYNOD_OK;
	}
	if (!leads(member) || (request.op != OP_SESSION_OPEN && op_class(request.op) != OP_CLASS_WRITE)) {
		fail(member, pending, SYNOD_RETRY, NULL);
		return SYNOD_OK;
	}
	if (request.op != OP_SESSION_OPEN)
		refusal = check_write(&request, &why);
	propose_write(member, pending, &request, refusal);
	return SYNOD_OK;
}

/* The session that a successful SESSION_OPEN or SESSION_ATTACH names in its result. */
static uint64_t
session_of_response(const struct response *response)
{
	struct cursor cursor;
	uint64_t session;

	if (response->error != SYNOD_OK)
		return 0;
	cursor_init(&cursor, response->result);
	if (cursor_array(&cursor) < 1)
		return 0;
	session = cursor_u64(&cursor);
	return cursor.failed ? 0 : session;
}

/* Write a response that is already packed, binding or unbinding the session first. */
static void
answer_packed(struct member *member, struct pending *pending, struct slice packed)
{
	struct response response;
	size_t begin;

	if (pending->client && response_decode(packed, &response) == SYNOD_OK) {
		uint64_t session = session_of_response(&response);

		if (pending->op == OP_SESSION_CLOSE && response.error == SYNOD_OK)
			pending->client->session = 0;
		else if (session &&
		         (pending->op == OP_SESSION_OPEN || pending->op == OP_SESSION_ATTACH))
			pending->client->session = session;
	}
	buffer_clear(&member->scratch);
	begin = frame_begin(&member->scratch, pending->origin ? FRAME_FORWARDED : FRAME_RESPONSE);
	if (pending->origin) {
		pack_array(&member->scratch, 2);
		pack_u64(&member->scratch, pending->origin_tag);
	}
	pack_raw(&member->scratch, packed);
	frame_end(&member->scratch, begin);
	connection_write(pending->connection, buffer_slice(&member->scratch));
	flusher_touch(&member->flusher, pending->connection);
	pending_free(member, pending);
}

int
requests_on_forwarded(struct member *member, uint64_t from, struct slice body)
{
	struct pending **slot;
	struct cursor cursor;
	uint64_t tag;
	struct slice packed;

	cursor_init(&cursor, body);
	if (cursor_array(&cursor) < 2)
		return SYNOD_BAD_MESSAGE;
	tag = cursor_u64(&cursor);
	packed = cursor_raw(&cursor);
	if (cursor.failed)
		return SYNOD_BAD_MESSAGE;
	slot = &member->forwarded[tag & (FORWARDED_MAX - 1)];
	if (*slot && (*slot)->tag == tag && (*slot)->target == from) {
		struct pending *pending = *slot;

		*slot = NULL;
		answer_packed(member, pending, packed);
	}
	return SYNOD_OK;
}

/* ---- feeding the executor ---- */

static struct apply_item *
gather_rows(struct member *member, uint64_t last)
{
	uint64_t first = member->fed + 1;
	uint64_t count = last - member->fed;
	size_t bytes = 0;
	struct apply_item *item;

	if (count > FEED_ROWS_MAX)
		count = FEED_ROWS_MAX;
	item = apply_item_new(first, (uint32_t)count, member->feed_generation);
	for (uint64_t i = 0; i < count && bytes < FEED_BYTES_MAX; i++) {
		struct entry *entry = paxos_entry(member->paxos, first + i);
		struct pending **slot = &member->slots[(first + i) & (SLOTS_MAX - 1)];

		if (!entry)
			break;
		item->rows[i].entry = entry_retain(entry);
		bytes += entry->size;
		item->rows[i].pending = *slot;
		*slot = NULL;
		item->count++;
	}
	return item;
}

/*
 * Feed what is chosen and durable here.  Durable here, because the database must
 * never get ahead of this member's own journal: after a crash the one is rebuilt
 * from the other.
 */
void
requests_feed(struct member *member)
{
	uint64_t last = member->view.chosen;

	if (last > member->view.durable_length)
		last = member->view.durable_length;
	if (last > member->applied + FEED_AHEAD_MAX)
		last = member->applied + FEED_AHEAD_MAX;
	while (member->fed < last && !member->is_feed_loading) {
		struct apply_item *item = gather_rows(member, last);

		if (item->count == 0) {
			/* Not beyond what is chosen now: what follows may be replaced before
			 * the answer comes. */
			uint64_t count = last - member->fed;
			struct paxos_load load = {.first = member->fed + 1,
			                          .count_max = count < FEED_ROWS_MAX && !PLANTED(FEED_BEYOND_CHOSEN) ? (uint32_t)count
			                                                             : FEED_ROWS_MAX,
			                          .bytes_max = FEED_BYTES_MAX};

			free(item);
			member->is_feed_loading = true;
			recorder_load(member->recorder, &load, true);
			return;
		}
		if (member->fed == member->applied)
			member->feed_progress_ms = member->now_ms;
		member->fed += item->count;
		executor_apply(member->executor, item);
	}
}

void
requests_on_progress(struct member *member, struct progress_item *item)
{
	struct pending *pending = item->done;

	for (uint32_t i = 0; i < item->session_count; i++) {
		if (item->sessions[i].timeout_ms == 0)
			sessions_remove(member->sessions, item->sessions[i].session);
		else if (member->view.role == ROLE_LEADER)
			sessions_add(member->sessions, item->sessions[i].session, 1,
			             item->sessions[i].timeout_ms, member->now_ms);
	}
	item->done = NULL;
	while (pending) {
		struct pending *next = pending->next;

		if (pending->response.size > 0)
			answer_packed(member, pending, buffer_slice(&pending->response));
		else
			pending_free(member, pending);
		pending = next;
	}
}

/* ---- when things change ---- */

/* Writes that were proposed and not chosen may or may not be chosen later: the clients send them
 * again under the same numbers, and are answered once. */
void
requests_on_leadership_lost(struct member *member)
{
	for (uint64_t i = 0; i < SLOTS_MAX; i++) {
		struct pending *pending = member->slots[i];

		if (!pending)
			continue;
		member->slots[i] = NULL;
		fail(member, pending, SYNOD_RETRY, "the leader changed");
	}
}

static void
give_back_forwarded(struct member *member, uint64_t target, uint64_t started_before_ms)
{
	for (uint64_t i = 0; i < FORWARDED_MAX; i++) {
		struct pending *pending = member->forwarded[i];

		if (!pending)
			continue;
		if (pending->target != target && pending->started_ms >= started_before_ms)
			continue;
		member->forwarded[i] = NULL;
		fail(member, pending, SYNOD_RETRY, "the leader did not answer");
	}
}

void
requests_on_link_down(struct member *member, uint64_t peer)
{
	give_back_forwarded(member, peer, 0);
}

void
requests_tick(struct member *member)
{
	if (member->now_ms < member->forwarded_look_ms)
		return;
	member->forwarded_look_ms = member->now_ms + 1000;
	if (member->now_ms > FORWARD_WAIT_MAX_MS)
		give_back_forwarded(member, 0, member->now_ms - FORWARD_WAIT_MAX_MS);
}

static void
drop_list(struct member *member, struct pending *pending)
{
	while (pending) {
		struct pending *next = pending->next;

		pending_free(member, pending);
		pending = next;
	}
}

/* At the end, when no actor runs any more. */
void
requests_fini(struct member *member)
{
	for (uint64_t i = 0; i < SLOTS_MAX; i++) {
		if (member->slots[i])
			pending_free(member, member->slots[i]);
	}
	for (uint64_t i = 0; i < FORWARDED_MAX; i++) {
		if (member->forwarded[i])
			pending_free(member, member->forwarded[i]);
	}
	for (uint32_t i = 0; i < member->proposal_count; i++) {
		entry_release(member->proposals[i]);
		if (member->proposal_pendings[i])
			pending_free(member, member->proposal_pendings[i]);
	}
	if (member->gathered) {
		member->gathered->next = member->asked;
		member->asked = member->gathered;
	}
	while (member->asked) {
		struct read_batch *batch = member->asked;

		member->asked = batch->next;
		drop_list(member, batch->reads);
		keepalive_batch_free(batch->keepalives);
		free(batch);
	}
	while (member->pool) {
		struct pending *pending = member->pool;

		member->pool = pending->next;
		free(pending);
	}
	free(member->slots);
	free(member->forwarded);
	free(member->proposals);
	free(member->proposal_pendings);
}
