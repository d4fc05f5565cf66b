/* What can be wrong when a member starts: each refusal names its cause and the next step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/ensemble.h"

static char output[1 << 16];

/* ---- helpers ---- */

/* Run member INDEX in the foreground until it ends by itself; its exit code. */
static int
run_member(struct ensemble *ensemble, unsigned index, const char *name, const char *data)
{
	struct ensemble_member *member = &ensemble->members[index];
	const char *arguments[] = {"synodd",  "--name",        name,        "--data",       data,
	                           "--peers", ensemble->peers, "--clients", member->client, "-d",
	                           NULL};

	return ensemble_run(ensemble, arguments, NULL, output, sizeof output);
}

static void
assert_says(const char *text)
{
	if (!strstr(output, text))
		fail_msg("expected \"%s\" in:\n%s", text, output);
}

static void
put_some(struct ensemble *ensemble, unsigned count)
{
	struct synod *synod = ensemble_open(ensemble);

	for (unsigned i = 0; i < count; i++) {
		char path[32];

		snprintf(path, sizeof path, "/n%u", i);
		assert_int_equal(synod_put(synod, path, "some data", 9, NULL, NULL), SYNOD_OK);
	}
	synod_close(synod);
}

/* The only journal segment of member INDEX. */
static void
segment_path(const struct ensemble *ensemble, unsigned index, char *path, size_t size)
{
	snprintf(path, size, "%s/journal/00000001.seg", ensemble->members[index].data);
	assert_int_equal(access(path, F_OK), 0);
}

static void
read_whole(const char *path, uint8_t **bytes, size_t *size)
{
	FILE *file = fopen(path, "rb");
	struct stat stat;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &stat), 0);
	*size = (size_t)stat.st_size;
	*bytes = malloc(*size);
	assert_int_equal(fread(*bytes, 1, *size, file), *size);
	fclose(file);
}

