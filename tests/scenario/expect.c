/* What a story expects. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/error.h"
#include "shared/protocol.h"
#include "tests/scenario/story.h"

static bool
is(const struct story *story, unsigned index, const char *text)
{
	return index < story->word_count && strcmp(story->words[index], text) == 0;
}

static int
transition_named(const char *name)
{
	static const char *const names[] = {
#define TRANSITION(transition, text) #transition,
#include "server/paxos/transitions.def"
#undef TRANSITION
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcasecmp(names[i], name) == 0)
			return (int)i;
	}
	return -1;
}

/* Does TRANSITION bear the facts that follow word FIRST: [BALLOT] [slot N]? */
static bool
bears(struct story *story, const struct paxos_transition *transition, unsigned first)
{
	char ballot[BALLOT_TEXT_SIZE];

	for (unsigned i = first; i < story->word_count; i++) {
		if (is(story, i, "slot")) {
			if (transition->slot != story_number(story, ++i))
				return false;
		} else if (!is(story, i, ballot_format(transition->ballot, ballot))) {
			return false;
		}
	}
	return true;
}

static void
expect_transition(struct story *story, unsigned first, bool is_wanted)
{
	member_id id = story_member(story, first)->id;
	int type = first + 1 < story->word_count ? transition_named(story->words[first + 1]) : -1;

	if (type < 0) {
		story_fail(story, "no such transition");
		return;
	}
	for (unsigned i = story->members[id].expected; i < story->members[id].count; i++) {
		const struct paxos_transition *transition = &story->members[id].happened[i];

		if ((int)transition->type != type || !bears(story, transition, first + 2))
			continue;
		if (is_wanted)
			story->members[id].expected = i + 1;
		else
			story_fail(story, "it happened");
		return;
	}
	if (is_wanted)
		story_fail(story, "it did not happen");
}

static void
expect_role(struct story *story)
{
	static const char *const names[] = {"follower", "candidate", "leader"};
	struct paxos_view view;

	paxos_view(story_member(story, 2)->paxos, &view);
	if (!is(story, 3, names[view.role]))
		story_fail(story, "it is a %s", names[view.role]);
}

static void
expect_serving(struct story *story)
{
	struct paxos_view view;

	paxos_view(story_member(story, 2)->paxos, &view);
	if (view.is_serving != is(story, 1, "serving"))
		story_fail(story, view.is_serving ? "it serves" : "it does not serve");
}

static void
expect_length(struct story *story)
{
	struct paxos_view view;
	uint64_t wanted = story_number(story, 3), found;

	paxos_view(story_member(story, 2)->paxos, &view);
	found = is(story, 1, "chosen") ? view.chosen : view.length;
	if (is(story, 1, "durable"))
		found = view.durable_length;
	if (found != wanted)
		story_fail(story, "it is %llu", (unsigned long long)found);
}

static void
describe(const struct world_member *member, uint64_t slot, char *text, size_t size)
{
	const struct entry *entry = paxos_entry(member->paxos, slot);

	if (entry == NULL && slot <= member->disk.length)
		entry = member->disk.entries[slot - 1];
	if (entry == NULL)
		snprintf(text, size, "?");
	else if (entry->kind == ENTRY_LEADER_START)
		snprintf(text, size, "*");
	else
		snprintf(text, size, "%.*s", (int)entry->size, (const char *)entry->bytes);
}

static void
expect_log(struct story *story)
{
	struct world_member *member = story_member(story, 2);
	struct paxos_view view;
	char found[200] = "", wanted[200] = "", value[32];

	paxos_view(member->paxos, &view);
	for (uint64_t slot = 1; slot <= view.length; slot++) {
		describe(member, slot, value, sizeof(value));
		strncat(found, value, sizeof(found) - strlen(found) - 2);
		strcat(found, " ");
	}
	for (unsigned i = 3; i < story->word_count; i++) {
		strncat(wanted, story->words[i], sizeof(wanted) - strlen(wanted) - 2);
		strcat(wanted, " ");
	}
	if (strcmp(found, wanted) != 0)
		story_fail(story, "it is: %s", found);
}

static void
expect_packet(struct story *story)
{
	bool is_there = story_packet(story, 2) >= 0;

	if (is_there != is(story, 1, "packet"))
		story_fail(story, is_there ? "it is under way" : "it is not under way");
}

static void
expect_read(struct story *story)
{
	const struct world_read *read = NULL;

	for (unsigned i = 0; i < story->read_count; i++) {
		if (is(story, 2, story->reads[i].name))
			read = &story->world.reads[story->reads[i].cookie];
	}
	if (read == NULL) {
		story_fail(story, "no such read");
	} else if (is(story, 3, "waiting")) {
		if (read->is_answered)
			story_fail(story, "it was answered");
	} else if (!read->is_answered) {
		story_fail(story, "it waits");
	} else if (is(story, 3, "error")) {
		if (!is(story, 4, error_name(read->error)))
			story_fail(story, "it ended with %s", error_name(read->error));
	} else if (read->error != SYNOD_OK || read->index != story_number(story, 4)) {
		story_fail(story, "%s, index %llu", error_name(read->error),
		           (unsigned long long)read->index);
	}
}

void
story_expect(struct story *story)
{
	if (is(story, 1, "role"))
		expect_role(story);
	else if (is(story, 1, "serving") || is(story, 1, "idle"))
		expect_serving(story);
	else if (is(story, 1, "chosen") || is(story, 1, "length") || is(story, 1, "durable"))
		expect_length(story);
	else if (is(story, 1, "log"))
		expect_log(story);
	else if (is(story, 1, "packet") || is(story, 1, "nothing"))
		expect_packet(story);
	else if (is(story, 1, "read"))
		expect_read(story);
	else if (is(story, 1, "not"))
		expect_transition(story, 2, false);
	else
		expect_transition(story, 1, true);
}
