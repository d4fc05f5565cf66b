/* The command export: writes a subtree as a tree of files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/files.h"
#include "client/cli/json.h"
#include "client/cli/memory.h"
#include "client/cli/progress.h"
#include "client/cli/units.h"

#define PAGE_NODES 1000

struct export
{
	struct cli *cli;
	struct synod_read_options read;
	struct progress progress;
	uint64_t nodes;
	uint64_t bytes;
};

static int export_children(struct export *export, const char *path, int directory);

/* ---- files ---- */

static int
write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t count = write(fd, bytes, size);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -1;
		bytes += count;
		size -= (size_t)count;
	}
	return 0;
}

/* Write NODE's data to the file NAME in DIRECTORY.  Never through a symbolic link: it could lead
 * out of the directory that was given. */
static int
export_data(struct export *export, const char *path, int directory, const char *name,
            const struct synod_node *node)
{
	int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
	                0666);
	int failed;

	if (fd < 0)
		return cli_fail_system(path, errno);
	failed = write_all(fd, node->data, node->size);
	if (failed) {
		int code = cli_fail_system(path, errno);

		close(fd);
		return code;
	}
	if (close(fd) != 0)
		return cli_fail_system(path, errno);
	export->bytes += node->size;
	return 0;
}

static int
open_directory(int parent, const char *name)
{
	if (mkdirat(parent, name, 0777) != 0 && errno != EEXIST)
		return -1;
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* ---- nodes ---- */

static int
export_directory(struct export *export, const char *path, int parent, const struct synod_node *node)
{
	int directory = open_directory(parent, node->path);
	int code = 0;

	if (directory < 0)
		return cli_fail_system(path, errno);
	if (node->stat.has_data)
		code = export_data(export, path, directory, FILES_DATA_NAME, node);
	if (code == 0 && node->stat.children > 0)
		code = export_children(export, path, directory);
	close(directory);
	return code;
}

static int
export_node(struct export *export, const char *parent_path, int parent,
            const struct synod_node *node)
{
	char *path = files_join(parent_path, node->path);
	int code;

	export->nodes++;
	progress_show(&export->progress, export->nodes, "nodes");
	if (strcmp(node->path, FILES_DATA_NAME) == 0) {
		cli_warn(path, "the name is taken by the file for the parent's data (EEXIST)");
		code = EXIT_ERROR;
	} else if (node->stat.children > 0 || !node->stat.has_data) {
		code = export_directory(export, path, parent, node);
	} else {
		code = export_data(export, path, parent, node->path, node);
	}
	free(path);
	return code;
}

/* Write one page of the children of PATH that come after *AFTER.  Returns an exit code; *MORE says
 * whether there may be another page, and *AFTER is where it begins. */
static int
export_page(struct export *export, const char *path, int directory, char **after, bool *more)
{
	struct synod_read_options options = export->read;
	struct synod_result *page = NULL;
	int code = 0;
	int error;

	options.with_stat = true;
	options.with_data = true;
	options.limit = PAGE_NODES;
	options.after = *after;
	error = synod_list(export->cli->synod, path, &options, &page);
	*more = !error && page->more && page->child_count > 0;
	/* A node that has gone since its parent was listed has no children to write. */
	if (error && error != SYNOD_NOT_FOUND)
		code = cli_fail(export->cli, path, error, page);
	for (size_t i = 0; !error && code == 0 && i < page->child_count; i++)
		code = export_node(export, path, directory, &page->children[i]);
	if (*more) {
		free(*after);
		*after = must_copy(page->children[page->child_count - 1].path);
	}
	synod_result_free(page);
	return code;
}

static int
export_children(struct export *export, const char *path, int directory)
{
	char *after = NULL;
	bool more = true;
	int code = 0;

	while (more && code == 0)
		code = export_page(export, path, directory, &after, &more);
	free(after);
	return code;
}

/* ---- the top ---- */

static bool
is_empty(int directory)
{
	int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *found;
	bool empty = true;

	if (!stream) {
		if (copy >= 0)
			close(copy);
		return false;
	}
	while (empty && (found = readdir(stream)) != NULL)
		empty = strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0;
	closedir(stream);
	return empty;
}

/* Open the directory that was given, creating it; here a symbolic link is what the user meant. */
static int
open_top(const struct cli *cli, const char *name, int *directory)
{
	int code;

	if (mkdir(name, 0777) != 0 && errno != EEXIST)
		return cli_fail_system(name, errno);
	*directory = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*directory < 0)
		return cli_fail_system(name, errno);
	if (is_empty(*directory) || cli->options.given[OPTION_FORCE])
		return 0;
	code = cli_fail_system(name, ENOTEMPTY);
	fputs("  choose another directory, or write into this one with --force\n", stderr);
	close(*directory);
	return code;
}

static int
export_top(struct export *export, const char *path, const char *name)
{
	struct synod_result *result = NULL;
	int error = synod_get(export->cli->synod, path, &export->read, &result);
	int directory = -1;
	int code = error ? cli_fail(export->cli, path, error, result) : 0;

	if (code == 0)
		code = open_top(export->cli, name, &directory);
	if (code == 0) {
		export->nodes++;
		if (result->node.stat.has_data)
			code = export_data(export, path, directory, FILES_DATA_NAME, &result->node);
		if (code == 0)
			code = export_children(export, path, directory);
		close(directory);
	}
	synod_result_free(result);
	return code;
}

static void
report(const struct export *export)
{
	double seconds = progress_seconds(&export->progress);
	char count[UNIT_TEXT_SIZE];
	char size[UNIT_TEXT_SIZE];

	if (export->cli->json) {
		cJSON *json = json_object();

		json_add_number(json, "nodes", export->nodes);
		json_add_number(json, "bytes", export->bytes);
		json_add_real(json, "seconds", seconds);
		json_print(json);
	} else if (!export->cli->quiet) {
		printf("%s nodes, %s in %.1f s\n", format_count(count, export->nodes),
		       format_size(size, export->bytes), seconds);
	}
}

int
command_export(struct cli *cli)
{
	struct export export = {.cli = cli};
	int code = cli_read_options(cli, &export.read);

	if (code == 0)
		code = cli_open(cli);
	if (code)
		return code;
	progress_start(&export.progress, cli);
	code = export_top(&export, cli->words[0], cli->words[1]);
	progress_end(&export.progress);
	if (code == 0)
		report(&export);
	return code;
}
