/*
 * Who this member is, and what it has promised: DATA/promise.a and
 * DATA/promise.b, two copies of the same.
 *
 *   offset size
 *        0    8  magic "SYNODPRM"
 *        8    4  format, 1
 *       12    4  size of the packed part
 *       16    8  generation: the higher valid one of the two files is true
 *       24    8  XXH3-64 of bytes 0-23 and the packed part
 *       32  ...  MessagePack [cluster_id, epoch, member_id, disk_id, name,
 *                 promised ballot, [[member_id, name, peer address, disk_id or nil]...]],
 *                 the ballot as [epoch, round, member]
 *
 * One write of 8192 bytes to promise.a, fdatasync, the same to promise.b,
 * fdatasync; then it counts.  So whatever counted stands in both, and one damaged
 * or missing file costs nothing: it was being written, or has rotted, and the other
 * holds every promise that anybody can have heard of.  (Written in turn, a rotten
 * newer file would look like an interrupted write and a promise would be
 * forgotten.)  With both damaged the member must not vote: SYNOD_CORRUPT.
 * identity_open() writes both anew, which also makes certain that what was read
 * is on the disk and not only in the page cache.
 *
 * The caller compares with the journal: an accepted ballot above the promise
 * means that both files are older than they should be.
 */
#ifndef SERVER_STORAGE_IDENTITY_H
#define SERVER_STORAGE_IDENTITY_H

#include "server/paxos/ballot.h"
#include "server/storage/disk.h"
#include "shared/protocol.h"

#define MEMBERS_MAX        16
#define MEMBER_NAME_MAX    63  /* bytes; [A-Za-z0-9._-]+ */
#define MEMBER_ADDRESS_MAX 261 /* "HOST:PORT" */

struct member_identity {
	member_id id;
	char name[MEMBER_NAME_MAX + 1];
	char address[MEMBER_ADDRESS_MAX + 1]; /* where its peers reach it */
	bool has_disk_id;                     /* learnt in the first HELLO, then never changed */
	uint8_t disk_id[DISK_ID_SIZE];
};

struct identity {
	uint8_t cluster_id[CLUSTER_ID_SIZE];
	uint64_t epoch;
	member_id self;
	uint8_t disk_id[DISK_ID_SIZE];
	struct ballot promised;
	struct member_identity members[MEMBERS_MAX]; /* the voters of the epoch, ascending ids */
	unsigned member_count;
};

struct identity_store;

/*
 * Read what DIRECTORY holds.  SYNOD_OK; SYNOD_NOT_FOUND if neither file exists
 * (a new member: call identity_create); SYNOD_CORRUPT; SYNOD_IO.  WHY (at least
 * 256 bytes) says what was wrong and what to do.
 */
int identity_open(struct disk *disk, const char *directory, struct identity *identity,
                  struct identity_store **store, char *why);

/* Make both files, durably, directory entries included.  Refuses to overwrite: SYNOD_EXISTS. */
int identity_create(struct disk *disk, const char *directory, const struct identity *identity,
                    struct identity_store **store, char *why);

/* Durable when it returns SYNOD_OK.  CHECKs that promised does not decrease and that cluster,
 * member and disk stay the same.  Any error: stop. */
int identity_save(struct identity_store *store, const struct identity *identity);

void identity_close(struct identity_store *store); /* accepts NULL */

/* The cluster id of a first configuration: XXH3-128 of the sorted "name=address" list. */
void identity_cluster_id(const struct member_identity *members, unsigned count,
                         uint8_t cluster_id[CLUSTER_ID_SIZE]);

#endif
