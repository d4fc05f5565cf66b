/*
 * What clients asked, what they were told and when: the evidence for the checkers
 * of linearizability, exactly-once and durability of acknowledged writes.
 */
#ifndef TESTS_SIM_HISTORY_H
#define TESTS_SIM_HISTORY_H

#include "client/synod.h"
#include "tests/sim/world.h"

#define PATH_SIZE_SIM 48
#define DATA_SIZE_SIM 24
#define NEVER_US      UINT64_MAX

enum record_kind {
	RECORD_GET,
	RECORD_LIST,
	RECORD_CREATE,
	RECORD_SEQUENTIAL,
	RECORD_SET,
	RECORD_SET_IF_VERSION,
	RECORD_SET_IF_DATA,
	RECORD_PUT,
	RECORD_DELETE,
	RECORD_DELETE_ALL, /* recursive */
	RECORD_TXN,        /* if PATH exists: put PATH and OTHER; else create PATH */
	RECORD_KINDS,
};

enum record_outcome {
	OUTCOME_PENDING, /* counts as unknown */
	OUTCOME_DONE,    /* OK, or a definite answer of the namespace, at a revision */
	OUTCOME_NOTHING, /* certainly not executed */
	OUTCOME_UNKNOWN,
};

struct record {
	uint32_t id;
	uint32_t client; /* host index */
	enum record_kind kind;
	int consistency;
	char path[PATH_SIZE_SIM];
	char other[PATH_SIZE_SIM];
	char data[DATA_SIZE_SIM]; /* unique, names the record */
	uint64_t wanted_version;
	char wanted_data[DATA_SIZE_SIM];
	uint64_t at_least;

	uint64_t invoked_us, returned_us;
	enum record_outcome outcome;
	int error;
	uint64_t revision;
	/* What the answer says. */
	char result_path[PATH_SIZE_SIM];
	char result_data[DATA_SIZE_SIM];
	bool has_result_data;
	uint64_t version, created, modified, children;
	bool then_taken;
	bool more;
	uint32_t child_count;
	char (*child_names)[PATH_SIZE_SIM];
	bool is_applied; /* set by the replay */
};

struct history {
	struct record **records;
	size_t count, capacity;
	/* The changes of the namespace as the ensemble tells them at the end. */
	struct change_record {
		uint64_t revision;
		enum synod_change_kind kind;
		char path[PATH_SIZE_SIM];
		char data[DATA_SIZE_SIM];
		uint64_t version;
	} * changes;
	size_t change_count, change_capacity;
	bool has_changes;
};

struct history *history_new(void);
void history_free(struct history *history);
struct record *history_begin(struct world *world, struct host *host);
void history_complete(struct world *world, struct record *record,
                      const struct synod_result *result);
void history_take_changes(struct history *history, const struct synod_result *result);
/* In place of the ensemble's own history, which was trimmed. */
struct chronicle;
void history_take_chronicle(struct history *history, const struct chronicle *chronicle);

const char *record_text(const struct record *record, char *text, size_t size);
bool record_is_write(const struct record *record);

/* check_history.c: replay in the order of revisions. */
void check_history(struct world *world);
/* check_search.c: Wing and Gong's search for each node. */
void check_search(struct world *world);

#endif
