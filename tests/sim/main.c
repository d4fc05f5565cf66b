/* synod-sim: run seeds, replay one, shrink one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shared/check.h"
#include "shared/planted.h"
#include "tests/sim/run.h"

/* What crashed processes had in memory is abandoned: a child runs so many seeds and goes. */
#define SEEDS_PER_CHILD 40
/* Every so many seeds are run twice, and must give the same trace. */
#define TWICE_EVERY   50
#define FAILURES_TOLD 5
#define SETTINGS_MAX  64

/* What a crashed process had in memory is not freed, so there is no use in looking for leaks. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

struct arguments {
	bool has_seed, is_tracing, is_shrinking, is_quiet, is_seeking, is_beyond;
	bool prints_hashes;
	uint64_t seed, first, count, seconds;
	unsigned failures_max;
	const char *settings[SETTINGS_MAX];
	unsigned setting_count;
	const char *case_file;
	const char *out;
};

/* Shared with the children. */
struct tally {
	uint64_t seeds, virtual_us, failures, twice;
	uint64_t first_failed;
	char checker[32];
	struct statistics statistics;
};

static double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
prepare(const struct arguments *arguments, uint64_t seed, struct options *options)
{
	options_draw(options, seed);
	if (arguments->is_beyond)
		options_draw_beyond(options, seed);
	for (unsigned i = 0; i < arguments->setting_count; i++) {
		if (!options_set(options, arguments->settings[i])) {
			fprintf(stderr, "synod-sim: no such option: %s\n", arguments->settings[i]);
			exit(2);
		}
	}
}

/* ---- many seeds ---- */

static void
add_statistics(struct statistics *sum, const struct statistics *one)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)one;

	for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
		to[i] += from[i];
}

static void
one_of_many(const struct arguments *arguments, uint64_t seed, struct tally *tally)
{
	struct options options;
	struct run_result result, again;

	prepare(arguments, seed, &options);
	run_seed(seed, &options, false, !arguments->is_quiet && tally->failures < FAILURES_TOLD,
	         &result);
	if (!result.has_failed && seed % TWICE_EVERY == 0) {
		tally->twice++;
		run_seed(seed, &options, false, false, &again);
		if (again.trace_hash != result.trace_hash) {
			result.has_failed = true;
			snprintf(result.checker, sizeof result.checker, "determinism");
			printf("seed %lu: two runs, two traces\n", (unsigned long)seed);
		}
	}
	if (arguments->prints_hashes)
		printf("%lu %016lx\n", (unsigned long)seed, (unsigned long)result.trace_hash);
	tally->seeds++;
	tally->virtual_us += result.virtual_us;
	add_statistics(&tally->statistics, &result.statistics);
	if (result.has_failed) {
		if (tally->failures++ == 0) {
			tally->first_failed = seed;
			memcpy(tally->checker, result.checker, sizeof tally->checker);
		}
		if (!arguments->is_seeking)
			printf("FAILED %lu %s   replay: synod-sim --seed %lu%s --trace\n",
			       (unsigned long)seed, result.checker, (unsigned long)seed,
			       arguments->is_beyond ? " --beyond" : "");
		fflush(stdout);
	}
}

static uint64_t
run_child(const struct arguments *arguments, uint64_t first, uint64_t count, struct tally *tally)
{
	uint64_t before = tally->seeds;
	pid_t child;
	int status = 0;

	fflush(stdout);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		for (uint64_t i = 0; i < count && !(arguments->is_seeking && tally->failures); i++)
			one_of_many(arguments, first + i, tally);
		fflush(stdout);
		_exit(0);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		uint64_t seed = first + (tally->seeds - before);

		printf("FAILED %lu the simulator itself died (status %x)\n", (unsigned long)seed,
		       (unsigned)status);
		if (tally->failures++ == 0) {
			tally->first_failed = seed;
			snprintf(tally->checker, sizeof tally->checker, "death");
		}
		tally->seeds++;
	}
	return tally->seeds - before;
}

