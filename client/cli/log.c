/* The command log: the changes of a node or subtree. */
#include <inttypes.h>
#include <stdlib.h>

#include "client/cli/cli.h"
#include "client/cli/escape.h"
#include "client/cli/json.h"

#define PAGE_CHANGES  1000
#define PREVIEW_WIDTH 60

static const char *
kind_name(enum synod_change_kind kind)
{
	switch (kind) {
	case SYNOD_CREATED: return "created";
	case SYNOD_MODIFIED: return "modified";
	case SYNOD_DELETED: return "deleted";
	}
	return "?";
}

static void
print_change_json(const struct synod_change *change)
{
	cJSON *json = json_object();

	json_add_number(json, "revision", change->revision);
	json_add_number(json, "ordinal", change->ordinal);
	json_add_text(json, "kind", kind_name(change->kind));
	json_add_text(json, "path", change->path);
	json_add_number(json, "version", change->version);
	json_add_number(json, "owner", change->owner);
	json_add_number(json, "cause", change->cause);
	json_add_data(json, "data", change->data, change->size);
	json_print(json);
}

static void
print_change(const struct cli *cli, const struct synod_change *change)
{
	char *preview;

	if (cli->json) {
		print_change_json(change);
		return;
	}
	printf("%" PRIu64 " %-8s ", change->revision, kind_name(change->kind));
	cli_print_name(change->path);
	if (change->kind == SYNOD_DELETED) {
		putchar('\n');
		return;
	}
	preview = escape_preview(change->data, change->size, PREVIEW_WIDTH);
	printf(" %" PRIu64 " %s\n", change->version, preview);
	free(preview);
}

/*
 * How many of a page's changes may be printed now.  A page that was cut may end
 * within a revision, and the next page can only begin at the start of one: so its
 * last revision is left for the next page, unless the page holds nothing else.
 */
static size_t
whole_revisions(const struct synod_result *page)
{
	size_t count = page->change_count;
	uint64_t last;

	if (!page->more || count == 0)
		return count;
	last = page->changes[count - 1].revision;
	while (count > 0 && page->changes[count - 1].revision == last)
		count--;
	return count;
}

/* Print one page.  Returns 0 to go on, 1 when done, -1 with *CODE set after an error. */
static int
log_page(struct cli *cli, struct synod_read_options *options, uint64_t *left, int *code)
{
	struct synod_result *page = NULL;
	const char *path = cli->words[0];
	int error = synod_log(cli->synod, path, options, &page);
	size_t count;
	int outcome = 0;

	if (error) {
		*code = cli_fail(cli, path, error, page);
		synod_result_free(page);
		return -1;
	}
	count = whole_revisions(page);
	if (page->more && count == 0) {
		options->limit *= 2; /* one revision larger than the page */
		synod_result_free(page);
		return 0;
	}
	for (size_t i = 0; i<count && * left> 0; i++, (*left)--)
		print_change(cli, &page->changes[i]);
	if (!page->more || *left == 0)
		outcome = 1;
	else
		options->from = page->changes[count].revision;
	synod_result_free(page);
	return outcome;
}

int
command_log(struct cli *cli)
{
	struct synod_read_options options = {
		.with_data = true,
		.recursive = cli->options.given[OPTION_RECURSIVE],
		.from = cli->options.number[OPTION_FROM],
		.limit = PAGE_CHANGES,
	};
	uint64_t left = UINT64_MAX;
	int code = cli_read_options(cli, &options);

	if (cli->options.given[OPTION_LIMIT])
		left = cli->options.number[OPTION_LIMIT];
	if (code == 0)
		code = cli_open(cli);
	if (code || left == 0)
		return code;
	while (log_page(cli, &options, &left, &code) == 0)
		;
	return code;
}
