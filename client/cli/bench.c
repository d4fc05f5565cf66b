/* The command bench: chooses among its kinds. */
#include "client/cli/bench.h"

#include <string.h>

uint64_t
bench_number(const struct cli *cli, enum option_name option, uint64_t value)
{
	return cli->options.given[option] ? cli->options.number[option] : value;
}

int
bench_prefix(const struct cli *cli, const char **prefix)
{
	*prefix = cli->options.text[OPTION_PREFIX];
	if (!*prefix)
		*prefix = "/bench";
	if ((*prefix)[0] != '/' || (*prefix)[1] == '\0')
		return cli_usage(cli, "--prefix: '%s' is no path below /", *prefix);
	return 0;
}

static int
bench_write(struct cli *cli)
{
	return bench_load(cli, "write");
}

static int
bench_read(struct cli *cli)
{
	return bench_load(cli, "read");
}

static int
bench_mixed(struct cli *cli)
{
	return bench_load(cli, "mixed");
}

static int
bench_gap_or_check(struct cli *cli)
{
	return cli->options.given[OPTION_CHECK] ? bench_gap_check(cli) : bench_gap(cli);
}

#define KINDS "write, read, mixed, gap, watch, sessions, ephemeral, lock, list, discovery"

static const struct {
	const char *name;
	int (*run)(struct cli *cli);
} kinds[] = {
	{"write", bench_write},         {"read", bench_read},   {"mixed", bench_mixed},
	{"gap", bench_gap_or_check},    {"watch", bench_watch}, {"sessions", bench_sessions},
	{"ephemeral", bench_ephemeral}, {"lock", bench_lock},   {"list", bench_list},
	{"discovery", bench_discovery},
};

int
command_bench(struct cli *cli)
{
	const char *kind = cli->words[0];

	if (cli->options.given[OPTION_HISTORY]) {
		if (kind)
			return cli_usage(cli, "--history has its own workload: leave out '%s'",
			                 kind);
		return bench_history(cli);
	}
	if (!kind)
		return cli_usage(cli, "say what to measure: " KINDS);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strcmp(kind, kinds[i].name) == 0)
			return kinds[i].run(cli);
	}
	return cli_usage(cli, "'%s' is none of " KINDS, kind);
}
