/* What members log, as lines of the trace: in place of shared/log.c. */
#include "shared/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/run.h"

enum log_level log_threshold = LOG_LEVEL_INFO;

static void
count(struct statistics *statistics, const char *text)
{
	if (strncmp(text, "leader: ", 8) == 0)
		statistics->leaders++;
	else if (strncmp(text, "lost leadership: no quorum", 26) == 0)
		statistics->lost_quorum++;
	else if (strncmp(text, "lost leadership: a higher", 25) == 0)
		statistics->lost_ballot++;
	else if (strncmp(text, "lost leadership: own", 20) == 0)
		statistics->lost_stalled++;
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
