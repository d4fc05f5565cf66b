/* How files become nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/files.h"

struct place {
	char directory[64];
	char file[96];
	char link[96];
};

static int
make_place(void **state)
{
	struct place *place = calloc(1, sizeof *place);

	assert_non_null(place);
	strcpy(place->directory, "/tmp/synod-files-XXXXXX");
	assert_non_null(mkdtemp(place->directory));
	snprintf(place->file, sizeof place->file, "%s/file", place->directory);
	snprintf(place->link, sizeof place->link, "%s/link", place->directory);
	*state = place;
	return 0;
}

static int
remove_place(void **state)
{
	struct place *place = *state;

	unlink(place->file);
	unlink(place->link);
	rmdir(place->directory);
	free(place);
	return 0;
}

static void
write_file(const char *name, size_t size)
{
	FILE *file = fopen(name, "wb");

	assert_non_null(file);
	for (size_t i = 0; i < size; i++)
		fputc((int)(i * 7 & 255), file);
	assert_int_equal(fclose(file), 0);
}

static void
reads_every_byte_up_to_the_limit(void **state)
{
	static const size_t sizes[] = {0, 1, 4095, 4096, 4097, FILES_DATA_SIZE_MAX};
	struct place *place = *state;

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		uint8_t *bytes;
		size_t size;

		write_file(place->file, sizes[i]);
		assert_int_equal(files_read(place->file, 0, &bytes, &size), FILES_READ);
		assert_int_equal(size, sizes[i]);
		assert_non_null(bytes);
		for (size_t j = 0; j < size; j++)
			assert_int_equal(bytes[j], j * 7 & 255);
		free(bytes);
	}
}

static void
refuses_one_byte_more(void **state)
{
	struct place *place = *state;
	uint8_t *bytes;
	size_t size;

	write_file(place->file, FILES_DATA_SIZE_MAX + 1);
	assert_int_equal(files_read(place->file, 0, &bytes, &size), FILES_TOO_LARGE);
	assert_null(bytes);
}

static void
reads_a_file_whose_size_the_system_does_not_tell(void **state)
{
	uint8_t *bytes;
	size_t size;

	(void)state;
	assert_int_equal(files_read("/proc/self/status", 0, &bytes, &size), FILES_READ);
	assert_true(size > 0);
	free(bytes);
}

static void
follows_a_link_only_when_told(void **state)
{
	struct place *place = *state;
	uint8_t *bytes;
	size_t size;

	write_file(place->file, 3);
	assert_int_equal(symlink(place->file, place->link), 0);
	assert_int_equal(files_read(place->link, 0, &bytes, &size), FILES_NOT_REGULAR);
	assert_int_equal(files_read(place->link, 1, &bytes, &size), FILES_READ);
	assert_int_equal(size, 3);
	free(bytes);
}

static void
does_not_wait_for_the_writer_of_a_pipe(void **state)
{
	struct place *place = *state;
	uint8_t *bytes;
	size_t size;

	assert_int_equal(mkfifo(place->file, 0600), 0);
	assert_int_equal(files_read(place->file, 0, &bytes, &size), FILES_NOT_REGULAR);
}

static void
tells_a_missing_file_from_others(void **state)
{
	struct place *place = *state;
	uint8_t *bytes;
	size_t size;

	assert_int_equal(files_read(place->file, 0, &bytes, &size), FILES_MISSING);
	assert_int_equal(files_read(place->directory, 0, &bytes, &size), FILES_NOT_REGULAR);
}

static void
knows_the_names_that_no_node_can_have(void **state)
{
	char name[257];

	(void)state;
	memset(name, 'a', 256);
	name[256] = '\0';
	assert_non_null(files_name_problem(name));
	name[255] = '\0';
	assert_null(files_name_problem(name));
	assert_null(files_name_problem("grün 日本"));
	assert_non_null(files_name_problem("latin1-\xfc"));
	assert_non_null(files_name_problem("a\nb"));
	assert_non_null(files_name_problem("a\x7f"));
	assert_non_null(files_name_problem("a\xc2\x85"));
	assert_null(files_name_problem("a\xc2\xa0"));
}

static void
joins_paths_below_the_root_and_elsewhere(void **state)
{
	char *root = files_join("/", "a");
	char *deep = files_join("/a/b", "c");

	(void)state;
	assert_string_equal(root, "/a");
	assert_string_equal(deep, "/a/b/c");
	free(root);
	free(deep);
}

int
main(void)
{
#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)
	const struct CMUnitTest tests[] = {
		IN_PLACE(reads_every_byte_up_to_the_limit),
		IN_PLACE(refuses_one_byte_more),
		cmocka_unit_test(reads_a_file_whose_size_the_system_does_not_tell),
		IN_PLACE(follows_a_link_only_when_told),
		IN_PLACE(does_not_wait_for_the_writer_of_a_pipe),
		IN_PLACE(tells_a_missing_file_from_others),
		cmocka_unit_test(knows_the_names_that_no_node_can_have),
		cmocka_unit_test(joins_paths_below_the_root_and_elsewhere),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
