/* Requests about the member itself: STATUS, MEMBERS, TRANSFER, SESSIONS. */
#include <stdio.h>
#include <string.h>

#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"

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
		memcpy(row->client_address, member->client_addresses[i],
		       sizeof row->client_address);
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
		pending_fail(member, pending, SYNOD_BAD_MESSAGE, "TRANSFER needs [member name]");
		return;
	}
	name = cursor_nil(&cursor) ? (struct slice){0} : cursor_string(&cursor);
	for (unsigned i = 0; i < member->identity.member_count && name.size > 0; i++) {
		if (slice_equal(name, slice_of(member->identity.members[i].name)))
			target = &member->identity.members[i];
	}
	if (cursor.failed || (name.size > 0 && !target)) {
		pending_fail(member, pending, SYNOD_BAD_ARGUMENT, "no member has this name");
		return;
	}
	if (member->view.role != ROLE_LEADER) {
		pending_fail(member, pending, SYNOD_RETRY,
		             "this member does not lead: ask the leader");
		return;
	}
	event.transfer = target ? target->id : 0;
	member_step(member, &event);
	pending_fail(member, pending, SYNOD_OK, NULL);
}

static void
take_sessions(struct member *member, struct pending *pending, const struct request *request)
{
	struct cursor cursor;
	uint32_t count;

	cursor_init(&cursor, request->body);
	count = cursor_array(&cursor);
	cursor_u64(&cursor);
	cursor_u64(&cursor);
	if (count < 2 || cursor.failed) {
		pending_fail(member, pending, SYNOD_BAD_MESSAGE,
		             "SESSIONS needs [after id, limit]");
		return;
	}
	pending_set_body(member, pending, request->body.bytes, request->body.size);
	executor_read(member->executor, pending);
}

/* Copy the executor's rows, each with the time that remains, if this member leads. */
static void
complete_rows(struct member *member, struct cursor *rows)
{
	struct buffer *out = &member->body;
	bool is_leader = member_leads(member);
	uint32_t count = cursor_array(rows);

	pack_bool(out, is_leader);
	pack_array(out, count);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t session, remaining_ms;

		cursor_array(rows);
		session = cursor_u64(rows);
		pack_array(out, 4);
		pack_u64(out, session);
		pack_bool(out, cursor_bool(rows));
		pack_u64(out, cursor_u64(rows));
		cursor_leave(rows);
		if (is_leader &&
		    sessions_remaining(member->sessions, session, member->now_ms, &remaining_ms))
			pack_u64(out, remaining_ms);
		else
			pack_nil(out);
	}
	cursor_leave(rows);
}

void
about_complete_sessions(struct member *member, struct pending *pending)
{
	struct response response;
	struct cursor cursor;

	CHECK(response_decode(buffer_slice(&pending->response), &response) == SYNOD_OK);
	if (response.error != SYNOD_OK) {
		pending_answer_packed(member, pending, buffer_slice(&pending->response));
		return;
	}
	buffer_clear(&member->body);
	response_encode_head(&member->body, response.xid, SYNOD_OK, response.revision, 0);
	pack_array(&member->body, 3);
	cursor_init(&cursor, response.result);
	cursor_array(&cursor);
	complete_rows(member, &cursor);
	pack_bool(&member->body, cursor_bool(&cursor));
	cursor_leave(&cursor);
	CHECK(cursor_finish(&cursor) == SYNOD_OK && !member->body.failed);
	pending_answer_packed(member, pending, buffer_slice(&member->body));
}

void
about_take(struct member *member, struct pending *pending, const struct request *request)
{
	if (request->op == OP_TRANSFER) {
		take_transfer(member, pending, request);
		return;
	}
	if (request->op == OP_SESSIONS) {
		take_sessions(member, pending, request);
		return;
	}
	pending->body = (uint8_t *)status_half_of(member);
	pending->body_size = 0; /* not counted among the bodies of clients */
	executor_read(member->executor, pending);
}
