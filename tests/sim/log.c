/* What members log, as lines of the trace: in place of shared/log.c. */
#include "shared/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/run.h"

enum log_level log_threshold = LOG_LEVEL_INFO;

/* What is worth counting, by the beginning of the line or, after a "*", by any part of it. */
static const struct {
	const char *text;
	size_t counter;
} counted[] = {
	{"leader: ", offsetof(struct statistics, leaders)},
	{"lost leadership: no quorum", offsetof(struct statistics, lost_quorum)},
	{"lost leadership: a higher", offsetof(struct statistics, lost_ballot)},
	{"lost leadership: own", offsetof(struct statistics, lost_stalled)},
	{"cut an unfinished batch", offsetof(struct statistics, torn_tails)},
	{"the journal is damaged where", offsetof(struct statistics, holes)},
	{"the journal cannot grow", offsetof(struct statistics, full_journals)},
	{"the database cannot be committed", offsetof(struct statistics, waiting_commits)},
	{"*going back to the last commit", offsetof(struct statistics, rewinds)},
	{"*lacks what was chosen", offsetof(struct statistics, contradictions)},
	{"*it has forgotten what it promised", offsetof(struct statistics, kept_out)},
};

static void
count(struct statistics *statistics, const char *text)
{
	for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
		const char *wanted = counted[i].text;
		bool is_found = wanted[0] == '*' ? strstr(text, wanted + 1) != NULL
		                                 : strncmp(text, wanted, strlen(wanted)) == 0;

		if (is_found)
			++*(uint64_t *)((char *)statistics + counted[i].counter);
	}
}

void
log_write(enum log_level level, const char *format, ...)
{
	struct world *world = run_world();
	char text[LINE_SIZE];
	va_list arguments;

	(void)level;
	if (!world)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	count(&world->statistics, text);
	world_trace(world, world->running, "%s", text);
}
