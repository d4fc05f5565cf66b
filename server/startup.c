/* Opening the data directory: identity, journal, database, and whether they fit together. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/log.h"
#include "shared/planted.h"

#define SPACE_RESERVE_DEFAULT (64u << 20)

/* Growth is refused long before the journal itself may not grow: so much of the reserve is for
 * deletes, session closes and what the core has to write. */
#define JOURNAL_SHARE 8

static uint64_t
space_reserve(const struct member *member)
{
	return member->options.space_reserve ? member->options.space_reserve
	                                     : SPACE_RESERVE_DEFAULT;
}

static void
join(char *out, size_t size, const char *directory, const char *name)
{
	snprintf(out, size, "%s/%s", directory, name);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const struct member_identity *)a)->name,
	              ((const struct member_identity *)b)->name);
}

struct looked {
	bool has_state; /* a journal or a database */
	bool has_segment;
};

static void
look_at_name(void *context, const char *name)
{
	struct looked *looked = context;

	if (strcmp(name, "journal") == 0 || strcmp(name, "namespace.db") == 0)
		looked->has_state = true;
	if (strstr(name, ".seg"))
		looked->has_segment = true;
}

/* A directory that has lost its promise files must not be taken for a new one. */
static int
check_is_new(struct disk *disk, const char *directory, char *why)
{
	struct looked looked = {0};
	int error = disk->ops->list(disk, directory, look_at_name, &looked);

	if (error) {
		snprintf(why, MEMBER_WHY_SIZE, "%s: cannot be listed (%s)", directory,
		         disk->ops->why(disk));
		return error;
	}
	if (!looked.has_state)
		return SYNOD_OK;
	snprintf(why, MEMBER_WHY_SIZE,
	         "%s has a journal or a database, but no promise file: a promise was lost, so this "
	         "member must not vote; see synodd(8), DAMAGE",
	         directory);
	return SYNOD_CORRUPT;
}

static void
ignore_name(void *context, const char *name)
{
	(void)context;
	(void)name;
}

/* The directory that holds PATH. */
static int
sync_parent(struct disk *disk, const char *path)
{
	char parent[4096];
	char *slash;

	snprintf(parent, sizeof parent, "%s", path);
	slash = strrchr(parent, '/');
	if (PLANTED(DATA_NAME_NOT_SYNCED))
		return SYNOD_OK;
	if (!slash)
		return disk->ops->sync_directory(disk, ".");
	slash[slash == parent] = '\0';
	return disk->ops->sync_directory(disk, parent);
}

/*
 * Format: ids are given in the order of the names, so that every member of a
 * first configuration numbers them alike; the disk id is random and new.
 */
static int
format(struct member *member, struct opened *opened, char *why)
{
	const struct member_options *options = &member->options;
	struct identity *identity = &member->identity;
	int error;

	if (options->peer_count == 0 || options->peer_count > PAXOS_VOTERS_MAX) {
		snprintf(why, MEMBER_WHY_SIZE,
		         "%s is new, so the first members must be named: use --peers",
		         options->data);
		return SYNOD_BAD_CONFIG;
	}
	memset(identity, 0, sizeof *identity);
	identity->epoch = 1;
	identity->member_count = options->peer_count;
	memcpy(identity->members, options->peers, options->peer_count * sizeof *options->peers);
	qsort(identity->members, identity->member_count, sizeof identity->members[0],
	      compare_names);
	options->clock->ops->random(options->clock, identity->disk_id, sizeof identity->disk_id);
	for (unsigned i = 0; i < identity->member_count; i++) {
		struct member_identity *row = &identity->members[i];

		row->id = i + 1;
		row->has_disk_id = false;
		if (strcmp(row->name, member->name) == 0) {
			identity->self = row->id;
			row->has_disk_id = true;
			memcpy(row->disk_id, identity->disk_id, sizeof row->disk_id);
		}
	}
	if (identity->self == 0) {
		snprintf(why, MEMBER_WHY_SIZE, "--name %s is not among --peers", member->name);
		return SYNOD_BAD_CONFIG;
	}
	identity_cluster_id(identity->members, identity->member_count, identity->cluster_id);
	error = check_is_new(options->disk, options->data, why);
	if (error)
		return error;
	log_info("formatting a new data directory: %s", options->data);
	/* Again: a start before this one may have made it and gone no further. */
	error = sync_parent(options->disk, options->data);
	if (error) {
		snprintf(why, MEMBER_WHY_SIZE,
		         "%s: the directory that holds it cannot be synced (%s)", options->data,
		         options->disk->ops->why(options->disk));
		return error;
	}
	return identity_create(options->disk, options->data, identity, &opened->identity_store,
	                       why);
}