static void
print_statistics(const struct tally *tally, double seconds)
{
	static const char *const texts[] = {
#define STATISTIC(name, text) text,
#include "tests/sim/statistics.def"
#undef STATISTIC
	};
	const uint64_t *values = (const uint64_t *)&tally->statistics;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		printf("%14lu  %s\n", (unsigned long)values[i], texts[i]);
	printf("%lu seeds, %lu of them twice, %.1f virtual hours in %.1f s (%.1f seeds/s); "
	       "%lu failed\n",
	       (unsigned long)tally->seeds, (unsigned long)tally->twice,
	       (double)tally->virtual_us / 3.6e9, seconds,
	       (double)(tally->seeds + tally->twice) / seconds, (unsigned long)tally->failures);
}

/* Run them; what came out is printed unless nobody wants to know. */
static struct tally
tally_of(const struct arguments *arguments)
{
	struct tally *tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE,
	                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double began = seconds_now();
	uint64_t next = arguments->first;

	CHECK(tally != MAP_FAILED);
	memset(tally, 0, sizeof *tally);
	while (tally->failures < arguments->failures_max) {
		uint64_t count = SEEDS_PER_CHILD;

		if (arguments->seconds > 0 && seconds_now() - began >= (double)arguments->seconds)
			break;
		if (arguments->seconds == 0 && next - arguments->first + count > arguments->count)
			count = arguments->count - (next - arguments->first);
		if (count == 0)
			break;
		next += run_child(arguments, next, count, tally);
	}
	if (!arguments->is_seeking)
		print_statistics(tally, seconds_now() - began);
	struct tally result = *tally;
	munmap(tally, sizeof *tally);
	return result;
}

static int
run_many(const struct arguments *arguments)
{
	struct tally tally = tally_of(arguments);

	if (tally.failures > 0)
		printf("first failure: seed %lu, checker %s, after %lu seeds\n",
		       (unsigned long)tally.first_failed, tally.checker,
		       (unsigned long)(tally.first_failed - arguments->first + 1));
	return tally.failures > 0;
}

/* ---- one seed ---- */

static int
run_one(const struct arguments *arguments)
{
	struct options options;
	struct run_result result;

	prepare(arguments, arguments->seed, &options);
	printf("seed %lu: ", (unsigned long)arguments->seed);
	options_print(&options, stdout);
	printf("\n");
	fflush(stdout);
	run_seed(arguments->seed, &options, arguments->is_tracing, true, &result);
	printf("seed %lu: %s, trace %016lx, %.3f virtual seconds\n", (unsigned long)arguments->seed,
	       result.has_failed ? result.checker : "all promises kept",
	       (unsigned long)result.trace_hash, (double)result.virtual_us / 1e6);
	return result.has_failed;
}

/* ---- shrinking ---- */

static bool
still_breaks(uint64_t seed, const struct options *options, const char *checker)
{
	struct run_result *result = mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE,
	                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;
	int status;
	bool breaks;

	CHECK(result != MAP_FAILED);
	fflush(stdout);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		run_seed(seed, options, false, false, result);
		_exit(0);
	}
	waitpid(child, &status, 0);
	breaks = result->has_failed && strcmp(result->checker, checker) == 0;
	munmap(result, sizeof *result);
	return breaks;
}

/* Toward the harmless value: all of the way, or half of it. */
static bool
shrink_option(uint64_t seed, struct options *options, unsigned i, const char *checker)
{
	uint64_t *value = options_at(options, i);
	uint64_t least = option_infos[i].least;
	uint64_t before = *value;
	uint64_t tries[] = {least, least + (before > least ? (before - least) / 2 : 0),
	                    before > least ? before - 1 : least};

	for (unsigned k = 0; k < sizeof tries / sizeof *tries; k++) {
		if (tries[k] == before)
			continue;
		*value = tries[k];
		if (still_breaks(seed, options, checker))
			return true;
		*value = before;
	}
	return false;
}

