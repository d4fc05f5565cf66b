/* Running stories: reading the text, and the commands that make things happen. */
#include "tests/scenario/story.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/check.h"
#include "shared/error.h"

#define DELIVERIES_MAX 10000

void
story_fail(struct story *story, const char *format, ...)
{
	va_list arguments;

	if (story->failure[0] != '\0')
		return;
	va_start(arguments, format);
	vsnprintf(story->failure, sizeof(story->failure), format, arguments);
	va_end(arguments);
}

static const char *
word(const struct story *story, unsigned index)
{
	return index < story->word_count ? story->words[index] : "";
}

static bool
is(const struct story *story, unsigned index, const char *text)
{
	return strcmp(word(story, index), text) == 0;
}

uint64_t
story_number(struct story *story, unsigned index)
{
	char *end;
	uint64_t number = strtoull(word(story, index), &end, 10);

	if (word(story, index)[0] == '\0' || *end != '\0')
		story_fail(story, "a number is missing");
	return number;
}

struct world_member *
story_member(struct story *story, unsigned index)
{
	uint64_t id = story_number(story, index);

	if (id < 1 || id > story->world.member_count) {
		story_fail(story, "no member called '%s'", word(story, index));
		id = 1;
	}
	return world_member(&story->world, id);
}

int
story_packet(struct story *story, unsigned index)
{
	unsigned from = 0, to = 0;
	const char *type = word(story, index + 1);

	if (sscanf(word(story, index), "%u->%u", &from, &to) != 2) {
		story_fail(story, "expected A->B");
		return -1;
	}
	for (uint32_t i = 0; i < story->world.packet_count; i++) {
		const struct paxos_message *packet = &story->world.packets[i];

		if (packet->from == from && packet->to == to &&
		    (type[0] == '\0' || strcmp(type, paxos_message_name(packet->type)) == 0))
			return (int)i;
	}
	return -1;
}

/* ---- what happens by itself ---- */

static void
remember(void *context, struct world *world, member_id id,
         const struct paxos_transition *transition)
{
	struct story *story = context;

	(void)world;
	CHECK(story->members[id].count < STORY_HAPPENS_MAX);
	story->members[id].happened[story->members[id].count++] = *transition;
}

static bool
is_lost(const struct story *story, const struct paxos_message *packet)
{
	return story->is_cut[packet->from][packet->to];
}

/* With automatic disks, writing and applying take no time. */
static void
work(struct story *story)
{
	struct world *world = &story->world;

	for (unsigned i = 0; i < world->member_count && !story->is_manual; i++) {
		struct world_member *member = &world->members[i];

		if (member->paxos == NULL)
			continue;
		for (int round = 0; round < 3; round++) {
			world_persist(world, member, UINT32_MAX);
			world_apply(world, member, UINT64_MAX / 2);
		}
	}
}

static void
deliver_first(struct story *story)
{
	if (is_lost(story, &story->world.packets[0]))
		world_drop(&story->world, 0);
	else
		world_deliver(&story->world, 0, false);
	work(story);
}

static void
deliver_all(struct story *story)
{
	for (unsigned i = 0; story->world.packet_count > 0; i++) {
		if (i == DELIVERIES_MAX) {
			story_fail(story, "messages without end");
			return;
		}
		deliver_first(story);
	}
}

static void
load_all(struct story *story)
{
	for (unsigned i = 0; i < story->world.member_count; i++) {
		while (story->world.members[i].paxos != NULL &&
		       story->world.members[i].load_count > 0)
			world_load(&story->world, &story->world.members[i], UINT32_MAX);
	}
}

static void
pass_time(struct story *story, uint64_t ms, bool is_running)
{
	struct world *world = &story->world;

	for (; ms > 0; ms--) {
		world->now_ms++;
		for (unsigned i = 0; i < world->member_count; i++) {
			struct world_member *member = &world->members[i];

			if (member->paxos != NULL && paxos_deadline(member->paxos) <= world->now_ms)
				world_tick(world, member);
		}
		work(story);
		if (is_running) {
			deliver_all(story);
			load_all(story);
		}
	}
}

/* ---- commands ---- */

