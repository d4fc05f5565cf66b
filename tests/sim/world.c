/* Virtual time, the heap of events, the trace. */
#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "tests/sim/host.h"

void
world_init(struct world *world, uint64_t seed, const struct options *options)
{
	memset(world, 0, sizeof *world);
	world->seed = seed;
	world->options = *options;
	world->now_us = 10 * SECOND_US;
	world->network_random = random_for(seed, 'n');
	world->disk_random = random_for(seed, 'd');
	world->process_random = random_for(seed, 'p');
	world->fault_random = random_for(seed, 'f');
	world->workload_random = random_for(seed, 'w');
}

bool
world_uses(const struct world *world, unsigned index)
{
	if (index < MEMBERS_LIMIT)
		return index < world->options.members;
	if (index < MEMBERS_LIMIT + CLIENTS_LIMIT)
		return index - MEMBERS_LIMIT < world->options.clients;
	return index - MEMBERS_LIMIT - CLIENTS_LIMIT < world->options.living;
}

bool
world_has_wild_clocks(const struct world *world)
{
	return world->options.clock_ppm > 50000;
}

void
world_fini(struct world *world)
{
	free(world->heap);
}

/* ---- the heap ---- */

static bool
is_before(const struct happening *a, const struct happening *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

void
world_schedule(struct world *world, uint64_t delay_us, event_function *happen, void *argument,
               uint64_t number)
{
	struct happening event = {world->now_us + delay_us, world->sequence++, happen, argument,
	                          number};
	size_t at = world->heap_count++;

	if (at == world->heap_capacity) {
		world->heap_capacity = world->heap_capacity ? 2 * world->heap_capacity : 1024;
		world->heap = check_realloc(world->heap, world->heap_capacity * sizeof event);
	}
	while (at > 0 && is_before(&event, &world->heap[(at - 1) / 2])) {
		world->heap[at] = world->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	world->heap[at] = event;
}

static struct happening
take_first(struct world *world)
{
	struct happening first = world->heap[0];
	struct happening last = world->heap[--world->heap_count];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= world->heap_count)
			break;
		if (child + 1 < world->heap_count &&
		    is_before(&world->heap[child + 1], &world->heap[child]))
			child++;
		if (!is_before(&world->heap[child], &last))
			break;
		world->heap[at] = world->heap[child];
		at = child;
	}
	if (world->heap_count > 0)
		world->heap[at] = last;
	return first;
}

bool
world_step(struct world *world)
{
	struct happening event;

	if (world->heap_count == 0 || world->has_failed)
		return false;
	event = take_first(world);
	CHECK(event.at_us >= world->now_us);
	world->now_us = event.at_us;
	world->statistics.events++;
	world_note(world, event.at_us ^ event.sequence << 40);
	event.happen(world, event.argument, event.number);
	return !world->has_failed;
}

/* ---- the trace ---- */

void
world_note(struct world *world, uint64_t fact)
{
	world->trace_hash = random_mix(world->trace_hash * 31 + fact);
}

void
world_trace(struct world *world, const struct host *host, const char *format, ...)
{
	char text[LINE_SIZE - 32];
	char line[LINE_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	for (const char *at = text; *at; at++)
		world->trace_hash = (world->trace_hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
	snprintf(line, sizeof line, "%10.6f %-3s %s", (double)world->now_us / 1e6,
	         host ? host->name : "-", text);
	if (world->is_tracing)
		printf("%s\n", line);
	if (host && host->is_member)
		memcpy(world->lines[host->index][world->line_counts[host->index]++ % HISTORY_LINES],
		       line, sizeof line);
}

/* Beyond the budget the ensemble may stop.  Once members have forgotten what they promised and
 * cannot know, only what a member knows by itself is left to be held to. */
static bool
is_forgiven(const struct world *world, const char *checker)
{
	static const char *const kept[] = {"own", "durable", "promise", "check", "codec", "stop"};

	if (world->options.beyond > 0 && strcmp(checker, "progress") == 0)
		return true;
	for (unsigned i = 0; i < sizeof kept / sizeof *kept; i++)
		if (strcmp(checker, kept[i]) == 0)
			return false;
	return world->has_forgotten;
}

void
world_fail(struct world *world, const char *checker, const char *format, ...)
{
	va_list arguments;

	if (world->has_failed)
		return;
	if (is_forgiven(world, checker)) {
		world->statistics.forgiven++;
		return;
	}
	world->has_failed = true;
	snprintf(world->checker, sizeof world->checker, "%s", checker);
	va_start(arguments, format);
	vsnprintf(world->failure, sizeof world->failure, format, arguments);
	va_end(arguments);
	world_trace(world, NULL, "BROKEN %s: %s", checker, world->failure);
}
