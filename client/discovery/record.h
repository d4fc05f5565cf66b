/*
 * Records: an instance as the JSON text in its node, read and written.
 *
 * A record is outside input: anybody can write any node.  What cannot be read is
 * malformed, with a reason for people.  Fields that we do not know are kept when
 * a record is rewritten on an operator's behalf, and ignored otherwise.
 *
 * Immutable once made, with a count of references, from any thread.
 */
#ifndef CLIENT_DISCOVERY_RECORD_H
#define CLIENT_DISCOVERY_RECORD_H

#include <stdatomic.h>

#include "client/discovery.h"
#include "shared/buffer.h"

#define SERVICES_PATH     "/services"
#define RECORD_SIZE_MAX   (64u << 10)
#define RECORD_NAME_MAX   63 /* of services and instances */
#define RECORD_LIST_MAX   64 /* tags; metadata */
#define RECORD_WEIGHT     100
#define RECORD_WHY_SIZE   128
#define SERVICE_PATH_SIZE (sizeof SERVICES_PATH + 2 * (RECORD_NAME_MAX + 1))

struct record {
	struct synod_instance instance; /* everything in it is in one block with this */
	atomic_uint references;
};

/*
 * Read TEXT as the record of the instance ID.  SYNOD_OK; SYNOD_BAD_MESSAGE, with WHY
 * (RECORD_WHY_SIZE bytes, or NULL; here and below) saying what is wrong, naming the field;
 * SYNOD_NO_MEMORY.
 * What the ensemble says of an instance (is_suspect, owner, revisions) is zero.
 */
int record_read(const char *id, const void *text, size_t size, struct record **record, char *why);

/* The same record with other things said of it by the ensemble; NULL when memory ran out. */
struct record *record_with(const struct record *record, bool is_suspect, uint64_t owner,
                           uint64_t created, uint64_t modified);

/* A copy of INSTANCE, checked as synod_service_register() says: SYNOD_OK, BAD_ARGUMENT, BAD_PATH,
 * TOO_LARGE, NO_MEMORY; WHY names what is wrong. */
int record_make(const struct synod_instance *instance, struct record **record, char *why);

/* The same, but however long its text may be. */
int record_new(const struct synod_instance *instance, struct record **record, char *why);

/* Append the JSON text, in one line with a final newline, fields in the order of discovery.h, empty
 * ones left out.  buffer->failed tells of a lack of memory. */
void record_write(const struct record *record, struct buffer *text);

/* TEXT with another health, whatever else it holds.  SYNOD_OK, BAD_MESSAGE, NO_MEMORY. */
int record_rewrite_health(const void *text, size_t size, enum synod_health health,
                          struct buffer *rewritten, char *why);

void record_retain(struct record *record);
void record_release(struct record *record); /* accepts NULL */

/* Does it satisfy FILTER?  NULL: everything does.  Health 0 is "passing and warning". */
bool record_matches(const struct record *record, const struct synod_filter *filter);

/* A copy of FILTER in one block, to be freed with free(); NULL when memory ran out. */
struct synod_filter *filter_copy(const struct synod_filter *filter);

/* Names of services and instances. */
bool record_name_is_valid(const char *name);

/* PATH (SERVICE_PATH_SIZE bytes) of a service (ID NULL) or an instance.  The names are valid. */
void record_path(char *path, const char *service, const char *id);

/* The state word; -1 if there is none of that name. */
int record_health_of(const char *name);

#endif
