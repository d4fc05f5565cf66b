/*
 * A lock, and a write that only its holder can make: selling from a stock without
 * selling anything twice.
 *
 *     ./lock 3        sells three pieces, each under the lock
 *
 * The lock alone is not enough.  Its holder may be held up (a page fault, a long
 * pause) until its session has ended and the lock belongs to somebody else, and then
 * go on as if nothing had happened.  So each write carries the lock's token as a guard:
 * tokens only grow, and one that does not hold any more is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <synod/synod.h>

#define LOCK  "/example/shop/lock"
#define STOCK "/example/shop/stock"

static int
report(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n  %s\n", what, synod_error_text(error), synod_error_hint(error));
	return error;
}

/* Read, decide, write: between the two nobody else may do the same. */
static int
sell_one(struct synod *synod, struct synod_lock *lock)
{
	struct synod_write_options fenced = {.guard = synod_lock_guard(lock)};
	struct synod_result *result;
	char text[24];
	long stock;
	int error = synod_get(synod, STOCK, NULL, &result);

	stock = error == SYNOD_OK ? strtol(result->node.data, NULL, 10) : 0;
	synod_result_free(result);
	if (error != SYNOD_OK)
		return report("read the stock", error);
	if (stock == 0) {
		printf("sold out\n");
		return SYNOD_OK;
	}
	snprintf(text, sizeof text, "%ld", stock - 1);
	error = synod_set(synod, STOCK, text, strlen(text), &fenced, NULL);
	if (error != SYNOD_OK)
		return report("sell", error);
	printf("sold one with token %llu, %ld left\n", (unsigned long long)fenced.guard.token,
	       stock - 1);
	return SYNOD_OK;
}

static int
sell_under_lock(struct synod *synod)
{
	struct synod_lock_options options = {.value = "a shop assistant", .size = 16};
	struct synod_lock *lock;
	int error = synod_lock_acquire(synod, LOCK, &options, &lock);

	if (error != SYNOD_OK)
		return report("acquire " LOCK, error);
	error = sell_one(synod, lock);
	synod_lock_release(lock, 0);
	return error;
}

int
main(int argc, char **argv)
{
	struct synod_write_options with_parents = {.make_parents = true};
	struct synod *synod;
	int count = argc > 1 ? atoi(argv[1]) : 1;
	int error = synod_open(NULL, &synod);

	if (error != SYNOD_OK)
		return report("open", error);
	/* Whoever comes first fills the stock. */
	error = synod_create(synod, STOCK, "10", 2, &with_parents, NULL);
	if (error == SYNOD_EXISTS)
		error = SYNOD_OK;
	for (int i = 0; i < count && error == SYNOD_OK; i++)
		error = sell_under_lock(synod);
	synod_close(synod);
	return error != SYNOD_OK;
}
