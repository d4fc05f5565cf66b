/* A request's life: made, failed, answered, freed. */
#include <stdlib.h>
#include <string.h>

#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"

/* Requests are kept for reuse rather than freed, up to this many. */
#define POOL_MAX 4096

struct pending *
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

void
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
void
pending_fail(struct member *member, struct pending *pending, int error, const char *text)
{
	pending_answer(pending, error, 0, 0, packed_text(member, text), &member->scratch);
	flusher_touch(&member->flusher, pending->connection);
	pending_free(member, pending);
}

void
pending_set_body(struct member *member, struct pending *pending, const void *bytes, size_t size)
{
	pending->body = check_malloc(size ? size : 1);
	memcpy(pending->body, bytes, size);
	pending->body_size = size;
	member->pending_bytes += size;
}

/* The start of the frame that carries an answer: to a client, or to the member that forwarded it.
 */
static size_t
begin_answer(const struct pending *pending, struct buffer *scratch)
{
	size_t begin;

	buffer_clear(scratch);
	begin = frame_begin(scratch, pending->origin ? FRAME_FORWARDED : FRAME_RESPONSE);
	if (pending->origin) {
		pack_array(scratch, 2);
		pack_u64(scratch, pending->origin_tag);
	}
	return begin;
}

void
pending_answer(struct pending *pending, int error, uint64_t revision, uint64_t stale_ms,
               struct slice result, struct buffer *scratch)
{
	size_t begin;

	begin = begin_answer(pending, scratch);
	response_encode_head(scratch, pending->xid, error, revision, stale_ms);
	if (result.size > 0)
		pack_raw(scratch, result);
	else
		pack_nil(scratch);
	frame_end(scratch, begin);
	CHECK(!scratch->failed);
	connection_write(pending->connection, buffer_slice(scratch));
}

void
pending_write(struct pending *pending, struct slice packed, struct buffer *scratch)
{
	size_t begin = begin_answer(pending, scratch);

	pack_raw(scratch, packed);
	frame_end(scratch, begin);
	CHECK(!scratch->failed);
	connection_write(pending->connection, buffer_slice(scratch));
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
void
pending_answer_packed(struct member *member, struct pending *pending, struct slice packed)
{
	struct response response;

	if (pending->client && response_decode(packed, &response) == SYNOD_OK) {
		uint64_t session = session_of_response(&response);

		if (pending->op == OP_SESSION_CLOSE && response.error == SYNOD_OK)
			pending->client->session = 0;
		else if (session &&
		         (pending->op == OP_SESSION_OPEN || pending->op == OP_SESSION_ATTACH))
			pending->client->session = session;
	}
	pending_write(pending, packed, &member->scratch);
	flusher_touch(&member->flusher, pending->connection);
	pending_free(member, pending);
}

void
pendings_drop(struct member *member, struct pending *pending)
{
	while (pending) {
		struct pending *next = pending->next;

		pending_free(member, pending);
		pending = next;
	}
}
