/* The present state of what a watch is about, in events that are not too large. */
#include "server/watch_table.h"
#include "shared/check.h"

static void
encode_item(struct buffer *out, const struct state_item *item, bool with_data)
{
	pack_array(out, 3);
	pack_string(out, item->path);
	stat_encode(out, &item->stat);
	pack_binary(out, with_data ? item->data : (struct slice){0});
}

static bool
gather_item(void *context, const struct state_item *item)
{
	struct state *state = context;
	struct state_part *part = &state->parts[state->part_count - 1];
	size_t size = item->path.size + (state->with_data ? item->data.size : 0);
	size_t begin = state->part_count > 1 ? part[-1].end : 0;

	if (state->items.size + size > WATCH_STATE_SIZE_MAX) {
		state->is_too_large = true;
		return false;
	}
	if (part->count > 0 && state->items.size - begin + size > EVENT_SIZE_MAX) {
		CHECK(state->part_count < STATE_PARTS_MAX);
		part = &state->parts[state->part_count++];
		*part = (struct state_part){0};
	}
	encode_item(&state->items, item, state->with_data);
	part->count++;
	part->end = state->items.size;
	return true;
}

/* Read the state into watches->state; is_too_large: there is none. */
int
state_gather(struct watches *watches, struct namespace *namespace, const struct watch *watch)
{
	struct state *state = &watches->state;
	uint64_t session = 0;
	struct slice path = watch_path(watch, &session);
	int failure;

	buffer_clear(&state->items);
	state->part_count = 1;
	state->parts[0] = (struct state_part){0};
	state->with_data = watch->with_data;
	state->is_too_large = false;
	state->revision = namespace_revision(namespace);
	if (watch->scope == WATCH_OWNED)
		failure = namespace_each_owned(namespace, session, gather_item, state);
	else
		failure = namespace_each_node(namespace, path, watch->scope, gather_item, state);
	CHECK(!state->items.failed);
	return failure;
}

void
state_tell(struct watches *watches, struct watch *watch, bool compacted)
{
	const struct state *state = &watches->state;
	size_t begin = 0;

	for (unsigned i = 0; i < state->part_count; i++) {
		const struct state_part *part = &state->parts[i];
		struct slice items = {state->items.bytes + begin, part->end - begin};

		if (part->count == 0)
			items = (struct slice){NULL, 0};
		event_write(watches, watch, EVENT_STATE, state->revision, i + 1 < state->part_count,
		            items, part->count, compacted);
		begin = part->end;
	}
	watch->owes_rest = false;
}
