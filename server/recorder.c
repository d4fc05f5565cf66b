/* The recorder: group commit of the journal and the promise file, in an actor of its own. */
#include "server/recorder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "shared/log.h"
#include "shared/planted.h"

/* Items that the recorder gets; those that it posts are in the header. */
enum {
	ITEM_PERSIST = 1,
	ITEM_LOAD,
	ITEM_BIND,
	ITEM_TICK,
};

/* A batch is written once it holds this much, even if more is posted. */
#define BATCH_BYTES_MAX (4u << 20)

/* An idle journal marks the end of its last batch after this long. */
#define MARK_AFTER_MS 1000

/* How often the free space is looked at. */
#define SPACE_INTERVAL_MS 500

/* Latencies of commits: powers of two of microseconds, four steps each. */
#define LATENCY_BUCKETS 96

struct recorder {
	struct actor *actor;
	struct recorder_options options;
	struct identity identity;
	/* The batch being gathered. */
	size_t batch_bytes;
	bool has_batch;
	bool has_promise;
	uint64_t token;
	struct persist_item *gathered_first, **gathered_end; /* kept until they are durable */
	bool is_full;
	bool is_low;
	bool is_marked;
	uint64_t committed_ms;
	uint64_t space_ms;
	uint64_t unreadable_slot; /* the last that was told of */
	atomic_bool is_ticking;
	struct actor_item tick_item;
	_Atomic uint64_t journal_bytes;
	_Atomic uint64_t latency[LATENCY_BUCKETS];
};

static void
stop_process(struct recorder *recorder, int error, const char *what)
{
	char why[512];

	snprintf(why, sizeof why,
	         "%s: %s (%s); nothing that was not durable has been promised: repair the disk, "
	         "then start again",
	         what, error_text(error), disk_real_why());
	recorder->options.fatal(recorder->options.context, error, why);
}

/* ---- latency ---- */

static unsigned
latency_bucket(uint64_t us)
{
	unsigned power = 0;

	if (us < 4)
		return (unsigned)us;
	power = 63 - (unsigned)__builtin_clzll(us);
	if (power > 24)
		return LATENCY_BUCKETS - 1;
	return (power - 1) * 4 + (unsigned)((us >> (power - 2)) & 3);
}

static uint64_t
latency_bucket_top(unsigned bucket)
{
	unsigned power = bucket / 4 + 1;

	if (bucket < 4)
		return bucket;
	return ((uint64_t)(4 + bucket % 4 + 1) << (power - 2)) - 1;
}

uint64_t
recorder_sync_p99_us(const struct recorder *recorder)
{
	uint64_t total = 0, seen = 0;

	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		total += recorder->latency[i];
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		seen += recorder->latency[i];
		if (total > 0 && seen * 100 >= total * 99)
			return latency_bucket_top(i);
	}
	return 0;
}

uint64_t
recorder_journal_bytes(const struct recorder *recorder)
{
	return recorder->journal_bytes;
}

/* ---- the batch ---- */

static void
persist_item_free(struct persist_item *item)
{
	for (uint32_t i = 0; i < item->count; i++) {
		for (uint32_t k = 0; k < item->persists[i].entry_count; k++)
			entry_release(item->persists[i].entries[k]);
	}
	free(item);
}

static void
post_space(struct recorder *recorder)
{
	struct space_item *item = check_calloc(1, sizeof *item);

	item->item.kind = RECORDER_ITEM_SPACE;
	item->is_low = recorder->is_low;
	item->is_full = recorder->is_full;
	actor_post(recorder->options.member, &item->item);
}

static void
gather(struct recorder *recorder, const struct persist_item *item)
{
	struct journal *journal = recorder->options.journal;

	for (uint32_t i = 0; i < item->count; i++) {
		const struct paxos_persist *persist = &item->persists[i];

		if (persist->type == PERSIST_PROMISE) {
			recorder->identity.promised = persist->ballot;
			recorder->has_promise = true;
		} else {
			if (persist->type == PERSIST_SYNC)
				journal_sync(journal, persist->ballot, persist->previous);
			if (persist->entry_count > 0)
				journal_append(journal, persist->ballot, persist->previous,
				               persist->entries, persist->entry_count);
			for (uint32_t k = 0; k < persist->entry_count; k++)
				recorder->batch_bytes += persist->entries[k]->size;
			recorder->has_batch = true;
		}
		CHECK(persist->token >= recorder->token);
		recorder->token = persist->token;
	}
}

/* What is kept, once more from the start. */
static void
gather_again(struct recorder *recorder)
{
	recorder->token = 0;
	recorder->has_batch = false;
	recorder->batch_bytes = 0;
	for (struct persist_item *item = recorder->gathered_first; item; item = item->next)
		gather(recorder, item);
}

