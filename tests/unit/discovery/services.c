/* All services, and what operators do to them, over a few nodes behind the public interface. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/discovery.h"

#define NODES_MAX 32

struct synod {
	int nothing;
};

struct node {
	char path[64];
	char data[256]; /* empty: absent */
	struct synod_stat stat;
};

static struct {
	struct synod handle;
	struct node nodes[NODES_MAX];
	unsigned count;
	uint64_t revision;
	unsigned meddle; /* before so many writes somebody else writes */
	const char *fails_at;
	int fails_with;
	unsigned timeout_ms; /* of the last listing */
	bool is_in_callback;
	enum synod_node_kind kind; /* of the last put or create */
	unsigned brake_percent;
	bool makes_parents;
} world;

/* As a result owns it. */
struct answer {
	struct synod_result result; /* first */
	struct synod_node children[NODES_MAX];
};

static int
set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof world);
	return 0;
}

static struct node *
find(const char *path)
{
	for (unsigned i = 0; i < world.count; i++) {
		if (strcmp(world.nodes[i].path, path) == 0)
			return &world.nodes[i];
	}
	return NULL;
}

static struct node *
put(const char *path, enum synod_node_kind kind, const char *data)
{
	struct node *node = find(path);

	if (node == NULL)
		node = &world.nodes[world.count++];
	snprintf(node->path, sizeof node->path, "%s", path);
	snprintf(node->data, sizeof node->data, "%s", data);
	node->stat.kind = kind;
	node->stat.modified = ++world.revision;
	return node;
}

/* ---- the public interface ---- */

static int
finish(struct answer *answer, int error, struct synod_result **result)
{
	answer->result.error = error;
	if (result != NULL)
		*result = &answer->result;
	else
		free(answer);
	return error;
}

static void
show(const struct node *node, struct synod_node *shown)
{
	shown->path = node->path;
	shown->data = node->data[0] != '\0' ? node->data : NULL;
	shown->size = strlen(node->data);
	shown->stat = node->stat;
}

static int
error_at(const char *path)
{
	return world.fails_at != NULL && strcmp(world.fails_at, path) == 0 ? world.fails_with
	                                                                   : SYNOD_OK;
}

int
synod_get(struct synod *synod, const char *path, const struct synod_read_options *options,
          struct synod_result **result)
{
	struct answer *answer = calloc(1, sizeof *answer);
	struct node *node = find(path);
	int error = error_at(path);

	(void)synod;
	(void)options;
	if (node != NULL)
		show(node, &answer->result.node);
	return finish(answer, error != SYNOD_OK || node != NULL ? error : SYNOD_NOT_FOUND, result);
}

int
synod_list(struct synod *synod, const char *path, const struct synod_read_options *options,
           struct synod_result **result)
{
	struct answer *answer = calloc(1, sizeof *answer);
	size_t size = strlen(path);
	int error = error_at(path);

	(void)synod;
	assert_true(options->with_stat);
	world.timeout_ms = options->call.timeout_ms;
	answer->result.children = answer->children;
	for (unsigned i = 0; i < world.count; i++) {
		const struct node *node = &world.nodes[i];
		struct synod_node *child = &answer->children[answer->result.child_count];

		if (strncmp(node->path, path, size) != 0 || node->path[size] != '/' ||
		    strchr(node->path + size + 1, '/') != NULL)
			continue;
		show(node, child);
		child->path = node->path + size + 1;
		if (!options->with_data)
			child->data = NULL;
		answer->result.child_count++;
	}
	if (error == SYNOD_OK && find(path) == NULL)
		error = SYNOD_NOT_FOUND;
	return finish(answer, error, result);
}

/* SYNOD_OK: it may be written. */
static int
judge(const char *path, const struct synod_write_options *options, bool must_exist)
{
	struct node *node = find(path);

	if (world.meddle > 0) {
		world.meddle--;
		if (node != NULL)
			node->stat.modified = ++world.revision;
		else
			node = put(path, SYNOD_PERSISTENT, "");
	}
	if (node == NULL && must_exist)
		return SYNOD_NOT_FOUND;
	for (size_t i = 0; options != NULL && i < options->condition_count; i++) {
		assert_int_equal(options->conditions[i].kind, SYNOD_IF_MODIFIED);
		if (options->conditions[i].number != node->stat.modified)
			return SYNOD_CONFLICT;
	}
	return error_at(path);
}

static void
write_node(const char *path, const void *data, size_t size,
           const struct synod_write_options *options, enum synod_node_kind kind)
{
	char text[256];

	snprintf(text, sizeof text, "%.*s", (int)size, data != NULL ? (const char *)data : "");
	put(path, kind, text);
	world.kind = kind;
	world.brake_percent = options->brake_percent;
	world.makes_parents = options->make_parents;
}

int
synod_set(struct synod *synod, const char *path, const void *data, size_t size,
          const struct synod_write_options *options, struct synod_result **result)
{
	int error = judge(path, options, true);

	(void)synod;
	(void)result;
	if (error == SYNOD_OK)
		write_node(path, data, size, options, find(path)->stat.kind);
	return error;
}

