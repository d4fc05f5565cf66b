/*
 * The first steps with libsynod: open, put, get, list, and a write that happens
 * only if nobody else was faster.
 *
 *     cc quickstart.c $(pkg-config --cflags --libs synod) -o quickstart
 *     ./quickstart 127.0.0.1:7400
 *
 * Leave out the address to use $SYNOD_ENDPOINTS, or a member on this machine.
 */
#include <stdio.h>
#include <string.h>

#include <synod/synod.h>

/* What a call returns is enough to decide; its name and text are for people. */
static int
report(const char *what, int error)
{
	fprintf(stderr, "%s: %s (%s)\n  %s\n", what, synod_error_text(error),
	        synod_error_name(error), synod_error_hint(error));
	return 1;
}

/*
 * Set the counter to one more than it is.  Between our reading and our writing
 * somebody else may have written: the condition on the version then refuses the
 * write, and we read again.  Nothing is lost and no lock is needed.
 */
static int
count_visit(struct synod *synod)
{
	for (;;) {
		struct synod_result *result;
		char text[24];
		unsigned visits = 0;
		int error = synod_get(synod, "/quickstart/visits", NULL, &result);

		if (error != SYNOD_OK) {
			synod_result_free(result);
			return error;
		}
		sscanf(result->node.data, "%u", &visits); /* a zero byte follows the data */
		snprintf(text, sizeof text, "%u", visits + 1);

		struct synod_condition unchanged = {
			.kind = SYNOD_IF_VERSION,
			.number = result->node.stat.version,
		};
		struct synod_write_options options = {.conditions = &unchanged,
		                                      .condition_count = 1};

		synod_result_free(result);
		error = synod_set(synod, "/quickstart/visits", text, strlen(text), &options, NULL);
		if (error != SYNOD_CONFLICT)
			return error;
	}
}

int
main(int argc, char **argv)
{
	struct synod_options options = {.endpoints = argc > 1 ? argv[1] : NULL};
	struct synod_write_options with_parents = {.make_parents = true};
	struct synod_read_options with_data = {.with_data = true};
	struct synod_result *result;
	struct synod *synod;

	/* Returns at once: members are searched for in the background. */
	int error = synod_open(&options, &synod);
	if (error)
		return report("open", error);

	/* Create the node, or replace its data.  When this returns SYNOD_OK, a majority has it on
	 * disk. */
	error = synod_put(synod, "/quickstart/greeting", "hello", 5, &with_parents, NULL);
	if (error)
		return report("put /quickstart/greeting", error);

	/* Only the first run creates the counter; later ones find it there. */
	error = synod_create(synod, "/quickstart/visits", "0", 1, NULL, NULL);
	if (error && error != SYNOD_EXISTS)
		return report("create /quickstart/visits", error);
	error = count_visit(synod);
	if (error)
		return report("count", error);

	/* The children with their data, all of one revision. */
	error = synod_list(synod, "/quickstart", &with_data, &result);
	if (error)
		return report("list /quickstart", error);
	for (size_t i = 0; i < result->child_count; i++)
		printf("%s = %s\n", result->children[i].path,
		       (const char *)result->children[i].data);
	printf("at revision %llu\n", (unsigned long long)result->revision);
	synod_result_free(result);

	synod_close(synod);
	return 0;
}
