/* Log lines: whole, tagged, counted when they repeat. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/error.h"
#include "shared/log.h"

static char directory[] = "/tmp/synod-log-XXXXXX";
static char file[64];
static char rotated[64];
static char content[1 << 20];

static uint64_t fake_us;

static uint64_t
fake_now_us(struct clock *clock)
{
	(void)clock;
	return fake_us;
}

static uint64_t
fake_wall_ms(struct clock *clock)
{
	(void)clock;
	return 1700000000000 + fake_us / 1000;
}

/* Stands still unless a test moves it, so that no test depends on how fast it runs. */
static const struct clock_ops fake_ops = {.now_us = fake_now_us, .wall_ms = fake_wall_ms};
static struct clock fake_clock = {&fake_ops};

static int
set_up(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	fake_us = 5000000;
	log_use_clock(&fake_clock);
	snprintf(file, sizeof file, "%s/log", directory);
	snprintf(rotated, sizeof rotated, "%s/log.1", directory);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	log_close();
	log_use_clock(NULL);
	unlink(file);
	unlink(rotated);
	return rmdir(directory);
}

static int
forget(void **state)
{
	(void)state;
	log_close();
	unlink(file);
	unlink(rotated);
	return 0;
}

static const char *
read_file(const char *name)
{
	FILE *stream = fopen(name, "r");
	size_t size;

	assert_non_null(stream);
	size = fread(content, 1, sizeof content - 1, stream);
	content[size] = '\0';
	fclose(stream);
	return content;
}

static unsigned
count_lines(const char *text)
{
	unsigned count = 0;

	for (; *text != '\0'; text++)
		count += *text == '\n';
	return count;
}

static void
writes_time_level_and_name_before_the_text(void **state)
{
	(void)state;
	assert_int_equal(log_open(file, "a", LOG_LEVEL_INFO), SYNOD_OK);
	log_warning("lost leadership: no quorum for %u ms chosen=%d", 500u, 8812);
	assert_string_equal(read_file(file), "2023-11-14T22:13:25.000Z warning a: lost leadership: "
	                                     "no quorum for 500 ms chosen=8812\n");
}

static void
writes_nothing_below_the_threshold(void **state)
{
	(void)state;
	assert_int_equal(log_open(file, "a", LOG_LEVEL_WARNING), SYNOD_OK);
	log_info("quiet");
	log_debug("quieter");
	assert_string_equal(read_file(file), "");
	log_error("loud");
	assert_non_null(strstr(read_file(file), "error a: loud"));
}

static void
counts_a_text_that_repeats_instead_of_writing_it_again(void **state)
{
	(void)state;
	assert_int_equal(log_open(file, "a", LOG_LEVEL_INFO), SYNOD_OK);
	for (unsigned i = 0; i < 5; i++)
		log_info("again");
	assert_int_equal(count_lines(read_file(file)), 1);
	log_info("something else");
	assert_int_equal(count_lines(read_file(file)), 3);
	assert_non_null(strstr(content, "again\n"));
	assert_non_null(strstr(content, "info a: last message repeated 4 times\n"));
	assert_non_null(strstr(content, "something else\n"));
}

static void
writes_a_repeated_text_again_after_a_second(void **state)
{
	(void)state;
	assert_int_equal(log_open(file, "a", LOG_LEVEL_INFO), SYNOD_OK);
	log_info("again");
	fake_us += 999999;
	log_info("again");
	assert_int_equal(count_lines(read_file(file)), 1);
	fake_us += 1;
	log_info("again");
	assert_int_equal(count_lines(read_file(file)), 3);
	assert_non_null(strstr(content, "last message repeated once"));
}

static void
tells_the_same_text_of_different_levels_apart(void **state)
{
	(void)state;
	assert_int_equal(log_open(file, "a", LOG_LEVEL_INFO), SYNOD_OK);
	log_info("text");
	log_warning("text");
	assert_int_equal(count_lines(read_file(file)), 2);
}

static void
writes_the_count_before_it_closes(void **state)
{
	(void)state;
	assert_int_equal(log_open(file, "a", LOG_LEVEL_INFO), SYNOD_OK);
	log_info("again");
	log_info("again");
	log_close();
	assert_non_null(strstr(read_file(file), "last message repeated once"));
}

