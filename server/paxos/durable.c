/* Bookkeeping of persist operations under way. */
#include "server/paxos/durable.h"

#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/planted.h"

#define PENDING_CAPACITY_MIN 64

static struct durable_pending *
pending_at(const struct durable *durable, uint32_t index)
{
	return &durable->pending[(durable->pending_head + index) & (durable->pending_capacity - 1)];
}

void
durable_init(struct durable *durable, const struct durable_state *restored)
{
	memset(durable, 0, sizeof(*durable));
	durable->now = *restored;
	durable->pending_capacity = PENDING_CAPACITY_MIN;
	durable->pending = check_calloc(durable->pending_capacity, sizeof(*durable->pending));
}

void
durable_fini(struct durable *durable)
{
	free(durable->pending);
	memset(durable, 0, sizeof(*durable));
}

void
durable_cut(struct durable *durable, uint64_t previous)
{
	if (PLANTED(OLD_SYNC_VOUCHES))
		return;
	if (durable->now.length > previous)
		durable->now.length = previous;
	for (uint32_t i = 0; i < durable->pending_count; i++) {
		struct durable_pending *pending = pending_at(durable, i);

		if (pending->state.length > previous)
			pending->state.length = previous;
	}
}

static void
pending_grow(struct durable *durable)
{
	uint32_t capacity = durable->pending_capacity * 2;
	struct durable_pending *grown = check_calloc(capacity, sizeof(*grown));

	for (uint32_t i = 0; i < durable->pending_count; i++)
		grown[i] = *pending_at(durable, i);
	free(durable->pending);
	durable->pending = grown;
	durable->pending_capacity = capacity;
	durable->pending_head = 0;
}

uint64_t
durable_push(struct durable *durable, const struct durable_state *state)
{
	CHECK(ballot_compare(state->accepted, state->promised) <= 0);

	if (durable->pending_count == durable->pending_capacity)
		pending_grow(durable);
	durable->token++;
	*pending_at(durable, durable->pending_count) =
		(struct durable_pending){.token = durable->token, .state = *state};
	durable->pending_count++;
	return durable->token;
}

void
durable_complete(struct durable *durable, uint64_t token)
{
	CHECK(token <= durable->token); /* the disk cannot finish what it was not given */

	while (durable->pending_count > 0 && pending_at(durable, 0)->token <= token) {
		struct durable_state state = pending_at(durable, 0)->state;

		CHECK(ballot_compare(state.promised, durable->now.promised) >= 0);
		CHECK(ballot_compare(state.accepted, durable->now.accepted) >= 0);
		CHECK(state.length >= durable->now.length);

		durable->now = state;
		durable->pending_head =
			(durable->pending_head + 1) & (durable->pending_capacity - 1);
		durable->pending_count--;
	}
}

int
durable_is_settled(const struct durable *durable)
{
	return durable->pending_count == 0;
}
