/* The command watch: print the changes of a node or subtree as they happen, or run a command. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/cli/child.h"
#include "client/cli/escape.h"
#include "client/cli/json.h"
#include "client/cli/memory.h"
#include "client/cli/show.h"

#define PREVIEW_WIDTH  60
#define SIGNAL_LOOK_MS 200

struct follow {
	struct cli *cli;
	char **command; /* NULL: print */
	uint64_t left;  /* changes still to be shown */
	int signal;     /* that ended it */
};

/* ---- printing ---- */

static void
print_node(const struct cli *cli, uint64_t revision, const struct synod_node *node)
{
	char *preview;

	if (cli->json) {
		cJSON *json = json_object();

		json_add_number(json, "revision", revision);
		json_add_text(json, "kind", "state");
		json_add_text(json, "path", node->path);
		json_add_data(json, "data", node->data, node->size);
		json_add_stat(json, node);
		json_print(json);
		return;
	}
	printf("%" PRIu64 " %-8s ", revision, "state");
	cli_print_name(node->path);
	preview = escape_preview(node->data, node->size, PREVIEW_WIDTH);
	printf(" %" PRIu64 " %s\n", node->stat.version, preview);
	free(preview);
}

static void
print_state(const struct follow *follow, const struct synod_event *event)
{
	if (event->compacted)
		cli_warn(follow->cli->words[0],
		         "the history was not kept long enough, changes were missed: this is the "
		         "present state");
	for (size_t i = 0; i < event->node_count; i++)
		print_node(follow->cli, event->revision, &event->nodes[i]);
}

/* ---- running a command for each change ---- */

/* SIZE bytes that a command can read as its standard input; -1 with errno. */
static int
input_of(const void *data, size_t size)
{
	int file = memfd_create("synod", MFD_CLOEXEC);

	for (size_t done = 0; file >= 0 && done < size;) {
		ssize_t written = write(file, (const char *)data + done, size - done);

		if (written < 0) {
			close(file);
			return -1;
		}
		done += (size_t)written;
	}
	if (file >= 0)
		lseek(file, 0, SEEK_SET);
	return file;
}

static int
run_for(struct follow *follow, const struct synod_change *change)
{
	char *variables[] = {
		must_format("SYNOD_REVISION=%" PRIu64, change->revision),
		must_format("SYNOD_PATH=%s", change->path),
		must_format("SYNOD_KIND=%s", change_kind_name(change->kind)),
		must_format("SYNOD_VERSION=%" PRIu64, change->version),
		must_format("SYNOD_CAUSE=%s", synod_cause_name(change->cause)),
		NULL,
	};
	int input = input_of(change->data, change->size);
	struct child child;
	int error = input < 0 ? errno
	                      : child_start(&child, follow->command, (const char *const *)variables,
	                                    input);
	int code = 0;

	if (error) {
		code = cli_fail_system(follow->command[0], error);
	} else {
		child_wait(&child, NULL, NULL, 0, 0);
		follow->signal = child.signal;
	}
	if (input >= 0)
		close(input);
	for (size_t i = 0; variables[i]; i++)
		free(variables[i]);
	return code;
}

/* ---- following ---- */

static int
take_changes(struct follow *follow, const struct synod_event *event)
{
	for (size_t i = 0; i < event->change_count && follow->left > 0; i++) {
		int code = 0;

		follow->left--;
		if (follow->command)
			code = run_for(follow, &event->changes[i]);
		else
			show_change(follow->cli, &event->changes[i]);
		if (code || follow->signal)
			return code;
	}
	return 0;
}

/* Take one event.  False when it was the last; *CODE is the exit code then. */
static bool
take_event(struct follow *follow, const struct synod_event *event, int *code)
{
	switch (event->kind) {
	case SYNOD_EVENT_CHANGES: *code = take_changes(follow, event); break;
	case SYNOD_EVENT_STATE:
		if (!follow->command)
			print_state(follow, event);
		break;
	case SYNOD_EVENT_END:
		*code = cli_fail(follow->cli, follow->cli->words[0], event->error,
		                 &(struct synod_result){.message = event->message});
		return false;
	default: break;
	}
	fflush(stdout);
	if (follow->signal)
		*code = 128 + follow->signal;
	return *code == 0 && follow->left > 0 && !ferror(stdout);
}

static int
follow_events(struct follow *follow, struct synod_watch *watch)
{
	const struct synod_event *event;
	int code = 0;

	for (;;) {
		unsigned wait_ms = follow->command ? SIGNAL_LOOK_MS : UINT_MAX;
		int error = synod_watch_next(watch, wait_ms, &event);

		if (error == SYNOD_OK && !take_event(follow, event, &code))
			return code;
		if (error != SYNOD_OK && error != SYNOD_TIMEOUT)
			return cli_fail(follow->cli, follow->cli->words[0], error, NULL);
		if (follow->command)
			follow->signal = child_pause(0);
		if (follow->signal)
			return 128 + follow->signal;
	}
}

int
command_watch(struct cli *cli)
{
	const struct options *options = &cli->options;
	struct follow follow = {.cli = cli, .left = UINT64_MAX};
	struct synod_watch_options how = {
		.scope = options->given[OPTION_RECURSIVE]  ? SYNOD_WATCH_SUBTREE
	                 : options->given[OPTION_CHILDREN] ? SYNOD_WATCH_CHILDREN
	                                                   : SYNOD_WATCH_NODE,
		.from = options->number[OPTION_FROM],
		.initial = options->given[OPTION_INITIAL],
		.with_data = true,
	};
	struct synod_watch *watch;
	int code, error;

	if (options->given[OPTION_LIMIT])
		follow.left = options->number[OPTION_LIMIT];
	if (cli->word_count > 1) {
		follow.command = cli->words + 1;
		child_prepare();
	}
	code = cli_open(cli);
	if (code || follow.left == 0)
		return code;
	error = synod_watch_open(cli->synod, cli->words[0], &how, &watch);
	if (error)
		return cli_fail(cli, cli->words[0], error, NULL);
	code = follow_events(&follow, watch);
	synod_watch_close(watch);
	return code;
}
