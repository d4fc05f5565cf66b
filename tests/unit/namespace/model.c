/* Thousands of random operations, against a model that is too simple to be wrong. */
#include "tests/unit/namespace/living.h"
#include "tests/unit/namespace/random.h"

#define NODES_MAX 4000

struct model_node {
	char path[64];
	bool has_data;
	char data[512];
	size_t size;
	uint64_t created, modified, children_modified, version, children_version, sequence;
	uint8_t kind;
	uint64_t owner, ttl_ms, mode;
	uint64_t due_ms; /* 0: never */
};

struct model {
	struct model_node nodes[NODES_MAX];
	unsigned count;
	uint64_t uptime_ms;
	uint64_t session;
	uint64_t leases[RANDOM_LEASES]; /* 0: it has ended */
	unsigned held;                  /* suspects that a brake has held */
};

static struct model_node *
model_find(struct model *model, const char *path)
{
	for (unsigned i = 0; i < model->count; i++)
		if (strcmp(model->nodes[i].path, path) == 0)
			return &model->nodes[i];
	return NULL;
}

static void
parent_of(const char *path, char parent[64])
{
	const char *slash = strrchr(path, '/');

	snprintf(parent, 64, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

static struct model_node *
model_parent(struct model *model, const char *path)
{
	char parent[64];

	parent_of(path, parent);
	return model_find(model, parent);
}

static uint64_t
model_children(struct model *model, const char *path)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < model->count; i++) {
		char parent[64];

		if (strcmp(model->nodes[i].path, "/") == 0)
			continue;
		parent_of(model->nodes[i].path, parent);
		count += strcmp(parent, path) == 0;
	}
	return count;
}

static void
model_set_data(struct model_node *node, struct slice data)
{
	node->has_data = data.bytes != NULL;
	node->size = data.size;
	if (data.size > 0)
		memcpy(node->data, data.bytes, data.size);
}

/* The children of a container or a service have changed. */
static void
model_linger(struct model *model, struct model_node *node)
{
	if (node->kind == NODE_CONTAINER || node->kind == NODE_SERVICE)
		node->due_ms = model_children(model, node->path) > 0 || node->sequence == 0
		                       ? 0
		                       : model->uptime_ms + CONTAINER_LINGER_MS;
}

/* NODE was written as OPERATION says. */
static void
model_live(struct model *model, struct model_node *node, const struct operation *operation)
{
	if (operation->kind != NODE_PERSISTENT) {
		node->kind = operation->kind;
		node->ttl_ms = operation->ttl_ms;
		node->owner = operation->kind == NODE_EPHEMERAL ? model->session : operation->lease;
		node->mode = operation->brake_percent;
		if (node->kind == NODE_SERVICE && node->mode == 0)
			node->mode = BRAKE_PERCENT;
		node->due_ms = 0;
		model_linger(model, node);
	}
	if (node->kind == NODE_TTL)
		node->due_ms = model->uptime_ms + node->ttl_ms;
}

static bool
model_has_lease(const struct model *model, const struct operation *operation)
{
	if (operation->kind != NODE_LEASED)
		return true;
	for (unsigned i = 0; i < RANDOM_LEASES; i++)
		if (model->leases[i] == operation->lease)
			return true;
	return false;
}

static void
model_add(struct model *model, const char *path, struct slice data, uint64_t slot)
{
	struct model_node *parent;
	struct model_node *node;

	if (model_parent(model, path) == NULL) {
		char name[64];

		parent_of(path, name);
		model_add(model, name, absent(), slot);
	}
	parent = model_parent(model, path);
	parent->sequence++;
	parent->children_version++;
	parent->children_modified = slot;
	assert_true(model->count < NODES_MAX);
	node = &model->nodes[model->count++];
	*node = (struct model_node){.created = slot, .modified = slot, .children_modified = slot};
	snprintf(node->path, sizeof node->path, "%s", path);
	model_set_data(node, data);
	model_linger(model, parent);
}

static void
model_remove(struct model *model, const char *path, uint64_t slot)
{
	struct model_node *parent = model_parent(model, path);
	size_t size = strlen(path);

	parent->children_version++;
	parent->children_modified = slot;
	for (unsigned i = 0; i < model->count;) {
		const char *at = model->nodes[i].path;

		if (strncmp(at, path, size) == 0 && (at[size] == '\0' || at[size] == '/'))
			model->nodes[i] = model->nodes[--model->count];
		else
			i++;
	}
	model_linger(model, model_parent(model, path));
}

static void
model_remove_owned(struct model *model, uint64_t owner, uint64_t slot)
{
	for (unsigned i = 0; i < model->count;) {
		char path[64];

		if (model->nodes[i].owner == owner) {
			strcpy(path, model->nodes[i].path);
			model_remove(model, path, slot);
			i = 0;
		} else {
			i++;
		}
	}
}