int
synod_put(struct synod *synod, const char *path, const void *data, size_t size,
          const struct synod_write_options *options, struct synod_result **result)
{
	int error = judge(path, options, false);

	(void)synod;
	(void)result;
	if (error == SYNOD_OK)
		write_node(path, data, size, options, options->kind);
	return error;
}

int
synod_create(struct synod *synod, const char *path, const void *data, size_t size,
             const struct synod_write_options *options, struct synod_result **result)
{
	int error = judge(path, options, false);

	(void)synod;
	(void)result;
	if (error == SYNOD_OK && find(path) != NULL)
		error = SYNOD_EXISTS;
	if (error == SYNOD_OK)
		write_node(path, data, size, options, options->kind);
	return error;
}

int
synod_delete(struct synod *synod, const char *path, const struct synod_write_options *options,
             struct synod_result **result)
{
	int error = judge(path, options, true);

	(void)synod;
	(void)result;
	if (error == SYNOD_OK)
		find(path)->path[0] = '\0';
	return error;
}

void
synod_result_free(struct synod_result *result)
{
	free(result);
}

bool
synod_in_callback(void)
{
	return world.is_in_callback;
}

/* ---- all services ---- */

static const char passing[] = "{\"address\":\"h\",\"port\":1}";
static const char draining[] = "{\"address\":\"h\",\"port\":1,\"state\":\"draining\"}";

static void
put_instances(const char *service, enum synod_node_kind kind, unsigned count, const char *data)
{
	char path[64];

	for (unsigned i = 0; i < count; i++) {
		snprintf(path, sizeof path, "/services/%s/%u-%u", service, (unsigned)kind, i);
		put(path, kind, data);
	}
}

static void
no_services_are_an_empty_list(void **state)
{
	struct synod_services *services;

	(void)state;
	assert_int_equal(synod_services(&world.handle, 0, &services), SYNOD_OK);
	assert_int_equal(services->count, 0);
	assert_int_equal(world.timeout_ms, 0);
	synod_services_free(services);
	synod_services_free(NULL);
}

static void
every_instance_is_counted_once(void **state)
{
	struct synod_services *services;
	const struct synod_service_summary *summary;

	(void)state;
	put("/services", SYNOD_PERSISTENT, "");
	put("/services/db", SYNOD_PERSISTENT, "");
	put("/services/-odd", SYNOD_PERSISTENT, "");
	put("/services/web", SYNOD_SERVICE, "")->stat.mode = 70;
	put_instances("web", SYNOD_EPHEMERAL, 2, passing);
	put("/services/web/d", SYNOD_LEASED, draining);
	put("/services/web/m", SYNOD_PERSISTENT, "rubbish");
	put("/services/web/n", SYNOD_PERSISTENT, "");
	put_instances("web", SYNOD_SUSPECT, 2, "rubbish");
	assert_int_equal(synod_services(&world.handle, 5000, &services), SYNOD_OK);
	assert_in_range(world.timeout_ms, 1, 5000);
	assert_int_equal(services->count, 2);
	assert_string_equal(services->services[0].name, "db");
	assert_int_equal(services->services[0].instances, 0);
	assert_int_equal(services->services[0].brake_percent, 50);
	summary = &services->services[1];
	assert_string_equal(summary->name, "web");
	assert_int_equal(summary->instances, 7);
	assert_int_equal(summary->health[SYNOD_PASSING], 2);
	assert_int_equal(summary->health[SYNOD_DRAINING], 1);
	assert_int_equal(summary->malformed, 2);
	assert_int_equal(summary->suspects, 2);
	assert_int_equal(summary->brake_percent, 70);
	assert_false(summary->brake_holds);
	synod_services_free(services);
}

static bool
brake_holds(unsigned well, unsigned suspects, unsigned percent)
{
	struct synod_services *services;
	bool answer;

	set_up(NULL);
	put("/services", SYNOD_PERSISTENT, "");
	put("/services/web", SYNOD_SERVICE, "")->stat.mode = percent;
	put_instances("web", SYNOD_EPHEMERAL, well, passing);
	put_instances("web", SYNOD_SUSPECT, suspects, passing);
	assert_int_equal(synod_services(&world.handle, 0, &services), SYNOD_OK);
	answer = services->services[0].brake_holds;
	synod_services_free(services);
	return answer;
}

static void
the_brake_holds_above_its_share_and_from_three_on(void **state)
{
	(void)state;
	assert_true(brake_holds(2, 3, 50));
	assert_false(brake_holds(3, 3, 50));
	assert_false(brake_holds(0, 2, 50));
	assert_true(brake_holds(7, 3, 29));
	assert_false(brake_holds(7, 3, 30));
	assert_false(brake_holds(0, 5, 100));
}

static void
a_service_that_goes_meanwhile_is_left_out(void **state)
{
	struct synod_services *services;

	(void)state;
	put("/services", SYNOD_PERSISTENT, "");
	put("/services/db", SYNOD_SERVICE, "");
	put("/services/web", SYNOD_SERVICE, "");
	world.fails_at = "/services/db";
	world.fails_with = SYNOD_NOT_FOUND;
	assert_int_equal(synod_services(&world.handle, 0, &services), SYNOD_OK);
	assert_int_equal(services->count, 1);
	assert_string_equal(services->services[0].name, "web");
	synod_services_free(services);
}

