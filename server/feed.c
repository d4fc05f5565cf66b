/* Feeding the executor what is chosen, and taking back what it has done. */
#include <stdlib.h>

#include "server/state.h"
#include "shared/planted.h"

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

		if (!entry)
			break;
		item->rows[i].entry = entry_retain(entry);
		bytes += entry->size;
		item->rows[i].pending = proposals_take(member, first + i);
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
feed_executor(struct member *member)
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
			struct paxos_load load = {
				.first = member->fed + 1,
				.count_max = count < FEED_ROWS_MAX && !PLANTED(FEED_BEYOND_CHOSEN)
			                             ? (uint32_t)count
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
feed_on_progress(struct member *member, struct progress_item *item)
{
	struct pending *pending = item->done;

	for (uint32_t i = 0; i < item->session_count; i++) {
		if (item->sessions[i].timeout_ms == 0)
			sessions_remove(member->sessions, item->sessions[i].session);
		else if (member->view.role == ROLE_LEADER)
			sessions_add(member->sessions, item->sessions[i].session,
			             item->sessions[i].is_lease, 1, item->sessions[i].timeout_ms,
			             member->now_ms);
	}
	item->done = NULL;
	while (pending) {
		struct pending *next = pending->next;

		if (pending->response.size > 0 && pending->op == OP_SESSIONS)
			about_complete_sessions(member, pending);
		else if (pending->response.size > 0)
			pending_answer_packed(member, pending, buffer_slice(&pending->response));
		else
			pending_free(member, pending);
		pending = next;
	}
}
