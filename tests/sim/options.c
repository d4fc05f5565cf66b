/* What a seed decides: swarm testing (Groce et al., ISSTA'12), each seed with faults of its own. */
#include "tests/sim/options.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/random.h"

const struct option_info option_infos[OPTION_COUNT] = {
#define OPTION(name, least, text) {#name, least, text},
#include "tests/sim/options.def"
#undef OPTION
};

static uint64_t
one_of(struct random *random, const uint64_t *values, unsigned count)
{
	return values[random_below(random, count)];
}

#define ONE_OF(...)                                                                                \
	one_of(random, (const uint64_t[]){__VA_ARGS__},                                            \
	       sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void
draw_sizes(struct options *options, struct random *random)
{
	uint64_t spread_us;

	options->members = ONE_OF(1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 7);
	options->clients = ONE_OF(1, 2, 3, 4, 4, 6, 8, 16);
	options->readers = random_below(random, 2) * (options->clients / 2);
	options->operations = random_between(random, 10, options->clients > 6 ? 40 : 120);
	options->nodes = ONE_OF(1, 1, 2, 3, 5, 8);
	options->pipeline = ONE_OF(1, 1, 1, 2, 4, 16);
	options->duration_ms = random_between(random, 3000, 20000);
	/* Mostly so that the operations last as long as the faults. */
	spread_us = 2000 * options->duration_ms / options->operations;
	options->think_us = ONE_OF(0, 10000, 100000, spread_us, spread_us, spread_us);
	options->call_timeout_ms = ONE_OF(1000, 2000, 4000, 10000);
	options->session_timeout_ms = ONE_OF(1000, 2000, 4000, 10000);
	options->heartbeat_ms = ONE_OF(20, 50, 50, 100);
	options->election_ms = options->heartbeat_ms * ONE_OF(4, 5, 8);
	options->segment_bytes = ONE_OF(8192, 16384, 65536, 262144);
	options->window = ONE_OF(1, 2, 8, 1024);
	options->cache = ONE_OF(2, 8, 64, 1024);
	options->in_flight_bits = ONE_OF(4, 6, 8);
	options->cache_nodes = ONE_OF(1, 4, 1024);
	options->cache_pages = ONE_OF(0, 0, 1, 10);
}

static void
draw_network(struct options *options, struct random *random)
{
	options->delay_us = ONE_OF(20, 100, 500, 2000, 10000);
	options->jitter_us = ONE_OF(0, 100, 1000, 20000);
	options->spike = ONE_OF(0, 0, 0, 1000, 10000);
	options->drop = ONE_OF(0, 0, 1000, 20000, 200000);
	options->duplicate = ONE_OF(0, 0, 1000, 50000);
	options->reorder = ONE_OF(0, 0, 1000, 50000);
	options->replay = ONE_OF(0, 0, 1000, 20000);
	options->corrupt = ONE_OF(0, 0, 0, 100, 2000);
	options->split = ONE_OF(0, 0, 1000, 100000);
	options->sync_us = ONE_OF(50, 200, 2000, 15000);
	options->apply_us = ONE_OF(20, 50, 1000, 10000);
}

static void
draw_faults(struct options *options, struct random *random)
{
	options->fault_every_ms = ONE_OF(100, 300, 1000, 3000);
	options->outage_ms = ONE_OF(50, 200, 600, 1500, 4000);
	options->sees_space = random_below(random, 2);
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		if (strncmp(option_infos[i].name, "f_", 2) == 0 && random_below(random, 3) == 0)
			*options_at(options, i) = random_between(random, 1, 8);
	/* What cannot be undone is rare. */
	if (random_below(random, 4) != 0)
		options->f_wipe = 0;
	if (random_below(random, 4) != 0)
		options->f_rot = 0;
	if (random_below(random, 2) != 0)
		options->f_lose = 0;
	if (random_below(random, 2) != 0)
		options->f_misdirect = 0;
	if (random_below(random, 20) == 0) /* now and then a world without faults */
		options->fault_every_ms = 3600000;
}

void
options_draw(struct options *options, uint64_t seed)
{
	struct random random = random_for(seed, 'o');

	memset(options, 0, sizeof *options);
	draw_sizes(options, &random);
	draw_network(options, &random);
	draw_faults(options, &random);
}

uint64_t *
options_at(struct options *options, unsigned i)
{
	return (uint64_t *)options + i;
}

bool
options_set(struct options *options, const char *setting)
{
	const char *equal = strchr(setting, '=');

	for (unsigned i = 0; equal && i < OPTION_COUNT; i++) {
		size_t size = strlen(option_infos[i].name);

		if (size == (size_t)(equal - setting) &&
		    memcmp(setting, option_infos[i].name, size) == 0) {
			*options_at(options, i) = strtoull(equal + 1, NULL, 10);
			return true;
		}
	}
	return false;
}

void
options_print(const struct options *options, FILE *out)
{
	struct options copy = *options;

	for (unsigned i = 0; i < OPTION_COUNT; i++)
		if (*options_at(&copy, i) != 0)
			fprintf(out, "%s=%lu ", option_infos[i].name,
			        (unsigned long)*options_at(&copy, i));
}
