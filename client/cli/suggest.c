/* Finds the name with the least edit distance. */
#include "client/cli/suggest.h"

#include <stddef.h>
#include <string.h>

#define WORD_MAX 32

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn A into B. */
static size_t
distance(const char *a, const char *b)
{
	size_t table[WORD_MAX + 1][WORD_MAX + 1];
	size_t a_size = strlen(a);
	size_t b_size = strlen(b);

	for (size_t i = 0; i <= a_size; i++) {
		for (size_t j = 0; j <= b_size; j++) {
			if (i == 0 || j == 0) {
				table[i][j] = i + j;
				continue;
			}
			table[i][j] = least(table[i - 1][j], table[i][j - 1]) + 1;
			table[i][j] =
				least(table[i][j], table[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				table[i][j] = least(table[i][j], table[i - 2][j - 2] + 1);
		}
	}
	return table[a_size][b_size];
}

const char *
suggest(const char *word, const char *const *names)
{
	const char *best = NULL;
	size_t best_distance = 3;

	if (strlen(word) > WORD_MAX)
		return NULL;
	for (; *names; names++) {
		size_t near;

		if (strlen(*names) > WORD_MAX)
			continue;
		near = distance(word, *names);
		/* A guess that shares no letter with the word is none. */
		if (near < best_distance && near < strlen(word)) {
			best_distance = near;
			best = *names;
		}
	}
	return best;
}
