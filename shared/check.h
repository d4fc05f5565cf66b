/*
 * CHECK: assertions that are always compiled in.
 *
 * For our own bugs only: bad input gets an error code, a broken environment
 * too.  A member that stops is a case Paxos handles; a member that guesses is
 * not.  Write one condition per line.
 */
#ifndef SHARED_CHECK_H
#define SHARED_CHECK_H

#define CHECK(condition)                                                                           \
	((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__, __func__))

/* Print the broken condition and where it stands, then abort. */
_Noreturn void check_failed(const char *condition, const char *file, int line,
                            const char *function);

/* malloc, calloc and realloc that stop the process when memory runs out: for the server only. */
void *check_malloc(unsigned long size_bytes);
void *check_calloc(unsigned long count, unsigned long size_bytes);
void *check_realloc(void *memory, unsigned long size_bytes);
char *check_strdup(const char *text);

#endif
