/* The command import: walks a directory tree. */
#include "client/cli/import.h"

#include <errno.h>
#include <fts.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/files.h"
#include "client/cli/json.h"
#include "client/cli/memory.h"
#include "client/cli/units.h"
#include "shared/error.h"

#define CALLS_MAX       256
#define CALLS_BYTES_MAX (16u << 20)
#define PROBLEMS_NAMED  20

static void
import_entry_take(struct import *import, struct import_entry *entry)
{
	if (import->compares)
		import_compare(import, entry);
	else
		import_store(import, entry);
	progress_show(&import->progress, import->nodes, "nodes");
}

/* Name a file that stays out, and count it. */
static void
stays_out(struct import *import, const char *file, const char *reason, uint64_t *counter)
{
	++*counter;
	if (++import->named <= PROBLEMS_NAMED)
		cli_warn(file, "not imported: %s", reason);
}

/* ---- entries ---- */

/* Read FILE for ENTRY.  False if it stays out, and has been counted. */
static bool
read_data(struct import *import, const char *file, struct import_entry *entry)
{
	switch (files_read(file, import->follows, &entry->bytes, &entry->size)) {
	case FILES_READ: return true;
	case FILES_TOO_LARGE:
		stays_out(import, file, "larger than 1 MiB", &import->large);
		return false;
	case FILES_NOT_REGULAR: import->specials++; return false;
	case FILES_MISSING: errno = ENOENT; break;
	case FILES_FAILED: break;
	}
	stays_out(import, file, strerror(errno), &import->unreadable);
	return false;
}

/* Copy the names of everything in the directory that FTS has just entered. */
static void
read_names(FTS *fts, struct import_entry *entry)
{
	for (FTSENT *child = fts_children(fts, 0); child; child = child->fts_link) {
		entry->names =
			must_resize(entry->names, entry->name_count + 1, sizeof *entry->names);
		entry->names[entry->name_count++] = must_copy(child->fts_name);
	}
}

/* The data of a directory's node is in a file of its own; most have none. */
static void
read_directory_data(struct import *import, const char *directory, struct import_entry *entry)
{
	char *file = files_join(directory, FILES_DATA_NAME);
	enum files_read outcome = files_read(file, import->follows, &entry->bytes, &entry->size);

	if (outcome == FILES_TOO_LARGE || outcome == FILES_FAILED)
		read_data(import, file, entry); /* once more, to report it */
	free(file);
}

static void
import_directory(struct import *import, FTS *fts, FTSENT *found, const char *path)
{
	struct import_entry entry = {
		.is_directory = true,
		.is_top = found->fts_level == FTS_ROOTLEVEL,
	};
	bool is_root = strcmp(path, "/") == 0;

	read_directory_data(import, found->fts_accpath, &entry);
	if (is_root && !entry.bytes && !import->compares)
		return; /* the root is always there; its data is left as it is */
	entry.path = must_copy(path);
	if (import->compares)
		read_names(fts, &entry);
	import_entry_take(import, &entry);
}

static void
import_file(struct import *import, FTSENT *found, const char *path)
{
	struct import_entry entry = {0};

	if (!read_data(import, found->fts_accpath, &entry))
		return;
	entry.path = must_copy(path);
	import_entry_take(import, &entry);
}

/* ---- the walk ---- */

/* The path of the node for FOUND, to be freed; a directory keeps its own in fts_pointer. */
static char *
node_path(const FTSENT *found, const char *top)
{
	if (found->fts_level == FTS_ROOTLEVEL)
		return must_copy(top);
	return files_join(found->fts_parent->fts_pointer, found->fts_name);
}

static void
visit_named(struct import *import, FTS *fts, FTSENT *found, const char *top)
{
	bool is_directory = found->fts_info == FTS_D;
	const char *problem = NULL;
	char *path;

	if (found->fts_level > FTS_ROOTLEVEL)
		problem = files_name_problem(found->fts_name);
	if (problem) {
		stays_out(import, found->fts_path, problem, &import->bad_names);
		if (is_directory)
			fts_set(fts, found, FTS_SKIP);
		return;
	}
	path = node_path(found, top);
	if (is_directory) {
		found->fts_pointer = path; /* until the walk leaves the directory */
		import_directory(import, fts, found, path);
		return;
	}
	/* Read together with its directory. */
	if (strcmp(found->fts_name, FILES_DATA_NAME) != 0)
		import_file(import, found, path);
	free(path);
}

static void
visit(struct import *import, FTS *fts, FTSENT *found, const char *top)
{
	switch (found->fts_info) {
	case FTS_D:
	case FTS_F: visit_named(import, fts, found, top); break;
	case FTS_DNR: /* comes after FTS_D, in place of FTS_DP */
		stays_out(import, found->fts_path, strerror(found->fts_errno), &import->unreadable);
		free(found->fts_pointer);
		break;
	case FTS_DP: free(found->fts_pointer); break;
	case FTS_SL:
	case FTS_SLNONE: import->links++; break;
	case FTS_DC:
		stays_out(import, found->fts_path, "a link back to a directory above it",
		          &import->links);
		break;
	case FTS_DEFAULT: import->specials++; break;
	default:
		stays_out(import, found->fts_path, strerror(found->fts_errno), &import->unreadable);
	}
}

