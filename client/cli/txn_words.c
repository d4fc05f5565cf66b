/* Splits a transaction script into statements of words. */
#include "client/cli/txn_words.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/memory.h"

void
words_init(struct words *words, struct txn_script *script, const char *text, size_t size)
{
	*words = (struct words){.script = script, .text = text, .size = size, .line = 1};
	words->scratch = must_calloc(size + 1, 1);
}

void
words_fini(struct words *words)
{
	free(words->scratch);
}

int
words_mistake(struct words *words, const char *format, ...)
{
	struct txn_script *script = words->script;
	va_list arguments;

	script->line = words->line;
	va_start(arguments, format);
	vsnprintf(script->problem, sizeof script->problem, format, arguments);
	va_end(arguments);
	return -1;
}

static bool
at_end(const struct words *words)
{
	return words->position == words->size;
}

static bool
is_space(char letter)
{
	return letter == ' ' || letter == '\t' || letter == '\r';
}

/* The letter OFFSET after the present position; a newline past the end. */
static char
peek(const struct words *words, size_t offset)
{
	if (words->size - words->position <= offset)
		return '\n';
	return words->text[words->position + offset];
}

static bool
ends_word(char letter)
{
	return is_space(letter) || letter == '\n';
}

static int
hex_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

/* Read what stands after a backslash into *LETTER. */
static int
read_escape(struct words *words, char *letter)
{
	int high = hex_digit(peek(words, 1));
	int low = hex_digit(peek(words, 2));

	*letter = peek(words, 0);
	switch (*letter) {
	case '"':
	case '\\': break;
	case 'n': *letter = '\n'; break;
	case 't': *letter = '\t'; break;
	case 'x':
		if (high < 0 || low < 0)
			return words_mistake(words, "\\x needs two hexadecimal digits");
		*letter = (char)(high << 4 | low);
		words->position += 2;
		break;
	default: return words_mistake(words, "after a backslash comes one of \" \\ n t xNN");
	}
	words->position++;
	return 0;
}

static int
read_quoted(struct words *words, size_t *size)
{
	words->position++;
	for (;;) {
		char letter = peek(words, 0);

		if (letter == '\n')
			return words_mistake(words, "the quote is not closed on its line");
		words->position++;
		if (letter == '"')
			break;
		if (letter == '\\' && read_escape(words, &letter) != 0)
			return -1;
		words->scratch[(*size)++] = letter;
	}
	if (!ends_word(peek(words, 0)))
		return words_mistake(words, "a space is missing after the closing quote");
	return 0;
}

static int
read_word(struct words *words, struct word *word)
{
	size_t size = 0;

	word->is_quoted = peek(words, 0) == '"';
	if (word->is_quoted) {
		if (read_quoted(words, &size) != 0)
			return -1;
	} else {
		while (!ends_word(peek(words, 0)))
			words->scratch[size++] = words->text[words->position++];
	}
	word->text = txn_script_keep(words->script, size + 1);
	memcpy(word->text, words->scratch, size);
	word->size = size;
	return 0;
}

bool
word_is(const struct word *word, const char *text)
{
	return !word->is_quoted && strcmp(word->text, text) == 0;
}

static bool
begins_statement(const struct word *word)
{
	return word_is(word, "if") || word_is(word, "then") || word_is(word, "else");
}

/* Read one more word of the statement; *ENDED if it belongs to the next one. */
static int
add_word(struct words *words, bool *ended)
{
	size_t start = words->position;
	struct word word;

	if (read_word(words, &word) != 0)
		return -1;
	*ended = words->count > 0 && begins_statement(&word);
	if (*ended) {
		words->position = start;
		return 0;
	}
	if (words->count == WORDS_MAX)
		return words_mistake(words, "too many words; a text with spaces needs quotes");
	words->words[words->count++] = word;
	return 0;
}

int
words_read_statement(struct words *words)
{
	bool ended = false;

	words->count = 0;
	while (!at_end(words) && !ended) {
		char letter = peek(words, 0);

		if (letter == '\n') {
			if (words->count > 0)
				break; /* still on this line, for messages */
			words->line++;
			words->position++;
		} else if (is_space(letter)) {
			words->position++;
		} else if (letter == '#') {
			while (peek(words, 0) != '\n')
				words->position++;
		} else if (letter == ';' && ends_word(peek(words, 1))) {
			words->position++;
			ended = words->count > 0;
		} else if (add_word(words, &ended) != 0) {
			return -1;
		}
	}
	return 0;
}
