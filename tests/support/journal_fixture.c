/* A journal on a disk in memory, beside a model of what must be in it. */
#include "tests/support/journal_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"

void
fixture_init(struct journal_fixture *fixture, uint64_t seed, size_t segment_bytes)
{
	*fixture = (struct journal_fixture){0};
	fixture->disk = memory_disk_new(seed);
	fixture->identity.self = 2;
	fixture->identity.epoch = 1;
	memset(fixture->identity.cluster_id, 0xc1, CLUSTER_ID_SIZE);
	memset(fixture->identity.disk_id, 0xd1, DISK_ID_SIZE);
	fixture->entry_size_max = 300;
	fixture->options = (struct journal_options){
		.disk = fixture->disk,
		.directory = "data/journal",
		.segment_bytes = segment_bytes,
		.slice_bytes = segment_bytes / 5,
		.space_reserve = 1,
	};
	CHECK(fixture->disk->ops->make_directory(fixture->disk, "data") == SYNOD_OK);
	CHECK(fixture->disk->ops->sync_directory(fixture->disk, ".") == SYNOD_OK);
}

void
fixture_fini(struct journal_fixture *fixture)
{
	fixture_close(fixture);
	memory_disk_free(fixture->disk);
}

int
fixture_open(struct journal_fixture *fixture, uint64_t chosen_hint)
{
	fixture_close(fixture);
	return journal_open(&fixture->options, &fixture->identity, chosen_hint, &fixture->journal,
	                    &fixture->recovered, fixture->why);
}

void
fixture_close(struct journal_fixture *fixture)
{
	journal_recovered_fini(&fixture->recovered);
	journal_close(fixture->journal);
	fixture->journal = NULL;
	fixture->pending = fixture->committed;
}

/* ---- entries ---- */

static uint64_t
mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* The entry that NONCE stands for.  Some are empty, some are all zero, some are large. */
static struct entry *
entry_of(uint64_t nonce, uint32_t size_max)
{
	uint64_t bits = mix(nonce);
	uint32_t size = bits % 16 == 0 ? 0 : (uint32_t)(mix(bits) % (size_max + 1));
	struct entry *entry = entry_new((uint8_t)(ENTRY_LEADER_START + bits % 3), size);
	bool is_zero = bits % 16 == 1;

	for (uint32_t i = 0; i < size; i++)
		entry->bytes[i] = is_zero ? 0 : (uint8_t)mix(nonce + i);
	return entry;
}

static bool
is_entry_of(const struct entry *entry, uint64_t nonce, uint32_t size_max)
{
	struct entry *expected = entry_of(nonce, size_max);
	bool is_same = entry->kind == expected->kind && entry->size == expected->size &&
	               memcmp(entry->bytes, expected->bytes, entry->size) == 0;

	entry_release(expected);
	return is_same;
}

/* ---- changes ---- */

void
fixture_sync(struct journal_fixture *fixture, uint64_t round, uint64_t previous)
{
	struct ballot ballot = {1, round, 2};

	journal_sync(fixture->journal, ballot, previous);
	if (ballot_compare(ballot, fixture->identity.promised) > 0)
		fixture->identity.promised = ballot;
	fixture->pending.accepted = ballot;
	fixture->pending.length = previous;
}

void
fixture_append(struct journal_fixture *fixture, uint32_t count)
{
	struct journal_model *model = &fixture->pending;

	for (uint32_t i = 0; i < count; i++) {
		struct entry *entry = entry_of(++fixture->nonce, fixture->entry_size_max);
		CHECK(model->length < MODEL_SLOTS_MAX);
		journal_append(fixture->journal, model->accepted, model->length, &entry, 1);
		model->nonces[++model->length] = fixture->nonce;
		entry_release(entry);
	}
}

int
fixture_commit(struct journal_fixture *fixture)
{
	int error = journal_commit(fixture->journal);

	if (error == SYNOD_OK)
		fixture->committed = fixture->pending;
	else if (error == SYNOD_NO_SPACE)
		fixture->pending = fixture->committed;
	return error;
}

void
fixture_fill(struct journal_fixture *fixture, unsigned batches, uint32_t count)
{
	if (ballot_is_none(fixture->pending.accepted))
		fixture_sync(fixture, 1, 0);
	for (unsigned i = 0; i < batches; i++) {
		fixture_append(fixture, count);
		CHECK(fixture_commit(fixture) == SYNOD_OK);
	}
}

/* ---- comparing ---- */

bool
fixture_has_slots(struct journal_fixture *fixture, const struct journal_model *model,
                  uint64_t first, uint64_t last, uint32_t count_max, size_t bytes_max)
{
	struct entry **entries = check_calloc(count_max, sizeof *entries);
	bool is_same = true;

	for (uint64_t slot = first; is_same && slot <= last;) {
		uint32_t count = 0;
		size_t bytes = 0;
		is_same = journal_read(fixture->journal, slot, count_max, bytes_max, entries,
		                       &count) == SYNOD_OK &&
		          count >= 1;
		for (uint32_t i = 0; i < count; i++, slot++) {
			bytes += entries[i]->size;
			if (slot <= last &&
			    !is_entry_of(entries[i], model->nonces[slot], fixture->entry_size_max))
				is_same = false;
			entry_release(entries[i]);
		}
		if (count > 1 && bytes > bytes_max)
			is_same = false;
	}
	free(entries);
	return is_same;
}

static bool
has_tail(const struct journal_fixture *fixture, const struct journal_model *model)
{
	const struct journal_recovered *recovered = &fixture->recovered;

	if (!recovered->tail)
		return true;
	for (uint64_t slot = recovered->tail_first; slot <= recovered->length; slot++)
		if (!is_entry_of(recovered->tail[slot - recovered->tail_first], model->nonces[slot],
		                 fixture->entry_size_max))
			return false;
	return true;
}

bool
fixture_holds(struct journal_fixture *fixture, const struct journal_model *model,
              uint32_t count_max, size_t bytes_max)
{
	return journal_length(fixture->journal) == model->length &&
	       fixture_has_slots(fixture, model, 1, model->length, count_max, bytes_max) &&
	       has_tail(fixture, model);
}

const char *
fixture_segment(uint32_t number)
{
	static char path[64];

	snprintf(path, sizeof path, "data/journal/%08u.seg", number);
	return path;
}
