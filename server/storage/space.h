/*
 * Watching the space on the disk.
 *
 * Below a low-water mark the member refuses growth.  It has to keep answering
 * deletes and session closes, which themselves write a little; so part of the
 * disk, DATA/ballast, is held back from everybody else and given up when even
 * that little is in danger.  Everything comes back by itself with the space.
 *
 * With a reserve of R bytes (the journal does not grow below R free bytes):
 *   SPACE_LOW      below 2 R, until 3 R are free again;
 *   the ballast    R bytes, given up below 1.25 R, made anew when 3 R would still be
 *                  free with it.
 * Space counts as it would with the ballast in place, so that giving it up never
 * looks like recovery.
 */
#ifndef SERVER_STORAGE_SPACE_H
#define SERVER_STORAGE_SPACE_H

#include "server/storage/disk.h"

struct space;

enum space_state {
	SPACE_PLENTY,
	SPACE_LOW, /* refuse growth */
};

enum space_action {
	SPACE_NOTHING,
	SPACE_DROP_BALLAST,
	SPACE_MAKE_BALLAST,
};

struct space_decision {
	enum space_state state;
	enum space_action action;
};

/* What to do with FREE_BYTES left; pure. */
struct space_decision space_decide(uint64_t reserve_bytes, enum space_state state, bool has_ballast,
                                   uint64_t free_bytes);

/*
 * Watch the file system that holds DIRECTORY.  RESERVE_BYTES: 0 for the default,
 * 64 MiB, as the journal's.  SYNOD_OK or SYNOD_IO, then WHY (at least 256 bytes)
 * says what failed.
 */
int space_open(struct disk *disk, const char *directory, uint64_t reserve_bytes,
               struct space **space, char *why);
void space_close(struct space *space); /* the ballast stays; accepts NULL */

/* Look again, about once a second, and do what is due.  What cannot be seen has not changed. */
enum space_state space_check(struct space *space);

#endif