/* As model_remove_owned(), but instances of services become suspect. */
static void
model_expire_owned(struct model *model, uint64_t owner, uint64_t timeout_ms, uint64_t slot)
{
	for (unsigned i = 0; i < model->count; i++) {
		struct model_node *node = &model->nodes[i];

		if (node->owner != owner || model_parent(model, node->path)->kind != NODE_SERVICE)
			continue;
		node->kind = NODE_SUSPECT;
		node->owner = 0;
		node->ttl_ms = timeout_ms;
		node->due_ms = model->uptime_ms + timeout_ms;
		node->modified = slot;
	}
	model_remove_owned(model, owner, slot);
}

/* Does the brake of the service at PATH hold? */
static bool
model_brakes(struct model *model, const char *path)
{
	const struct model_node *service = model_find(model, path);
	uint64_t suspects = 0;

	if (service->kind != NODE_SERVICE)
		return false;
	for (unsigned i = 0; i < model->count; i++) {
		char parent[64];

		parent_of(model->nodes[i].path, parent);
		suspects += model->nodes[i].kind == NODE_SUSPECT && strcmp(parent, path) == 0;
	}
	return suspects >= BRAKE_MIN &&
	       suspects * 100 > service->mode * model_children(model, path);
}

struct model_due {
	uint64_t due_ms;
	char path[64];
	char parent[64];
	bool is_looked_at; /* its parent, for the first of its suspects */
	bool holds;
};

static int
compare_due(const void *a, const void *b)
{
	const struct model_due *left = a;
	const struct model_due *right = b;
	int order = strcmp(left->parent, right->parent);

	if (left->due_ms != right->due_ms)
		return left->due_ms < right->due_ms ? -1 : 1;
	return order != 0 ? order : strcmp(left->path, right->path);
}

/* Does the suspect at INDEX of DUE stay? */
static bool
model_spares(struct model *model, struct model_due *due, unsigned index)
{
	struct model_node *node = model_find(model, due[index].path);
	unsigned first = 0;

	while (!due[first].is_looked_at || strcmp(due[first].parent, due[index].parent) != 0) {
		if (first == index) {
			due[index].is_looked_at = true;
			due[index].holds = model_brakes(model, due[index].parent);
		} else {
			first++;
		}
	}
	if (!due[first].holds || node->due_ms - node->ttl_ms + BRAKE_MS <= model->uptime_ms)
		return false;
	node->due_ms += BRAKE_MS - node->ttl_ms;
	node->ttl_ms = BRAKE_MS;
	model->held++;
	return true;
}

/* What is due now, and not what its going makes due. */
static void
model_collect(struct model *model, uint64_t slot)
{
	static struct model_due due[NODES_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < model->count; i++) {
		const struct model_node *node = &model->nodes[i];

		if (node->due_ms == 0 || node->due_ms > model->uptime_ms ||
		    model_children(model, node->path) > 0)
			continue;
		due[count] = (struct model_due){.due_ms = node->due_ms};
		strcpy(due[count].path, node->path);
		parent_of(node->path, due[count++].parent);
	}
	qsort(due, count, sizeof *due, compare_due);
	for (unsigned i = 0; i < count; i++)
		if (model_find(model, due[i].path)->kind != NODE_SUSPECT ||
		    !model_spares(model, due, i))
			model_remove(model, due[i].path, slot);
}

static bool
model_holds(struct model *model, const struct condition *condition)
{
	char path[64];
	struct model_node *node;
	uint64_t number;

	snprintf(path, sizeof path, "%.*s", (int)condition->path.size,
	         (const char *)condition->path.bytes);
	node = model_find(model, path);
	if (condition->kind == CONDITION_EXISTS)
		return (node != NULL) == (condition->number == 1);
	if (node == NULL)
		return false;
	number = node->version;
	if (condition->kind == CONDITION_CHILDREN)
		number = model_children(model, path);
	if (condition->kind == CONDITION_CHILDREN_VERSION)
		number = node->children_version;
	switch (condition->relation) {
	case RELATION_EQUAL: return number == condition->number;
	case RELATION_NOT_EQUAL: return number != condition->number;
	case RELATION_LESS: return number < condition->number;
	default: return number > condition->number;
	}
}

static bool
model_allows(struct model *model, const struct random_operation *random)
{
	return random->operation.condition_count == 0 || model_holds(model, &random->condition);
}

