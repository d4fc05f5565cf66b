/* Services, suspects and the brake. */
#include "tests/unit/namespace/living.h"

#define TIMEOUT_MS 10000 /* of the sessions that join() */

static int
make_service(struct fixture *fixture, uint8_t op, const char *path, uint64_t percent)
{
	struct operation operation = {
		.op = op, .path = slice_of(path), .kind = NODE_SERVICE, .brake_percent = percent};
	struct party maker = join(fixture, 1000 + fixture->slot);

	return act(fixture, &maker, &operation, NULL);
}

static int
place(struct fixture *fixture, struct party *party, const char *path)
{
	act_as(fixture, party);
	return write_kind(fixture, OP_PUT, path, NODE_EPHEMERAL, 0, 0);
}

/* COUNT instances of SERVICE, which is made with PERCENT; each of PARTIES has one. */
static void
make_instances(struct fixture *fixture, const char *service, uint64_t percent,
               struct party *parties, unsigned count)
{
	char path[64];

	assert_int_equal(make_service(fixture, OP_CREATE, service, percent), SYNOD_OK);
	for (unsigned i = 0; i < count; i++) {
		parties[i] = join(fixture, 1000 + fixture->slot);
		snprintf(path, sizeof path, "%s/%u", service, i);
		assert_int_equal(place(fixture, &parties[i], path), SYNOD_OK);
	}
}

static void
expire_all(struct fixture *fixture, const struct party *parties, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(expire(fixture, &parties[i]), SYNOD_OK);
}

static uint64_t
children_of(struct fixture *fixture, const char *path)
{
	return stat_of(fixture, path).children;
}

