/* The command log: the changes of a node or subtree. */
#include <inttypes.h>

#include "client/cli/cli.h"
#include "client/cli/show.h"

#define PAGE_CHANGES 1000

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
		show_change(cli, &page->changes[i]);
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
