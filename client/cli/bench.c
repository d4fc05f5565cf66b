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
		return cli_usage(cli, "say what to measure: write, read, mixed or gap");
	if (strcmp(kind, "gap") == 0)
		return cli->options.given[OPTION_CHECK] ? bench_gap_check(cli) : bench_gap(cli);
	if (strcmp(kind, "write") == 0 || strcmp(kind, "read") == 0 || strcmp(kind, "mixed") == 0)
		return bench_load(cli, kind);
	return cli_usage(cli, "'%s' is none of write, read, mixed, gap", kind);
}
