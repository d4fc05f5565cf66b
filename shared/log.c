/* One line per message, in one write, from any thread. */
#include "shared/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/error.h"

#define TEXT_SIZE_MAX    2048
#define LINE_SIZE_MAX    (TEXT_SIZE_MAX + 256)
#define REPEAT_WINDOW_US 1000000

enum log_level log_threshold = LOG_LEVEL_INFO;

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Under the mutex. */
static struct {
	int fd;     /* -1: standard error */
	char *file; /* NULL: standard error */
	char name[64];
	char last_text[TEXT_SIZE_MAX];
	enum log_level last_level;
	uint64_t last_us; /* when last_text was written; 0: there is none */
	unsigned repeated;
	struct clock *clock; /* NULL: the machine's own */
} destination = {.fd = -1};

static struct clock *
the_clock(void)
{
	return destination.clock != NULL ? destination.clock : clock_real();
}

static void
write_whole(const char *line, size_t size)
{
	int fd = destination.fd >= 0 ? destination.fd : STDERR_FILENO;

	while (size > 0) {
		ssize_t wrote = write(fd, line, size);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return; /* a log that cannot be written has nobody left to tell */
		line += wrote;
		size -= (size_t)wrote;
	}
}

static void
write_line(enum log_level level, const char *text)
{
	uint64_t wall_ms = clock_wall_ms(the_clock());
	time_t seconds = (time_t)(wall_ms / 1000);
	char line[LINE_SIZE_MAX];
	struct tm utc;
	int size;

	gmtime_r(&seconds, &utc);
	size = snprintf(line, sizeof line, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ %s%s%s: %s\n",
	                utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
	                utc.tm_sec, (unsigned)(wall_ms % 1000), level_names[level],
	                destination.name[0] != '\0' ? " " : "", destination.name, text);
	write_whole(line, (size_t)size);
}

static void
flush_repeated(void)
{
	char text[64];

	if (destination.repeated == 0)
		return;
	if (destination.repeated == 1)
		snprintf(text, sizeof text, "last message repeated once");
	else
		snprintf(text, sizeof text, "last message repeated %u times", destination.repeated);
	destination.repeated = 0;
	write_line(destination.last_level, text);
}

/* Names and texts come from outside: none of them starts a line or moves a terminal's cursor. */
static void
defuse(char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

static bool
is_repeated(enum log_level level, const char *text, uint64_t now_us)
{
	if (destination.last_us == 0 || now_us - destination.last_us >= REPEAT_WINDOW_US)
		return false;
	return level == destination.last_level && strcmp(text, destination.last_text) == 0;
}

static void
submit(enum log_level level, const char *text)
{
	uint64_t now_us = clock_now_us(the_clock());

	if (is_repeated(level, text, now_us)) {
		destination.repeated++;
		return;
	}
	flush_repeated();
	write_line(level, text);
	strcpy(destination.last_text, text);
	destination.last_level = level;
	destination.last_us = now_us;
}

void
log_write(enum log_level level, const char *format, ...)
{
	int saved_errno = errno;
	char text[TEXT_SIZE_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	defuse(text);
	pthread_mutex_lock(&mutex);
	submit(level, text);
	pthread_mutex_unlock(&mutex);
	errno = saved_errno;
}

static int
open_file(const char *file, int *fd)
{
	*fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	return *fd >= 0 ? SYNOD_OK : SYNOD_IO;
}

/* The old file gets the count of what was repeated in it. */
static void
replace_destination(int fd, char *file)
{
	flush_repeated();
	destination.last_us = 0;
	if (destination.fd >= 0)
		close(destination.fd);
	if (destination.file != file)
		free(destination.file);
	destination.fd = fd;
	destination.file = file;
}

int
log_open(const char *file, const char *name, enum log_level level)
{
	char *copy = NULL;
	int fd = -1;

	if (file != NULL) {
		copy = strdup(file);
		if (copy == NULL)
			return SYNOD_NO_MEMORY;
		if (open_file(file, &fd) != SYNOD_OK) {
			free(copy);
			return SYNOD_IO;
		}
	}
	pthread_mutex_lock(&mutex);
	replace_destination(fd, copy);
	snprintf(destination.name, sizeof destination.name, "%s", name != NULL ? name : "");
	pthread_mutex_unlock(&mutex);
	log_threshold = level;
	return SYNOD_OK;
}

void
log_use_clock(struct clock *clock)
{
	pthread_mutex_lock(&mutex);
	destination.clock = clock;
	destination.last_us = 0;
	pthread_mutex_unlock(&mutex);
}

int
log_reopen(void)
{
	int error = SYNOD_OK;
	int fd;

	pthread_mutex_lock(&mutex);
	if (destination.file != NULL) {
		error = open_file(destination.file, &fd);
		if (error == SYNOD_OK)
			replace_destination(fd, destination.file);
	}
	pthread_mutex_unlock(&mutex);
	return error;
}

void
log_close(void)
{
	pthread_mutex_lock(&mutex);
	replace_destination(-1, NULL);
	destination.name[0] = '\0';
	pthread_mutex_unlock(&mutex);
}

int
log_level_from_name(const char *name, enum log_level *level)
{
	for (unsigned i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return SYNOD_OK;
		}
	}
	return SYNOD_BAD_ARGUMENT;
}
