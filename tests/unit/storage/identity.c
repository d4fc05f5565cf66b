/* The promise files: kept twice, so that no single fault forgets a promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/storage/identity.h"
#include "shared/error.h"
#include "tests/support/disk_memory.h"

#define FILE_BYTES 8192

static struct disk *disk;
static struct identity identity;
static struct identity_store *store;
static char why[256];

static int
set_up(void **state)
{
	(void)state;
	disk = memory_disk_new(7);
	disk->ops->make_directory(disk, "data");
	disk->ops->sync_directory(disk, ".");
	identity = (struct identity){.epoch = 1, .self = 2, .member_count = 3};
	memset(identity.cluster_id, 0xaa, sizeof identity.cluster_id);
	memset(identity.disk_id, 0xbb, sizeof identity.disk_id);
	for (unsigned i = 0; i < 3; i++) {
		struct member_identity *member = &identity.members[i];
		member->id = i + 1;
		snprintf(member->name, sizeof member->name, "member-%u", i);
		snprintf(member->address, sizeof member->address, "127.0.0.1:%u", 7000 + i);
	}
	identity.members[1].has_disk_id = true;
	memset(identity.members[1].disk_id, 0xbb, DISK_ID_SIZE);
	store = NULL;
	return identity_create(disk, "data", &identity, &store, why);
}

static int
tear_down(void **state)
{
	(void)state;
	identity_close(store);
	memory_disk_free(disk);
	return 0;
}

static int
reopen(struct identity *found)
{
	identity_close(store);
	return identity_open(disk, "data", found, &store, why);
}

static void
promise(uint64_t round)
{
	identity.promised = (struct ballot){1, round, 1};
	assert_int_equal(identity_save(store, &identity), SYNOD_OK);
}

static void
assert_same(const struct identity *found)
{
	assert_memory_equal(found->cluster_id, identity.cluster_id, CLUSTER_ID_SIZE);
	assert_memory_equal(found->disk_id, identity.disk_id, DISK_ID_SIZE);
	assert_int_equal(found->epoch, identity.epoch);
	assert_int_equal(found->self, identity.self);
	assert_true(ballot_equal(found->promised, identity.promised));
	assert_int_equal(found->member_count, identity.member_count);
	for (unsigned i = 0; i < found->member_count; i++) {
		const struct member_identity *a = &found->members[i];
		const struct member_identity *b = &identity.members[i];
		assert_int_equal(a->id, b->id);
		assert_string_equal(a->name, b->name);
		assert_string_equal(a->address, b->address);
		assert_int_equal(a->has_disk_id, b->has_disk_id);
		assert_memory_equal(a->disk_id, b->disk_id, DISK_ID_SIZE);
	}
}

static void
holds_what_was_created_and_saved(void **state)
{
	struct identity found;

	(void)state;
	memory_disk_crash(disk, CRASH_LOSE);
	assert_int_equal(reopen(&found), SYNOD_OK);
	assert_same(&found);
	for (uint64_t round = 1; round <= 5; round++) {
		promise(round);
		memory_disk_crash(disk, CRASH_LOSE);
		assert_int_equal(reopen(&found), SYNOD_OK);
		assert_same(&found);
	}
}

static void
holds_the_largest_configuration(void **state)
{
	struct identity found;

	(void)state;
	identity.member_count = MEMBERS_MAX;
	for (unsigned i = 0; i < MEMBERS_MAX; i++) {
		struct member_identity *member = &identity.members[i];
		member->id = UINT64_MAX - MEMBERS_MAX + i;
		memset(member->name, 'n', MEMBER_NAME_MAX);
		memset(member->address, 'a', MEMBER_ADDRESS_MAX);
		member->has_disk_id = true;
	}
	promise(UINT64_MAX);
	assert_int_equal(reopen(&found), SYNOD_OK);
	assert_same(&found);
}

static void
a_new_directory_has_none(void **state)
{
	struct identity found;
	struct identity_store *none = NULL;

	(void)state;
	disk->ops->make_directory(disk, "other");
	assert_int_equal(identity_open(disk, "other", &found, &none, why), SYNOD_NOT_FOUND);
	assert_null(none);
}

static void
is_never_created_twice(void **state)
{
	struct identity_store *second = NULL;

	(void)state;
	assert_int_equal(identity_create(disk, "data", &identity, &second, why), SYNOD_EXISTS);
	assert_non_null(strstr(why, "data"));
	/* Nor over half of one. */
	disk->ops->remove(disk, "data/promise.a");
	assert_int_equal(identity_create(disk, "data", &identity, &second, why), SYNOD_EXISTS);
	assert_null(second);
}

static void
a_promise_survives_a_crash_at_every_operation(void **state)
{
	(void)state;
	for (uint64_t round = 1; round <= 200; round++) {
		struct ballot before = identity.promised;
		struct identity found;

		memory_disk_power_off_at(disk, 1 + round % 5);
		identity.promised = (struct ballot){1, round, 1};
		int error = identity_save(store, &identity);
		memory_disk_crash(disk, CRASH_RANDOM);
		assert_int_equal(reopen(&found), SYNOD_OK);
		if (error == SYNOD_OK)
			assert_int_equal(found.promised.round, round);
		else
			assert_true(found.promised.round == round ||
			            ballot_equal(found.promised, before));
		identity.promised = found.promised;
	}
}

