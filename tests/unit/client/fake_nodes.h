/*
 * A small namespace behind the public interface, for tests of recipes that block:
 * nodes, conditions, sequence numbers and revisions, in one thread.
 *
 * What others do meanwhile is done by the test: `nodes.meanwhile` is called before
 * each operation, and when somebody would wait.  It defines functions of synod.h, so it
 * is included by the one file of a test program.
 */
#ifndef TESTS_UNIT_CLIENT_FAKE_NODES_H
#define TESTS_UNIT_CLIENT_FAKE_NODES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/synod.h"

#define NODES_MAX 64

struct synod {
	uint64_t session;
};

struct synod_watch {
	uint64_t told;
	struct synod_event event;
};

struct fake_node {
	bool exists;
	char path[128];
	char data[64];
	bool has_data;
	struct synod_stat stat;
};

static struct {
	struct synod handle;
	struct fake_node list[NODES_MAX]; /* in the order of creation */
	uint64_t revision;
	uint64_t sequence;
	unsigned calls;
	int fail_with; /* what the next call ends with, instead of being executed */
	void (*meanwhile)(const char *what, const char *path);
	bool is_in_callback;
} nodes;

/* As a result owns it. */
struct fake_result {
	struct synod_result result; /* first */
	struct synod_node children[NODES_MAX];
	char names[NODES_MAX][128];
	char path[128];
	char data[64];
};

static void
nodes_reset(void)
{
	memset(&nodes, 0, sizeof nodes);
	nodes.handle.session = 0xa;
	nodes.revision = 100;
}

static struct fake_node *
nodes_find(const char *path)
{
	for (unsigned i = 0; i < NODES_MAX; i++) {
		if (nodes.list[i].exists && strcmp(nodes.list[i].path, path) == 0)
			return &nodes.list[i];
	}
	return NULL;
}

/* ---- what others do ---- */

static struct fake_node *
nodes_write(const char *path, const char *data)
{
	struct fake_node *node = nodes_find(path);
	unsigned free_slot = 0;

	nodes.revision++;
	if (node == NULL) {
		while (free_slot < NODES_MAX && nodes.list[free_slot].exists)
			free_slot++;
		if (free_slot == NODES_MAX)
			abort();
		node = &nodes.list[free_slot];
		*node = (struct fake_node){.exists = true, .stat.created = nodes.revision};
		snprintf(node->path, sizeof node->path, "%s", path);
	}
	node->stat.modified = nodes.revision;
	node->has_data = data != NULL;
	snprintf(node->data, sizeof node->data, "%s", data != NULL ? data : "");
	return node;
}

static inline void
nodes_delete(const char *path)
{
	struct fake_node *node = nodes_find(path);

	if (node == NULL)
		abort();
	nodes.revision++;
	node->exists = false;
}

/* ---- the interface ---- */

/* SYNOD_OK, or the error with which the call ends at once. */
static int
nodes_begin(const char *what, const char *path)
{
	int error = nodes.fail_with;
	void (*meanwhile)(const char *, const char *) = nodes.meanwhile;

	nodes.calls++;
	nodes.fail_with = SYNOD_OK;
	if (error == SYNOD_OK && meanwhile != NULL)
		meanwhile(what, path);
	return error;
}

static int
nodes_end(struct fake_result *made, int error, struct synod_result **result)
{
	made->result.error = error;
	made->result.revision = nodes.revision;
	if (result != NULL)
		*result = &made->result;
	else
		free(made);
	return error;
}

static void
nodes_show(struct fake_result *made, const struct fake_node *node, struct synod_node *shown)
{
	snprintf(made->path, sizeof made->path, "%s", node->path);
	snprintf(made->data, sizeof made->data, "%s", node->data);
	shown->path = made->path;
	shown->data = node->has_data ? made->data : NULL;
	shown->size = strlen(node->data);
	shown->stat = node->stat;
}

static int
nodes_check(const char *own, const struct synod_write_options *options)
{
	for (size_t i = 0; options != NULL && i < options->condition_count; i++) {
		const struct synod_condition *condition = &options->conditions[i];
		const struct fake_node *node =
			nodes_find(condition->path != NULL ? condition->path : own);
		uint64_t number = node != NULL;

		if (condition->kind == SYNOD_IF_MODIFIED && node != NULL)
			number = node->stat.modified;
		else if (condition->kind == SYNOD_IF_CREATED && node != NULL)
			number = node->stat.created;
		else if (condition->kind != SYNOD_IF_EXISTS && node != NULL)
			abort();
		if (number != condition->number)
			return SYNOD_CONFLICT;
	}
	return SYNOD_OK;
}

int
synod_create(struct synod *synod, const char *path, const void *data, size_t size,
             const struct synod_write_options *options, struct synod_result **result)
{
	struct fake_result *made = calloc(1, sizeof *made);
	int error = nodes_begin("create", path);
	char text[64], name[128];

	(void)synod;
	snprintf(text, sizeof text, "%.*s", (int)size, data != NULL ? (const char *)data : "");
	snprintf(name, sizeof name, "%s", path);
	if (options != NULL && options->sequential)
		snprintf(name, sizeof name, "%s%010u", path, (unsigned)nodes.sequence++);
	if (error == SYNOD_OK)
		error = nodes_check(name, options);
	if (error == SYNOD_OK && nodes_find(name) != NULL)
		error = SYNOD_EXISTS;
	if (error == SYNOD_OK)
		nodes_show(made, nodes_write(name, data != NULL ? text : NULL), &made->result.node);
	return nodes_end(made, error, result);
}

