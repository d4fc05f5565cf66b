/* Growing and clearing updates. */
#include "server/paxos/update.h"

#include <stdlib.h>
#include <string.h>

#include "shared/check.h"

#define CAPACITY_MIN 8

/* ARRAY with room for one more element of SIZE bytes, zeroed, and counted. */
static void *
grow(void *array, uint32_t *count, uint32_t *capacity, size_t size)
{
	if (*count == *capacity) {
		*capacity = *capacity == 0 ? CAPACITY_MIN : *capacity * 2;
		array = check_realloc(array, *capacity * size);
	}
	memset((char *)array + *count * size, 0, size);
	(*count)++;
	return array;
}

struct paxos_persist *
update_persist(struct paxos_update *update)
{
	update->persists = grow(update->persists, &update->persist_count, &update->persist_capacity,
	                        sizeof(*update->persists));
	return &update->persists[update->persist_count - 1];
}

struct paxos_message *
update_message(struct paxos_update *update)
{
	update->messages = grow(update->messages, &update->message_count, &update->message_capacity,
	                        sizeof(*update->messages));
	return &update->messages[update->message_count - 1];
}

struct paxos_load *
update_load(struct paxos_update *update)
{
	update->loads = grow(update->loads, &update->load_count, &update->load_capacity,
	                     sizeof(*update->loads));
	return &update->loads[update->load_count - 1];
}

void
update_read(struct paxos_update *update, uint64_t cookie, int error, uint64_t index)
{
	update->reads = grow(update->reads, &update->read_count, &update->read_capacity,
	                     sizeof(*update->reads));
	update->reads[update->read_count - 1] =
		(struct paxos_read){.cookie = cookie, .error = error, .index = index};
}

void
update_transition(struct paxos_update *update, const struct paxos_transition *transition)
{
	update->transitions = grow(update->transitions, &update->transition_count,
	                           &update->transition_capacity, sizeof(*update->transitions));
	update->transitions[update->transition_count - 1] = *transition;
}

struct entry **
update_share(struct entry *const *entries, uint32_t count)
{
	struct entry **shared;

	if (count == 0)
		return NULL;
	shared = check_malloc(count * sizeof(struct entry *));
	for (uint32_t i = 0; i < count; i++)
		shared[i] = entry_retain(entries[i]);
	return shared;
}

static void
persist_fini(struct paxos_persist *persist)
{
	for (uint32_t i = 0; i < persist->entry_count; i++)
		entry_release(persist->entries[i]);
	free(persist->entries);
}

void
paxos_update_clear(struct paxos_update *update)
{
	for (uint32_t i = 0; i < update->persist_count; i++)
		persist_fini(&update->persists[i]);
	for (uint32_t i = 0; i < update->message_count; i++)
		paxos_message_fini(&update->messages[i]);
	update->persist_count = 0;
	update->message_count = 0;
	update->load_count = 0;
	update->read_count = 0;
	update->transition_count = 0;
	update->proposed_count = 0;
	update->proposed_first = 0;
	update->propose_error = 0;
}

void
paxos_update_fini(struct paxos_update *update)
{
	paxos_update_clear(update);
	free(update->persists);
	free(update->messages);
	free(update->loads);
	free(update->reads);
	free(update->transitions);
	memset(update, 0, sizeof(*update));
}