static void
look_at_space(struct recorder *recorder)
{
	bool was_low = recorder->is_low;

	recorder->space_ms = clock_now_ms(recorder->options.clock);
	recorder->is_low = space_check(recorder->options.space) == SPACE_LOW;
	if (recorder->is_low == was_low)
		return;
	if (recorder->is_low)
		log_warning("disk nearly full: refusing growth; reads and deletes go on");
	else
		log_info("disk space is back: taking writes again");
	post_space(recorder);
}

static void
release_gathered(struct recorder *recorder)
{
	while (recorder->gathered_first) {
		struct persist_item *item = recorder->gathered_first;

		recorder->gathered_first = item->next;
		persist_item_free(item);
	}
	recorder->gathered_end = &recorder->gathered_first;
}

static void
post_durable(struct recorder *recorder)
{
	struct durable_item *item = check_calloc(1, sizeof *item);

	item->item.kind = RECORDER_ITEM_DURABLE;
	item->token = recorder->token;
	actor_post(recorder->options.member, &item->item);
}

/*
 * The journal drops a batch that does not fit.  Looking at the space may give up
 * the ballast, which is kept for this: so look at once, gather the same again, and
 * only then say that the disk is full.
 */
static int
commit_journal(struct recorder *recorder)
{
	int error = journal_commit(recorder->options.journal);

	if (error != SYNOD_NO_SPACE)
		return error;
	look_at_space(recorder);
	gather_again(recorder);
	return journal_commit(recorder->options.journal);
}

/*
 * Make durable what was gathered: the promise first, because an entry accepted at
 * a ballot must never be found without the promise of it (DESIGN 4, the table).
 */
static void
commit(struct recorder *recorder)
{
	uint64_t start_us = clock_now_us(recorder->options.clock);
	int error;

	if (!recorder->has_batch && !recorder->has_promise)
		return;
	if (recorder->has_promise && !PLANTED(PROMISE_NOT_DURABLE)) {
		error = identity_save(recorder->options.identity_store, &recorder->identity);
		if (error) {
			stop_process(recorder, error, "cannot write the promise file");
			return;
		}
		recorder->has_promise = false;
	}
	if (recorder->has_batch) {
		error = commit_journal(recorder);
		if (error == SYNOD_NO_SPACE) {
			if (!recorder->is_full)
				log_error("the journal cannot grow: disk full; writing stops until "
				          "there is room");
			recorder->is_full = true;
			post_space(recorder);
			return;
		}
		if (error) {
			stop_process(recorder, error, "cannot write the journal");
			return;
		}
		recorder->has_batch = false;
		recorder->batch_bytes = 0;
		recorder->is_marked = false;
	}
	recorder->committed_ms = clock_now_ms(recorder->options.clock);
	recorder->latency[latency_bucket(clock_now_us(recorder->options.clock) - start_us)]++;
	recorder->journal_bytes = journal_bytes(recorder->options.journal);
	release_gathered(recorder);
	post_durable(recorder);
}

/* The journal dropped the batch when it did not fit: gather it again, and try. */
static void
retry_full(struct recorder *recorder)
{
	gather_again(recorder);
	recorder->is_full = false;
	commit(recorder);
	if (!recorder->is_full) {
		log_info("the journal can grow again");
		post_space(recorder);
	}
}

/* ---- items ---- */

static void
load(struct recorder *recorder, struct loaded_item *item)
{
	int error;

	item->entries = check_calloc(item->count_max ? item->count_max : 1, sizeof *item->entries);
	error = journal_read(recorder->options.journal, item->first, item->count_max,
	                     item->bytes_max, item->entries, &item->count);
	if (error) {
		item->count = 0;
		item->error = error == SYNOD_NOT_FOUND ? SYNOD_OK : error;
		if (item->error && item->first != recorder->unreadable_slot)
			log_error("cannot read the journal: %s slot=%lu", error_text(error),
			          (unsigned long)item->first);
		if (item->error)
			recorder->unreadable_slot = item->first;
	}
	item->item.kind = RECORDER_ITEM_LOADED;
	actor_post(recorder->options.member, &item->item);
}

static void
bind_disks(struct recorder *recorder, struct identity_item *item)
{
	struct identity *mine = &recorder->identity;
	int error;

	memcpy(mine->members, item->identity.members, sizeof mine->members);
	error = identity_save(recorder->options.identity_store, mine);
	if (error) {
		stop_process(recorder, error, "cannot write the promise file");
		return;
	}
	item->item.kind = RECORDER_ITEM_IDENTITY;
	actor_post(recorder->options.member, &item->item);
}

