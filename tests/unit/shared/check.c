/* CHECK stops the process, and says where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/check.h"

/* Run ACT in a child; its wait status, and what it printed. */
static int
run_in_child(void (*act)(void), char *printed, size_t size)
{
	int status = 0;
	int pipe_fds[2];
	size_t got = 0;
	ssize_t part;
	pid_t child;

	assert_int_equal(pipe(pipe_fds), 0);
	child = fork();
	if (child == 0) {
		/* cmocka catches signals of its own; the child dies as a program would. */
		signal(SIGABRT, SIG_DFL);
		dup2(pipe_fds[1], STDERR_FILENO);
		act();
		_exit(0);
	}
	assert_true(child > 0);
	close(pipe_fds[1]);
	while (got < size - 1 && (part = read(pipe_fds[0], printed + got, size - 1 - got)) > 0)
		got += (size_t)part;
	printed[got] = '\0';
	close(pipe_fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
break_a_rule(void)
{
	CHECK(2 + 2 == 5);
}

static void
keep_a_rule(void)
{
	CHECK(2 + 2 == 4);
}

static void
stops_the_process_when_the_condition_is_false(void **state)
{
	char printed[1024];
	int status;

	(void)state;
	status = run_in_child(break_a_rule, printed, sizeof printed);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(printed, "2 + 2 == 5"));
	assert_non_null(strstr(printed, "check.c:"));
	assert_non_null(strstr(printed, "break_a_rule"));
}

static void
goes_on_when_the_condition_is_true(void **state)
{
	char printed[1024];
	int status;

	(void)state;
	status = run_in_child(keep_a_rule, printed, sizeof printed);
	assert_true(WIFEXITED(status));
	assert_string_equal(printed, "");
}

static void
gives_memory_even_when_none_is_wanted(void **state)
{
	void *memory = check_malloc(0);
	unsigned char *zeroes = check_calloc(3, 5);
	char *text = check_strdup("synod");

	(void)state;
	assert_non_null(memory);
	memory = check_realloc(memory, 0);
	assert_non_null(memory);
	for (unsigned i = 0; i < 15; i++)
		assert_int_equal(zeroes[i], 0);
	assert_string_equal(text, "synod");
	free(memory);
	free(zeroes);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stops_the_process_when_the_condition_is_false),
		cmocka_unit_test(goes_on_when_the_condition_is_true),
		cmocka_unit_test(gives_memory_even_when_none_is_wanted),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
