/*
 * The words and statements of a `synod txn` script; their meaning is txn_script.c's.
 */
#ifndef CLIENT_CLI_TXN_WORDS_H
#define CLIENT_CLI_TXN_WORDS_H

#include "client/cli/txn_script.h"

#define WORDS_MAX 8 /* in one statement: more is a mistake whatever they are */

struct word {
	char *text; /* followed by a zero byte that does not count */
	size_t size;
	bool is_quoted;
};

struct words {
	struct txn_script *script; /* gets the mistakes, and owns the texts */
	const char *text;
	size_t size;
	size_t position;
	size_t line;
	char *scratch;                /* as large as TEXT: no word can be larger */
	struct word words[WORDS_MAX]; /* of the present statement */
	size_t count;
};

void words_init(struct words *words, struct txn_script *script, const char *text, size_t size);
void words_fini(struct words *words);

/* Read the words of the next statement: none at the end of the script.  Returns 0, or -1 after a
 * mistake. */
int words_read_statement(struct words *words);

/* True if WORD is TEXT, and not in quotes. */
bool word_is(const struct word *word, const char *text);

/* Note what is wrong with the present line, and return -1. */
int words_mistake(struct words *words, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
