/* bench list: how soon the children of one node are listed, with and without their data. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/bench_fleet.h"
#include "client/cli/json.h"
#include "client/cli/memory.h"
#include "client/cli/monotonic.h"

#define CHILDREN_DEFAULT 10000
#define ROUNDS_DEFAULT   10

static void
on_made(void *context, const struct synod_result *result)
{
	countdown_tick(context, result->error);
}

static int
make_children(struct cli *cli, const char *parent, size_t count, size_t size)
{
	struct countdown made;
	struct synod_write_options options = {.call = {on_made, &made, 0}, .make_parents = true};
	char *value = must_calloc(size + 1, 1);
	int error = SYNOD_OK;

	memset(value, 'x', size);
	countdown_init(&made);
	countdown_set(&made, count);
	for (size_t i = 0; i < count; i++) {
		char *path = must_format("%s/%zu", parent, i);

		do {
			error = synod_put(cli->synod, path, value, size, &options, NULL);
			if (error == SYNOD_BUSY)
				monotonic_sleep_ms(1);
		} while (error == SYNOD_BUSY);
		free(path);
		if (error)
			countdown_tick(&made, error);
	}
	error = countdown_finish(&made);
	countdown_fini(&made);
	free(value);
	return error ? cli_fail(cli, parent, error, NULL) : 0;
}

static int
list_rounds(struct cli *cli, const char *parent, size_t count, size_t rounds, bool with_data,
            struct times *times)
{
	struct synod_read_options options = {.with_data = with_data};
	uint64_t *ns = must_calloc(rounds, sizeof *ns);
	int code = cli_read_options(cli, &options);

	for (size_t i = 0; i < rounds && code == 0; i++) {
		struct synod_result *result = NULL;
		uint64_t start_ns = monotonic_ns();
		int error = synod_list(cli->synod, parent, &options, &result);

		ns[i] = monotonic_ns() - start_ns;
		if (error)
			code = cli_fail(cli, parent, error, result);
		else if (result->child_count < count) {
			cli_warn(parent, "%zu of %zu children were listed", result->child_count,
			         count);
			code = EXIT_ERROR;
		}
		synod_result_free(result);
	}
	*times = times_of(ns, rounds);
	free(ns);
	return code;
}

int
bench_list(struct cli *cli)
{
	size_t count = bench_number(cli, OPTION_NODES, CHILDREN_DEFAULT);
	size_t rounds = bench_number(cli, OPTION_ROUNDS, ROUNDS_DEFAULT);
	size_t size = bench_number(cli, OPTION_SIZE, 256);
	struct times names, values;
	const char *prefix;
	char *parent;
	int code = bench_prefix(cli, &prefix);

	if (code == 0 && (count == 0 || count > 1000000 || rounds == 0 || rounds > 100000))
		code = cli_usage(cli, "--nodes is 1 to 1000000, --rounds 1 to 100000 here");
	if (code == 0)
		code = cli_open(cli);
	if (code)
		return code;
	parent = must_format("%s/list", prefix);
	code = make_children(cli, parent, count, size);
	if (code == 0)
		code = list_rounds(cli, parent, count, rounds, false, &names);
	if (code == 0)
		code = list_rounds(cli, parent, count, rounds, true, &values);
	free(parent);
	if (code)
		return code;
	if (cli->json) {
		cJSON *json = json_object();

		json_add_text(json, "kind", "list");
		json_add_number(json, "children", count);
		json_add_number(json, "size_bytes", size);
		json_add_real(json, "names_ms_median", names.median_ms);
		json_add_real(json, "with_data_ms_median", values.median_ms);
		json_print(json);
	} else {
		printf("%zu children of %zu bytes: names in %.2f ms (median), with data in %.2f "
		       "ms\n",
		       count, size, names.median_ms, values.median_ms);
	}
	return 0;
}
