/* Parses the statements of `synod txn`. */
#include "client/cli/txn_script.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/memory.h"
#include "client/cli/txn_words.h"
#include "client/cli/units.h"

struct parser {
	struct txn_script *script;
	struct words words;
	bool in_then;
	bool in_else;
};

#define mistake(parser, ...) words_mistake(&(parser)->words, __VA_ARGS__)

void *
txn_script_keep(struct txn_script *script, size_t size)
{
	void *memory = must_calloc(1, size);

	script->memory =
		must_resize(script->memory, script->memory_count + 1, sizeof *script->memory);
	script->memory[script->memory_count++] = memory;
	return memory;
}

/* ---- conditions ---- */

struct field {
	const char *name;
	enum synod_condition_kind kind;
};

static const struct field fields[] = {
	{"version", SYNOD_IF_VERSION},   {"created", SYNOD_IF_CREATED},
	{"modified", SYNOD_IF_MODIFIED}, {"owner", SYNOD_IF_OWNER},
	{"children", SYNOD_IF_CHILDREN}, {"children_version", SYNOD_IF_CHILDREN_VERSION},
	{"data", SYNOD_IF_DATA},         {NULL, 0},
};

static int
parse_path(struct parser *parser, const struct word *word, const char **path)
{
	if (word->text[0] != '/')
		return mistake(parser, "'%.80s' is no path: paths begin with '/'", word->text);
	if (strlen(word->text) != word->size)
		return mistake(parser, "a path holds no zero byte");
	*path = word->text;
	return 0;
}

static int
parse_relation(struct parser *parser, const struct word *word, enum synod_relation *relation)
{
	if (word_is(word, "="))
		*relation = SYNOD_EQUAL;
	else if (word_is(word, "!="))
		*relation = SYNOD_NOT_EQUAL;
	else if (word_is(word, "<"))
		*relation = SYNOD_LESS;
	else if (word_is(word, ">"))
		*relation = SYNOD_GREATER;
	else
		return mistake(parser, "'%.80s' is none of = != < >", word->text);
	return 0;
}

/* WORDS after the relation of a condition on data. */
static int
parse_data_operand(struct parser *parser, const struct word *words, size_t count,
                   struct synod_condition *condition)
{
	if (condition->relation == SYNOD_LESS || condition->relation == SYNOD_GREATER)
		return mistake(parser, "data is compared with = or != only");
	if (count > 1)
		return mistake(parser, "a text with spaces needs quotes");
	if (count == 1) {
		condition->data = words[0].text;
		condition->size = words[0].size;
	}
	return 0;
}

static int
parse_number_operand(struct parser *parser, const struct word *words, size_t count,
                     struct synod_condition *condition)
{
	if (count != 1)
		return mistake(parser, "one number must follow the relation");
	if (!parse_count(words[0].text, &condition->number))
		return mistake(parser, "'%.80s' is not a whole number", words[0].text);
	return 0;
}

static int
parse_condition(struct parser *parser, const struct word *words, size_t count,
                struct synod_condition *condition)
{
	const struct field *field = fields;

	*condition = (struct synod_condition){.kind = SYNOD_IF_EXISTS};
	if (count < 2)
		return mistake(parser, "a condition is PATH exists, PATH missing, or PATH FIELD "
		                       "RELATION VALUE");
	if (parse_path(parser, &words[0], &condition->path) != 0)
		return -1;
	if (count == 2 && (word_is(&words[1], "exists") || word_is(&words[1], "missing"))) {
		condition->number = word_is(&words[1], "exists");
		return 0;
	}
	while (field->name && !word_is(&words[1], field->name))
		field++;
	if (!field->name)
		return mistake(parser,
		               "'%.80s' is none of exists, missing, version, created, modified, "
		               "owner, children, children_version, data",
		               words[1].text);
	condition->kind = field->kind;
	if (count < 3)
		return mistake(parser, "a relation must follow %s: one of = != < >", field->name);
	if (parse_relation(parser, &words[2], &condition->relation) != 0)
		return -1;
	return (field->kind == SYNOD_IF_DATA ? parse_data_operand : parse_number_operand)(
		parser, words + 3, count - 3, condition);
}

/* ---- operations ---- */

struct verb {
	const char *name;
	enum synod_op op;
	const char *flags; /* letters of the options it takes */
	bool takes_data;
};

static const struct verb verbs[] = {
	{"get", SYNOD_OP_GET, "", false},
	{"stat", SYNOD_OP_STAT, "", false},
	{"list", SYNOD_OP_LIST, "", false},
	{"create", SYNOD_OP_CREATE, "sp", true},
	{"put", SYNOD_OP_PUT, "p", true},
	{"set", SYNOD_OP_SET, "", true},
	{"delete", SYNOD_OP_DELETE, "r", false},
	{"check", SYNOD_OP_CHECK, "", false},
	{NULL, 0, NULL, false},
};

const char *
txn_op_name(enum synod_op op)
{
	const struct verb *verb = verbs;

	while (verb->name && verb->op != op)
		verb++;
	return verb->name ? verb->name : "?";
}

/* Set the option that WORD stands for. */
static int
parse_flag(struct parser *parser, const struct verb *verb, const struct word *word,
           struct synod_write_options *options)
{
	char letter = word->size == 2 ? word->text[1] : '\0';

	if (!letter || !strchr(verb->flags, letter))
		return mistake(parser, "%s does not take '%.80s'", verb->name, word->text);
	if (letter == 's')
		options->sequential = true;
	else if (letter == 'p')
		options->make_parents = true;
	else
		options->recursive = true;
	return 0;
}