static int
model_check_parent(struct model *model, const struct random_operation *random)
{
	const struct model_node *parent = model_parent(model, random->path);
	char path[64];

	if (parent == NULL && (random->operation.flags & OP_PARENTS) == 0)
		return SYNOD_NO_PARENT;
	snprintf(path, sizeof path, "%s", random->path);
	while (parent == NULL) {
		char above[64];

		parent_of(path, above);
		strcpy(path, above);
		parent = model_find(model, path);
	}
	return parent->owner != 0 || parent->kind == NODE_SUSPECT ? SYNOD_NO_CHILDREN : SYNOD_OK;
}

static int
model_create(struct model *model, const struct random_operation *random, uint64_t slot)
{
	const struct operation *operation = &random->operation;
	struct model_node *parent = model_parent(model, random->path);
	char path[64];
	int error = model_check_parent(model, random);

	snprintf(path, sizeof path, "%s", random->path);
	if ((operation->flags & OP_SEQUENTIAL) != 0)
		snprintf(path, sizeof path, "%s%010llu", random->path,
		         parent != NULL ? (unsigned long long)parent->sequence : 0);
	if (error != SYNOD_OK)
		return error;
	if (model_find(model, path) != NULL)
		return SYNOD_EXISTS;
	if (!model_allows(model, random))
		return SYNOD_CONFLICT;
	if (!model_has_lease(model, operation))
		return SYNOD_NO_LEASE;
	model_add(model, path, operation->data, slot);
	model_live(model, model_find(model, path), operation);
	return SYNOD_OK;
}

static int
model_set(struct model *model, const struct random_operation *random, uint64_t slot)
{
	struct model_node *node = model_find(model, random->path);

	if (node == NULL)
		return SYNOD_NOT_FOUND;
	if (!model_allows(model, random))
		return SYNOD_CONFLICT;
	if (!model_has_lease(model, &random->operation))
		return SYNOD_NO_LEASE;
	if ((random->operation.kind == NODE_EPHEMERAL || random->operation.kind == NODE_LEASED) &&
	    model_children(model, random->path) > 0)
		return SYNOD_NOT_EMPTY;
	model_set_data(node, random->operation.data);
	node->version++;
	node->modified = slot;
	model_live(model, node, &random->operation);
	return SYNOD_OK;
}

static int
model_delete(struct model *model, const struct random_operation *random, uint64_t slot)
{
	if (model_find(model, random->path) == NULL)
		return SYNOD_NOT_FOUND;
	if (!model_allows(model, random))
		return SYNOD_CONFLICT;
	if ((random->operation.flags & OP_RECURSIVE) == 0 &&
	    model_children(model, random->path) > 0)
		return SYNOD_NOT_EMPTY;
	model_remove(model, random->path, slot);
	return SYNOD_OK;
}

static int
model_apply(struct model *model, const struct random_operation *random, uint64_t slot)
{
	switch (random->operation.op) {
	case OP_CREATE: return model_create(model, random, slot);
	case OP_SET: return model_set(model, random, slot);
	case OP_DELETE: return model_delete(model, random, slot);
	default:
		return model_find(model, random->path) != NULL ? model_set(model, random, slot)
		                                               : model_create(model, random, slot);
	}
}

static void
assert_node(struct fixture *fixture, struct model *model, const struct model_node *expected)
{
	struct node_stat stat;
	struct slice data;

	assert_int_equal(get(fixture, expected->path, &stat, &data), SYNOD_OK);
	assert_int_equal(stat.created, expected->created);
	assert_int_equal(stat.modified, expected->modified);
	assert_int_equal(stat.children_modified, expected->children_modified);
	assert_int_equal(stat.version, expected->version);
	assert_int_equal(stat.children_version, expected->children_version);
	assert_int_equal(stat.sequence, expected->sequence);
	assert_int_equal(stat.kind, expected->kind);
	assert_int_equal(stat.owner, expected->owner);
	assert_int_equal(stat.ttl_ms, expected->ttl_ms);
	assert_int_equal(stat.mode, expected->mode);
	assert_int_equal(stat.children, model_children(model, expected->path));
	assert_true((data.bytes != NULL) == expected->has_data);
	assert_int_equal(data.size, expected->size);
	if (data.size > 0)
		assert_memory_equal(data.bytes, expected->data, data.size);
}

static void
assert_equal_to_model(struct fixture *fixture, struct model *model)
{
	assert_int_equal(namespace_nodes(fixture->namespace), model->count);
	for (unsigned i = 0; i < model->count; i++)
		assert_node(fixture, model, &model->nodes[i]);
}

static void
do_transaction(struct fixture *fixture, struct model *model, struct chance *chance)
{
	static struct model before;
	struct batch batch = {0};
	unsigned count = 1 + chance_below(chance, 5);
	int expected = SYNOD_OK;

	before = *model;
	for (unsigned i = 0; i < count; i++) {
		struct random_operation random;

		random_operation(chance, &random, 300);
		batch_add_with(&batch, THEN, &random.operation, &random.condition);
		if (expected == SYNOD_OK)
			expected = model_apply(model, &random, fixture->slot + 1);
	}
	if (expected != SYNOD_OK)
		*model = before;
	assert_int_equal(batch_run(fixture, &batch), expected);
}