static void
a_service_is_a_container_with_a_brake(void **state)
{
	struct fixture fixture;
	struct node_stat stat;

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(make_service(&fixture, OP_CREATE, "/s", 0), SYNOD_OK);
	stat = stat_of(&fixture, "/s");
	assert_int_equal(stat.kind, NODE_SERVICE);
	assert_int_equal(stat.mode, BRAKE_PERCENT);
	assert_int_equal(stat.owner, 0);
	assert_true(namespace_next_due_ms(fixture.namespace) == UINT64_MAX);
	create(&fixture, "/s/a");
	assert_int_equal(collect_at(&fixture, 1000), 0);
	delete_node(&fixture, "/s/a");
	assert_int_equal(collect_at(&fixture, 1000 + CONTAINER_LINGER_MS - 1), 0);
	assert_int_equal(collect_at(&fixture, 1000 + CONTAINER_LINGER_MS), 1);
	assert_false(exists(&fixture, "/s"));
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
put_makes_services_and_sets_their_brakes(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/p/child", "x");
	create_container(&fixture, "/c");
	assert_int_equal(make_service(&fixture, OP_PUT, "/p", 30), SYNOD_OK);
	assert_int_equal(make_service(&fixture, OP_PUT, "/c", 100), SYNOD_OK);
	assert_int_equal(make_service(&fixture, OP_PUT, "/n", 1), SYNOD_OK);
	assert_int_equal(stat_of(&fixture, "/p").mode, 30);
	assert_int_equal(stat_of(&fixture, "/p").kind, NODE_SERVICE);
	assert_int_equal(stat_of(&fixture, "/p").children, 1);
	assert_int_equal(stat_of(&fixture, "/c").mode, 100);
	assert_int_equal(stat_of(&fixture, "/n").mode, 1);
	assert_int_equal(make_service(&fixture, OP_PUT, "/p", 70), SYNOD_OK);
	assert_int_equal(stat_of(&fixture, "/p").mode, 70);
	put(&fixture, "/p", "data only");
	assert_int_equal(stat_of(&fixture, "/p").mode, 70);
	assert_int_equal(stat_of(&fixture, "/p").kind, NODE_SERVICE);
	assert_int_equal(write_kind(&fixture, OP_PUT, "/p", NODE_CONTAINER, 0, 0), SYNOD_OK);
	assert_int_equal(stat_of(&fixture, "/p").mode, 0);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
an_instance_becomes_suspect_when_its_session_expires(void **state)
{
	struct fixture fixture;
	struct node_stat before;
	struct node_stat stat;
	struct change change;
	struct party party;

	(void)state;
	fixture_open(&fixture);
	make_instances(&fixture, "/s", 50, &party, 1);
	before = stat_of(&fixture, "/s/0");
	fixture.uptime_ms = 5000;
	fixture.wall_ms = 777;
	expire_all(&fixture, &party, 1);
	assert_true(fixture.applied.session_ended == party.session);
	assert_true(fixture.applied.revision == fixture.slot);
	stat = stat_of(&fixture, "/s/0");
	assert_int_equal(stat.kind, NODE_SUSPECT);
	assert_int_equal(stat.owner, 0);
	assert_int_equal(stat.version, before.version);
	assert_int_equal(stat.created, before.created);
	assert_int_equal(stat.modified, fixture.slot);
	assert_int_equal(stat.modified_ms, 777);
	assert_int_equal(stat.ttl_ms, TIMEOUT_MS);
	assert_data(&fixture, "/s/0", "kind");
	assert_int_equal(children_of(&fixture, "/s"), 1);
	assert_int_equal(last_change_count(&fixture), 1);
	change = last_change(&fixture, 0);
	assert_int_equal(change.kind, CHANGE_MODIFIED);
	assert_int_equal(change.cause, CAUSE_EXPIRED);
	assert_int_equal(change.owner, 0);
	assert_true(change.previous_owner == party.session);
	assert_int_equal(change.version, before.version);
	assert_true(slice_equal(change.data, slice_of("kind")));
	assert_int_equal(namespace_next_due_ms(fixture.namespace), 5000 + TIMEOUT_MS);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

/* At most a minute, and by the owner of each. */
static void
a_suspect_is_due_after_its_owners_timeout(void **state)
{
	struct fixture fixture;
	struct party lease;

	(void)state;
	fixture_open(&fixture);
	make_service(&fixture, OP_CREATE, "/s", 50);
	assert_int_equal(try_grant(&fixture, 3600000), SYNOD_OK);
	lease.session = fixture.slot;
	assert_int_equal(create_leased(&fixture, "/s/long", lease.session), SYNOD_OK);
	expire_all(&fixture, &lease, 1);
	assert_int_equal(stat_of(&fixture, "/s/long").kind, NODE_SUSPECT);
	assert_int_equal(stat_of(&fixture, "/s/long").ttl_ms, SUSPECT_MAX_MS);
	assert_int_equal(namespace_next_due_ms(fixture.namespace), SUSPECT_MAX_MS);
	lease.session = grant_lease(&fixture);
	assert_int_equal(create_leased(&fixture, "/s/short", lease.session), SYNOD_OK);
	expire_all(&fixture, &lease, 1);
	assert_int_equal(stat_of(&fixture, "/s/short").ttl_ms, 5000);
	assert_int_equal(collect_at(&fixture, 4999), 0);
	assert_int_equal(collect_at(&fixture, 5000), 1);
	assert_int_equal(last_change(&fixture, 0).kind, CHANGE_DELETED);
	assert_int_equal(last_change(&fixture, 0).cause, CAUSE_EXPIRED);
	assert_true(exists(&fixture, "/s/long"));
	assert_int_equal(collect_at(&fixture, SUSPECT_MAX_MS), 1);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
whoever_closes_or_is_revoked_leaves_at_once(void **state)
{
	struct party parties[4];
	struct fixture fixture;
	struct party own;

	(void)state;
	fixture_open(&fixture);
	own = join(&fixture, 999);
	make_instances(&fixture, "/s", 1, parties, 4);
	leave(&fixture, &parties[0]);
	assert_false(exists(&fixture, "/s/0"));
	act_as(&fixture, &own);
	assert_int_equal(revoke_id(&fixture, parties[1].session, true), SYNOD_OK);
	assert_int_equal(answered_count(&fixture), 1);
	assert_false(exists(&fixture, "/s/1"));
	act_as(&fixture, &parties[2]);
	assert_int_equal(delete_node(&fixture, "/s/2"), SYNOD_OK);
	assert_int_equal(children_of(&fixture, "/s"), 1);
	assert_true(namespace_next_due_ms(fixture.namespace) == UINT64_MAX);
	fixture_close(&fixture);
}

static void
what_is_not_in_a_service_goes_at_once(void **state)
{
	struct fixture fixture;
	struct party party;

	(void)state;
	fixture_open(&fixture);
	create(&fixture, "/plain");
	create_container(&fixture, "/container");
	make_service(&fixture, OP_CREATE, "/s", 1);
	create(&fixture, "/s/group");
	party = join(&fixture, 999);
	assert_int_equal(place(&fixture, &party, "/plain/e"), SYNOD_OK);
	assert_int_equal(place(&fixture, &party, "/container/e"), SYNOD_OK);
	assert_int_equal(place(&fixture, &party, "/s/e"), SYNOD_OK);
	assert_int_equal(place(&fixture, &party, "/s/group/e"), SYNOD_OK);
	assert_int_equal(place(&fixture, &party, "/e"), SYNOD_OK);
	expire_all(&fixture, &party, 1);
	assert_int_equal(last_change_count(&fixture), 5);
	assert_int_equal(stat_of(&fixture, "/s/e").kind, NODE_SUSPECT);
	assert_false(exists(&fixture, "/plain/e"));
	assert_false(exists(&fixture, "/container/e"));
	assert_false(exists(&fixture, "/s/group/e"));
	assert_false(exists(&fixture, "/e"));
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

/* Even one below a service, of a session that has an instance of it. */
static void
a_lock_is_granted_at_once_when_its_holder_expires(void **state)
{
	struct fixture fixture;
	struct party holder;
	struct party next;

	(void)state;
	fixture_open(&fixture);
	make_service(&fixture, OP_CREATE, "/s", 1);
	holder = join(&fixture, 998);
	next = join(&fixture, 999);
	assert_int_equal(place(&fixture, &holder, "/s/a"), SYNOD_OK);
	take(&fixture, &holder, "/s/lock");
	wait_for(&fixture, &next, "/s/lock");
	expire_all(&fixture, &holder, 1);
	assert_int_equal(stat_of(&fixture, "/s/a").kind, NODE_SUSPECT);
	assert_false(exists(&fixture, "/s/lock/0000000000"));
	assert_int_equal(token_of(&fixture, "/s/lock/0000000001"), fixture.slot);
	assert_int_equal(children_of(&fixture, "/s/lock"), 1);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

/* ---- judging ---- */

/* How many of COUNT instances are left in the end if SUSPECTS of them expire together. */
static uint64_t
left_of(uint64_t percent, unsigned count, unsigned suspects)
{
	struct fixture fixture;
	struct party parties[16];
	uint64_t left;

	fixture_open(&fixture);
	make_instances(&fixture, "/s", percent, parties, count);
	expire_all(&fixture, parties, suspects);
	assert_int_equal(children_of(&fixture, "/s"), count);
	assert_int_equal(collect_at(&fixture, TIMEOUT_MS - 1), 0);
	left = count - collect_at(&fixture, TIMEOUT_MS);
	assert_int_equal(children_of(&fixture, "/s"), left);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
	return left;
}

static void
the_brake_holds_when_more_than_its_share_are_suspect(void **state)
{
	(void)state;
	assert_int_equal(left_of(0, 10, 5), 5);
	assert_int_equal(left_of(0, 10, 6), 10);
	assert_int_equal(left_of(30, 10, 3), 7);
	assert_int_equal(left_of(30, 10, 4), 10);
	assert_int_equal(left_of(30, 9, 3), 9);
	assert_int_equal(left_of(99, 10, 9), 1);
	assert_int_equal(left_of(99, 10, 10), 10);
	assert_int_equal(left_of(100, 10, 10), 0);
}

static void
the_brake_never_holds_fewer_than_three(void **state)
{
	(void)state;
	assert_int_equal(BRAKE_MIN, 3);
	assert_int_equal(left_of(1, 2, 2), 0);
	assert_int_equal(left_of(1, 10, 2), 8);
	assert_int_equal(left_of(1, 10, 3), 10);
}

static void
what_the_brake_holds_goes_in_the_end(void **state)
{
	struct party parties[3];
	struct fixture fixture;
	uint64_t revision;

	(void)state;
	fixture_open(&fixture);
	make_instances(&fixture, "/s", 50, parties, 3);
	fixture.uptime_ms = 1000;
	expire_all(&fixture, parties, 3);
	revision = namespace_revision(fixture.namespace);
	assert_int_equal(collect_at(&fixture, 1000 + TIMEOUT_MS), 0);
	assert_true(namespace_revision(fixture.namespace) == revision);
	assert_int_equal(last_change_count(&fixture), 0);
	assert_int_equal(stat_of(&fixture, "/s/1").ttl_ms, BRAKE_MS);
	assert_int_equal(namespace_next_due_ms(fixture.namespace), 1000 + BRAKE_MS);
	assert_hash_is_true(&fixture);
	commit(&fixture);
	crash(&fixture);
	assert_int_equal(namespace_next_due_ms(fixture.namespace), 1000 + BRAKE_MS);
	assert_int_equal(collect_at(&fixture, 1000 + BRAKE_MS - 1), 0);
	assert_int_equal(collect_at(&fixture, 1000 + BRAKE_MS), 3);
	assert_int_equal(last_change_count(&fixture), 3);
	assert_int_equal(last_change(&fixture, 2).cause, CAUSE_EXPIRED);
	assert_int_equal(collect_at(&fixture, 1000 + BRAKE_MS + CONTAINER_LINGER_MS), 1);
	assert_int_equal(namespace_nodes(fixture.namespace), 2);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

/* The verdict stands, whatever becomes of its siblings. */
static void
a_suspect_is_judged_once(void **state)
{
	struct party parties[4];
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	make_instances(&fixture, "/s", 50, parties, 4);
	expire_all(&fixture, parties, 3);
	assert_int_equal(collect_at(&fixture, TIMEOUT_MS), 0);
	act_as(&fixture, &parties[3]);
	delete_node(&fixture, "/s/0");
	act_as(&fixture, &parties[3]);
	delete_node(&fixture, "/s/1");
	assert_int_equal(collect_at(&fixture, BRAKE_MS - 1), 0);
	assert_int_equal(stat_of(&fixture, "/s/2").kind, NODE_SUSPECT);
	assert_int_equal(collect_at(&fixture, BRAKE_MS), 1);
	fixture_close(&fixture);
}

/* Nobody came to judge it within the time that the brake gives. */
static void
a_suspect_judged_too_late_goes(void **state)
{
	struct party parties[3];
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	make_instances(&fixture, "/s", 50, parties, 3);
	expire_all(&fixture, parties, 3);
	assert_int_equal(collect_at(&fixture, BRAKE_MS), 3);
	fixture_close(&fixture);
}

static void
the_service_is_judged_by_as_it_is_then(void **state)
{
	struct party parties[8];
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	make_instances(&fixture, "/s", 50, parties, 4);
	make_instances(&fixture, "/t", 100, &parties[4], 4);
	expire_all(&fixture, parties, 3);
	expire_all(&fixture, &parties[4], 3);
	act_as(&fixture, &parties[3]);
	assert_int_equal(write_kind(&fixture, OP_PUT, "/s", NODE_CONTAINER, 0, 0), SYNOD_OK);
	assert_int_equal(make_service(&fixture, OP_PUT, "/t", 50), SYNOD_OK);
	assert_int_equal(collect_at(&fixture, TIMEOUT_MS), 3);
	assert_int_equal(children_of(&fixture, "/s"), 1);
	assert_int_equal(children_of(&fixture, "/t"), 4);
	fixture_close(&fixture);
}

/* Three of five are suspect: once one of them went, only half would be. */
static void
the_order_within_one_collection_does_not_matter(void **state)
{
	struct party parties[12];
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	make_instances(&fixture, "/s", 50, parties, 5);
	make_instances(&fixture, "/t", 50, &parties[5], 7);
	for (unsigned i = 0; i < 3; i++) { /* they alternate */
		fixture.uptime_ms = i;
		expire(&fixture, &parties[i]);
		expire(&fixture, &parties[5 + i]);
	}
	assert_int_equal(collect_at(&fixture, TIMEOUT_MS + 10), 3);
	assert_int_equal(children_of(&fixture, "/s"), 5);
	assert_int_equal(children_of(&fixture, "/t"), 4);
	for (unsigned i = 0; i < 3; i++) {
		char path[8];

		snprintf(path, sizeof path, "/s/%u", i);
		assert_int_equal(stat_of(&fixture, path).ttl_ms, BRAKE_MS);
	}
	assert_int_equal(namespace_next_due_ms(fixture.namespace), BRAKE_MS);
	assert_int_equal(collect_at(&fixture, BRAKE_MS + 1), 2); /* each by its own end */
	fixture_close(&fixture);
}

/* ---- what can be done to a suspect ---- */

static void
taking_a_suspect_over_ends_the_suspicion(void **state)
{
	struct party parties[3];
	struct fixture fixture;
	struct node_stat stat;
	struct party again;

	(void)state;
	fixture_open(&fixture);
	make_instances(&fixture, "/s", 50, parties, 3);
	expire_all(&fixture, parties, 3);
	assert_int_equal(collect_at(&fixture, TIMEOUT_MS), 0);
	again = join(&fixture, 999);
	assert_int_equal(place(&fixture, &again, "/s/0"), SYNOD_OK);
	assert_int_equal(last_change(&fixture, 0).cause, CAUSE_REQUEST);
	assert_true(last_change(&fixture, 0).owner == again.session);
	stat = stat_of(&fixture, "/s/0");
	assert_int_equal(stat.kind, NODE_EPHEMERAL);
	assert_true(stat.owner == again.session);
	assert_int_equal(stat.ttl_ms, 0);
	assert_int_equal(stat.version, 1);
	assert_int_equal(collect_at(&fixture, BRAKE_MS), 2);
	assert_int_equal(children_of(&fixture, "/s"), 1);
	assert_hash_is_true(&fixture);
	fixture.uptime_ms = 2 * BRAKE_MS; /* and it can begin anew */
	expire_all(&fixture, &again, 1);
	assert_int_equal(stat_of(&fixture, "/s/0").kind, NODE_SUSPECT);
	assert_int_equal(collect_at(&fixture, 2 * BRAKE_MS + TIMEOUT_MS - 1), 0);
	assert_int_equal(collect_at(&fixture, 2 * BRAKE_MS + TIMEOUT_MS), 1);
	fixture_close(&fixture);
}

static void
writing_or_deleting_a_suspect_is_just_that(void **state)
{
	struct party parties[3];
	struct fixture fixture;
	struct condition nobodys = {
		.kind = CONDITION_OWNER, .relation = RELATION_EQUAL, .number = 0};
	struct operation set = {.op = OP_SET,
	                        .path = slice_of("/s/0"),
	                        .data = slice_of("new"),
	                        .condition_count = 1};
	struct party other;

	(void)state;
	fixture_open(&fixture);
	make_instances(&fixture, "/s", 50, parties, 3);
	expire_all(&fixture, parties, 3);
	other = join(&fixture, 999);
	fixture.uptime_ms = 5000;
	assert_int_equal(act(&fixture, &other, &set, &nobodys), SYNOD_OK);
	act_as(&fixture, &other);
	assert_int_equal(put(&fixture, "/s/1", "newer"), SYNOD_OK);
	assert_int_equal(stat_of(&fixture, "/s/0").kind, NODE_SUSPECT);
	assert_int_equal(stat_of(&fixture, "/s/0").version, 1);
	assert_int_equal(stat_of(&fixture, "/s/1").kind, NODE_SUSPECT);
	assert_data(&fixture, "/s/1", "newer");
	act_as(&fixture, &other);
	assert_int_equal(delete_node(&fixture, "/s/2"), SYNOD_OK);
	assert_int_equal(namespace_next_due_ms(fixture.namespace), TIMEOUT_MS);
	assert_int_equal(collect_at(&fixture, TIMEOUT_MS), 2); /* two are too few for the brake */
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
a_suspect_has_no_children(void **state)
{
	struct fixture fixture;
	struct party party;
	struct party other;

	(void)state;
	fixture_open(&fixture);
	make_instances(&fixture, "/s", 50, &party, 1);
	expire_all(&fixture, &party, 1);
	other = join(&fixture, 999);
	act_as(&fixture, &other);
	assert_int_equal(create(&fixture, "/s/0/child"), SYNOD_NO_CHILDREN);
	act_as(&fixture, &other);
	assert_int_equal(put(&fixture, "/s/0/a/b", "x"), SYNOD_NO_CHILDREN);
	assert_int_equal(acquire(&fixture, &other, "/s/0/lock"), SYNOD_NO_CHILDREN);
	assert_int_equal(acquire(&fixture, &other, "/s/0"), SYNOD_NOT_A_LOCK);
	fixture_close(&fixture);
}

static void
a_failed_transaction_leaves_it_suspect_and_due(void **state)
{
	struct operation operation = {
		.op = OP_PUT, .path = slice_of("/s/0"), .kind = NODE_EPHEMERAL};
	struct batch batch = {0};
	struct fixture fixture;
	struct party party;
	struct party other;

	(void)state;
	fixture_open(&fixture);
	make_instances(&fixture, "/s", 50, &party, 1);
	expire_all(&fixture, &party, 1);
	other = join(&fixture, 999);
	batch_add_with(&batch, THEN, &operation, NULL);
	batch_add(&batch, THEN, OP_DELETE, OP_RECURSIVE, "/s", NULL);
	batch_add(&batch, THEN, OP_DELETE, 0, "/missing", NULL);
	act_as(&fixture, &other);
	assert_int_equal(batch_run(&fixture, &batch), SYNOD_NOT_FOUND);
	assert_int_equal(stat_of(&fixture, "/s/0").kind, NODE_SUSPECT);
	assert_int_equal(stat_of(&fixture, "/s/0").owner, 0);
	assert_hash_is_true(&fixture);
	assert_int_equal(collect_at(&fixture, TIMEOUT_MS), 1);
	act_as(&fixture, &other);
	assert_int_equal(write_node(&fixture, OP_DELETE, OP_RECURSIVE, "/s", NULL), SYNOD_OK);
	fixture_close(&fixture);
}

/* ---- very many ---- */

/* COUNT instances of /s, all of LEASE. */
static void
make_many(struct fixture *fixture, uint64_t lease, unsigned first, unsigned count)
{
	char path[32];

	for (unsigned i = first; i < first + count; i++) {
		snprintf(path, sizeof path, "/s/%05u", i);
		fixture->acknowledged = fixture->seq;
		assert_int_equal(create_leased(fixture, path, lease), SYNOD_OK);
	}
}

/* Of 10,000 instances SUSPECTS expire; how many went in the end, with the hashes on the way. */
static uint64_t
run_many(unsigned cache_nodes, unsigned suspects, struct state_hash *hashes)
{
	struct namespace_options options = {.cache_nodes = cache_nodes};
	struct fixture fixture;
	struct party lost;
	uint64_t gone = 0;

	fixture_open_with(&fixture, ":memory:", &options);
	make_service(&fixture, OP_CREATE, "/s", 50);
	lost.session = grant_lease(&fixture);
	make_many(&fixture, lost.session, 0, suspects);
	make_many(&fixture, grant_lease(&fixture), suspects, 10000 - suspects);
	expire_all(&fixture, &lost, 1);
	*hashes++ = namespace_hash(fixture.namespace);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(namespace_next_due_ms(fixture.namespace),
		                 i * COLLECT_MAX < suspects ? 5000 : UINT64_MAX);
		gone += collect_at(&fixture, 5000);
		*hashes++ = namespace_hash(fixture.namespace);
		if (namespace_next_due_ms(fixture.namespace) != 5000)
			break;
	}
	assert_int_equal(namespace_next_due_ms(fixture.namespace),
	                 gone > 0 ? UINT64_MAX : BRAKE_MS);
	assert_int_equal(children_of(&fixture, "/s"), 10000 - gone);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
	return gone;
}

static void
ten_thousand_are_judged_alike_whatever_the_cache(void **state)
{
	static const struct {
		unsigned suspects, gone;
	} rows[] = {{10000, 0}, {5001, 0}, {5000, 5000}};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct state_hash small[11] = {{0}};
		struct state_hash large[11] = {{0}};

		assert_int_equal(run_many(3, rows[i].suspects, small), rows[i].gone);
		assert_int_equal(run_many(65536, rows[i].suspects, large), rows[i].gone);
		assert_memory_equal(small, large, sizeof small);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_is_a_container_with_a_brake),
		cmocka_unit_test(put_makes_services_and_sets_their_brakes),
		cmocka_unit_test(an_instance_becomes_suspect_when_its_session_expires),
		cmocka_unit_test(a_suspect_is_due_after_its_owners_timeout),
		cmocka_unit_test(whoever_closes_or_is_revoked_leaves_at_once),
		cmocka_unit_test(what_is_not_in_a_service_goes_at_once),
		cmocka_unit_test(a_lock_is_granted_at_once_when_its_holder_expires),
		cmocka_unit_test(the_brake_holds_when_more_than_its_share_are_suspect),
		cmocka_unit_test(the_brake_never_holds_fewer_than_three),
		cmocka_unit_test(what_the_brake_holds_goes_in_the_end),
		cmocka_unit_test(a_suspect_is_judged_once),
		cmocka_unit_test(a_suspect_judged_too_late_goes),
		cmocka_unit_test(the_service_is_judged_by_as_it_is_then),
		cmocka_unit_test(the_order_within_one_collection_does_not_matter),
		cmocka_unit_test(taking_a_suspect_over_ends_the_suspicion),
		cmocka_unit_test(writing_or_deleting_a_suspect_is_just_that),
		cmocka_unit_test(a_suspect_has_no_children),
		cmocka_unit_test(a_failed_transaction_leaves_it_suspect_and_due),
		cmocka_unit_test(ten_thousand_are_judged_alike_whatever_the_cache),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
