/* The language of transactions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/txn_script.h"

static void
parse(struct txn_script *script, const char *text)
{
	if (txn_script_parse(script, text, strlen(text)) != 0)
		fail_msg("line %zu: %s", script->line, script->problem);
}

static void
assert_refused(const char *text, size_t line, const char *problem)
{
	struct txn_script script;

	assert_int_equal(txn_script_parse(&script, text, strlen(text)), -1);
	assert_string_equal(script.problem, problem);
	assert_int_equal(script.line, line);
	txn_script_fini(&script);
}

static void
reads_conditions_and_both_branches(void **state)
{
	struct txn_script script;
	const struct synod_transaction *transaction = &script.transaction;

	(void)state;
	parse(&script, "# a comment\n"
	               "if /a version = 3\n"
	               "if /b exists   # another\n"
	               "if /c data != \"x y\"\n"
	               "\n"
	               "then\n"
	               "  put -p /a/b 4\n"
	               "  delete -r /old\n"
	               "else\n"
	               "  get /a\n");
	assert_int_equal(transaction->condition_count, 3);
	assert_string_equal(transaction->conditions[0].path, "/a");
	assert_int_equal(transaction->conditions[0].kind, SYNOD_IF_VERSION);
	assert_int_equal(transaction->conditions[0].relation, SYNOD_EQUAL);
	assert_int_equal(transaction->conditions[0].number, 3);
	assert_int_equal(transaction->conditions[1].kind, SYNOD_IF_EXISTS);
	assert_int_equal(transaction->conditions[1].number, 1);
	assert_int_equal(transaction->conditions[2].kind, SYNOD_IF_DATA);
	assert_int_equal(transaction->conditions[2].relation, SYNOD_NOT_EQUAL);
	assert_int_equal(transaction->conditions[2].size, 3);
	assert_memory_equal(transaction->conditions[2].data, "x y", 3);
	assert_int_equal(transaction->then_count, 2);
	assert_int_equal(transaction->then_operations[0].op, SYNOD_OP_PUT);
	assert_string_equal(transaction->then_operations[0].path, "/a/b");
	assert_true(transaction->then_operations[0].write->make_parents);
	assert_int_equal(transaction->then_operations[0].size, 1);
	assert_true(transaction->then_operations[1].write->recursive);
	assert_null(transaction->then_operations[1].data);
	assert_int_equal(script.then_lines[1], 8);
	assert_int_equal(transaction->else_count, 1);
	assert_int_equal(transaction->else_operations[0].op, SYNOD_OP_GET);
	assert_true(script.has_else);
	txn_script_fini(&script);
}

static void
reads_everything_from_one_line(void **state)
{
	struct txn_script script;

	(void)state;
	parse(&script, "if /a missing then create -s /q/j- 1 ; put /b \"else\" else get /a");
	assert_int_equal(script.transaction.condition_count, 1);
	assert_int_equal(script.transaction.conditions[0].number, 0);
	assert_int_equal(script.transaction.then_count, 2);
	assert_true(script.transaction.then_operations[0].write->sequential);
	assert_memory_equal(script.transaction.then_operations[1].data, "else", 4);
	assert_int_equal(script.transaction.else_count, 1);
	txn_script_fini(&script);
}

static void
needs_no_then_without_conditions(void **state)
{
	struct txn_script script;

	(void)state;
	parse(&script, "create /a\nset /b \"\"\nlist /\nstat /a\ncheck /c version > 7\n");
	assert_int_equal(script.transaction.then_count, 5);
	assert_null(script.transaction.then_operations[0].data);
	assert_non_null(script.transaction.then_operations[1].data);
	assert_int_equal(script.transaction.then_operations[1].size, 0);
	assert_int_equal(script.transaction.then_operations[4].op, SYNOD_OP_CHECK);
	assert_int_equal(script.transaction.then_operations[4].write->condition_count, 1);
	assert_int_equal(script.transaction.then_operations[4].write->conditions[0].relation,
	                 SYNOD_GREATER);
	assert_false(script.has_else);
	txn_script_fini(&script);
}

static void
reads_quoted_words(void **state)
{
	static const char wanted[] = "a \"b\" \\ \n\t;#\0\xff";
	struct txn_script script;

	(void)state;
	parse(&script, "put \"/with space\" \"a \\\"b\\\" \\\\ \\n\\t;#\\x00\\xFF\"");
	assert_string_equal(script.transaction.then_operations[0].path, "/with space");
	assert_int_equal(script.transaction.then_operations[0].size, sizeof wanted - 1);
	assert_memory_equal(script.transaction.then_operations[0].data, wanted, sizeof wanted - 1);
	txn_script_fini(&script);
}

static void
keeps_marks_inside_of_words(void **state)
{
	struct txn_script script;

	(void)state;
	parse(&script, "put /a;b x;y#z\r\nget /else\r\n");
	assert_string_equal(script.transaction.then_operations[0].path, "/a;b");
	assert_int_equal(script.transaction.then_operations[0].size, 5);
	assert_memory_equal(script.transaction.then_operations[0].data, "x;y#z", 5);
	assert_string_equal(script.transaction.then_operations[1].path, "/else");
	txn_script_fini(&script);
}

static void
compares_with_absent_data(void **state)
{
	struct txn_script script;

	(void)state;
	parse(&script, "if /a data =\nif /b data = \"\"\nthen delete /a");
	assert_null(script.transaction.conditions[0].data);
	assert_non_null(script.transaction.conditions[1].data);
	assert_int_equal(script.transaction.conditions[1].size, 0);
	txn_script_fini(&script);
}

static void
says_where_and_what_is_wrong(void **state)
{
	(void)state;
	assert_refused("", 1, "the transaction is empty");
	assert_refused("\n\nfrob /a\n", 3,
	               "'frob' is none of if, then, else, get, stat, list, create, put, set, "
	               "delete, check");
	assert_refused("put a 1", 1, "'a' is no path: paths begin with '/'");
	assert_refused("\nput /a two words", 2,
	               "'words' is one word too many; a text with spaces needs quotes");
	assert_refused("get /a -r", 1, "'-r' is one word too many");
	assert_refused("get -r /a", 1, "get does not take '-r'");
	assert_refused("delete", 1, "delete needs a path");
	assert_refused("put /a \"open\nget /b", 1, "the quote is not closed on its line");
	assert_refused("put /a \"open", 1, "the quote is not closed on its line");
	assert_refused("put /a \"x\"y", 1, "a space is missing after the closing quote");
	assert_refused("put /a \"\\q\"", 1, "after a backslash comes one of \" \\ n t xNN");
	assert_refused("put /a \"\\", 1, "after a backslash comes one of \" \\ n t xNN");
	assert_refused("put /a \"\\x4", 1, "\\x needs two hexadecimal digits");
	assert_refused("get \"/a\\x00b\"", 1, "a path holds no zero byte");
	assert_refused("get /a b c d e f g h i", 1,
	               "too many words; a text with spaces needs quotes");
}

static void
says_what_is_wrong_with_a_condition(void **state)
{
	(void)state;
	assert_refused("if /a", 1,
	               "a condition is PATH exists, PATH missing, or PATH FIELD RELATION VALUE");
	assert_refused("if /a versoin = 3", 1,
	               "'versoin' is none of exists, missing, version, created, modified, owner, "
	               "children, children_version, data");
	assert_refused("if /a version", 1, "a relation must follow version: one of = != < >");
	assert_refused("if /a version == 3", 1, "'==' is none of = != < >");
	assert_refused("if /a version = x", 1, "'x' is not a whole number");
	assert_refused("if /a version = -1", 1, "'-1' is not a whole number");
	assert_refused("if /a version =", 1, "one number must follow the relation");
	assert_refused("if /a data < x", 1, "data is compared with = or != only");
	assert_refused("if /a data = x y", 1, "a text with spaces needs quotes");
}

static void
insists_on_the_order_of_the_parts(void **state)
{
	(void)state;
	assert_refused("get /a\nif /b exists", 2,
	               "'if' must come before 'then' and all operations");
	assert_refused("then\nif /b exists", 2, "'if' must come before 'then' and all operations");
	assert_refused("get /a\nthen get /b", 2, "'then' must come once, before all operations");
	assert_refused("else get /a", 1, "'else' without an 'if' is never done");
	assert_refused("if /a exists else get /a else get /b", 1, "there is a second 'else'");
}

static void
survives_every_beginning_of_a_script(void **state)
{
	static const char text[] =
		"if /a data = \"\\x41\\\"\" ; if /b version < 3 # c\n"
		"then create -s -p \"/q/\\n\" v ; delete -r /x\nelse check /a exists";

	(void)state;
	for (size_t size = 0; size < sizeof text; size++) {
		struct txn_script script;

		txn_script_parse(&script, text, size);
		txn_script_fini(&script);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_conditions_and_both_branches),
		cmocka_unit_test(reads_everything_from_one_line),
		cmocka_unit_test(needs_no_then_without_conditions),
		cmocka_unit_test(reads_quoted_words),
		cmocka_unit_test(keeps_marks_inside_of_words),
		cmocka_unit_test(compares_with_absent_data),
		cmocka_unit_test(says_where_and_what_is_wrong),
		cmocka_unit_test(says_what_is_wrong_with_a_condition),
		cmocka_unit_test(insists_on_the_order_of_the_parts),
		cmocka_unit_test(survives_every_beginning_of_a_script),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
