/* The SQLite database: commits, checkpoints, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/storage/database.h"
#include "shared/error.h"

static char directory[64];
static char path[80];
static char why[256];
static struct database *database;

static int
set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/synod-database-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof path, "%s/namespace.db", directory);
	return database_open(path, NULL, &database, why);
}

static int
tear_down(void **state)
{
	char name[96];

	(void)state;
	database_close(database);
	database = NULL;
	unlink(path);
	snprintf(name, sizeof name, "%s-wal", path);
	unlink(name);
	return rmdir(directory);
}

static void
run(const char *sql)
{
	char *message = NULL;

	if (sqlite3_exec(database_handle(database), sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
}

static int64_t
number(const char *sql)
{
	sqlite3_stmt *statement;

	assert_int_equal(sqlite3_prepare_v2(database_handle(database), sql, -1, &statement, NULL),
	                 SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	int64_t result = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return result;
}

static void
reopen(void)
{
	database_close(database);
	assert_int_equal(database_open(path, NULL, &database, why), SYNOD_OK);
}

static void
a_transaction_is_always_open(void **state)
{
	(void)state;
	assert_false(sqlite3_get_autocommit(database_handle(database)));
	assert_int_equal(database_commit(database), SYNOD_OK);
	assert_false(sqlite3_get_autocommit(database_handle(database)));
}

static void
keeps_what_was_committed_and_nothing_else(void **state)
{
	(void)state;
	run("CREATE TABLE t(x); INSERT INTO t VALUES(1)");
	assert_int_equal(database_commit(database), SYNOD_OK);
	run("INSERT INTO t VALUES(2)");
	reopen();
	assert_int_equal(number("SELECT count(*) FROM t"), 1);
}

static void
survives_the_death_of_the_process(void **state)
{
	int status;

	(void)state;
	database_close(database);
	database = NULL;
	pid_t child = fork();
	if (child == 0) {
		if (database_open(path, NULL, &database, why) != SYNOD_OK)
			_exit(1);
		sqlite3_exec(database_handle(database), "CREATE TABLE t(x)", NULL, NULL, NULL);
		if (database_commit(database) != SYNOD_OK)
			_exit(2);
		sqlite3_exec(database_handle(database), "INSERT INTO t VALUES(1)", NULL, NULL,
		             NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(database_open(path, NULL, &database, why), SYNOD_OK);
	assert_int_equal(number("SELECT count(*) FROM t"), 0);
}

static void
is_set_up_as_the_header_says(void **state)
{
	(void)state;
	assert_int_equal(number("PRAGMA synchronous"), 1);
	assert_int_equal(number("PRAGMA wal_autocheckpoint"), 0);
	assert_int_equal(number("PRAGMA page_size"), 4096);
	assert_int_equal(number("PRAGMA mmap_size"), 0);
	assert_int_equal(number("PRAGMA cell_size_check"), 1);
	assert_int_equal(number("PRAGMA trusted_schema"), 0);
	assert_int_equal(number("SELECT locking_mode = 'exclusive' FROM pragma_locking_mode"), 1);
	assert_int_equal(number("SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
	/* Defensive: the schema cannot be written. */
	run("CREATE TABLE t(x)");
	assert_int_not_equal(sqlite3_exec(database_handle(database),
	                                  "PRAGMA writable_schema=ON; DELETE FROM sqlite_schema",
	                                  NULL, NULL, NULL),
	                     SQLITE_OK);
}

static off_t
wal_size(void)
{
	struct stat status;
	char name[96];

	snprintf(name, sizeof name, "%s-wal", path);
	assert_int_equal(stat(name, &status), 0);
	return status.st_size;
}

static void
the_log_does_not_grow_without_bound(void **state)
{
	(void)state;
	run("CREATE TABLE t(x INTEGER PRIMARY KEY, y)");
	/* 80 commits of 4 MiB each: 320 MiB through a log of about 64. */
	for (unsigned i = 0; i < 80; i++) {
		run("DELETE FROM t");
		run("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<1000) "
		    "INSERT INTO t SELECT i, zeroblob(4000) FROM c");
		assert_int_equal(database_commit(database), SYNOD_OK);
	}
	assert_true(wal_size() < (off_t)(90 << 20));
	assert_true(database_bytes(database) > 4000000);
	assert_int_equal(number("SELECT count(*) FROM t"), 1000);
}

static void
a_second_user_is_refused(void **state)
{
	struct database *second = NULL;

	(void)state;
	run("CREATE TABLE t(x)");
	assert_int_equal(database_open(path, NULL, &second, why), SYNOD_LOCKED);
	assert_null(second);
	assert_non_null(strstr(why, "Another process"));
}

static void
a_file_that_is_no_database_is_refused(void **state)
{
	(void)state;
	run("CREATE TABLE t(x)");
	database_close(database);
	database = NULL;
	FILE *file = fopen(path, "w");
	for (unsigned i = 0; i < 1000; i++)
		fputs("not a database\n", file);
	fclose(file);
	assert_int_equal(database_open(path, NULL, &database, why), SYNOD_CORRUPT);
	assert_null(database);
	assert_non_null(strstr(why, path));
	assert_non_null(strstr(why, "journal"));
}

static void
a_directory_that_does_not_exist_is_an_error(void **state)
{
	struct database *none = NULL;

	(void)state;
	assert_int_equal(database_open("/nonexistent/namespace.db", NULL, &none, why), SYNOD_IO);
	assert_non_null(strstr(why, "/nonexistent/namespace.db"));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_transaction_is_always_open),
		TEST(keeps_what_was_committed_and_nothing_else),
		TEST(survives_the_death_of_the_process),
		TEST(is_set_up_as_the_header_says),
		TEST(the_log_does_not_grow_without_bound),
		TEST(a_second_user_is_refused),
		TEST(a_file_that_is_no_database_is_refused),
		TEST(a_directory_that_does_not_exist_is_an_error),
	};
#undef TEST

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
