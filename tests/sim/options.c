/* What a seed decides: swarm testing (Groce et al., ISSTA'12), each seed with faults of its own. */
#include "tests/sim/options.h"

#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
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
	options->f_restore = 0;
	if (random_below(random, 20) == 0) /* now and then a world without faults */
		options->fault_every_ms = 3600000;
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

/*
 * Corners that independent draws reach too rarely: a fault that comes again and again, with the
 * load that meets it.  A theme replaces some of what was drawn.
 */
static const char *const themes[][12] = {
	/* Who was deposed does not know it yet, and is asked. */
	{"members=5", "clients=8", "readers=4", "pipeline=1", "think_us=20000", "f_isolate=80",
         "outage_ms=1500", "fault_every_ms=1000"},
	{"members=3", "clients=8", "readers=4", "think_us=20000", "f_pause=80", "outage_ms=600",
         "fault_every_ms=1000"},
	/* Rivals: elections without end, and what they said comes late and twice. */
	{"members=5", "heartbeat_ms=20", "election_ms=80", "delay_us=2000", "jitter_us=20000",
         "duplicate=100000", "replay=50000", "f_isolate=40", "f_kill=40", "outage_ms=200",
         "fault_every_ms=300"},
	/* Power goes while slow disks still write. */
	{"sync_us=15000", "f_power=40", "f_power_in_disk=40", "f_slow_disk=20", "f_isolate=20",
         "outage_ms=200", "fault_every_ms=300"},
	/* Clients stop and go while what is proposed takes long: sessions end, and come too late.
         */
	{"clients=16", "readers=0", "operations=120", "session_timeout_ms=1000", "sync_us=15000",
         "corrupt=2000", "f_client_pause=40", "f_client_crash=40", "f_slow_disk=40",
         "outage_ms=600", "fault_every_ms=100"},
};

/* Every third seed has one. */
static void
draw_theme(struct options *options, struct random *random)
{
	unsigned theme = (unsigned)random_below(random, 3 * (sizeof themes / sizeof *themes));

	if (theme >= sizeof themes / sizeof *themes)
		return;
	for (unsigned i = 0; i < sizeof themes[0] / sizeof *themes[0] && themes[theme][i]; i++)
		CHECK(options_set(options, themes[theme][i]));
}

/* Those who hold things are in half of the seeds; what they do is drawn like faults. */
static void
draw_living(struct options *options, struct random *random)
{
	if (random_below(random, 2) == 0)
		return;
	options->living = random_between(random, 2, 6);
	options->living_think_ms = ONE_OF(10, 50, 200, 800);
	options->living_timeout_ms = ONE_OF(1000, 1000, 2000, 4000);
	options->lock_delay_ms = ONE_OF(0, 500, 3000);
	options->clock_ppm = ONE_OF(30000, 50000, 50000, 50000, 300000);
	options->l_node = random_between(random, 1, 8);
	options->l_lease = random_below(random, 2) * random_between(random, 1, 6);
	options->l_end = random_below(random, 3) == 0;
	options->l_watch = random_below(random, 4) ? random_between(random, 1, 8) : 0;
	options->l_lock = random_below(random, 4) ? random_between(random, 1, 12) : 0;
	options->l_register = random_below(random, 2) * random_between(random, 1, 6);
	options->l_elect = random_below(random, 2) * random_between(random, 1, 6);
	options->l_read = random_between(random, 1, 8);
	options->l_close = random_below(random, 2);
	/* What a window refuses of a batch of expiries is proposed again a second later. */
	if (options->window < 8)
		options->window = 8;
	if (random_below(random, 4) == 0) {
		options->history_changes = ONE_OF(20, 100);
		options->padding = ONE_OF(2000, 6000);
	}
}

/* Half of those offer services.  In a third of these seeds many of them are gone at once, and for
 * longer than their sessions live: then the brake has to decide. */
static void
draw_services(struct options *options, struct random *random)
{
	if (options->living == 0 || random_below(random, 2) == 0)
		return;
	options->services = random_between(random, 1, 3);
	options->brake_percent = ONE_OF(1, 20, 40, 50, 50, 80, 100);
	options->l_instance = random_between(random, 0, 6);
	options->l_service = random_between(random, 2, 16);
	options->l_resolve = random_below(random, 4) ? random_between(random, 2, 10) : 0;
	if (random_below(random, 3) != 0)
		return;
	options->services = 1;
	options->l_service = 16;
	options->living_timeout_ms = ONE_OF(1000, 2000);
	options->clients = 2;
	options->readers = 0;
	options->operations = 40;
	options->think_us = 2000 * options->duration_ms / options->operations;
	options->f_client_crash = 20;
	options->f_client_pause = 20;
	options->fault_every_ms = ONE_OF(300, 1000);
	options->outage_ms = 4000;
}

/* In a third of those with living clients little that is unsent makes a client slow. */
static void
draw_slowness(struct options *options, struct random *random)
{
	if (options->living == 0 || random_below(random, 3) != 0)
		return;
	options->watch_output = ONE_OF(1000, 4000, 16000);
	options->padding = ONE_OF(300, 2000, 6000);
	if (options->f_client_pause < 6)
		options->f_client_pause = 6;
}

/* What they ask for must fit through the window, or what is left when the faults end takes longer
 * than any promise allows.  One thing done is several writes. */
static void
fit_demand(struct options *options)
{
	uint64_t round_us = 2 * options->delay_us + options->jitter_us + 2 * options->sync_us +
	                    options->apply_us;
	uint64_t least_ms = 8 * options->living * round_us / options->window / 1000;

	if (options->living_think_ms < least_ms)
		options->living_think_ms = least_ms;
}

void
options_draw(struct options *options, uint64_t seed)
{
	struct random slow_random = random_for(seed, 'u');
	struct random service_random = random_for(seed, 's');
	struct random living_random = random_for(seed, 'l');
	struct random random = random_for(seed, 'o');
	struct random theme_random = random_for(seed, 't');

	memset(options, 0, sizeof *options);
	draw_sizes(options, &random);
	draw_network(options, &random);
	draw_faults(options, &random);
	draw_theme(options, &theme_random);
	draw_living(options, &living_random);
	draw_services(options, &service_random);
	draw_slowness(options, &slow_random);
	fit_demand(options);
}

void
options_draw_beyond(struct options *options, uint64_t seed)
{
	struct random stream = random_for(seed, 'b'), *random = &stream;

	options->beyond = ONE_OF(1, 2);
	options->living = 0;
	options->services = 0;
	options->history_changes = 0;
	options->watch_output = 0;
	options->clock_ppm = 0;
	if (options->members < 3)
		options->members = 3;
	options->fault_every_ms = ONE_OF(100, 300, 1000);
	options->f_wipe = random_below(random, 3);
	options->f_rot = random_below(random, 8);
	options->f_lose = random_below(random, 3);
	options->f_misdirect = random_below(random, 8);
	options->f_restore = options->beyond == 2 ? random_below(random, 8) : 0;
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
