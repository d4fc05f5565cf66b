/* What a call hands over: the public result, with the memory behind it. */
#ifndef CLIENT_RESULT_H
#define CLIENT_RESULT_H

#include "client/arena.h"
#include "client/synod.h"
#include "shared/protocol.h"

/* Starts with the public part, so that a pointer to one is a pointer to the other. */
struct outcome {
	struct synod_result result;
	struct arena arena; /* everything but the two arrays below, which grow page by page */
	size_t child_capacity;
	size_t change_capacity;
};

struct outcome *outcome_new(void); /* NULL when memory ran out */
void outcome_free(struct outcome *outcome);

/* Forget everything, keep some memory. */
void outcome_clear(struct outcome *outcome);

/* An error that did not come from a member; MESSAGE (may be NULL) is copied. */
void outcome_fail(struct outcome *outcome, int error, const char *message);

/*
 * Decode RESPONSE, the answer to operation OP with BODY, into OUTCOME.
 *
 * A LIST, LOG or OWNED adds to the children or changes that are there already (pages);
 * everything else expects an empty outcome.  Sets result.error: to the
 * response's, or BAD_MESSAGE for an answer that OP cannot have, or NO_MEMORY.
 */
void outcome_decode(struct outcome *outcome, uint8_t op, struct slice body,
                    const struct response *response);

/* A stat as the application sees it. */
struct synod_stat result_stat(const struct node_stat *stat);

#endif
