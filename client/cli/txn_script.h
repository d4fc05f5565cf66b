/*
 * The small language of `synod txn`.
 *
 *     script     = statement*, separated by newlines or by ";" standing alone;
 *                  an unquoted "if", "then" or "else" always begins a statement
 *     statement  = "if" condition                      before any operation
 *                | "then" [operation]                  at most once
 *                | "else" [operation]                  at most once, after "then" or operations
 *                | operation
 *     condition  = PATH "exists" | PATH "missing"
 *                | PATH field relation NUMBER
 *                | PATH "data" ("=" | "!=") [TEXT]     without TEXT: no data
 *     field      = "version" | "created" | "modified" | "owner" | "children"
 *                | "children_version"
 *     relation   = "=" | "!=" | "<" | ">"
 *     operation  = "get" PATH | "stat" PATH | "list" PATH
 *                | "create" ["-s"] ["-p"] PATH [TEXT] | "put" ["-p"] PATH [TEXT]
 *                | "set" PATH [TEXT] | "delete" ["-r"] PATH | "check" condition
 *
 * Words are separated by spaces and tabs.  A word in double quotes may hold
 * anything, with \" \\ \n \t \xNN for what cannot be typed.  "#" at the start of a
 * word begins a comment that ends with the line.
 */
#ifndef CLIENT_CLI_TXN_SCRIPT_H
#define CLIENT_CLI_TXN_SCRIPT_H

#include <stddef.h>

#include "client/synod.h"

struct txn_script {
	struct synod_transaction transaction; /* points into what follows */
	struct synod_condition *conditions;
	struct synod_operation *then_operations;
	struct synod_operation *else_operations;
	size_t *then_lines; /* where each operation stands, for messages about it */
	size_t *else_lines;
	bool has_else;
	void **memory; /* everything the above points to */
	size_t memory_count;
	size_t line; /* of the first mistake, when parsing failed */
	char problem[256];
};

/* Parse TEXT.  Returns 0, or -1 with script->line and ->problem set; call txn_script_fini() in both
 * cases. */
int txn_script_parse(struct txn_script *script, const char *text, size_t size);

void txn_script_fini(struct txn_script *script);

/* Zeroed memory that lives as long as the script. */
void *txn_script_keep(struct txn_script *script, size_t size);

/* "create", for messages and results. */
const char *txn_op_name(enum synod_op op);

#endif