static int
open_identity(struct member *member, struct opened *opened, char *why)
{
	const struct member_options *options = &member->options;
	const struct member_identity *self;
	int error = identity_open(options->disk, options->data, &member->identity,
	                          &opened->identity_store, why);

	if (error == SYNOD_NOT_FOUND)
		return format(member, opened, why);
	if (error)
		return error;
	self = member_find(member, member->identity.self);
	if (!self) {
		snprintf(why, MEMBER_WHY_SIZE, "%s: the promise file names no member of its own",
		         options->data);
		return SYNOD_CORRUPT;
	}
	if (strcmp(self->name, member->name) != 0) {
		snprintf(why, MEMBER_WHY_SIZE,
		         "%s belongs to the member \"%s\", not to \"%s\": give that --name, or "
		         "another "
		         "--data",
		         options->data, self->name, member->name);
		return SYNOD_WRONG_MEMBER;
	}
	return SYNOD_OK;
}

static int
open_database(struct member *member, struct opened *opened, char *why)
{
	char path[4096];
	int error;

	join(path, sizeof path, member->options.data, "namespace.db");
	error = database_open(path, member->options.vfs, &opened->database, why);
	if (error)
		return error;
	return namespace_open(&opened->namespace, database_handle(opened->database),
	                      &member->options.namespace, why);
}

int
startup_reopen(void *context, struct namespace **namespace, struct database **database)
{
	struct opened opened = {0};
	char why[MEMBER_WHY_SIZE] = "";
	int error = open_database(context, &opened, why);

	*namespace = opened.namespace;
	*database = opened.database;
	if (error)
		log_error("cannot open the database again: %s", why);
	return error;
}

/* The first segment is made before the first promise: a member that has promised has one. */
static int
check_has_segments(struct member *member, const char *directory, char *why)
{
	struct disk *disk = member->options.disk;
	struct looked looked = {0};

	if (ballot_is_none(member->identity.promised))
		return SYNOD_OK;
	if (disk->ops->list(disk, directory, look_at_name, &looked) == SYNOD_OK &&
	    looked.has_segment)
		return SYNOD_OK;
	snprintf(why, MEMBER_WHY_SIZE,
	         "%.512s: the journal has no segments, though this member has promised: accepted "
	         "values "
	         "were lost, so it must not vote; see synodd(8), DAMAGE",
	         directory);
	return SYNOD_CORRUPT;
}

static int
open_journal(struct member *member, struct opened *opened, char *why)
{
	char path[4096];
	struct journal_options options = {
		.disk = member->options.disk,
		.directory = path,
		.segment_bytes = member->options.segment_bytes,
		.space_reserve = space_reserve(member) / JOURNAL_SHARE,
	};
	uint64_t applied = namespace_applied(opened->namespace);
	int error;

	join(path, sizeof path, member->options.data, "journal");
	error = check_has_segments(member, path, why);
	if (error)
		return error;
	error = journal_open(&options, &member->identity, applied, &opened->journal,
	                     &opened->recovered, why);
	if (error)
		return error;
	if (opened->recovered.torn_bytes > 0)
		log_warning("cut an unfinished batch off the journal: it was never acknowledged "
		            "bytes=%lu",
		            (unsigned long)opened->recovered.torn_bytes);
	if (opened->recovered.damaged_first > 0)
		log_error("the journal is damaged where the database already holds its effects: "
		          "slots "
		          "%lu to %lu cannot be sent to other members from here",
		          (unsigned long)opened->recovered.damaged_first,
		          (unsigned long)opened->recovered.damaged_last);
	return SYNOD_OK;
}

