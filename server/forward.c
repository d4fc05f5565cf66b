/* Forwarding: writes that reach a member that does not lead, and their answers. */
#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"

void
forward_request(struct member *member, struct pending *pending, struct slice request)
{
	uint64_t leader = member->view.leader;
	struct pending **slot = &member->forwarded[member->next_tag & (member->slot_count - 1)];

	if (*slot) {
		pending_fail(member, pending, SYNOD_BUSY,
		             "too many requests are waiting for the leader");
		return;
	}
	buffer_clear(&member->scratch);
	pack_array(&member->scratch, 3);
	pack_u64(&member->scratch, member->next_tag);
	pack_u64(&member->scratch, pending->session);
	pack_raw(&member->scratch, request);
	if (leader == 0 || leader == member->identity.self ||
	    !links_send(member->links, leader, FRAME_FORWARD, buffer_slice(&member->scratch))) {
		pending_fail(member, pending, SYNOD_RETRY, "no leader is known at the moment");
		return;
	}
	pending->tag = member->next_tag++;
	pending->target = leader;
	*slot = pending;
}

int
forward_on_request(struct member *member, uint64_t from, struct slice body)
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
	if (!member_leads(member) ||
	    (request.op != OP_SESSION_OPEN && op_class(request.op) != OP_CLASS_WRITE)) {
		pending_fail(member, pending, SYNOD_RETRY, NULL);
		return SYNOD_OK;
	}
	if (request.op != OP_SESSION_OPEN)
		refusal = requests_check_write(&request, &why);
	proposals_add_write(member, pending, &request, refusal);
	return SYNOD_OK;
}

/* The events that the response reflects come first, if its connection has watches. */
static void
answer(struct member *member, struct pending *pending, struct slice packed)
{
	struct response response;

	if (!pending->client || !pending->client->is_watching ||
	    response_decode(packed, &response) != SYNOD_OK) {
		pending_answer_packed(member, pending, packed);
		return;
	}
	buffer_append(&pending->response, packed.bytes, packed.size);
	CHECK(!pending->response.failed);
	pending->index = response.revision;
	executor_relay(member->executor, pending);
}

int
forward_on_response(struct member *member, uint64_t from, struct slice body)
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
	slot = &member->forwarded[tag & (member->slot_count - 1)];
	if (*slot && (*slot)->tag == tag && (*slot)->target == from) {
		struct pending *pending = *slot;

		*slot = NULL;
		answer(member, pending, packed);
	}
	return SYNOD_OK;
}

static void
give_back_forwarded(struct member *member, uint64_t target, uint64_t started_before_ms)
{
	for (uint64_t i = 0; i < member->slot_count; i++) {
		struct pending *pending = member->forwarded[i];

		if (!pending)
			continue;
		if (pending->target != target && pending->started_ms >= started_before_ms)
			continue;
		member->forwarded[i] = NULL;
		pending_fail(member, pending, SYNOD_RETRY, "the leader did not answer");
	}
}

void
forward_on_link_down(struct member *member, uint64_t peer)
{
	give_back_forwarded(member, peer, 0);
}

void
forward_tick(struct member *member)
{
	if (member->now_ms < member->forwarded_look_ms)
		return;
	member->forwarded_look_ms = member->now_ms + 1000;
	if (member->now_ms > FORWARD_WAIT_MAX_MS)
		give_back_forwarded(member, 0, member->now_ms - FORWARD_WAIT_MAX_MS);
}