static int
shrink(const struct arguments *arguments)
{
	struct options options;
	struct run_result result;
	bool has_shrunk = true;
	FILE *out = stdout;

	prepare(arguments, arguments->seed, &options);
	run_seed(arguments->seed, &options, false, false, &result);
	if (!result.has_failed) {
		printf("seed %lu breaks nothing\n", (unsigned long)arguments->seed);
		return 1;
	}
	for (unsigned round = 0; has_shrunk && round < 6; round++) {
		has_shrunk = false;
		for (unsigned i = 0; i < OPTION_COUNT; i++)
			has_shrunk |= shrink_option(arguments->seed, &options, i, result.checker);
	}
	if (arguments->out)
		out = fopen(arguments->out, "w");
	CHECK(out != NULL);
	fprintf(out, "# %s: %s\nseed=%lu\n", result.checker, result.failure,
	        (unsigned long)arguments->seed);
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		fprintf(out, "%s=%lu\n", option_infos[i].name,
		        (unsigned long)*options_at(&options, i));
	if (out != stdout)
		fclose(out);
	return 0;
}

/* ---- saved cases ---- */

static int
run_case(const char *path)
{
	char line[512];
	struct options options;
	struct run_result result;
	uint64_t seed = 0;
	FILE *file = fopen(path, "r");

	if (!file) {
		perror(path);
		return 2;
	}
	memset(&options, 0, sizeof options);
	while (fgets(line, sizeof line, file)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		if (strncmp(line, "seed=", 5) == 0)
			seed = strtoull(line + 5, NULL, 10);
		else if (!options_set(&options, line))
			fprintf(stderr, "%s: unknown: %s\n", path, line);
	}
	fclose(file);
	run_seed(seed, &options, false, true, &result);
	printf("%s: %s\n", path, result.has_failed ? result.checker : "kept");
	return result.has_failed;
}

/* ---- planted bugs ---- */

#ifdef SYNOD_PLANTED

#define REPEATS       3
#define SEEDS_BETWEEN 1000000 /* the beginnings of two repeats are so far apart */

int planted_bug;

static const struct {
	const char *name;
	const char *text;
} planted_bugs[] = {
	{"NOTHING", "nothing"},
#define PLANTED_BUG(name, text) {#name, text},
#include "shared/planted.def"
#undef PLANTED_BUG
};

#define PLANTED_COUNT (sizeof planted_bugs / sizeof *planted_bugs)

static bool
plant(const char *name)
{
	for (unsigned i = 0; i < PLANTED_COUNT; i++) {
		if (strcmp(planted_bugs[i].name, name) == 0) {
			planted_bug = (int)i;
			return true;
		}
	}
	return false;
}

/* How many seeds it takes, in the middle of REPEATS tries; 0: not found. */
static uint64_t
seek(const struct arguments *arguments, char *checkers, size_t size)
{
	uint64_t needed[REPEATS] = {0};
	uint64_t least = UINT64_MAX, most = 0, sum = 0;
	size_t used = 0;

	checkers[0] = '\0';
	for (unsigned i = 0; i < REPEATS; i++) {
		struct arguments one = *arguments;
		struct tally tally;

		one.first = 1 + i * (uint64_t)SEEDS_BETWEEN;
		one.is_quiet = true;
		tally = tally_of(&one);
		if (tally.failures == 0)
			return 0;
		needed[i] = tally.first_failed - one.first + 1;
		least = needed[i] < least ? needed[i] : least;
		most = needed[i] > most ? needed[i] : most;
		sum += needed[i];
		if (!strstr(checkers, tally.checker) && used < size)
			used += (size_t)snprintf(checkers + used, size - used, "%s%s",
			                         used ? ", " : "", tally.checker);
	}
	return sum - least - most;
}

/* Switch on one after the other; each must be found. */
static int
seek_planted(const struct arguments *arguments)
{
	unsigned missed = 0;

	printf("%-24s %6s  %-32s %s\n", "planted bug", "seeds", "caught by", "what it is");
	for (unsigned i = 1; i < PLANTED_COUNT; i++) {
		char checkers[128];
		uint64_t needed;

		planted_bug = (int)i;
		needed = seek(arguments, checkers, sizeof checkers);
		if (needed == 0) {
			missed++;
			printf("%-24s %6s  %-32s %s\n", planted_bugs[i].name, "-", "NOT FOUND",
			       planted_bugs[i].text);
		} else {
			printf("%-24s %6lu  %-32s %s\n", planted_bugs[i].name,
			       (unsigned long)needed, checkers, planted_bugs[i].text);
		}
		fflush(stdout);
	}
	printf("%u of %u planted bugs were found\n", (unsigned)PLANTED_COUNT - 1 - missed,
	       (unsigned)PLANTED_COUNT - 1);
	return missed > 0;
}