/* What must hold between the three durable parts; otherwise one of them was lost or exchanged. */
static int
check_together(struct member *member, struct opened *opened, char *why)
{
	const struct journal_recovered *recovered = &opened->recovered;

	if (ballot_compare(recovered->accepted, member->identity.promised) > 0) {
		snprintf(why, MEMBER_WHY_SIZE,
		         "%s: the promise files are older than the journal: a promise was lost, so "
		         "this "
		         "member must not vote; see synodd(8), DAMAGE",
		         member->options.data);
		return SYNOD_CORRUPT;
	}
	if (recovered->length < namespace_applied(opened->namespace)) {
		snprintf(why, MEMBER_WHY_SIZE,
		         "%s: the database has applied slot %lu, but the journal ends at %lu: "
		         "accepted "
		         "values were lost, so this member must not vote; see synodd(8), DAMAGE",
		         member->options.data, (unsigned long)namespace_applied(opened->namespace),
		         (unsigned long)recovered->length);
		return SYNOD_CORRUPT;
	}
	return SYNOD_OK;
}

/* A name counts only once the directory that holds it is synced. */
static int
make_directory(struct disk *disk, const char *path)
{
	int error;

	if (disk->ops->list(disk, path, ignore_name, NULL) != SYNOD_NOT_FOUND)
		return disk->ops->make_directory(disk, path);
	error = disk->ops->make_directory(disk, path);
	return error ? error : sync_parent(disk, path);
}

/* Make PATH and what is missing above it. */
static int
make_directories(struct disk *disk, const char *path)
{
	char prefix[4096];
	size_t size = strlen(path);

	if (size >= sizeof prefix)
		return SYNOD_BAD_ARGUMENT;
	for (size_t i = 1; i < size; i++) {
		int error;

		if (path[i] != '/')
			continue;
		memcpy(prefix, path, i);
		prefix[i] = '\0';
		error = make_directory(disk, prefix);
		if (error)
			return error;
	}
	return make_directory(disk, path);
}

int
startup_open(struct member *member, struct opened *opened, char *why)
{
	const struct member_options *options = &member->options;
	struct disk *disk = options->disk;
	char path[4096];
	int error;

	error = make_directories(disk, options->data);
	if (error) {
		snprintf(why, MEMBER_WHY_SIZE, "%s: cannot make the data directory (%s)",
		         options->data, disk->ops->why(disk));
		return error;
	}
	join(path, sizeof path, options->data, "lock");
	error = disk->ops->lock(disk, path, &member->lock);
	if (error) {
		snprintf(why, MEMBER_WHY_SIZE, "%s: %s%s%s%s", options->data,
		         error == SYNOD_LOCKED ? "another synodd uses this data directory"
		                               : "cannot be written",
		         error == SYNOD_LOCKED ? "" : " (",
		         error == SYNOD_LOCKED ? "" : disk->ops->why(disk),
		         error == SYNOD_LOCKED ? "" : ")");
		return error;
	}
	error = open_identity(member, opened, why);
	if (!error)
		error = open_database(member, opened, why);
	if (!error)
		error = open_journal(member, opened, why);
	if (!error)
		error = check_together(member, opened, why);
	if (!error)
		error = space_open(disk, options->data, space_reserve(member), &opened->space, why);
	return error;
}

void
startup_undo(struct member *member, struct opened *opened)
{
	(void)member;
	if (opened->journal)
		journal_recovered_fini(&opened->recovered);
	space_close(opened->space);
	if (opened->namespace)
		namespace_close(opened->namespace);
	if (opened->database)
		database_close(opened->database);
	if (opened->journal)
		journal_close(opened->journal);
	if (opened->identity_store)
		identity_close(opened->identity_store);
}
