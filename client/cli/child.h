/*
 * A command that runs while something holds: a lock, a leadership, a registration.
 *
 * It runs in a process group of its own (the terminal's foreground, if we are in
 * it), gets the signals that we get, and its whole group is stopped, first with
 * SIGTERM, then with SIGKILL, before what it depends on can belong to somebody else.
 */
#ifndef CLIENT_CLI_CHILD_H
#define CLIENT_CLI_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child {
	pid_t pid;
	bool has_terminal; /* the foreground is the child's, and given back at its end */
	bool is_terminated;
	bool is_killed;
	int signal; /* the last one that was passed on; 0: none */
};

/*
 * Block the signals that child_wait() handles, and remember how they were.  Call
 * it before synod_open(), so that the library's threads leave them to us.
 */
void child_prepare(void);

/*
 * Start WORDS (ended by NULL), looked up in $PATH, with our environment in which
 * VARIABLES ("NAME=value", ended by NULL) are set.  INPUT (may be -1) becomes its
 * standard input.  Returns 0 or an errno.
 */
int child_start(struct child *child, char **words, const char *const *variables, int input);

/*
 * Wait until the child ends.  REMAINING_MS (may be NULL: for ever) says how long it
 * may run, and is asked again whenever it could have changed: at TERM_MS the group
 * gets SIGTERM, at KILL_MS SIGKILL.  Returns the child's exit code, or 128 + the number of the
 * signal that ended it.
 */
int child_wait(struct child *child, unsigned (*remaining_ms)(void *context), void *context,
               unsigned term_ms, unsigned kill_ms);

/* The parts of child_wait(), for who has more to look after meanwhile.  Has it ended?  Then *CODE
 * is the exit code, and child_collect() must follow. */
bool child_has_ended(struct child *child, int *code);
void child_collect(struct child *child);

/* Send SIGNAL to its whole group. */
void child_send(struct child *child, int signal);

/* From any thread: make child_wait() ask again now, and child_pause() return. */
void child_wake(void);

/* After child_prepare(), without a child: wait for a signal that asks us to stop, at most WAIT_MS.
 * Returns its number, or 0. */
int child_pause(unsigned wait_ms);

#endif
