/* Stores or compares the entries of a directory tree, many calls at a time. */
#include <stdlib.h>
#include <string.h>

#include "client/cli/files.h"
#include "client/cli/import.h"
#include "client/cli/memory.h"
#include "shared/error.h"

#define PROBLEMS_NAMED 20 /* of each kind; the rest are only counted */

struct import_call {
	struct import *import;
	struct import_entry entry;
};

static struct import_call *
call_start(struct import *import, const struct import_entry *entry)
{
	struct import_call *call = must_calloc(1, sizeof *call);

	call->import = import;
	call->entry = *entry;
	pipeline_enter(&import->pipeline, entry->size);
	return call;
}

static void
call_end(struct import_call *call)
{
	struct import *import = call->import;
	size_t size = call->entry.size;

	free(call->entry.path);
	free(call->entry.bytes);
	for (size_t i = 0; i < call->entry.name_count; i++)
		free(call->entry.names[i]);
	free(call->entry.names);
	free(call);
	pipeline_leave(&import->pipeline, size);
}

/* Remember the newest revision, for a reader who must see all of it. */
static void
note_revision(struct import *import, uint64_t revision)
{
	uint64_t seen = import->revision;

	while (revision > seen && !atomic_compare_exchange_weak(&import->revision, &seen, revision))
		;
}

/* Errors that concern one node, and say nothing about the next. */
static bool
concerns_one_node(int error)
{
	return error == SYNOD_BAD_PATH || error == SYNOD_RESERVED || error == SYNOD_TOO_LARGE ||
	       error == SYNOD_NO_PARENT;
}

static void
note_error(struct import *import, const struct import_entry *entry, int error)
{
	int none = SYNOD_OK;

	/* What is wrong with the path of the top is wrong with all below it. */
	if (entry->is_top || !concerns_one_node(error)) {
		if (atomic_compare_exchange_strong(&import->stop_error, &none, error))
			cli_fail(import->cli, entry->path, error, NULL);
		return;
	}
	if (error == SYNOD_BAD_PATH)
		import->bad_paths++;
	else
		import->refused++;
	if (import->bad_paths + import->refused <= PROBLEMS_NAMED)
		cli_warn(entry->path, "%s (%s)", error_text(error), error_name(error));
}

static void
note_difference(struct import *import, const char *path, const char *text)
{
	if (++import->differences <= PROBLEMS_NAMED)
		cli_warn(path, "%s", text);
}

/* ---- storing ---- */

static void
store_done(void *context, const struct synod_result *result)
{
	struct import_call *call = context;
	struct import *import = call->import;

	if (result->error) {
		note_error(import, &call->entry, result->error);
	} else {
		import->nodes++;
		import->bytes += call->entry.size;
		note_revision(import, result->revision);
	}
	call_end(call);
}

void
import_store(struct import *import, struct import_entry *entry)
{
	struct import_call *call = call_start(import, entry);
	struct synod_write_options options = {
		.call = {.done = store_done, .context = call},
		.make_parents = entry->is_top,
	};
	int error = synod_put(import->cli->synod, entry->path, entry->bytes, entry->size, &options,
	                      NULL);

	if (error)
		store_done(call, &(struct synod_result){.error = error});
}

/* ---- comparing ---- */

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
list_done(void *context, const struct synod_result *result)
{
	struct import_call *call = context;
	const struct import_entry *entry = &call->entry;

	/* What concerns this node is reported by the comparison of its data. */
	if (result->error && result->error != SYNOD_NOT_FOUND && !concerns_one_node(result->error))
		note_error(call->import, entry, result->error);
	for (size_t i = 0; !result->error && i < result->child_count; i++) {
		const char *name = result->children[i].path;

		if (entry->name_count == 0 || !bsearch(&name, entry->names, entry->name_count,
		                                       sizeof *entry->names, compare_names)) {
			char *path = files_join(entry->path, name);

			note_difference(call->import, path, "this node has no file");
			free(path);
		}
	}
	call_end(call);
}

/* See whether the node has children that are not in its directory. */
static void
compare_listing(struct import *import, const struct import_entry *entry)
{
	struct import_entry listing = {
		.path = must_copy(entry->path),
		.names = entry->names,
		.name_count = entry->name_count,
	};
	struct import_call *call = call_start(import, &listing);
	struct synod_read_options options = import->read;
	int error;

	options.call = (struct synod_call){.done = list_done, .context = call};
	error = synod_list(import->cli->synod, listing.path, &options, NULL);
	if (error)
		list_done(call, &(struct synod_result){.error = error});
}

static void
compare_data(struct import *import, const struct import_entry *entry, const struct synod_node *node)
{
	if (!node->data && entry->bytes)
		note_difference(import, entry->path, "the node has no data, the file has");
	else if (node->data && !entry->bytes)
		note_difference(import, entry->path, "the node has data, the directory has none");
	else if (node->size != entry->size)
		note_difference(import, entry->path, "the node and the file differ in size");
	else if (node->size > 0 && memcmp(node->data, entry->bytes, node->size) != 0)
		note_difference(import, entry->path, "the node and the file differ");
}

static void
compare_done(void *context, const struct synod_result *result)
{
	struct import_call *call = context;
	struct import *import = call->import;

	if (result->error == SYNOD_NOT_FOUND) {
		note_difference(import, call->entry.path, "this file has no node");
	} else if (result->error) {
		note_error(import, &call->entry, result->error);
	} else {
		import->nodes++;
		import->bytes += result->node.size;
		note_revision(import, result->revision);
		compare_data(import, &call->entry, &result->node);
	}
	call_end(call);
}

void
import_compare(struct import *import, struct import_entry *entry)
{
	struct synod_read_options options = import->read;
	struct import_call *call;
	int error;

	if (entry->is_directory) {
		compare_listing(import, entry);
		entry->names = NULL;
		entry->name_count = 0;
	}
	call = call_start(import, entry);
	options.call = (struct synod_call){.done = compare_done, .context = call};
	error = synod_get(import->cli->synod, entry->path, &options, NULL);
	if (error)
		compare_done(call, &(struct synod_result){.error = error});
}