static void
what_fails_is_returned(void **state)
{
	struct synod_services *services;

	(void)state;
	put("/services", SYNOD_PERSISTENT, "");
	put("/services/web", SYNOD_SERVICE, "");
	world.fails_with = SYNOD_NO_QUORUM;
	world.fails_at = "/services/web";
	assert_int_equal(synod_services(&world.handle, 0, &services), SYNOD_NO_QUORUM);
	assert_null(services);
	world.fails_at = "/services";
	assert_int_equal(synod_services(&world.handle, 0, &services), SYNOD_NO_QUORUM);
	world.is_in_callback = true;
	assert_int_equal(synod_services(&world.handle, 0, &services), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_services(NULL, 0, &services), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_services(&world.handle, 0, NULL), SYNOD_BAD_ARGUMENT);
}

/* ---- operators ---- */

static void
draining_keeps_everything_else(void **state)
{
	(void)state;
	put("/services/web/a", SYNOD_EPHEMERAL, "{\"address\":\"h\", \"port\":1, \"x\": 1.50}");
	world.meddle = 3;
	assert_int_equal(synod_services_drain(&world.handle, "web", "a"), SYNOD_OK);
	assert_string_equal(
		find("/services/web/a")->data,
		"{\"state\": \"draining\", \"address\":\"h\", \"port\":1, \"x\": 1.50}");
	assert_int_equal(find("/services/web/a")->stat.kind, SYNOD_EPHEMERAL);
}

static void
draining_gives_up_when_others_are_always_faster(void **state)
{
	(void)state;
	put("/services/web/a", SYNOD_EPHEMERAL, passing);
	world.meddle = 1000;
	assert_int_equal(synod_services_drain(&world.handle, "web", "a"), SYNOD_CONFLICT);
	assert_string_equal(find("/services/web/a")->data, passing);
}

static void
what_cannot_be_drained_is_told(void **state)
{
	(void)state;
	put("/services/web/a", SYNOD_EPHEMERAL, "rubbish");
	assert_int_equal(synod_services_drain(&world.handle, "web", "a"), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_services_drain(&world.handle, "web", "b"), SYNOD_NOT_FOUND);
	assert_int_equal(synod_services_drain(&world.handle, "w/b", "b"), SYNOD_BAD_PATH);
	assert_int_equal(synod_services_drain(&world.handle, "web", NULL), SYNOD_BAD_PATH);
	assert_int_equal(synod_services_drain(NULL, "web", "a"), SYNOD_BAD_ARGUMENT);
}

static void
an_instance_is_removed(void **state)
{
	(void)state;
	put("/services/web/a", SYNOD_SUSPECT, "rubbish");
	assert_int_equal(synod_services_remove(&world.handle, "web", "a"), SYNOD_OK);
	assert_null(find("/services/web/a"));
	assert_int_equal(synod_services_remove(&world.handle, "web", "a"), SYNOD_NOT_FOUND);
	assert_int_equal(synod_services_remove(&world.handle, "web", "."), SYNOD_BAD_PATH);
}

static void
the_brake_is_set_and_the_service_made(void **state)
{
	(void)state;
	assert_int_equal(synod_services_brake(&world.handle, "web", 30), SYNOD_OK);
	assert_int_equal(world.kind, SYNOD_SERVICE);
	assert_int_equal(world.brake_percent, 30);
	assert_true(world.makes_parents);
	put("/services/db", SYNOD_PERSISTENT, "of somebody");
	world.meddle = 1;
	assert_int_equal(synod_services_brake(&world.handle, "db", 100), SYNOD_OK);
	assert_int_equal(find("/services/db")->stat.kind, SYNOD_SERVICE);
	assert_string_equal(find("/services/db")->data, "of somebody");
	assert_int_equal(world.brake_percent, 100);
	world.meddle = 1; /* somebody makes it first */
	assert_int_equal(synod_services_brake(&world.handle, "new", 40), SYNOD_OK);
	assert_int_equal(find("/services/new")->stat.kind, SYNOD_SERVICE);
}

static void
a_share_is_between_1_and_100(void **state)
{
	(void)state;
	assert_int_equal(synod_services_brake(&world.handle, "web", 0), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_services_brake(&world.handle, "web", 101), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_services_brake(&world.handle, "", 50), SYNOD_BAD_PATH);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_services_are_an_empty_list),
		TEST(every_instance_is_counted_once),
		TEST(the_brake_holds_above_its_share_and_from_three_on),
		TEST(a_service_that_goes_meanwhile_is_left_out),
		TEST(what_fails_is_returned),
		TEST(draining_keeps_everything_else),
		TEST(draining_gives_up_when_others_are_always_faster),
		TEST(what_cannot_be_drained_is_told),
		TEST(an_instance_is_removed),
		TEST(the_brake_is_set_and_the_service_made),
		TEST(a_share_is_between_1_and_100),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