int
synod_set(struct synod *synod, const char *path, const void *data, size_t size,
          const struct synod_write_options *options, struct synod_result **result)
{
	struct fake_result *made = calloc(1, sizeof *made);
	int error = nodes_begin("set", path);
	char text[64];

	(void)synod;
	snprintf(text, sizeof text, "%.*s", (int)size, (const char *)data);
	if (error == SYNOD_OK && nodes_find(path) == NULL)
		error = SYNOD_NOT_FOUND;
	if (error == SYNOD_OK)
		error = nodes_check(path, options);
	if (error == SYNOD_OK)
		nodes_write(path, text);
	return nodes_end(made, error, result);
}

int
synod_delete(struct synod *synod, const char *path, const struct synod_write_options *options,
             struct synod_result **result)
{
	struct fake_result *made = calloc(1, sizeof *made);
	int error = nodes_begin("delete", path);
	struct fake_node *node = nodes_find(path);

	(void)synod;
	if (error == SYNOD_OK && node == NULL)
		error = SYNOD_NOT_FOUND;
	if (error == SYNOD_OK)
		error = nodes_check(path, options);
	if (error == SYNOD_OK) {
		nodes_show(made, node, &made->result.previous);
		made->result.node.path = made->path;
		made->result.has_previous = true;
		nodes_delete(path);
	}
	return nodes_end(made, error, result);
}

int
synod_get(struct synod *synod, const char *path, const struct synod_read_options *options,
          struct synod_result **result)
{
	struct fake_result *made = calloc(1, sizeof *made);
	int error = nodes_begin("get", path);
	struct fake_node *node = nodes_find(path);

	(void)synod;
	if (error == SYNOD_OK && node == NULL)
		error = SYNOD_NOT_FOUND;
	if (error == SYNOD_OK)
		nodes_show(made, node, &made->result.node);
	if (options == NULL || options->call.done == NULL)
		return nodes_end(made, error, result);
	nodes_end(made, error, &(struct synod_result *){NULL});
	options->call.done(options->call.context, &made->result);
	free(made);
	return SYNOD_OK;
}

static int
nodes_compare(const void *a, const void *b)
{
	return strcmp(((const struct synod_node *)a)->path, ((const struct synod_node *)b)->path);
}

static void
nodes_list(struct fake_result *made, const char *path, const struct synod_read_options *options)
{
	size_t length = strcmp(path, "/") != 0 ? strlen(path) : 0;
	size_t *count = &made->result.child_count;

	for (unsigned i = 0; i < NODES_MAX; i++) {
		const struct fake_node *node = &nodes.list[i];
		const char *name = node->path + length + 1;

		if (!node->exists || strncmp(node->path, path, length) != 0 ||
		    node->path[length] != '/' || strchr(name, '/') != NULL ||
		    (options->after != NULL && strcmp(name, options->after) <= 0))
			continue;
		snprintf(made->names[*count], sizeof made->names[0], "%s", name);
		made->children[*count] = (struct synod_node){.path = made->names[*count],
		                                             .stat = node->stat,
		                                             .has_stat = options->with_stat};
		++*count;
	}
	qsort(made->children, *count, sizeof made->children[0], nodes_compare);
	if (options->limit != 0 && *count > options->limit)
		*count = options->limit;
	made->result.children = made->children;
}

int
synod_list(struct synod *synod, const char *path, const struct synod_read_options *options,
           struct synod_result **result)
{
	struct fake_result *made = calloc(1, sizeof *made);
	int error = nodes_begin("list", path);

	(void)synod;
	nodes_list(made, path, options);
	if (error == SYNOD_OK && made->result.child_count == 0 && nodes_find(path) == NULL)
		error = SYNOD_NOT_FOUND;
	if (options->call.done == NULL)
		return nodes_end(made, error, result);
	nodes_end(made, error, &(struct synod_result *){NULL});
	options->call.done(options->call.context, &made->result);
	free(made);
	return SYNOD_OK;
}

void
synod_result_free(struct synod_result *result)
{
	free(result);
}

/* ---- watches: whatever changes is news ---- */

int
synod_watch_open(struct synod *synod, const char *path, const struct synod_watch_options *options,
                 struct synod_watch **watch)
{
	(void)synod;
	(void)path;
	*watch = calloc(1, sizeof **watch);
	(*watch)->told = options->from - 1;
	return SYNOD_OK;
}

int
synod_watch_next(struct synod_watch *watch, unsigned timeout_ms, const struct synod_event **event)
{
	int error = nodes_begin("wait", "");

	(void)timeout_ms;
	if (error != SYNOD_OK)
		return error;
	if (nodes.revision <= watch->told)
		return SYNOD_TIMEOUT;
	watch->told++; /* one by one, so that some are known already */
	watch->event = (struct synod_event){.kind = SYNOD_EVENT_CHANGES, .revision = watch->told};
	*event = &watch->event;
	return SYNOD_OK;
}

void
synod_watch_close(struct synod_watch *watch)
{
	free(watch);
}

bool
synod_in_callback(void)
{
	return nodes.is_in_callback;
}

uint64_t
synod_session_id(struct synod *synod)
{
	return synod->session;
}

#endif
