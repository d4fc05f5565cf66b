/* The recorder over a disk in memory, run by hand: what is durable when it says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/recorder.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/log.h"
#include "tests/support/disk_memory.h"

#define RESERVE_BYTES (64u << 10)
#define PLENTY_BYTES  (16u << 20)
#define LOADED_MAX    8
#define TOKENS_MAX    32

struct fixture {
	struct disk *disk;
	struct clock clock;
	uint64_t now_us;
	uint64_t step_us; /* each look at the clock takes as long */
	struct actor *member;
	struct recorder *recorder;
	uint64_t length;
	uint64_t next_token;
	/* What the member was told. */
	uint64_t tokens[TOKENS_MAX];
	unsigned durable_count;
	unsigned space_count;
	bool is_low, is_full;
	bool has_loaded;
	unsigned durable_before_load;
	uint64_t loaded_id;
	uint32_t loaded_count;
	char loaded[LOADED_MAX][16];
	unsigned identity_count;
	struct identity identity;
	unsigned fatal_count;
	int fatal_error;
	char why[512];
};

/* ---- the world around it ---- */

static struct fixture *
of_clock(struct clock *clock)
{
	return (struct fixture *)((char *)clock - offsetof(struct fixture, clock));
}

static uint64_t
now_us(struct clock *clock)
{
	struct fixture *fixture = of_clock(clock);

	fixture->now_us += fixture->step_us;
	return fixture->now_us;
}

static void
note_loaded(struct fixture *fixture, struct loaded_item *item)
{
	fixture->has_loaded = true;
	fixture->durable_before_load = fixture->durable_count;
	fixture->loaded_id = item->id;
	fixture->loaded_count = item->count;
	for (uint32_t i = 0; i < item->count && i < LOADED_MAX; i++)
		snprintf(fixture->loaded[i], sizeof fixture->loaded[i], "%.*s",
		         (int)item->entries[i]->size, (const char *)item->entries[i]->bytes);
	loaded_free(item);
}

static void
on_item(void *owner, struct actor_item *item)
{
	struct fixture *fixture = owner;

	if (item->kind == RECORDER_ITEM_LOADED) {
		note_loaded(fixture, (struct loaded_item *)item);
		return;
	}
	if (item->kind == RECORDER_ITEM_DURABLE) {
		CHECK(fixture->durable_count < TOKENS_MAX);
		fixture->tokens[fixture->durable_count++] = ((struct durable_item *)item)->token;
	} else if (item->kind == RECORDER_ITEM_SPACE) {
		fixture->space_count++;
		fixture->is_low = ((struct space_item *)item)->is_low;
		fixture->is_full = ((struct space_item *)item)->is_full;
	} else {
		CHECK(item->kind == RECORDER_ITEM_IDENTITY);
		fixture->identity_count++;
		fixture->identity = ((struct identity_item *)item)->identity;
	}
	free(item);
}

static void
on_fatal(void *context, int error, const char *why)
{
	struct fixture *fixture = context;

	fixture->fatal_count++;
	fixture->fatal_error = error;
	snprintf(fixture->why, sizeof fixture->why, "%s", why);
}

static struct identity
first_identity(void)
{
	struct identity identity = {.epoch = 1, .self = 1, .member_count = 2};

	memset(identity.cluster_id, 0xc1, CLUSTER_ID_SIZE);
	memset(identity.disk_id, 0xd1, DISK_ID_SIZE);
	for (unsigned i = 0; i < 2; i++) {
		struct member_identity *member = &identity.members[i];

		member->id = i + 1;
		snprintf(member->name, sizeof member->name, "m%u", i + 1);
		snprintf(member->address, sizeof member->address, "127.0.0.1:%u", 7401 + i);
	}
	identity.members[0].has_disk_id = true;
	memcpy(identity.members[0].disk_id, identity.disk_id, DISK_ID_SIZE);
	return identity;
}

static struct journal_options
journal_options(struct fixture *fixture)
{
	return (struct journal_options){
		.disk = fixture->disk,
		.directory = "data/journal",
		.segment_bytes = 256 << 10,
		.slice_bytes = 16 << 10,
		.space_reserve = RESERVE_BYTES / 8,
	};
}