#else

static bool
plant(const char *name)
{
	(void)name;
	fprintf(stderr, "synod-sim: no bugs are planted in this build: see make sim-planted\n");
	return false;
}

static int
seek_planted(const struct arguments *arguments)
{
	(void)arguments;
	return !plant("");
}

#endif

/* ---- the command line ---- */

static void
usage(void)
{
	puts("usage: synod-sim --seed S [--trace]          run one seed\n"
	     "       synod-sim --seeds N [--first S]       run many\n"
	     "       synod-sim --time SECONDS [--first S]  run as many as there is time for\n"
	     "       synod-sim --shrink SEED [--out FILE]  make a failing seed small\n"
	     "       synod-sim --case FILE                 replay a saved case\n"
	     "       synod-sim --seek-planted [--seeds N]  find each planted bug within N seeds\n"
	     "       --planted NAME                        switch one of them on\n"
	     "       --beyond                              harm more disks than it can survive\n"
	     "       --hashes                              print a hash of each seed's trace\n"
	     "       --set NAME=NUMBER                     override an option of the seed\n"
	     "       --failures N                          stop after so many (default 1)\n"
	     "       --quiet                               do not print the last lines of members\n"
	     "options of a seed:");
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		printf("  %-20s %s\n", option_infos[i].name, option_infos[i].text);
}

static const char *
value_of(int count, char **arguments, int *i)
{
	if (*i + 1 >= count) {
		fprintf(stderr, "synod-sim: %s wants a value\n", arguments[*i]);
		exit(2);
	}
	return arguments[++*i];
}

static uint64_t
number_of(int count, char **arguments, int *i)
{
	return strtoull(value_of(count, arguments, i), NULL, 10);
}

static bool
take(struct arguments *to, int count, char **from, int *i)
{
	const char *name = from[*i];

	if (strcmp(name, "--seed") == 0) {
		to->has_seed = true;
		to->seed = number_of(count, from, i);
	} else if (strcmp(name, "--seeds") == 0) {
		to->count = number_of(count, from, i);
	} else if (strcmp(name, "--first") == 0) {
		to->first = number_of(count, from, i);
	} else if (strcmp(name, "--time") == 0) {
		to->seconds = number_of(count, from, i);
	} else if (strcmp(name, "--failures") == 0) {
		to->failures_max = (unsigned)number_of(count, from, i);
	} else if (strcmp(name, "--trace") == 0) {
		to->is_tracing = true;
	} else if (strcmp(name, "--planted") == 0) {
		if (!plant(value_of(count, from, i)))
			exit(2);
	} else if (strcmp(name, "--seek-planted") == 0) {
		to->is_seeking = true;
	} else if (strcmp(name, "--beyond") == 0) {
		to->is_beyond = true;
	} else if (strcmp(name, "--hashes") == 0) {
		to->prints_hashes = true;
	} else if (strcmp(name, "--quiet") == 0) {
		to->is_quiet = true;
	} else if (strcmp(name, "--shrink") == 0) {
		to->is_shrinking = true;
		to->seed = number_of(count, from, i);
	} else if (strcmp(name, "--case") == 0) {
		to->case_file = value_of(count, from, i);
	} else if (strcmp(name, "--out") == 0) {
		to->out = value_of(count, from, i);
	} else if (strcmp(name, "--set") == 0 && to->setting_count < SETTINGS_MAX) {
		to->settings[to->setting_count++] = value_of(count, from, i);
	} else {
		return false;
	}
	return true;
}

int
main(int count, char **from)
{
	struct arguments arguments = {.first = 1, .count = 100, .failures_max = 1};

	for (int i = 1; i < count; i++) {
		if (!take(&arguments, count, from, &i)) {
			usage();
			return 2;
		}
	}
	if (arguments.case_file)
		return run_case(arguments.case_file);
	if (arguments.is_seeking)
		return seek_planted(&arguments);
	if (arguments.is_shrinking)
		return shrink(&arguments);
	if (arguments.has_seed)
		return run_one(&arguments);
	return run_many(&arguments);
}
