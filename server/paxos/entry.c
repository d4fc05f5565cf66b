/* Making and sharing entries. */
#include "server/paxos/entry.h"

#include <stdlib.h>
#include <string.h>

#include "shared/check.h"

struct entry *
entry_new(uint8_t kind, uint32_t size)
{
	struct entry *entry;

	CHECK(size <= ENTRY_SIZE_MAX);

	entry = check_malloc(sizeof(*entry) + size);
	atomic_init(&entry->references, 1);
	entry->size = size;
	entry->kind = kind;
	return entry;
}

struct entry *
entry_new_copy(uint8_t kind, const void *bytes, uint32_t size)
{
	struct entry *entry = entry_new(kind, size);

	if (size > 0)
		memcpy(entry->bytes, bytes, size);
	return entry;
}

struct entry *
entry_retain(struct entry *entry)
{
	unsigned before = atomic_fetch_add_explicit(&entry->references, 1, memory_order_relaxed);

	CHECK(before > 0);
	return entry;
}

void
entry_release(struct entry *entry)
{
	unsigned before;

	if (entry == NULL)
		return;
	/* The last one out must see everything the others wrote before they let go. */
	before = atomic_fetch_sub_explicit(&entry->references, 1, memory_order_acq_rel);
	CHECK(before > 0);
	if (before == 1)
		free(entry);
}