static void
open_recorder(struct fixture *fixture)
{
	struct recorder_options options = {
		.mode = ACTOR_MANUAL,
		.identity = first_identity(),
		.clock = &fixture->clock,
		.member = fixture->member,
		.fatal = on_fatal,
		.context = fixture,
	};
	struct journal_options journal = journal_options(fixture);
	struct journal_recovered recovered;
	char why[512] = "";

	assert_int_equal(identity_create(fixture->disk, "data", &options.identity,
	                                 &options.identity_store, why),
	                 SYNOD_OK);
	assert_int_equal(
		journal_open(&journal, &options.identity, 0, &options.journal, &recovered, why),
		SYNOD_OK);
	journal_recovered_fini(&recovered);
	assert_int_equal(space_open(fixture->disk, "data", RESERVE_BYTES, &options.space, why),
	                 SYNOD_OK);
	fixture->recorder = recorder_new(&options);
}

static struct fixture *
fixture_new(void)
{
	static const struct clock_ops clock_ops = {now_us, now_us, NULL};
	static const struct actor_handler handler = {on_item, NULL};
	struct fixture *fixture = check_calloc(1, sizeof *fixture);

	fixture->disk = memory_disk_new(1);
	fixture->clock.ops = &clock_ops;
	fixture->now_us = 10000000;
	fixture->next_token = 1;
	CHECK(fixture->disk->ops->make_directory(fixture->disk, "data") == SYNOD_OK);
	CHECK(fixture->disk->ops->sync_directory(fixture->disk, ".") == SYNOD_OK);
	memory_disk_set_capacity(fixture->disk, PLENTY_BYTES);
	fixture->member = actor_new("member", ACTOR_MANUAL, &handler, fixture);
	open_recorder(fixture);
	return fixture;
}

static void
run(struct fixture *fixture)
{
	while (recorder_run(fixture->recorder) | actor_run(fixture->member))
		continue;
}

static void
tick_after(struct fixture *fixture, uint64_t ms)
{
	fixture->now_us += ms * 1000;
	recorder_tick(fixture->recorder);
	run(fixture);
}

static void
fixture_free(struct fixture *fixture)
{
	recorder_free(fixture->recorder);
	actor_free(fixture->member);
	memory_disk_free(fixture->disk);
	free(fixture);
}

/* ---- what the core would ask for ---- */

static void
post(struct fixture *fixture, struct paxos_persist *persists, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		persists[i].token = fixture->next_token++;
	recorder_persist(fixture->recorder, persists, count);
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t k = 0; k < persists[i].entry_count; k++)
			entry_release(persists[i].entries[k]);
	}
}

/* An entry that says which slot it is for, with SIZE bytes or as many as that needs. */
static struct entry *
entry_of_slot(uint64_t slot, uint32_t size)
{
	char text[16];
	uint32_t length = (uint32_t)snprintf(text, sizeof text, "slot %lu", (unsigned long)slot);
	struct entry *entry = entry_new(ENTRY_COMMAND, size > length ? size : length);

	memset(entry->bytes, ' ', entry->size);
	memcpy(entry->bytes, text, length);
	return entry;
}

static const struct ballot first_ballot = {1, 1, 1};

static void
post_promise(struct fixture *fixture, struct ballot ballot)
{
	struct paxos_persist persist = {.type = PERSIST_PROMISE, .ballot = ballot};

	post(fixture, &persist, 1);
}

static void
post_sync(struct fixture *fixture, struct ballot ballot)
{
	struct entry *entry = entry_of_slot(++fixture->length, 0);
	struct paxos_persist persist = {
		.type = PERSIST_SYNC,
		.ballot = ballot,
		.previous = fixture->length - 1,
		.entry_count = 1,
		.entries = &entry,
	};

	post(fixture, &persist, 1);
}

static void
post_append_of_size(struct fixture *fixture, uint32_t size)
{
	struct entry *entry = entry_of_slot(++fixture->length, size);
	struct paxos_persist persist = {
		.type = PERSIST_APPEND,
		.ballot = first_ballot,
		.previous = fixture->length - 1,
		.entry_count = 1,
		.entries = &entry,
	};

	post(fixture, &persist, 1);
}

static void
post_append(struct fixture *fixture)
{
	post_append_of_size(fixture, 0);
}

