/* Reads and writes the words of the discovery commands. */
#include "client/cli/discovery_words.h"

#include <stdio.h>
#include <string.h>

#include "client/cli/memory.h"
#include "client/cli/suggest.h"
#include "client/cli/units.h"

#define WORD_SHOWN_MAX 80

/* ---- health ---- */

static const char *const health_words[] = {"passing",  "warning",  "starting",
                                           "critical", "draining", NULL};

unsigned
any_health(void)
{
	unsigned any = 0;

	for (unsigned i = 0; health_words[i] != NULL; i++)
		any |= 1u << i;
	return any;
}

static bool
refuse_word(const char *word, const char *const *words, const char *all, char *why)
{
	const char *near = suggest(word, words);

	if (near != NULL)
		snprintf(why, WORDS_WHY_SIZE, "'%.*s' is none of %s; did you mean '%s'?",
		         WORD_SHOWN_MAX, word, all, near);
	else
		snprintf(why, WORDS_WHY_SIZE, "'%.*s' is none of %s", WORD_SHOWN_MAX, word, all);
	return false;
}

bool
parse_health(const char *text, unsigned *health, char *why)
{
	*health = 0;
	if (strcmp(text, "any") == 0) {
		*health = any_health();
		return true;
	}
	for (;;) {
		size_t size = strcspn(text, ",");
		char word[WORD_SHOWN_MAX + 1];
		unsigned i = 0;

		snprintf(word, sizeof word, "%.*s", (int)size, text);
		while (health_words[i] != NULL && strcmp(health_words[i], word) != 0)
			i++;
		if (health_words[i] == NULL)
			return refuse_word(word, health_words,
			                   "passing, warning, starting, critical, draining, any",
			                   why);
		*health |= 1u << i;
		if (text[size] == '\0')
			return true;
		text += size + 1;
	}
}

const char *
health_text(char *text, const struct synod_instance *instance)
{
	snprintf(text, HEALTH_TEXT_SIZE, "%s%s", synod_health_name(instance->health),
	         instance->is_suspect ? ",suspect" : "");
	return text;
}

/* ---- rules ---- */

static const char *const rule_words[] = {"two-choices", "round-robin", "random", "weighted",
                                         "least",       "hash",        NULL};

static const enum synod_balance rules[] = {SYNOD_TWO_CHOICES, SYNOD_ROUND_ROBIN,  SYNOD_RANDOM,
                                           SYNOD_WEIGHTED,    SYNOD_LEAST_IN_USE, SYNOD_HASH};

_Static_assert(sizeof rule_words / sizeof rule_words[0] == sizeof rules / sizeof rules[0] + 1,
               "every rule has its word");

bool
parse_rule(const char *text, enum synod_balance *balance, const char **key, char *why)
{
	size_t size = strcspn(text, ":");
	char word[WORD_SHOWN_MAX + 1];
	unsigned i = 0;

	*key = NULL;
	snprintf(word, sizeof word, "%.*s", (int)size, text);
	while (rule_words[i] != NULL && strcmp(rule_words[i], word) != 0)
		i++;
	if (rule_words[i] == NULL)
		return refuse_word(word, rule_words,
		                   "two-choices, round-robin, random, weighted, least, hash:KEY",
		                   why);
	*balance = rules[i];
	if (text[size] == ':')
		*key = text + size + 1;
	if (*balance == SYNOD_HASH && (*key == NULL || **key == '\0')) {
		snprintf(why, WORDS_WHY_SIZE, "hash needs a key: hash:KEY");
		return false;
	}
	if (*balance != SYNOD_HASH && *key != NULL) {
		snprintf(why, WORDS_WHY_SIZE, "only hash takes a key");
		return false;
	}
	return true;
}

/* ---- pairs ---- */

bool
parse_pair(const char *text, bool may_be_name, struct synod_pair *pair, char *why)
{
	size_t size = strcspn(text, "=");

	if (size == 0) {
		snprintf(why, WORDS_WHY_SIZE, "'%.*s' has no name before the '='", WORD_SHOWN_MAX,
		         text);
		return false;
	}
	if (text[size] == '\0' && !may_be_name) {
		snprintf(why, WORDS_WHY_SIZE, "'%.*s' is not NAME=VALUE", WORD_SHOWN_MAX, text);
		return false;
	}
	pair->name = must_format("%.*s", (int)size, text);
	pair->value = text[size] == '=' ? text + size + 1 : NULL;
	return true;
}

/* ---- checks ---- */

static bool
has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool
parse_check(const char *text, struct synod_check *check, char *why)
{
	if (has_prefix(text, "http://")) {
		check->kind = SYNOD_CHECK_HTTP;
		check->target = text;
		return true;
	}
	if (has_prefix(text, "tcp:")) {
		check->kind = SYNOD_CHECK_TCP;
		check->target = text + strlen("tcp:");
		if (has_prefix(check->target, "//"))
			check->target += strlen("//");
		return true;
	}
	if (has_prefix(text, "cmd:")) {
		check->kind = SYNOD_CHECK_COMMAND;
		check->target = text + strlen("cmd:");
		return true;
	}
	if (has_prefix(text, "https://"))
		snprintf(why, WORDS_WHY_SIZE,
		         "https is not spoken; use tcp:HOST:PORT, or cmd: with a program that "
		         "speaks it");
	else
		snprintf(why, WORDS_WHY_SIZE,
		         "'%.*s' is none of http://HOST:PORT/PATH, tcp:HOST:PORT, cmd:COMMAND",
		         WORD_SHOWN_MAX, text);
	return false;
}

/* ---- numbers and addresses ---- */

bool
parse_percent(const char *text, unsigned *percent)
{
	char digits[4] = "";
	size_t size = strcspn(text, "%");
	uint64_t number;

	if (size >= sizeof digits || (text[size] == '%' && text[size + 1] != '\0'))
		return false;
	memcpy(digits, text, size);
	if (!parse_count(digits, &number) || number < 1 || number > 100)
		return false;
	*percent = (unsigned)number;
	return true;
}

const char *
address_text(char *text, const char *address, unsigned port)
{
	snprintf(text, ADDRESS_TEXT_SIZE, strchr(address, ':') ? "[%s]:%u" : "%s:%u", address,
	         port);
	return text;
}
