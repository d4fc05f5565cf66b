/* Reads: one question to the core for all that arrived in one run. */
#include <stdlib.h>
#include <string.h>

#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"

void
reads_add(struct member *member, struct pending *pending)
{
	if (!member->gathered)
		member->gathered = check_calloc(1, sizeof *member->gathered);
	pending->next = member->gathered->reads;
	member->gathered->reads = pending;
}

/* One question to the core for all reads that arrived in this run. */
void
reads_ask_index(struct member *member)
{
	struct read_batch *batch = member->gathered;

	member->gathered = NULL;
	if (batch)
		reads_ask(member, batch);
}

void
reads_ask(struct member *member, struct read_batch *batch)
{
	struct paxos_event event = {.type = EVENT_READ};

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
		/* The executor has forgotten a connection that is gone, and must not start anew. */
		if (!error && pending->op == OP_WATCH && pending->client->is_gone)
			error = SYNOD_CLOSED;
		if (error) {
			pending_fail(member, pending, error, NULL);
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
reads_on_answer(struct member *member)
{
	uint32_t count = member->update.read_count;
	struct paxos_read *reads;

	if (count == 0)
		return;
	/* Answering may step the core again, which reuses the update: take the answers out first.
	 */
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