/* Promised, accepted and slot 1 durable, as after a first election. */
static void
begin(struct fixture *fixture)
{
	post_promise(fixture, first_ballot);
	post_sync(fixture, first_ballot);
	run(fixture);
	assert_int_equal(fixture->tokens[fixture->durable_count - 1], 2);
	fixture->durable_count = 0;
}

/* ---- what a restart finds ---- */

struct found {
	struct ballot promised;
	struct ballot accepted;
	uint64_t length;
};

/* The power goes, everything unsynced with it if KIND says so; then the member starts again. */
static struct found
restart(struct fixture *fixture, enum memory_crash kind)
{
	struct journal_options options = journal_options(fixture);
	struct journal_recovered recovered = {0};
	struct identity identity;
	struct identity_store *store;
	struct journal *journal;
	struct found found;
	char why[512] = "";

	memory_disk_crash(fixture->disk, kind);
	recorder_free(fixture->recorder);
	fixture->recorder = NULL;
	assert_int_equal(identity_open(fixture->disk, "data", &identity, &store, why), SYNOD_OK);
	assert_int_equal(journal_open(&options, &identity, 0, &journal, &recovered, why), SYNOD_OK);
	found = (struct found){identity.promised, recovered.accepted, recovered.length};
	journal_recovered_fini(&recovered);
	journal_close(journal);
	identity_close(store);
	return found;
}

/* ---- batches ---- */

static uint64_t
operations_of_run(struct fixture *fixture)
{
	uint64_t before = memory_disk_operations(fixture->disk);

	run(fixture);
	return memory_disk_operations(fixture->disk) - before;
}

static void
everything_posted_meanwhile_is_one_batch_and_one_token(void **state)
{
	struct fixture *fixture = fixture_new();
	uint64_t for_one, for_three;

	(void)state;
	begin(fixture);
	post_append(fixture);
	for_one = operations_of_run(fixture);
	assert_int_equal(fixture->durable_count, 1);
	for (int i = 0; i < 3; i++)
		post_append(fixture);
	for_three = operations_of_run(fixture);
	assert_int_equal(fixture->durable_count, 2);
	assert_int_equal(fixture->tokens[0], 3);
	assert_int_equal(fixture->tokens[1], 6);
	assert_true(for_one > 0);
	assert_int_equal(for_three, for_one);
	fixture_free(fixture);
}

/* The poster cannot hold the recorder in one batch for ever. */
static void
a_large_batch_is_written_though_more_is_posted(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	begin(fixture);
	for (int i = 0; i < 6; i++)
		post_append_of_size(fixture, 1 << 20);
	run(fixture);
	assert_int_equal(fixture->durable_count, 2);
	assert_int_equal(fixture->tokens[0], 6);
	assert_int_equal(fixture->tokens[1], 8);
	fixture_free(fixture);
}

static void
what_is_reported_durable_survives_the_loss_of_everything_unsynced(void **state)
{
	struct fixture *fixture = fixture_new();
	struct found found;

	(void)state;
	begin(fixture);
	post_append(fixture);
	post_promise(fixture, (struct ballot){1, 5, 2});
	post_append(fixture);
	run(fixture);
	assert_int_equal(fixture->tokens[0], 5);
	found = restart(fixture, CRASH_LOSE);
	assert_int_equal(found.length, 3);
	assert_int_equal(found.accepted.round, 1);
	assert_int_equal(found.promised.round, 5);
	fixture_free(fixture);
}

/* At whatever operation the power goes and whatever of it stays on the disk: an accepted ballot is
 * never found without its promise. */
static void
the_promise_is_durable_before_the_entries_of_its_batch(void **state)
{
	struct ballot second = {1, 2, 2};
	unsigned accepted_count = 0;
	bool is_complete = false;

	(void)state;
	for (uint64_t operation = 1; !is_complete; operation++) {
		struct fixture *fixture = fixture_new();
		struct found found;

		begin(fixture);
		post_promise(fixture, second);
		post_sync(fixture, second);
		memory_disk_power_off_at(fixture->disk, operation);
		run(fixture);
		is_complete = fixture->fatal_count == 0;
		assert_int_equal(fixture->durable_count, is_complete ? 1 : 0);
		found = restart(fixture, CRASH_KEEP);
		assert_true(ballot_compare(found.accepted, found.promised) <= 0);
		accepted_count += found.accepted.round == 2;
		fixture_free(fixture);
		assert_true(operation < 100);
	}
	assert_true(accepted_count > 0);
}