static void
write_whole(const char *path, const uint8_t *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

/* ---- the directory ---- */

static void
a_second_process_on_the_same_directory_is_refused(void **state)
{
	struct ensemble ensemble, other;

	(void)state;
	ensemble_init(&ensemble, 1);
	ensemble_init(&other, 1);
	assert_true(ensemble_start_all(&ensemble));
	put_some(&ensemble, 1);
	assert_int_equal(run_member(&other, 0, "a", ensemble.members[0].data), 1);
	assert_says("another synodd uses this data directory");
	put_some(&ensemble, 1);
	ensemble_fini(&other);
	ensemble_fini(&ensemble);
}

static void
another_name_on_the_same_directory_is_refused(void **state)
{
	struct ensemble ensemble;

	(void)state;
	ensemble_init(&ensemble, 3);
	assert_true(ensemble_start_all(&ensemble));
	put_some(&ensemble, 1);
	ensemble_signal(&ensemble, 0, SIGTERM);
	assert_int_equal(run_member(&ensemble, 0, "b", ensemble.members[0].data), 1);
	assert_says("belongs to the member \"a\"");
	ensemble_fini(&ensemble);
}

static void
a_data_directory_that_cannot_be_made_is_refused(void **state)
{
	struct ensemble ensemble;

	(void)state;
	ensemble_init(&ensemble, 1);
	assert_int_equal(run_member(&ensemble, 0, "a", "/proc/synod"), 1);
	assert_says("/proc/synod");
	ensemble_fini(&ensemble);
}

static void
a_port_in_use_is_named(void **state)
{
	struct ensemble ensemble, other;

	(void)state;
	ensemble_init(&ensemble, 1);
	ensemble_init(&other, 1);
	assert_true(ensemble_start_all(&ensemble));
	put_some(&ensemble, 1);
	snprintf(other.members[0].client, sizeof other.members[0].client, "%s",
	         ensemble.members[0].client);
	assert_int_equal(run_member(&other, 0, "a", other.members[0].data), 1);
	assert_says(ensemble.members[0].client);
	assert_says("in use");
	ensemble_fini(&other);
	ensemble_fini(&ensemble);
}

/* ---- identity ---- */

static void
wait_log(const char *path, const char *text)
{
	unsigned long end_ms = ensemble_now_ms() + 30000;
	bool is_found = false;

	while (!is_found && ensemble_now_ms() < end_ms) {
		uint8_t *bytes;
		size_t size;

		read_whole(path, &bytes, &size);
		is_found = memmem(bytes, size, text, strlen(text)) != NULL;
		free(bytes);
		ensemble_pause();
	}
	if (!is_found)
		fail_msg("\"%s\" never appeared in %s", text, path);
}

static void
a_known_member_with_an_empty_disk_is_refused_and_the_others_go_on(void **state)
{
	struct ensemble ensemble;
	char command[512];

	(void)state;
	ensemble_init(&ensemble, 3);
	assert_true(ensemble_start_all(&ensemble));
	put_some(&ensemble, 10);
	assert_true(ensemble_agrees(&ensemble, 30000));
	ensemble_signal(&ensemble, 2, SIGKILL);
	snprintf(command, sizeof command, "rm -rf %s", ensemble.members[2].data);
	assert_int_equal(system(command), 0);
	assert_true(ensemble_start(&ensemble, 2));
	wait_log(ensemble.members[2].log, "another disk than before");
	put_some(&ensemble, 10);
	/* With one of the two others gone there is no quorum: the forgetful one must not make one.
	 */
	ensemble_signal(&ensemble, 1, SIGKILL);
	{
		struct synod_write_options options = {.call.timeout_ms = 3000};
		struct synod *synod = ensemble_open(&ensemble);

		assert_int_not_equal(synod_put(synod, "/n0", "x", 1, &options, NULL), SYNOD_OK);
		synod_close(synod);
	}
	assert_true(ensemble_start(&ensemble, 1));
	put_some(&ensemble, 10);
	ensemble_fini(&ensemble);
}

static void
a_member_of_another_cluster_is_refused(void **state)
{
	struct ensemble ensemble, other;

	(void)state;
	ensemble_init(&ensemble, 3);
	assert_true(ensemble_start_all(&ensemble));
	put_some(&ensemble, 1);
	/* Member c of another ensemble, which believes that a and b live at these addresses. */
	other = ensemble;
	snprintf(other.members[2].data, sizeof other.members[2].data, "%s/stranger",
	         ensemble.directory);
	snprintf(other.members[2].log, sizeof other.members[2].log, "%s/stranger.log",
	         ensemble.directory);
	snprintf(other.peers, sizeof other.peers, "a=%s,b=%s,c=127.0.0.1:1",
	         ensemble.members[0].peer, ensemble.members[1].peer);
	ensemble_signal(&ensemble, 2, SIGKILL);
	other.members[2].pid = 0;
	other.extra[0] = "--listen";
	other.extra[1] = "127.0.0.1:0";
	assert_true(ensemble_start(&other, 2));
	wait_log(other.members[2].log, "different clusters");
	ensemble_signal(&other, 2, SIGKILL);
	put_some(&ensemble, 1);
	ensemble_fini(&ensemble);
}

/* ---- the journal ---- */

static void
a_torn_tail_is_cut_and_the_member_goes_on(void **state)
{
	struct ensemble ensemble;
	uint8_t *bytes;
	size_t size, end;
	char path[512];

	(void)state;
	ensemble_init(&ensemble, 1);
	assert_true(ensemble_start_all(&ensemble));
	put_some(&ensemble, 20);
	ensemble_signal(&ensemble, 0, SIGKILL);
	segment_path(&ensemble, 0, path, sizeof path);
	read_whole(path, &bytes, &size);
	for (end = size; end > 0 && bytes[end - 1] == 0; end--)
		;
	/* Half a record behind the last batch, as a crash in the middle of a write leaves it. */
	end = (end + 511) / 512 * 512;
	assert_true(end + 100 < size);
	memcpy(bytes + end, bytes + 4096, 60);
	write_whole(path, bytes, size);
	free(bytes);
	assert_true(ensemble_start(&ensemble, 0));
	put_some(&ensemble, 20);
	ensemble_fini(&ensemble);
}

static void
damage_in_an_acknowledged_range_is_never_cut(void **state)
{
	struct ensemble ensemble;
	struct synod *synod;
	uint8_t *bytes;
	size_t size, rotten;
	char path[512], command[1024];
	int status;

	(void)state;
	ensemble_init(&ensemble, 1);
	assert_true(ensemble_start_all(&ensemble));
	put_some(&ensemble, 50);
	ensemble_signal(&ensemble, 0, SIGKILL);
	/* Without the database every slot is needed from the journal. */
	snprintf(command, sizeof command, "rm -f %s/namespace.db*", ensemble.members[0].data);
	assert_int_equal(system(command), 0);
	segment_path(&ensemble, 0, path, sizeof path);
	read_whole(path, &bytes, &size);
	rotten = (size_t)((uint8_t *)memmem(bytes, size, "/n7", 3) - bytes);
	bytes[rotten] ^= 1;
	write_whole(path, bytes, size);
	status = run_member(&ensemble, 0, "a", ensemble.members[0].data);
	assert_int_equal(status, 1);
	assert_says("00000001.seg");
	/* The bit back: everything is there. */
	bytes[rotten] ^= 1;
	write_whole(path, bytes, size);
	free(bytes);
	assert_true(ensemble_start(&ensemble, 0));
	synod = ensemble_open(&ensemble);
	for (unsigned i = 0; i < 50; i++) {
		char node[32];

		snprintf(node, sizeof node, "/n%u", i);
		assert_int_equal(synod_get(synod, node, NULL, NULL), SYNOD_OK);
	}
	synod_close(synod);
	ensemble_fini(&ensemble);
}

static void
a_missing_segment_is_refused_by_name(void **state)
{
	struct ensemble ensemble;
	char path[512];

	(void)state;
	ensemble_init(&ensemble, 1);
	assert_true(ensemble_start_all(&ensemble));
	put_some(&ensemble, 5);
	ensemble_signal(&ensemble, 0, SIGKILL);
	segment_path(&ensemble, 0, path, sizeof path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(run_member(&ensemble, 0, "a", ensemble.members[0].data), 1);
	assert_says("journal");
	ensemble_fini(&ensemble);
}

static void
a_lost_promise_file_is_refused(void **state)
{
	struct ensemble ensemble;
	char command[1024];

	(void)state;
	ensemble_init(&ensemble, 1);
	assert_true(ensemble_start_all(&ensemble));
	put_some(&ensemble, 5);
	ensemble_signal(&ensemble, 0, SIGKILL);
	snprintf(command, sizeof command, "rm -f %s/promise.*", ensemble.members[0].data);
	assert_int_equal(system(command), 0);
	assert_int_equal(run_member(&ensemble, 0, "a", ensemble.members[0].data), 1);
	ensemble_fini(&ensemble);
}

/* ---- a full disk ---- */

static bool
fill(const char *path)
{
	static char block[1 << 16];
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	if (fd < 0)
		return false;
	memset(block, 'x', sizeof block);
	while (write(fd, block, sizeof block) > 0)
		;
	close(fd);
	return true;
}

static void
wait_put(struct synod *synod, int wanted)
{
	struct synod_write_options options = {.call.timeout_ms = 2000};
	unsigned long end_ms = ensemble_now_ms() + 30000;
	int error;

	do
		error = synod_put(synod, "/grow", "x", 1, &options, NULL);
	while (error != wanted && ensemble_now_ms() < end_ms);
	assert_int_equal(error, wanted);
}

static void
a_full_disk_refuses_growth_keeps_reading_and_recovers_by_itself(void **state)
{
	struct ensemble ensemble;
	char mount_path[300], filler[400];
	struct synod *synod;

	(void)state;
	ensemble_init(&ensemble, 1);
	snprintf(mount_path, sizeof mount_path, "%s/small", ensemble.directory);
	mkdir(mount_path, 0700);
	if (mount("tmpfs", mount_path, "tmpfs", 0, "size=300m") != 0) {
		ensemble_fini(&ensemble);
		skip(); /* needs the right to mount */
	}
	snprintf(ensemble.members[0].data, sizeof ensemble.members[0].data, "%.250s/data",
	         mount_path);
	assert_true(ensemble_start_all(&ensemble));
	synod = ensemble_open(&ensemble);
	put_some(&ensemble, 20);
	snprintf(filler, sizeof filler, "%s/filler", mount_path);
	assert_true(fill(filler));
	wait_put(synod, SYNOD_NO_SPACE);
	assert_int_equal(synod_get(synod, "/n3", NULL, NULL), SYNOD_OK);
	assert_int_equal(synod_delete(synod, "/n4", NULL, NULL), SYNOD_OK);
	unlink(filler);
	wait_put(synod, SYNOD_OK);
	synod_close(synod);
	ensemble_signal(&ensemble, 0, SIGTERM);
	umount(mount_path);
	ensemble_fini(&ensemble);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_second_process_on_the_same_directory_is_refused,
	                                  ensemble_teardown),
		cmocka_unit_test_teardown(another_name_on_the_same_directory_is_refused,
	                                  ensemble_teardown),
		cmocka_unit_test_teardown(a_data_directory_that_cannot_be_made_is_refused,
	                                  ensemble_teardown),
		cmocka_unit_test_teardown(a_port_in_use_is_named, ensemble_teardown),
		cmocka_unit_test_teardown(
			a_known_member_with_an_empty_disk_is_refused_and_the_others_go_on,
			ensemble_teardown),
		cmocka_unit_test_teardown(a_member_of_another_cluster_is_refused,
	                                  ensemble_teardown),
		cmocka_unit_test_teardown(a_torn_tail_is_cut_and_the_member_goes_on,
	                                  ensemble_teardown),
		cmocka_unit_test_teardown(damage_in_an_acknowledged_range_is_never_cut,
	                                  ensemble_teardown),
		cmocka_unit_test_teardown(a_missing_segment_is_refused_by_name, ensemble_teardown),
		cmocka_unit_test_teardown(a_lost_promise_file_is_refused, ensemble_teardown),
		cmocka_unit_test_teardown(
			a_full_disk_refuses_growth_keeps_reading_and_recovers_by_itself,
			ensemble_teardown),
	};

	alarm(600);
	if (getenv("TEST")) /* one of them, by name or pattern */
		cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