static void
a_tear_at_every_byte_leaves_the_old_or_the_new_promise(void **state)
{
	(void)state;
	for (size_t kept = 0; kept <= FILE_BYTES; kept += 13) {
		uint64_t before = identity.promised.round;
		struct identity found;

		memory_disk_power_off_at(disk, 2);
		identity.promised = (struct ballot){1, before + 1, 1};
		int error = identity_save(store, &identity);
		memory_disk_crash_after(disk, kept);
		assert_int_equal(reopen(&found), SYNOD_OK);
		assert_int_equal(error, SYNOD_IO);
		assert_true(found.promised.round == before || found.promised.round == before + 1);
		identity.promised = found.promised;
	}
}

static void
creation_is_whole_or_nothing(void **state)
{
	(void)state;
	for (uint64_t operation = 1; operation <= 12; operation++) {
		for (uint64_t seed = 1; seed <= 20; seed++) {
			struct disk *fresh = memory_disk_new(seed);
			struct identity found;
			struct identity_store *made = NULL;

			fresh->ops->make_directory(fresh, "data");
			fresh->ops->sync_directory(fresh, ".");
			memory_disk_power_off_at(fresh, operation);
			int error = identity_create(fresh, "data", &identity, &made, why);
			identity_close(made);
			memory_disk_crash(fresh, CRASH_RANDOM);
			int found_error = identity_open(fresh, "data", &found, &made, why);
			if (found_error == SYNOD_OK)
				assert_same(&found);
			else
				assert_int_equal(found_error, SYNOD_NOT_FOUND);
			if (error == SYNOD_OK)
				assert_int_equal(found_error, SYNOD_OK);
			identity_close(made);
			memory_disk_free(fresh);
		}
	}
}

static void
one_damaged_file_forgets_nothing(void **state)
{
	static const char *const paths[] = {"data/promise.a", "data/promise.b"};
	struct identity found;

	(void)state;
	promise(9);
	for (unsigned i = 0; i < 2; i++) {
		for (uint64_t at = 0; at < 400; at++) {
			memory_disk_flip(disk, paths[i], at, (uint8_t)(1 << at % 8));
			assert_int_equal(reopen(&found), SYNOD_OK);
			assert_same(&found);
		}
		disk->ops->remove(disk, paths[i]);
		assert_int_equal(reopen(&found), SYNOD_OK);
		assert_same(&found);
	}
}

static void
opening_repairs_the_damaged_file(void **state)
{
	struct identity found;

	(void)state;
	promise(9);
	memory_disk_flip(disk, "data/promise.a", 40, 1);
	assert_int_equal(reopen(&found), SYNOD_OK);
	memory_disk_flip(disk, "data/promise.b", 40, 1);
	assert_int_equal(reopen(&found), SYNOD_OK);
	assert_same(&found);
}

static void
both_damaged_is_refused(void **state)
{
	struct identity found;

	(void)state;
	promise(9);
	memory_disk_flip(disk, "data/promise.a", 40, 1);
	memory_disk_flip(disk, "data/promise.b", 41, 1);
	assert_int_equal(reopen(&found), SYNOD_CORRUPT);
	assert_null(store);
	assert_non_null(strstr(why, "promise"));
	disk->ops->remove(disk, "data/promise.a");
	assert_int_equal(reopen(&found), SYNOD_CORRUPT);
}

static void
files_of_two_members_are_refused(void **state)
{
	uint8_t bytes[FILE_BYTES];
	struct identity found;

	(void)state;
	memcpy(bytes, memory_disk_content(disk, "data/promise.a").bytes, sizeof bytes);
	identity_close(store);
	disk->ops->remove(disk, "data/promise.a");
	disk->ops->remove(disk, "data/promise.b");
	identity.self = 3;
	assert_int_equal(identity_create(disk, "data", &identity, &store, why), SYNOD_OK);
	memory_disk_put(disk, "data/promise.a", (struct slice){bytes, sizeof bytes});
	assert_int_equal(reopen(&found), SYNOD_CORRUPT);
	assert_non_null(strstr(why, "different members"));
}

static void
a_failed_save_is_an_error(void **state)
{
	(void)state;
	for (uint64_t operation = 1; operation <= 4; operation++) {
		memory_disk_fail_at(disk, operation, operation % 2 ? SYNOD_NO_SPACE : SYNOD_IO);
		identity.promised.round++;
		identity.promised.epoch = 1;
		assert_int_equal(identity_save(store, &identity), SYNOD_IO);
	}
}

static void
the_cluster_id_depends_on_the_list_and_not_on_its_order(void **state)
{
	uint8_t first[CLUSTER_ID_SIZE];
	uint8_t second[CLUSTER_ID_SIZE];
	struct member_identity members[3];

	(void)state;
	memcpy(members, identity.members, sizeof members);
	identity_cluster_id(members, 3, first);
	members[0] = identity.members[2];
	members[2] = identity.members[0];
	members[2].id = 77;
	identity_cluster_id(members, 3, second);
	assert_memory_equal(first, second, sizeof first);
	members[1].address[0] = '9';
	identity_cluster_id(members, 3, second);
	assert_memory_not_equal(first, second, sizeof first);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(holds_what_was_created_and_saved),
		TEST(holds_the_largest_configuration),
		TEST(a_new_directory_has_none),
		TEST(is_never_created_twice),
		TEST(a_promise_survives_a_crash_at_every_operation),
		TEST(a_tear_at_every_byte_leaves_the_old_or_the_new_promise),
		TEST(creation_is_whole_or_nothing),
		TEST(one_damaged_file_forgets_nothing),
		TEST(opening_repairs_the_damaged_file),
		TEST(both_damaged_is_refused),
		TEST(files_of_two_members_are_refused),
		TEST(a_failed_save_is_an_error),
		TEST(the_cluster_id_depends_on_the_list_and_not_on_its_order),
	};
#undef TEST

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