static void
a_failed_write_or_sync_is_fatal_and_reports_nothing_durable(void **state)
{
	bool is_complete = false;
	unsigned failures = 0;

	(void)state;
	for (uint64_t operation = 1; !is_complete; operation++) {
		struct fixture *fixture = fixture_new();

		begin(fixture);
		post_promise(fixture, (struct ballot){1, 2, 2});
		post_append(fixture);
		memory_disk_fail_at(fixture->disk, operation, SYNOD_IO);
		recorder_run(fixture->recorder);
		actor_run(fixture->member);
		is_complete = fixture->fatal_count == 0;
		assert_int_equal(fixture->durable_count, is_complete ? 1 : 0);
		if (!is_complete) {
			failures++;
			assert_int_equal(fixture->fatal_error, SYNOD_IO);
			assert_non_null(strstr(fixture->why, "repair the disk"));
		}
		fixture_free(fixture);
		assert_true(operation < 100);
	}
	/* Write and sync of two promise files and of the journal. */
	assert_true(failures >= 6);
}

/* ---- a full disk ---- */

static void
fill(struct fixture *fixture)
{
	memory_disk_set_capacity(fixture->disk, 1);
}

static void
a_full_disk_keeps_the_batch_and_later_ones_in_order(void **state)
{
	struct fixture *fixture = fixture_new();
	struct found found;

	(void)state;
	begin(fixture);
	fill(fixture);
	post_append_of_size(fixture, 512 << 10);
	run(fixture);
	assert_true(fixture->is_full);
	assert_int_equal(fixture->durable_count, 0);
	post_append(fixture);
	post_promise(fixture, (struct ballot){1, 2, 2});
	post_append(fixture);
	run(fixture);
	tick_after(fixture, 600);
	assert_true(fixture->is_full);
	assert_true(fixture->is_low);
	assert_int_equal(fixture->durable_count, 0);
	assert_int_equal(fixture->fatal_count, 0);

	memory_disk_set_capacity(fixture->disk, PLENTY_BYTES);
	tick_after(fixture, 600);
	assert_false(fixture->is_full);
	assert_false(fixture->is_low);
	assert_int_equal(fixture->durable_count, 1);
	assert_int_equal(fixture->tokens[0], 6);
	found = restart(fixture, CRASH_LOSE);
	assert_int_equal(found.length, 4);
	assert_int_equal(found.promised.round, 2);
	fixture_free(fixture);
}

static void
nearly_full_is_told_once_and_so_is_its_end(void **state)
{
	struct fixture *fixture = fixture_new();
	uint64_t used;

	(void)state;
	begin(fixture);
	tick_after(fixture, 600);
	assert_int_equal(fixture->space_count, 0);
	fixture->disk->ops->free_bytes(fixture->disk, "data", &used);
	used = PLENTY_BYTES - used;
	memory_disk_set_capacity(fixture->disk, used + RESERVE_BYTES + RESERVE_BYTES / 2);
	tick_after(fixture, 600);
	tick_after(fixture, 600);
	assert_int_equal(fixture->space_count, 1);
	assert_true(fixture->is_low);
	assert_false(fixture->is_full);
	post_append(fixture);
	run(fixture);
	assert_int_equal(fixture->durable_count, 1);
	memory_disk_set_capacity(fixture->disk, PLENTY_BYTES);
	tick_after(fixture, 600);
	tick_after(fixture, 600);
	assert_int_equal(fixture->space_count, 2);
	assert_false(fixture->is_low);
	fixture_free(fixture);
}

/* ---- reading, binding, idling ---- */

static void
loads_return_what_was_posted_before_them_durably(void **state)
{
	struct fixture *fixture = fixture_new();
	struct paxos_load load = {.id = 77, .first = 2, .count_max = 8, .bytes_max = 1 << 20};

	(void)state;
	begin(fixture);
	post_append(fixture);
	post_append(fixture);
	recorder_load(fixture->recorder, &load, false);
	run(fixture);
	assert_true(fixture->has_loaded);
	assert_int_equal(fixture->loaded_id, 77);
	assert_int_equal(fixture->loaded_count, 2);
	assert_string_equal(fixture->loaded[0], "slot 2");
	assert_string_equal(fixture->loaded[1], "slot 3");
	assert_int_equal(fixture->durable_before_load, 1);
	fixture_free(fixture);
}