static void
tick(struct recorder *recorder)
{
	uint64_t now_ms = clock_now_ms(recorder->options.clock);
	int error;

	if (now_ms >= recorder->space_ms + SPACE_INTERVAL_MS) {
		look_at_space(recorder);
		if (recorder->is_full)
			retry_full(recorder);
	}
	if (recorder->is_full)
		return;
	error = journal_make_room(recorder->options.journal, BATCH_BYTES_MAX);
	if (error && error != SYNOD_NO_SPACE)
		stop_process(recorder, error, "cannot prepare the next journal segment");
	if (!recorder->is_marked && !recorder->has_batch &&
	    now_ms >= recorder->committed_ms + MARK_AFTER_MS) {
		error = journal_mark(recorder->options.journal);
		if (error && error != SYNOD_NO_SPACE)
			stop_process(recorder, error, "cannot write the journal");
		recorder->is_marked = true;
	}
}

static void
on_item(void *owner, struct actor_item *item)
{
	struct recorder *recorder = owner;

	switch (item->kind) {
	case ITEM_PERSIST: {
		struct persist_item *persist = (struct persist_item *)item;

		*recorder->gathered_end = persist;
		recorder->gathered_end = &persist->next;
		if (recorder->is_full)
			return;
		gather(recorder, persist);
		if (recorder->batch_bytes >= BATCH_BYTES_MAX)
			commit(recorder);
		return;
	}
	case ITEM_LOAD:
		if (!recorder->is_full)
			commit(recorder);
		load(recorder, (struct loaded_item *)item);
		return;
	case ITEM_BIND: bind_disks(recorder, (struct identity_item *)item); return;
	case ITEM_TICK:
		recorder->is_ticking = false;
		if (!recorder->is_full)
			commit(recorder);
		tick(recorder);
		return;
	default: CHECK(!"an item that the recorder knows");
	}
}

static void
on_idle(void *owner)
{
	struct recorder *recorder = owner;

	if (!recorder->is_full)
		commit(recorder);
}

/* ---- from outside ---- */

struct recorder *
recorder_new(const struct recorder_options *options)
{
	static const struct actor_handler handler = {on_item, on_idle};
	struct recorder *recorder = check_calloc(1, sizeof *recorder);

	recorder->options = *options;
	recorder->identity = options->identity;
	recorder->gathered_end = &recorder->gathered_first;
	recorder->is_marked = true;
	recorder->journal_bytes = journal_bytes(options->journal);
	recorder->actor = actor_new("recorder", options->mode, &handler, recorder);
	CHECK(recorder->actor);
	return recorder;
}

void
recorder_persist(struct recorder *recorder, struct paxos_persist *persists, uint32_t count)
{
	struct persist_item *item;
	struct entry **entries;
	size_t entry_count = 0;

	for (uint32_t i = 0; i < count; i++)
		entry_count += persists[i].entry_count;
	item = check_malloc(sizeof *item + count * sizeof *persists +
	                    entry_count * sizeof *entries);
	item->item.kind = ITEM_PERSIST;
	item->next = NULL;
	item->count = count;
	entries = (struct entry **)&item->persists[count];
	for (uint32_t i = 0; i < count; i++) {
		item->persists[i] = persists[i];
		item->persists[i].entries = entries;
		for (uint32_t k = 0; k < persists[i].entry_count; k++)
			*entries++ = entry_retain(persists[i].entries[k]);
	}
	actor_post(recorder->actor, &item->item);
}

void
recorder_load(struct recorder *recorder, const struct paxos_load *wanted, bool for_feed)
{
	struct loaded_item *item = check_calloc(1, sizeof *item);

	item->item.kind = ITEM_LOAD;
	item->id = wanted->id;
	item->for_feed = for_feed;
	item->first = wanted->first;
	item->count_max = wanted->count_max;
	item->bytes_max = wanted->bytes_max;
	actor_post(recorder->actor, &item->item);
}

void
recorder_bind(struct recorder *recorder, const struct identity *identity)
{
	struct identity_item *item = check_calloc(1, sizeof *item);

	item->item.kind = ITEM_BIND;
	item->identity = *identity;
	actor_post(recorder->actor, &item->item);
}

void
recorder_tick(struct recorder *recorder)
{
	if (atomic_exchange(&recorder->is_ticking, true))
		return;
	recorder->tick_item.kind = ITEM_TICK;
	actor_post(recorder->actor, &recorder->tick_item);
}

bool
recorder_run(struct recorder *recorder)
{
	return actor_run(recorder->actor);
}

void
recorder_stop(struct recorder *recorder)
{
	actor_stop(recorder->actor);
	if (!recorder->is_marked && !recorder->is_full && !recorder->has_batch)
		recorder->is_marked = journal_mark(recorder->options.journal) == SYNOD_OK;
}

void
recorder_free(struct recorder *recorder)
{
	if (!recorder)
		return;
	actor_free(recorder->actor);
	release_gathered(recorder);
	journal_close(recorder->options.journal);
	identity_close(recorder->options.identity_store);
	space_close(recorder->options.space);
	free(recorder);
}

void
loaded_free(struct loaded_item *item)
{
	for (uint32_t i = 0; i < item->count; i++)
		entry_release(item->entries[i]);
	free(item->entries);
	free(item);
}
