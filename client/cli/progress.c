/* Shows progress on standard error. */
#include "client/cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "client/cli/monotonic.h"
#include "client/cli/units.h"

#define INTERVAL_NS (200 * NANOSECONDS_PER_MS)

void
progress_start(struct progress *progress, const struct cli *cli)
{
	progress->is_shown = !cli->quiet && isatty(STDERR_FILENO);
	progress->start_ns = monotonic_ns();
	progress->next_ns = progress->start_ns + INTERVAL_NS;
}

double
progress_seconds(const struct progress *progress)
{
	return (double)(monotonic_ns() - progress->start_ns) / 1e9;
}

void
progress_show(struct progress *progress, uint64_t count, const char *what)
{
	char counted[UNIT_TEXT_SIZE];
	char rate[UNIT_TEXT_SIZE];

	if (!progress->is_shown || monotonic_ns() < progress->next_ns)
		return;
	progress->next_ns = monotonic_ns() + INTERVAL_NS;
	fprintf(stderr, "\r\033[K%s %s, %s per second", format_count(counted, count), what,
	        format_count(rate, (uint64_t)((double)count / progress_seconds(progress))));
	fflush(stderr);
}

void
progress_end(struct progress *progress)
{
	if (progress->is_shown)
		fputs("\r\033[K", stderr);
}
