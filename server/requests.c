/* Requests of clients: checked, then proposed, forwarded, read or answered. */
#include <sodium.h>
#include <stdlib.h>

#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"

bool
member_leads(const struct member *member)
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
int
requests_check_write(const struct request *request, const char **why)
{
	struct transaction transaction;
	struct operation operation;

	if (request->op == OP_SESSION_CLOSE || request->op == OP_LEASE_GRANT ||
	    request->op == OP_REVOKE)
		return SYNOD_OK; /* the namespace looks at their few numbers itself */
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
			pending_fail(member, pending, error,
			             "a session's secret has 16 to 64 bytes");
			return;
		}
	} else if (pending->session == 0) {
		pending_fail(member, pending, SYNOD_SESSION_ENDED,
		             "this connection has no session: open or attach one");
		return;
	} else {
		refusal = requests_check_write(request, &why);
	}
	if (!member_leads(member)) {
		buffer_clear(&member->scratch);
		CHECK(request->body.size > 0);
		request_encode(&member->scratch, request);
		/* forward_request() uses the scratch buffer too: move the bytes aside. */
		struct buffer encoded = member->scratch;

		member->scratch = BUFFER_EMPTY;
		forward_request(member, pending, buffer_slice(&encoded));
		buffer_fini(&encoded);
		return;
	}
	proposals_add_write(member, pending, request, refusal);
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
		pending_fail(member, pending, error, why);
		return;
	}
	pending_set_body(member, pending, request->body.bytes, request->body.size);
	switch (request->consistency) {
	case CONSISTENCY_LINEARIZABLE: reads_add(member, pending); return;
	case CONSISTENCY_AT_LEAST: pending->index = request->at_least; break;
	case CONSISTENCY_LOCAL:
		if (member->view.role != ROLE_LEADER)
			pending->stale_ms = member->now_ms - member->view.heard_ms;
		break;
	default: pending_fail(member, pending, SYNOD_BAD_ARGUMENT, "unknown consistency"); return;
	}
	executor_read(member->executor, pending);
}

/* Events reach the clients of a follower as soon as it knows what is chosen: the leader is asked to
 * tell that at once, as long as there are any who wait for them. */
static void
set_watchers(struct member *member, unsigned count)
{
	struct paxos_event event = {.type = EVENT_WATCHED, .watched = count > 0};
	bool was_watched = member->watcher_count > 0;

	member->watcher_count = count;
	if (event.watched != was_watched)
		member_step(member, &event);
}

static void
note_watcher(struct member *member, struct client *client)
{
	if (client->is_watching)
		return;
	client->is_watching = true;
	set_watchers(member, member->watcher_count + 1);
}

/* Does WATCH begin with a revision of which this member knows that it is not in the future, and
 * with nothing of the present? */
static bool
begins_in_the_past(const struct member *member, const struct watch_request *watch)
{
	return watch->from != 0 && watch->from <= member->view.chosen + 1 &&
	       (watch->flags & WATCH_INITIAL) == 0;
}

/*
 * Started at a confirmed index, so that a member that lags does not take what the
 * client was told elsewhere for the future.  There is nothing to confirm of the
 * past, but the state in place of history that was trimmed must not be older than
 * what the client has seen.  From here on answers to this connection go through the executor.
 */
static void
take_watch(struct member *member, struct pending *pending, const struct request *request)
{
	struct watch_request watch;
	const char *why = NULL;
	int error = SYNOD_OK;

	if (request->op == OP_WATCH)
		error = watch_request_decode(request->body, &watch, &why);
	if (error) {
		pending_fail(member, pending, error, why);
		return;
	}
	pending_set_body(member, pending, request->body.bytes, request->body.size);
	if (request->op == OP_UNWATCH) {
		executor_read(member->executor, pending);
		return;
	}
	note_watcher(member, pending->client);
	if (begins_in_the_past(member, &watch)) {
		pending->index =
			watch.from - 1 > request->at_least ? watch.from - 1 : request->at_least;
		executor_read(member->executor, pending);
		return;
	}
	reads_add(member, pending);
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
		pending_fail(member, pending, SYNOD_BAD_MESSAGE,
		             "SESSION_ATTACH needs [session, secret]");
		return;
	}
	if (hash_secret(secret, hash)) {
		pending_fail(member, pending, SYNOD_WRONG_SECRET, NULL);
		return;
	}
	pending_set_body(member, pending, hash, sizeof hash);
	reads_add(member, pending);
}

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
	else if (class == OP_CLASS_WATCH)
		take_watch(member, pending, &request);
	else
		about_take(member, pending, &request);
}

static void
on_gone(void *owner, struct client *client)
{
	struct member *member = owner;

	/* Its requests go on; their answers are dropped with the connection. */
	if (!client->is_watching)
		return;
	executor_forget(member->executor, client->connection->id);
	set_watchers(member, member->watcher_count - 1);
}

const struct clients_handler requests_handler = {
	.on_request = on_request,
	.on_keepalive = keepalives_on_client,
	.on_gone = on_gone,
};

/* Writes that were proposed and not chosen may or may not be chosen later: the clients send them
 * again under the same numbers, and are answered once. */
void
requests_on_leadership_lost(struct member *member)
{
	for (uint64_t i = 0; i < member->slot_count; i++) {
		struct pending *pending = member->slots[i];

		if (!pending)
			continue;
		member->slots[i] = NULL;
		pending_fail(member, pending, SYNOD_RETRY, "the leader changed");
	}
}

/* At the end, when no actor runs any more. */
void
requests_fini(struct member *member)
{
	for (uint64_t i = 0; i < member->slot_count; i++) {
		if (member->slots[i])
			pending_free(member, member->slots[i]);
	}
	for (uint64_t i = 0; i < member->slot_count; i++) {
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
		pendings_drop(member, batch->reads);
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
