/* From the public structures to the bodies of requests, checked by the rules the members use. */
#ifndef CLIENT_REQUEST_H
#define CLIENT_REQUEST_H

#include "client/synod.h"
#include "shared/protocol.h"

/*
 * Each appends one packed body to OUT.  SYNOD_OK, SYNOD_NO_MEMORY, or what a
 * member would answer: BAD_PATH, RESERVED, TOO_LARGE, BAD_ARGUMENT; *WHY then receives a static
 * text.
 */
int request_write(struct buffer *out, uint8_t op, const char *path, struct slice data,
                  const struct synod_write_options *options, const char **why);
int request_txn(struct buffer *out, const struct synod_transaction *transaction,
                const struct synod_guard *guard, const char **why);
int request_contend(struct buffer *out, const char *path,
                    const struct synod_contend_options *options, const char **why);
int request_withdraw(struct buffer *out, const char *path, uint64_t token, const char **why);
int request_lease_grant(struct buffer *out, uint64_t ttl_ms, const char **why);
int request_revoke(struct buffer *out, uint64_t id, bool is_session, const char **why);

/* One page of a GET, STAT, LIST, LOG or OWNED; OPERATION has everything but its op's conditions. */
int request_read(struct buffer *out, const struct operation *operation, const char **why);

uint32_t request_read_flags(uint8_t op, const struct synod_read_options *options);

/* A write that changes nothing wherever it is executed, to use up a number of the session. */
void request_nothing(struct buffer *out);

/* Data as the wire has it: absent and empty are two things. */
struct slice request_data(const void *data, size_t size);

#endif
