/*
 * Logs of the server: a state change, a reason, then facts with stable keys.
 *
 *     log_info("lost leadership: no quorum for %u ms ballot=%s chosen=%lu", ...)
 *
 * One line each: time (UTC, ms), level, member name, text.  Values of nodes and
 * secrets never appear.  May be called from any thread.  The same text within
 * one second is counted, not repeated.
 */
#ifndef SHARED_LOG_H
#define SHARED_LOG_H

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Write to FILE (opened for appending; NULL: standard error).  NAME tags every line.  Returns an
 * error code; on failure the old destination stays. */
int log_open(const char *file, const char *name, enum log_level level);

/* Read the time from CLOCK instead of the machine's own: for the simulator, and tests. */
struct clock;
void log_use_clock(struct clock *clock);

/* Open the file again, after a rotation (SIGHUP). */
int log_reopen(void);

void log_close(void);

/* 0 and *LEVEL set, or SYNOD_BAD_ARGUMENT, for "error", "warning", "info", "debug". */
int log_level_from_name(const char *name, enum log_level *level);

__attribute__((format(printf, 2, 3))) void log_write(enum log_level level, const char *format, ...);

extern enum log_level log_threshold;

#define log_at(level, ...) ((level) <= log_threshold ? log_write((level), __VA_ARGS__) : (void)0)
#define log_error(...)     log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...)   log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)      log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)     log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
