/* The alias table, made by Vose's method. */
#include <stdlib.h>

#include "client/discovery/alias.h"

static uint32_t
threshold_of(double share)
{
	return share >= 1 ? UINT32_MAX : (uint32_t)(share * 4294967296.0);
}

/*
 * SHARES holds what is left of each item, in columns; STACK the items that are to be placed: from
 * its begin those that do not fill a column, from its end those that fill at least one.  Each small
 * one gets a column of its own, which a large one fills up.
 */
static void
place(struct alias_column *columns, double *shares, uint32_t *stack, size_t count)
{
	size_t small = 0, large = count;

	for (size_t i = 0; i < count; i++)
		if (shares[i] < 1)
			stack[small++] = (uint32_t)i;
		else
			stack[--large] = (uint32_t)i;
	while (small > 0 && large < count) {
		uint32_t own = stack[--small], other = stack[large];

		columns[own] = (struct alias_column){threshold_of(shares[own]), other};
		shares[other] -= 1 - shares[own];
		if (shares[other] < 1) {
			large++;
			stack[small++] = other;
		}
	}
	/* What is left fills its column, but for errors of rounding. */
	while (small > 0) {
		uint32_t own = stack[--small];

		columns[own] = (struct alias_column){UINT32_MAX, own};
	}
	for (; large < count; large++)
		columns[stack[large]] = (struct alias_column){UINT32_MAX, stack[large]};
}

struct alias_column *
alias_new(size_t count, uint32_t (*weight)(const void *context, size_t index), const void *context)
{
	struct alias_column *columns = malloc(count * sizeof *columns);
	double *shares = malloc(count * sizeof *shares);
	uint32_t *stack = malloc(count * sizeof *stack);
	uint64_t total = 0;

	if (columns == NULL || shares == NULL || stack == NULL) {
		free(columns);
		columns = NULL;
		goto out;
	}
	for (size_t i = 0; i < count; i++)
		total += weight(context, i);
	for (size_t i = 0; i < count; i++)
		shares[i] = (double)weight(context, i) * (double)count / (double)total;
	place(columns, shares, stack, count);
out:
	free(shares);
	free(stack);
	return columns;
}
