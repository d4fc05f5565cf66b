/* Services that the parts of the core share: messages, pages of entries, durable writes. */
#include "server/paxos/core.h"

#include <stdlib.h>

#include "shared/check.h"

/* splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014). */
uint64_t
paxos_random(struct paxos *paxos, uint64_t limit)
{
	uint64_t z;

	CHECK(limit > 0);

	paxos->random += 0x9e3779b97f4a7c15;
	z = paxos->random;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % limit;
}

struct paxos_message *
paxos_send(struct paxos *paxos, uint8_t type, member_id member, struct ballot ballot,
           struct paxos_update *update)
{
	struct paxos_message *message;

	CHECK(member != paxos->options.self);

	message = update_message(update);
	message->type = type;
	message->from = paxos->options.self;
	message->to = member;
	message->ballot = ballot;
	return message;
}

void
paxos_report(const struct paxos *paxos, enum transition_type type, uint64_t slot, member_id member,
             uint64_t ms, struct paxos_update *update)
{
	struct paxos_transition transition = {
		.type = type,
		.ballot = paxos->promised,
		.slot = slot,
		.member = member,
		.ms = (unsigned)ms,
	};

	update_transition(update, &transition);
}

uint64_t
paxos_load(struct paxos *paxos, uint64_t first, uint64_t last, struct paxos_update *update)
{
	struct paxos_load *load;
	uint64_t count = last - first + 1;

	CHECK(first > 0);
	CHECK(first <= last);
	CHECK(last <= paxos->durable.now.length); /* the journal has nothing else to give */

	load = update_load(update);
	load->id = ++paxos->last_load;
	load->first = first;
	load->count_max = count < paxos->options.message_entries ? (uint32_t)count
	                                                         : paxos->options.message_entries;
	load->bytes_max = paxos->options.message_bytes;
	return load->id;
}

uint32_t
paxos_page(const struct paxos *paxos, uint64_t first, size_t *bytes)
{
	const struct log *log = &paxos->log;
	uint32_t count = 0;

	*bytes = 0;
	while (count < paxos->options.message_entries) {
		struct entry *entry = log_get(log, first + count);

		if (entry == NULL)
			break;
		/* One entry above the bound travels alone. */
		if (count > 0 && *bytes + log_cost(entry) > paxos->options.message_bytes)
			break;
		*bytes += log_cost(entry);
		count++;
	}
	return count;
}

void
paxos_message_fill(const struct paxos *paxos, struct paxos_message *message, uint64_t first,
                   uint32_t count)
{
	if (count == 0)
		return;
	message->entries = check_malloc(count * sizeof(struct entry *));
	for (uint32_t i = 0; i < count; i++)
		message->entries[i] = entry_retain(log_get(&paxos->log, first + i));
	message->entry_count = count;
}

static void
push(struct paxos *paxos, struct paxos_persist *persist)
{
	struct durable_state state = {
		.promised = paxos->promised,
		.accepted = paxos->accepted,
		.length = paxos->log.length,
	};

	persist->token = durable_push(&paxos->durable, &state);
}

void
paxos_persist_promise(struct paxos *paxos, struct ballot ballot, struct paxos_update *update)
{
	struct paxos_persist *persist;

	CHECK(ballot_compare(ballot, paxos->promised) > 0);

	paxos->promised = ballot;
	persist = update_persist(update);
	persist->type = PERSIST_PROMISE;
	persist->ballot = ballot;
	push(paxos, persist);
}

void
paxos_persist_sync(struct paxos *paxos, struct ballot ballot, uint64_t previous,
                   struct entry **entries, uint32_t count, struct paxos_update *update)
{
	struct paxos_persist *persist;

	CHECK(!ballot_is_none(ballot));
	CHECK(ballot_compare(ballot, paxos->accepted) >= 0);
	CHECK(ballot_compare(ballot, paxos->promised) <= 0);
	CHECK(previous >= paxos->chosen);
	CHECK(previous <= paxos->log.length);

	log_cut(&paxos->log, previous);
	durable_cut(&paxos->durable, previous);
	persist = update_persist(update);
	persist->type = PERSIST_SYNC;
	persist->ballot = ballot;
	persist->previous = previous;
	persist->entries = update_share(entries, count);
	persist->entry_count = count;
	for (uint32_t i = 0; i < count; i++)
		log_append(&paxos->log, entries[i]);
	paxos->accepted = ballot;
	push(paxos, persist);
}

void
paxos_persist_append(struct paxos *paxos, struct entry *const *entries, uint32_t count,
                     struct paxos_update *update)
{
	struct paxos_persist *persist;

	CHECK(count > 0);
	CHECK(!ballot_is_none(paxos->accepted));

	persist = update_persist(update);
	persist->type = PERSIST_APPEND;
	persist->ballot = paxos->accepted;
	persist->previous = paxos->log.length;
	persist->entries = update_share(entries, count);
	persist->entry_count = count;
	for (uint32_t i = 0; i < count; i++)
		log_append(&paxos->log, entries[i]);
	push(paxos, persist);
}

bool
paxos_is_serving(const struct paxos *paxos)
{
	return paxos->role == ROLE_LEADER && paxos->proposer.is_serving && paxos->log.stop == 0;
}
