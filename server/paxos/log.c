/* The ring of recent entries. */
#include "server/paxos/log.h"

#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/planted.h"

#define LOG_CAPACITY_MIN 256
#define ENTRY_OVERHEAD   32 /* header, allocator and ring: so that empty values cost something */

static struct entry **
log_at(const struct log *log, uint64_t slot)
{
	return &log->ring[slot & (log->capacity - 1)];
}

size_t
log_cost(const struct entry *entry)
{
	return entry->size + ENTRY_OVERHEAD;
}

void
log_init(struct log *log, uint64_t length)
{
	memset(log, 0, sizeof(*log));
	log->capacity = LOG_CAPACITY_MIN;
	log->ring = check_calloc(log->capacity, sizeof(*log->ring));
	log->length = length;
	log->first = length + 1;
}

void
log_fini(struct log *log)
{
	for (uint64_t slot = log->first; slot <= log->length; slot++)
		entry_release(*log_at(log, slot));
	free(log->ring);
	memset(log, 0, sizeof(*log));
}

struct entry *
log_get(const struct log *log, uint64_t slot)
{
	if (slot < log->first || slot > log->length)
		return NULL;
	return *log_at(log, slot);
}

static void
log_grow(struct log *log)
{
	struct log grown = *log;

	grown.capacity = log->capacity * 2;
	CHECK(grown.capacity > log->capacity);
	grown.ring = check_calloc(grown.capacity, sizeof(*grown.ring));
	for (uint64_t slot = log->first; slot <= log->length; slot++)
		*log_at(&grown, slot) = *log_at(log, slot);
	free(log->ring);
	*log = grown;
}

void
log_append(struct log *log, struct entry *entry)
{
	CHECK(entry != NULL);
	CHECK(log->stop == 0);

	if (log->length + 1 - log->first == log->capacity)
		log_grow(log);
	log->length++;
	*log_at(log, log->length) = entry;
	log->bytes += log_cost(entry);
	log->unsettled_bytes += log_cost(entry);
	if (entry->kind == ENTRY_STOP)
		log->stop = log->length;
}

void
log_cut(struct log *log, uint64_t previous)
{
	CHECK(previous >= log->settled); /* a chosen value is never taken back */
	CHECK(previous <= log->length);

	while (log->length > previous) {
		if (log->length >= log->first) {
			struct entry *entry = *log_at(log, log->length);

			log->bytes -= log_cost(entry);
			log->unsettled_bytes -= log_cost(entry);
			entry_release(entry);
			*log_at(log, log->length) = NULL;
			log->length--;
		} else {
			log->length = previous;
		}
	}
	if (log->first > log->length + 1)
		log->first = log->length + 1;
	if (log->stop > log->length)
		log->stop = 0;
}

void
log_settle(struct log *log, uint64_t slot)
{
	CHECK(slot >= log->settled);
	CHECK(slot <= log->length);

	for (uint64_t at = log->settled + 1; at <= slot; at++) {
		/* What the journal's tail did not bring back after a restart was never counted. */
		if (at < log->first)
			at = slot < log->first ? slot : log->first;
		if (at >= log->first)
			log->unsettled_bytes -= log_cost(*log_at(log, at));
	}
	log->settled = slot;
}

void
log_evict(struct log *log, uint64_t limit, uint32_t entries_max, size_t bytes_max)
{
	if (limit > log->settled)
		limit = log->settled;
	if (PLANTED(UNCHOSEN_EVICTED))
		limit = log->length;
	while (log->first <= limit &&
	       (log->length + 1 - log->first > entries_max || log->bytes > bytes_max)) {
		struct entry *entry = *log_at(log, log->first);

		log->bytes -= log_cost(entry);
		entry_release(entry);
		*log_at(log, log->first) = NULL;
		log->first++;
	}
}