static int
by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Every directory comes before what is in it, so that parents are created first: the writes of one
 * handle are executed in order. */
static int
walk(struct import *import, char *directory, const char *top)
{
	char *roots[] = {directory, NULL};
	int how = (import->follows ? FTS_LOGICAL : FTS_PHYSICAL | FTS_COMFOLLOW) | FTS_NOCHDIR;
	FTS *fts = fts_open(roots, how, by_name);
	FTSENT *found = NULL;
	int code = 0;

	if (!fts)
		return cli_fail_system(directory, errno);
	while (!code && !import->stop_error && (errno = 0, found = fts_read(fts)) != NULL) {
		if (found->fts_level == FTS_ROOTLEVEL && found->fts_info != FTS_D &&
		    found->fts_info != FTS_DP && found->fts_info != FTS_DNR)
			code = cli_fail_system(directory,
			                       found->fts_errno ? found->fts_errno : ENOTDIR);
		else
			visit(import, fts, found, top);
	}
	if (!found && !code && !import->stop_error && errno)
		code = cli_fail_system(directory, errno);
	/* Stopped half way: what the open directories still hold. */
	for (; found && found->fts_level >= FTS_ROOTLEVEL; found = found->fts_parent) {
		if (found->fts_info == FTS_D)
			free(found->fts_pointer);
	}
	fts_close(fts);
	return code;
}

/* ---- the report ---- */

static uint64_t
invalid_names(const struct import *import)
{
	return import->bad_names + import->bad_paths;
}

static void
report_json(const struct import *import, double seconds)
{
	cJSON *json = json_object();

	json_add_number(json, "nodes", import->nodes);
	json_add_number(json, "bytes", import->bytes);
	json_add_real(json, "seconds", seconds);
	json_add_number(json, "revision", import->revision);
	if (import->compares)
		json_add_number(json, "differences", import->differences);
	json_add_number(json, "symbolic_links", import->links);
	json_add_number(json, "special_files", import->specials);
	json_add_number(json, "too_large", import->large);
	json_add_number(json, "invalid_names", invalid_names(import));
	json_add_number(json, "unreadable", import->unreadable);
	json_add_number(json, "refused", import->refused);
	json_print(json);
}

static void
report_left_out(uint64_t count, const char *what, const char **separator)
{
	char text[UNIT_TEXT_SIZE];

	if (count == 0)
		return;
	printf("%s%s %s", *separator, format_count(text, count), what);
	*separator = ", ";
}

static void
report_text(const struct import *import, double seconds)
{
	const char *separator = "left out: ";
	char count[UNIT_TEXT_SIZE];
	char size[UNIT_TEXT_SIZE];
	char differences[UNIT_TEXT_SIZE];

	printf("%s nodes, %s %sin %.1f s, revision %" PRIuFAST64,
	       format_count(count, import->nodes), format_size(size, import->bytes),
	       import->compares ? "compared " : "", seconds, import->revision);
	if (import->compares)
		printf(": %s differences",
		       import->differences ? format_count(differences, import->differences) : "no");
	putchar('\n');
	report_left_out(import->links, "symbolic links", &separator);
	report_left_out(import->specials, "special files", &separator);
	report_left_out(import->large, "too large", &separator);
	report_left_out(invalid_names(import), "invalid names", &separator);
	report_left_out(import->unreadable, "unreadable", &separator);
	report_left_out(import->refused, "refused", &separator);
	if (strcmp(separator, ", ") == 0)
		putchar('\n');
}

static int
report(const struct import *import)
{
	const struct cli *cli = import->cli;
	double seconds = progress_seconds(&import->progress);

	if (cli->json)
		report_json(import, seconds);
	else if (!cli->quiet)
		report_text(import, seconds);
	if (import->stop_error)
		return error_exit_code(import->stop_error);
	if (import->differences || import->refused || import->unreadable)
		return EXIT_ERROR;
	if (import->large && !cli->options.given[OPTION_SKIP_LARGE])
		return EXIT_ERROR;
	if (invalid_names(import) && !cli->options.given[OPTION_SKIP_INVALID])
		return EXIT_ERROR;
	return EXIT_DONE;
}

int
command_import(struct cli *cli)
{
	struct import import = {
		.cli = cli,
		.compares = cli->options.given[OPTION_COMPARE],
		.follows = cli->options.given[OPTION_FOLLOW],
	};
	int code = cli_read_options(cli, &import.read);

	if (code == 0)
		code = cli_open(cli);
	if (code)
		return code;
	pipeline_init(&import.pipeline, CALLS_MAX, CALLS_BYTES_MAX);
	progress_start(&import.progress, cli);
	code = walk(&import, cli->words[0], cli->words[1]);
	pipeline_drain(&import.pipeline);
	pipeline_fini(&import.pipeline);
	progress_end(&import.progress);
	return code ? code : report(&import);
}