static void
do_one(struct fixture *fixture, struct model *model, const struct random_operation *random)
{
	int error = model_apply(model, random, fixture->slot + 1);

	assert_int_equal(write_operation(fixture, &random->operation, &random->condition), error);
}

static void
do_crowd(struct fixture *fixture, struct model *model, struct chance *chance)
{
	for (unsigned step = 0; step <= CROWD; step++) {
		struct random_operation random;

		random_crowd(chance, &random, step);
		do_one(fixture, model, &random);
	}
}

/* Another session in place of the present one. */
static void
change_session(struct fixture *fixture, struct model *model, struct chance *chance)
{
	struct party next = join(fixture, fixture->slot);
	struct party present = {.session = model->session};

	if (chance_one_in(chance, 3)) {
		model_remove_owned(model, model->session, fixture->slot + 1);
		assert_int_equal(write_body(fixture, OP_SESSION_CLOSE, slice_of("\x90")), SYNOD_OK);
	} else {
		model_expire_owned(model, model->session, 10000, fixture->slot + 1);
		assert_int_equal(expire(fixture, &present), SYNOD_OK);
	}
	act_as(fixture, &next);
	model->session = next.session;
}

/* A lease ends, or another takes its place. */
static void
change_lease(struct fixture *fixture, struct model *model, struct chance *chance)
{
	unsigned which = chance_below(chance, RANDOM_LEASES);
	struct party lease = {.session = model->leases[which]};

	if (model->leases[which] != 0 && chance_one_in(chance, 2)) {
		model_expire_owned(model, model->leases[which], 5000, fixture->slot + 1);
		assert_int_equal(expire(fixture, &lease), SYNOD_OK);
		model->leases[which] = 0;
	} else if (model->leases[which] != 0) {
		model_remove_owned(model, model->leases[which], fixture->slot + 1);
		assert_int_equal(revoke_id(fixture, model->leases[which], false), SYNOD_OK);
		model->leases[which] = 0;
	} else {
		model->leases[which] = grant_lease(fixture);
		chance->leases[which] = model->leases[which];
	}
}

static void
let_time_pass(struct fixture *fixture, struct model *model, struct chance *chance)
{
	fixture->uptime_ms += chance_one_in(chance, 30) ? BRAKE_MS : chance_below(chance, 20000);
	model->uptime_ms = fixture->uptime_ms;
	model_collect(model, fixture->slot + 1);
	collect(fixture);
}

static void
run(unsigned cache_nodes, uint64_t seed, unsigned operations)
{
	static struct model model;
	struct namespace_options options = {.cache_nodes = cache_nodes};
	struct chance chance = {.state = seed, .has_kinds = true};
	struct fixture fixture;

	fixture_open_with(&fixture, ":memory:", &options);
	model = (struct model){.count = 2};
	strcpy(model.nodes[0].path, "/");
	strcpy(model.nodes[1].path, "/synod");
	model.nodes[0].sequence = 1;
	model.nodes[0].children_version = 1;
	model.session = fixture.session;
	for (unsigned i = 0; i < RANDOM_LEASES; i++)
		model.leases[i] = chance.leases[i] = grant_lease(&fixture);
	for (unsigned i = 0; i < operations; i++) {
		struct random_operation random;

		fixture.acknowledged = fixture.seq;
		if (chance_one_in(&chance, 5)) {
			do_transaction(&fixture, &model, &chance);
		} else if (chance_one_in(&chance, 30)) {
			change_lease(&fixture, &model, &chance);
		} else if (chance_one_in(&chance, 40)) {
			do_crowd(&fixture, &model, &chance);
		} else if (chance_one_in(&chance, 60)) {
			change_session(&fixture, &model, &chance);
		} else if (chance_one_in(&chance, 10)) {
			let_time_pass(&fixture, &model, &chance);
		} else {
			random_operation(&chance, &random, 300);
			do_one(&fixture, &model, &random);
		}
		if (chance_one_in(&chance, 40))
			commit(&fixture);
		if (i % 25 == 0)
			assert_equal_to_model(&fixture, &model);
	}
	assert_equal_to_model(&fixture, &model);
	assert_in_range(model.held, 10, 100000);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
agrees_with_the_model(void **state)
{
	(void)state;
	run(65536, 11, 4000);
}

static void
agrees_with_the_model_with_hardly_any_cache(void **state)
{
	(void)state;
	run(3, 12, 4000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_model),
		cmocka_unit_test(agrees_with_the_model_with_hardly_any_cache),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
