/*
 * An entry: one value of the log, shared by the core's window, the journal, the
 * messages and the namespace without copying.  Immutable once made; freed with
 * the last reference.  References are atomic, because the actors run on
 * different threads.
 */
#ifndef SERVER_PAXOS_ENTRY_H
#define SERVER_PAXOS_ENTRY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum entry_kind {
	ENTRY_LEADER_START = 1, /* first entry of every leadership; bytes: the packed ballot */
	ENTRY_COMMAND = 2,      /* bytes: opaque to Paxos */
	ENTRY_STOP = 3,         /* seals the epoch; bytes: the next configuration */
};

/* Largest value, bytes. */
#define ENTRY_SIZE_MAX (4u << 20)

struct entry {
	atomic_uint references;
	uint32_t size;
	uint8_t kind; /* enum entry_kind */
	uint8_t bytes[];
};

/* A new entry with one reference and SIZE uninitialised bytes. */
struct entry *entry_new(uint8_t kind, uint32_t size);
struct entry *entry_new_copy(uint8_t kind, const void *bytes, uint32_t size);
struct entry *entry_retain(struct entry *entry);
void entry_release(struct entry *entry); /* accepts NULL */

#endif