static void
command_voters(struct story *story)
{
	story->voters = (unsigned)story_number(story, 1);
	if (story->voters < 1 || story->voters > WORLD_MEMBERS_MAX)
		story_fail(story, "1 to %d voters", WORLD_MEMBERS_MAX);
}

static void
command_option(struct story *story)
{
	struct paxos_options *options = &story->options;
	uint64_t value = story_number(story, 2);

#define OPTION(field)                                                                              \
	if (is(story, 1, #field)) {                                                                \
		options->field = (unsigned)value;                                                  \
		return;                                                                            \
	}
	OPTION(heartbeat_ms)
	OPTION(election_timeout_min_ms)
	OPTION(election_timeout_max_ms)
	OPTION(chosen_delay_ms)
	OPTION(window_entries)
	OPTION(window_bytes)
	OPTION(cache_entries)
	OPTION(cache_bytes)
	OPTION(message_entries)
	OPTION(message_bytes)
#undef OPTION
	story_fail(story, "no option '%s'", word(story, 1));
}

static void
command_start(struct story *story)
{
	uint32_t tail = story->tail;

	if (!story->is_begun) {
		world_init(&story->world, story->voters, &story->options, 1);
		story->world.on_transition = remember;
		story->world.context = story;
		story->world.is_tracing = getenv("TRACE") != NULL;
		story->is_begun = true;
		if (tail > 0)
			story->world.tail_max = tail;
	}
	if (story->word_count == 1) {
		for (unsigned i = 0; i < story->world.member_count; i++)
			world_start(&story->world, &story->world.members[i]);
	}
	for (unsigned i = 1; i < story->word_count; i++)
		world_start(&story->world, story_member(story, i));
}

static void
command_timeout(struct story *story)
{
	struct world_member *member = story_member(story, 1);
	uint64_t deadline = paxos_deadline(member->paxos);

	if (deadline > story->world.now_ms)
		story->world.now_ms = deadline;
	world_tick(&story->world, member);
	work(story);
}

static void
command_packet(struct story *story)
{
	int index;

	if (is(story, 1, "all") && is(story, 0, "deliver")) {
		deliver_all(story);
		return;
	}
	if (is(story, 1, "all") && is(story, 0, "drop")) {
		while (story->world.packet_count > 0)
			world_drop(&story->world, 0);
		return;
	}
	index = story_packet(story, 1);
	if (index < 0) {
		story_fail(story, "no such message under way");
		return;
	}
	if (is(story, 0, "drop"))
		world_drop(&story->world, (uint32_t)index);
	else
		world_deliver(&story->world, (uint32_t)index, is(story, 0, "repeat"));
	work(story);
}

static void
command_cut(struct story *story)
{
	member_id a = story_member(story, 1)->id, b = story_member(story, 2)->id;

	story->is_cut[a][b] = true;
	story->is_cut[b][a] = true;
}

static void
command_propose(struct story *story)
{
	struct world_member *member = story_member(story, 1);
	int error;

	for (unsigned i = 2; i < story->word_count; i++) {
		uint8_t kind = is(story, i, "STOP") ? ENTRY_STOP : ENTRY_COMMAND;

		if (!world_propose_value(&story->world, member, kind, word(story, i), &error))
			story_fail(story, "refused with %s", error_name(error));
	}
	work(story);
}

static void
command_refuse(struct story *story)
{
	struct world_member *member = story_member(story, 1);
	int error;

	if (world_propose_value(&story->world, member, ENTRY_COMMAND, word(story, 3), &error))
		story_fail(story, "was taken");
	else if (strcmp(error_name(error), word(story, 2)) != 0)
		story_fail(story, "refused with %s", error_name(error));
}

static void
command_read(struct story *story)
{
	struct world_member *member = story_member(story, 1);

	CHECK(story->read_count < STORY_READS_MAX);
	snprintf(story->reads[story->read_count].name, sizeof(story->reads[0].name), "%s",
	         word(story, 2));
	story->reads[story->read_count].cookie = world_read(&story->world, member);
	story->read_count++;
}

static void
command_event(struct story *story)
{
	struct world_member *member = story_member(story, 1);
	struct paxos_event event = {.type = EVENT_TICK};

	if (is(story, 0, "stall")) {
		event.type = EVENT_STALLED;
		event.stalled.journal_ms = (unsigned)story_number(story, 2);
	} else if (is(story, 0, "transfer")) {
		event.type = EVENT_TRANSFER;
		event.transfer = story_number(story, 2);
	} else {
		event.type = EVENT_NO_SPACE;
		event.no_space = is(story, 2, "on");
	}
	world_step(&story->world, member, &event);
}

static void
command_disk(struct story *story)
{
	struct world_member *member;

	if (is(story, 0, "disk")) {
		story->is_manual = is(story, 1, "manual");
		return;
	}
	member = story_member(story, 1);
	if (is(story, 0, "persist"))
		world_persist(&story->world, member, UINT32_MAX);
	else if (is(story, 0, "apply"))
		world_apply(&story->world, member, UINT64_MAX / 2);
	else if (member->load_count > 0)
		world_load(&story->world, member, UINT32_MAX);
	else
		story_fail(story, "no load was asked for");
}

/* The disk of a story keeps nothing that was not persisted: a story has no luck. */
static void
command_crash(struct story *story)
{
	struct world_member *member = story_member(story, 1);

	for (uint32_t i = 0; i < member->persist_count; i++) {
		for (uint32_t j = 0; j < member->persists[i].entry_count; j++)
			entry_release(member->persists[i].entries[j]);
		free(member->persists[i].entries);
	}
	member->persist_count = 0;
	world_crash(&story->world, member);
	member->disk.applied = 0;
}

void
story_command(struct story *story)
{
	static const struct {
		const char *name;
		void (*run)(struct story *story);
	} commands[] = {
		{"voters", command_voters},   {"option", command_option},
		{"start", command_start},     {"timeout", command_timeout},
		{"deliver", command_packet},  {"repeat", command_packet},
		{"drop", command_packet},     {"cut", command_cut},
		{"propose", command_propose}, {"refuse", command_refuse},
		{"read", command_read},       {"stall", command_event},
		{"transfer", command_event},  {"nospace", command_event},
		{"disk", command_disk},       {"persist", command_disk},
		{"apply", command_disk},      {"load", command_disk},
		{"crash", command_crash},     {"restart", command_start},
		{"expect", story_expect},
	};

	if (is(story, 0, "mend")) {
		memset(story->is_cut, 0, sizeof(story->is_cut));
		return;
	}
	if (is(story, 0, "tail")) {
		story->tail = (uint32_t)story_number(story, 1);
		return;
	}
	if (is(story, 0, "tick") || is(story, 0, "run")) {
		pass_time(story, story_number(story, 1), is(story, 0, "run"));
		return;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (is(story, 0, commands[i].name)) {
			commands[i].run(story);
			return;
		}
	}
	story_fail(story, "unknown command '%s'", word(story, 0));
}

/* ---- reading ---- */

static void
run_line(struct story *story, char *line)
{
	char *comment = strchr(line, '#'), *rest = line, *next;

	if (comment != NULL)
		*comment = '\0';
	story->word_count = 0;
	while ((next = strtok_r(rest, " \t\n", &rest)) != NULL) {
		CHECK(story->word_count < STORY_WORDS_MAX);
		story->words[story->word_count++] = next;
	}
	if (story->word_count > 0)
		story_command(story);
}

/* 0 if the story came out as told. */
static int
run_story(const char *path)
{
	struct story *story = check_calloc(1, sizeof(*story));
	FILE *file = fopen(path, "r");
	char line[512], copy[512];
	int failed;

	if (file == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		free(story);
		return 1;
	}
	while (story->failure[0] == '\0' && fgets(line, sizeof(line), file) != NULL) {
		story->line++;
		snprintf(copy, sizeof(copy), "%s", line);
		run_line(story, line);
	}
	failed = story->failure[0] != '\0';
	if (failed)
		fprintf(stderr, "%s:%u: %s\n    %s", path, story->line, story->failure, copy);
	else
		printf("ok %s\n", path);
	fclose(file);
	if (story->is_begun)
		world_fini(&story->world);
	free(story);
	return failed;
}

int
main(int argc, char **argv)
{
	int failures = 0;

	for (int i = 1; i < argc; i++)
		failures += run_story(argv[i]);
	printf("%d stories, %d failed\n", argc - 1, failures);
	return failures > 0 || argc < 2;
}
