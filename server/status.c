/* Encodes the answers to STATUS and MEMBERS from the member's and the namespace's halves, and the
 * namespace's half of SESSIONS. */
#include "server/status.h"

#include <stdio.h>
#include <string.h>

#include "shared/error.h"

void
status_encode(struct buffer *out, const struct status_half *half, struct namespace *namespace,
              uint64_t database_bytes)
{
	struct state_hash hash = namespace_hash(namespace);
	char hash_text[33], ballot_text[BALLOT_TEXT_SIZE], cluster_text[2 * CLUSTER_ID_SIZE + 1];
	struct member_status status = {
		.name = slice_of(half->name),
		.member_id = half->self,
		.role = (uint8_t)half->view.role,
		.leader = slice_of(half->leader),
		.ballot = slice_of(ballot_format(half->view.ballot, ballot_text)),
		.epoch = half->epoch,
		.chosen = half->view.chosen,
		.applied = namespace_applied(namespace),
		.length = half->view.length,
		.revision = namespace_revision(namespace),
		.nodes = namespace_nodes(namespace),
		.sessions = namespace_sessions(namespace),
		.clients = half->clients,
		.pending = half->pending,
		.database_bytes = database_bytes,
		.journal_bytes = half->journal_bytes,
		.sync_p99_us = half->sync_p99_us,
		.uptime_ms = half->uptime_ms,
		.software = slice_of(half->software),
		.problem = slice_of(half->problem),
		.voters = half->member_count,
		.tolerates = half->tolerates,
	};

	snprintf(hash_text, sizeof hash_text, "%016llx%016llx", (unsigned long long)hash.high,
	         (unsigned long long)hash.low);
	for (size_t i = 0; i < CLUSTER_ID_SIZE; i++)
		snprintf(cluster_text + 2 * i, 3, "%02x", half->cluster_id[i]);
	status.state_hash = slice_of(hash_text);
	status.cluster_id = slice_of(cluster_text);
	member_status_encode(out, &status);
}

/* The client address that was recorded for a member that has not been heard from since. */
struct recorded {
	uint64_t id;
	struct slice address;
	char text[MEMBER_ADDRESS_MAX + 1];
};

static void
find_recorded(void *context, const struct command *member)
{
	struct recorded *recorded = context;

	if (member->member != recorded->id || member->client_address.size > MEMBER_ADDRESS_MAX)
		return;
	memcpy(recorded->text, member->client_address.bytes, member->client_address.size);
	recorded->text[member->client_address.size] = '\0';
}

int
members_encode(struct buffer *out, const struct status_half *half, struct namespace *namespace)
{
	int error = SYNOD_OK;

	pack_array(out, half->member_count);
	for (unsigned i = 0; i < half->member_count; i++) {
		const struct status_member *member = &half->members[i];
		struct recorded recorded = {.id = member->id};

		if (!member->client_address[0] && error == SYNOD_OK)
			error = namespace_each_member(namespace, find_recorded, &recorded);
		pack_array(out, 7);
		pack_u64(out, member->id);
		pack_string(out, slice_of(member->name));
		pack_string(out, slice_of(member->peer_address));
		pack_string(out, slice_of(member->client_address[0] ? member->client_address
		                                                    : recorded.text));
		pack_u64(out, member->role);
		pack_bool(out, member->is_reachable);
		pack_u64(out, member->matched);
	}
	return error;
}

struct page {
	struct namespace *namespace;
	uint64_t after;
	uint64_t limit;
	uint64_t count;
	bool more;
	struct buffer rows;
};

static void
add_session(void *context, uint64_t session, uint64_t generation, uint64_t timeout_ms)
{
	struct page *page = context;

	(void)generation;
	if (session <= page->after)
		return;
	if (page->count == page->limit) {
		page->more = true;
		return;
	}
	page->count++;
	pack_array(&page->rows, 3);
	pack_u64(&page->rows, session);
	pack_bool(&page->rows, namespace_is_lease(page->namespace, session));
	pack_u64(&page->rows, timeout_ms);
}

void
sessions_encode(struct buffer *out, struct slice body, struct namespace *namespace)
{
	struct page page = {.namespace = namespace};
	struct cursor cursor;

	cursor_init(&cursor, body);
	cursor_array(&cursor);
	page.after = cursor_u64(&cursor);
	page.limit = cursor_u64(&cursor);
	if (page.limit == 0 || page.limit > SESSIONS_LIMIT_MAX)
		page.limit = SESSIONS_LIMIT_MAX;
	namespace_each_session(namespace, add_session, &page);
	pack_array(out, 2);
	pack_array(out, (uint32_t)page.count);
	buffer_append(out, page.rows.bytes, page.rows.size);
	pack_bool(out, page.more);
	buffer_fini(&page.rows);
}
