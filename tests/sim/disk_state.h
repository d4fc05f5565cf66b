/* A host's disk, shared by disk.c (operations, crashes) and damage.c (what it loses). */
#ifndef TESTS_SIM_DISK_STATE_H
#define TESTS_SIM_DISK_STATE_H

#include "tests/sim/disk.h"
#include "tests/support/disk_memory.h"

#define PATH_SIZE_DISK 96

struct sim_file {
	struct disk_file base; /* first */
	struct sim_disk *disk;
	struct disk_file *inner;
	char path[PATH_SIZE_DISK];
	struct sim_file *next, **link; /* all that are open */
};

struct sim_disk {
	struct disk base; /* first */
	struct host *host;
	struct disk *inner;
	struct sim_file *files;
	uint64_t crash_in; /* changes until the power goes; 0: never */
	uint64_t generation;
	uint64_t seed;
	char names[64][PATH_SIZE_DISK]; /* of what may be damaged */
	unsigned name_count;
	/* Writes of journal or promise until one goes astray; 0: never. */
	uint64_t misdirect_in;
	bool may_forget;
	/* What went astray and is missing where it belongs, until nothing can be owed any more. */
	struct {
		char path[PATH_SIZE_DISK];
		uint64_t offset;
		uint8_t *bytes;
		size_t size;
		unsigned syncs;
	} debt;
	struct memory_copy *copy;
};

/* FILE is about to be written: true if that went somewhere else. */
bool sim_disk_misdirected(struct sim_file *file, uint64_t offset, struct slice bytes);
void sim_disk_synced(struct sim_file *file);
/* Put what went astray where it belongs, unless it is lost for good. */
void sim_disk_pay(struct sim_disk *disk);

#endif