static int
parse_check(struct parser *parser, const struct word *words, size_t count,
            struct synod_operation *operation, struct synod_write_options *options)
{
	struct synod_condition *condition = txn_script_keep(parser->script, sizeof *condition);

	if (parse_condition(parser, words, count, condition) != 0)
		return -1;
	operation->path = condition->path;
	options->conditions = condition;
	options->condition_count = 1;
	return 0;
}

/* What follows the verb. */
static int
parse_operands(struct parser *parser, const struct verb *verb, const struct word *words,
               size_t count, struct synod_operation *operation)
{
	struct synod_write_options *options = txn_script_keep(parser->script, sizeof *options);

	operation->write = options;
	options->want_stat = verb->takes_data; /* the version that a write led to is shown */
	if (verb->op == SYNOD_OP_CHECK)
		return parse_check(parser, words, count, operation, options);
	for (; count > 0 && !words->is_quoted && words->text[0] == '-'; words++, count--) {
		if (parse_flag(parser, verb, words, options) != 0)
			return -1;
	}
	if (count == 0)
		return mistake(parser, "%s needs a path", verb->name);
	if (parse_path(parser, &words[0], &operation->path) != 0)
		return -1;
	if (count > (verb->takes_data ? 2u : 1u))
		return mistake(parser, "'%.80s' is one word too many%s",
		               words[verb->takes_data ? 2 : 1].text,
		               verb->takes_data ? "; a text with spaces needs quotes" : "");
	if (count == 2) {
		operation->data = words[1].text;
		operation->size = words[1].size;
	}
	return 0;
}

static void
add_operation(struct parser *parser, const struct synod_operation *operation)
{
	struct txn_script *script = parser->script;
	struct synod_transaction *transaction = &script->transaction;
	size_t *count = parser->in_else ? &transaction->else_count : &transaction->then_count;
	struct synod_operation **operations =
		parser->in_else ? &script->else_operations : &script->then_operations;
	size_t **lines = parser->in_else ? &script->else_lines : &script->then_lines;

	*operations = must_resize(*operations, *count + 1, sizeof **operations);
	*lines = must_resize(*lines, *count + 1, sizeof **lines);
	(*operations)[*count] = *operation;
	(*lines)[*count] = parser->words.line;
	(*count)++;
}

static int
parse_operation(struct parser *parser, const struct word *words, size_t count)
{
	struct synod_operation operation = {0};
	const struct verb *verb = verbs;

	while (verb->name && !word_is(&words[0], verb->name))
		verb++;
	if (!verb->name)
		return mistake(parser,
		               "'%.80s' is none of if, then, else, get, stat, list, create, put, "
		               "set, delete, check",
		               words[0].text);
	operation.op = verb->op;
	if (parse_operands(parser, verb, words + 1, count - 1, &operation) != 0)
		return -1;
	add_operation(parser, &operation);
	return 0;
}

/* ---- statements ---- */

static int
parse_if(struct parser *parser)
{
	struct txn_script *script = parser->script;
	size_t *count = &script->transaction.condition_count;
	struct synod_condition condition;

	if (parser->in_then || parser->in_else || script->transaction.then_count > 0)
		return mistake(parser, "'if' must come before 'then' and all operations");
	if (parse_condition(parser, parser->words.words + 1, parser->words.count - 1, &condition) !=
	    0)
		return -1;
	script->conditions = must_resize(script->conditions, *count + 1, sizeof condition);
	script->conditions[(*count)++] = condition;
	return 0;
}

/* "then" and "else" may be followed by an operation. */
static int
parse_rest(struct parser *parser)
{
	if (parser->words.count == 1)
		return 0;
	return parse_operation(parser, parser->words.words + 1, parser->words.count - 1);
}

static int
parse_statement(struct parser *parser)
{
	const struct word *first = &parser->words.words[0];

	if (word_is(first, "if"))
		return parse_if(parser);
	if (word_is(first, "then")) {
		if (parser->in_then || parser->in_else ||
		    parser->script->transaction.then_count > 0)
			return mistake(parser, "'then' must come once, before all operations");
		parser->in_then = true;
		return parse_rest(parser);
	}
	if (word_is(first, "else")) {
		if (parser->in_else)
			return mistake(parser, "there is a second 'else'");
		if (parser->script->transaction.condition_count == 0)
			return mistake(parser, "'else' without an 'if' is never done");
		parser->in_else = true;
		parser->script->has_else = true;
		return parse_rest(parser);
	}
	return parse_operation(parser, parser->words.words, parser->words.count);
}

int
txn_script_parse(struct txn_script *script, const char *text, size_t size)
{
	struct parser parser = {.script = script};
	int failed;

	memset(script, 0, sizeof *script);
	words_init(&parser.words, script, text, size);
	do {
		failed = words_read_statement(&parser.words);
		if (!failed && parser.words.count > 0)
			failed = parse_statement(&parser);
	} while (!failed && parser.words.count > 0);
	words_fini(&parser.words);
	if (!failed && script->transaction.condition_count == 0 &&
	    script->transaction.then_count == 0)
		failed = mistake(&parser, "the transaction is empty");
	script->transaction.conditions = script->conditions;
	script->transaction.then_operations = script->then_operations;
	script->transaction.else_operations = script->else_operations;
	return failed;
}

void
txn_script_fini(struct txn_script *script)
{
	for (size_t i = 0; i < script->memory_count; i++)
		free(script->memory[i]);
	free(script->memory);
	free(script->conditions);
	free(script->then_operations);
	free(script->else_operations);
	free(script->then_lines);
	free(script->else_lines);
}