static void
goes_on_in_a_new_file_after_a_rotation(void **state)
{
	(void)state;
	assert_int_equal(log_open(file, "a", LOG_LEVEL_INFO), SYNOD_OK);
	log_info("before");
	assert_int_equal(rename(file, rotated), 0);
	log_info("between");
	assert_int_equal(log_reopen(), SYNOD_OK);
	log_info("after");
	assert_non_null(strstr(read_file(file), "after"));
	assert_null(strstr(content, "before"));
	assert_non_null(strstr(read_file(rotated), "before"));
	assert_non_null(strstr(content, "between"));
	assert_null(strstr(content, "after"));
}

static void
keeps_the_old_destination_when_the_new_one_cannot_be_opened(void **state)
{
	char missing[128];

	(void)state;
	snprintf(missing, sizeof missing, "%s/no/such/log", directory);
	assert_int_equal(log_open(file, "a", LOG_LEVEL_INFO), SYNOD_OK);
	assert_int_equal(log_open(missing, "b", LOG_LEVEL_ERROR), SYNOD_IO);
	log_info("still here");
	assert_non_null(strstr(read_file(file), "info a: still here"));
}

static void
keeps_text_from_outside_on_its_line(void **state)
{
	(void)state;
	assert_int_equal(log_open(file, "a", LOG_LEVEL_INFO), SYNOD_OK);
	log_info("client said \"%s\"", "x\n2026-01-01 forged\x1b[2J");
	assert_int_equal(count_lines(read_file(file)), 1);
	assert_null(strchr(content, '\x1b'));
	assert_non_null(strstr(content, "x?2026-01-01 forged?[2J"));
}

static void
cuts_a_text_that_is_too_long(void **state)
{
	char text[10000];

	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_int_equal(log_open(file, "a", LOG_LEVEL_INFO), SYNOD_OK);
	log_info("%s", text);
	log_info("next");
	assert_int_equal(count_lines(read_file(file)), 2);
	assert_in_range(strlen(content), 2000, 3000);
}

#define THREADS 4
#define LINES   200

static void *
write_many(void *argument)
{
	unsigned thread = *(unsigned *)argument;

	for (unsigned i = 0; i < LINES; i++)
		log_info("thread %u line %u end", thread, i);
	return NULL;
}

static void
keeps_the_lines_of_threads_apart(void **state)
{
	pthread_t threads[THREADS];
	unsigned numbers[THREADS];
	char *line;
	char *rest = NULL;

	(void)state;
	assert_int_equal(log_open(file, "a", LOG_LEVEL_INFO), SYNOD_OK);
	for (unsigned i = 0; i < THREADS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, &numbers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(count_lines(read_file(file)), THREADS * LINES);
	for (line = strtok_r(content, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		unsigned thread;
		unsigned number;
		int end = 0;

		sscanf(line, "%*s info a: thread %u line %u end%n", &thread, &number, &end);
		assert_int_equal(end, (int)strlen(line));
	}
}

static void
knows_the_levels_by_name(void **state)
{
	enum log_level level = LOG_LEVEL_ERROR;

	(void)state;
	assert_int_equal(log_level_from_name("debug", &level), SYNOD_OK);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_from_name("error", &level), SYNOD_OK);
	assert_int_equal(level, LOG_LEVEL_ERROR);
	assert_int_equal(log_level_from_name("loud", &level), SYNOD_BAD_ARGUMENT);
	assert_int_equal(log_level_from_name("", &level), SYNOD_BAD_ARGUMENT);
	assert_int_equal(level, LOG_LEVEL_ERROR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(writes_time_level_and_name_before_the_text, forget),
		cmocka_unit_test_teardown(writes_nothing_below_the_threshold, forget),
		cmocka_unit_test_teardown(counts_a_text_that_repeats_instead_of_writing_it_again,
	                                  forget),
		cmocka_unit_test_teardown(writes_a_repeated_text_again_after_a_second, forget),
		cmocka_unit_test_teardown(tells_the_same_text_of_different_levels_apart, forget),
		cmocka_unit_test_teardown(writes_the_count_before_it_closes, forget),
		cmocka_unit_test_teardown(goes_on_in_a_new_file_after_a_rotation, forget),
		cmocka_unit_test_teardown(
			keeps_the_old_destination_when_the_new_one_cannot_be_opened, forget),
		cmocka_unit_test_teardown(keeps_text_from_outside_on_its_line, forget),
		cmocka_unit_test_teardown(cuts_a_text_that_is_too_long, forget),
		cmocka_unit_test_teardown(keeps_the_lines_of_threads_apart, forget),
		cmocka_unit_test(knows_the_levels_by_name),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