static void
a_load_of_what_is_not_there_returns_nothing(void **state)
{
	struct fixture *fixture = fixture_new();
	struct paxos_load load = {.id = 78, .first = 9, .count_max = 8, .bytes_max = 1 << 20};

	(void)state;
	begin(fixture);
	recorder_load(fixture->recorder, &load, true);
	run(fixture);
	assert_true(fixture->has_loaded);
	assert_int_equal(fixture->loaded_count, 0);
	assert_int_equal(fixture->fatal_count, 0);
	fixture_free(fixture);
}

static void
binding_a_disk_saves_it_with_the_promise_that_is_current(void **state)
{
	struct fixture *fixture = fixture_new();
	struct identity bound = first_identity(), identity;
	struct identity_store *store;
	char why[512] = "";

	(void)state;
	begin(fixture);
	bound.members[1].has_disk_id = true;
	memset(bound.members[1].disk_id, 0xd2, DISK_ID_SIZE);
	recorder_bind(fixture->recorder, &bound);
	run(fixture);
	assert_int_equal(fixture->identity_count, 1);
	assert_true(fixture->identity.members[1].has_disk_id);
	memory_disk_crash(fixture->disk, CRASH_LOSE);
	assert_int_equal(identity_open(fixture->disk, "data", &identity, &store, why), SYNOD_OK);
	assert_true(identity.members[1].has_disk_id);
	assert_int_equal(identity.members[1].disk_id[0], 0xd2);
	assert_int_equal(identity.promised.round, 1);
	identity_close(store);
	fixture_free(fixture);
}

static void
an_idle_journal_is_marked_once(void **state)
{
	struct fixture *fixture = fixture_new();
	uint64_t before;

	(void)state;
	begin(fixture);
	tick_after(fixture, 500);
	before = memory_disk_operations(fixture->disk);
	tick_after(fixture, 100);
	assert_int_equal(memory_disk_operations(fixture->disk), before);
	tick_after(fixture, 500);
	assert_true(memory_disk_operations(fixture->disk) > before);
	before = memory_disk_operations(fixture->disk);
	tick_after(fixture, 2000);
	assert_int_equal(memory_disk_operations(fixture->disk), before);
	fixture_free(fixture);
}

static void
tells_how_long_its_slowest_syncs_take(void **state)
{
	struct fixture *fixture = fixture_new();
	uint64_t p99_us;

	(void)state;
	fixture->step_us = 1;
	begin(fixture);
	assert_true(recorder_sync_p99_us(fixture->recorder) < 10);
	fixture->step_us = 5000;
	post_append(fixture);
	run(fixture);
	p99_us = recorder_sync_p99_us(fixture->recorder);
	assert_true(p99_us >= 10000);
	assert_true(p99_us <= 13000);
	fixture_free(fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_posted_meanwhile_is_one_batch_and_one_token),
		cmocka_unit_test(a_large_batch_is_written_though_more_is_posted),
		cmocka_unit_test(what_is_reported_durable_survives_the_loss_of_everything_unsynced),
		cmocka_unit_test(the_promise_is_durable_before_the_entries_of_its_batch),
		cmocka_unit_test(a_failed_write_or_sync_is_fatal_and_reports_nothing_durable),
		cmocka_unit_test(a_full_disk_keeps_the_batch_and_later_ones_in_order),
		cmocka_unit_test(nearly_full_is_told_once_and_so_is_its_end),
		cmocka_unit_test(loads_return_what_was_posted_before_them_durably),
		cmocka_unit_test(a_load_of_what_is_not_there_returns_nothing),
		cmocka_unit_test(binding_a_disk_saves_it_with_the_promise_that_is_current),
		cmocka_unit_test(an_idle_journal_is_marked_once),
		cmocka_unit_test(tells_how_long_its_slowest_syncs_take),
	};

	alarm(120);
	log_open("/dev/null", "m1", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
