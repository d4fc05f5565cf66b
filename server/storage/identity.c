/* Who this member is and what it has promised, in two files.  The format stands in identity.h. */
#include "server/storage/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "server/paxos/codec.h"
#include "server/storage/bytes.h"
#include "shared/check.h"
#include "shared/error.h"

#define FORMAT      1u
#define HEADER_SIZE 32u
#define FILE_SIZE   8192u
#define WHY_SIZE    256

static const char magic[8] = {'S', 'Y', 'N', 'O', 'D', 'P', 'R', 'M'};
static const char *const names[2] = {"promise.a", "promise.b"};

struct identity_store {
	struct disk_file *files[2];
	uint64_t generation;
	struct identity saved; /* what both files hold */
	struct buffer packed;
};

/* ---- bytes ---- */

static struct slice
id_slice(const uint8_t *bytes, size_t size)
{
	return (struct slice){bytes, size};
}

/* The checksum of a file whose packed part has SIZE bytes. */
static uint64_t
checksum(const uint8_t *bytes, size_t size)
{
	uint64_t seed = XXH3_64bits(bytes, HEADER_SIZE - 8);

	return XXH3_64bits_withSeed(bytes + HEADER_SIZE, size, seed);
}

static const char *
own_name(const struct identity *identity)
{
	for (unsigned i = 0; i < identity->member_count; i++)
		if (identity->members[i].id == identity->self)
			return identity->members[i].name;
	return "";
}

static void
encode(const struct identity *identity, struct buffer *out)
{
	pack_array(out, 7);
	pack_binary(out, id_slice(identity->cluster_id, CLUSTER_ID_SIZE));
	pack_u64(out, identity->epoch);
	pack_u64(out, identity->self);
	pack_binary(out, id_slice(identity->disk_id, DISK_ID_SIZE));
	pack_string(out, slice_of(own_name(identity)));
	ballot_encode(out, identity->promised);
	pack_array(out, identity->member_count);
	for (unsigned i = 0; i < identity->member_count; i++) {
		const struct member_identity *member = &identity->members[i];
		pack_array(out, 4);
		pack_u64(out, member->id);
		pack_string(out, slice_of(member->name));
		pack_string(out, slice_of(member->address));
		pack_binary(out, id_slice(member->has_disk_id ? member->disk_id : NULL,
		                          member->has_disk_id ? DISK_ID_SIZE : 0));
	}
	CHECK(!out->failed);
}

static void
decode_id(struct cursor *cursor, uint8_t *id, size_t size)
{
	struct slice bytes = cursor_binary(cursor);

	if (bytes.size == size)
		memcpy(id, bytes.bytes, size);
	else
		cursor_fail(cursor);
}

/* A text into TEXT of SIZE bytes, its terminating zero included. */
static void
decode_text(struct cursor *cursor, char *text, size_t size)
{
	struct slice bytes = cursor_string(cursor);

	if (bytes.size >= size || (bytes.size > 0 && memchr(bytes.bytes, 0, bytes.size))) {
		cursor_fail(cursor);
		return;
	}
	if (bytes.size > 0)
		memcpy(text, bytes.bytes, bytes.size);
	text[bytes.size] = '\0';
}

static void
decode_member(struct cursor *cursor, struct member_identity *member)
{
	uint32_t fields = cursor_array(cursor);

	if (fields < 4)
		cursor_fail(cursor);
	member->id = cursor_u64(cursor);
	decode_text(cursor, member->name, sizeof member->name);
	decode_text(cursor, member->address, sizeof member->address);
	member->has_disk_id = !cursor_nil(cursor);
	if (member->has_disk_id)
		decode_id(cursor, member->disk_id, DISK_ID_SIZE);
	cursor_skip(cursor, fields > 4 ? fields - 4 : 0);
	cursor_leave(cursor);
}

static int
decode(struct slice packed, struct identity *identity)
{
	struct cursor cursor;

	*identity = (struct identity){0};
	cursor_init(&cursor, packed);
	uint32_t fields = cursor_array(&cursor);
	if (fields < 7)
		cursor_fail(&cursor);
	decode_id(&cursor, identity->cluster_id, CLUSTER_ID_SIZE);
	identity->epoch = cursor_u64(&cursor);
	identity->self = cursor_u64(&cursor);
	decode_id(&cursor, identity->disk_id, DISK_ID_SIZE);
	cursor_string(&cursor); /* the name, for people */
	ballot_decode(&cursor, &identity->promised);
	uint32_t count = cursor_array(&cursor);
	if (count > MEMBERS_MAX)
		cursor_fail(&cursor);
	for (uint32_t i = 0; i < count && !cursor.failed; i++) {
		decode_member(&cursor, &identity->members[i]);
		if (identity->members[i].id <= (i > 0 ? identity->members[i - 1].id : 0))
			cursor_fail(&cursor);
	}
	identity->member_count = cursor.failed ? 0 : count;
	cursor_leave(&cursor);
	cursor_skip(&cursor, fields > 7 ? fields - 7 : 0);
	cursor_leave(&cursor);
	if (identity->self == 0)
		cursor_fail(&cursor);
	return cursor_finish(&cursor) == SYNOD_OK ? SYNOD_OK : SYNOD_CORRUPT;
}

/* ---- one file ---- */

enum copy_state {
	COPY_GOOD,
	COPY_MISSING,
	COPY_DAMAGED,
	COPY_NEWER, /* of a format that this program does not know */
};

struct copy {
	enum copy_state state;
	uint64_t generation;
	struct identity identity;
};

static void
parse(const uint8_t *bytes, struct copy *copy)
{
	uint32_t size = get_u32(bytes + 12);

	copy->state = COPY_DAMAGED;
	copy->generation = get_u64(bytes + 16);
	if (memcmp(bytes, magic, sizeof magic) != 0 || size > FILE_SIZE - HEADER_SIZE)
		return;
	if (get_u64(bytes + 24) != checksum(bytes, size))
		return;
	if (get_u32(bytes + 8) != FORMAT)
		copy->state = COPY_NEWER;
	else if (decode(id_slice(bytes + HEADER_SIZE, size), &copy->identity) == SYNOD_OK)
		copy->state = COPY_GOOD;
}

static int
read_copy(struct disk *disk, struct disk_file *file, struct copy *copy, char *why)
{
	uint8_t bytes[FILE_SIZE] = {0};
	uint64_t size;

	int error = file->ops->size(file, &size);
	if (error == SYNOD_OK)
		error = file->ops->read(file, 0, bytes,
		                        size < FILE_SIZE ? (size_t)size : FILE_SIZE);
	if (error != SYNOD_OK) {
		snprintf(why, WHY_SIZE, "%s", disk->ops->why(disk));
		return SYNOD_IO;
	}
	parse(bytes, copy);
	return SYNOD_OK;
}

static int
write_copy(struct identity_store *store, struct disk_file *file)
{
	uint8_t bytes[FILE_SIZE] = {0};
	const struct buffer *packed = &store->packed;

	CHECK(packed->size <= FILE_SIZE - HEADER_SIZE);

	memcpy(bytes, magic, sizeof magic);
	put_u32(bytes + 8, FORMAT);
	put_u32(bytes + 12, (uint32_t)packed->size);
	put_u64(bytes + 16, store->generation);
	memcpy(bytes + HEADER_SIZE, packed->bytes, packed->size);
	put_u64(bytes + 24, checksum(bytes, packed->size));
	int error = file->ops->write(file, 0, bytes, sizeof bytes);
	return error == SYNOD_OK ? file->ops->sync(file) : error;
}

/* ---- both ---- */

static char *
path_of(const char *directory, const char *name, const char *suffix)
{
	size_t size = strlen(directory) + strlen(name) + strlen(suffix) + 2;
	char *path = check_malloc(size);

	snprintf(path, size, "%s/%s%s", directory, name, suffix);
	return path;
}

static int
open_copy(struct disk *disk, const char *directory, const char *name, unsigned flags,
          struct disk_file **file)
{
	char *path = path_of(directory, name, "");
	int error = disk->ops->open(disk, path, flags, file);

	free(path);
	return error;
}

static int
read_copies(struct disk *disk, const char *directory, struct identity_store *store,
            struct copy copies[2], char *why)
{
	for (unsigned i = 0; i < 2; i++) {
		int error = open_copy(disk, directory, names[i], 0, &store->files[i]);
		if (error == SYNOD_NOT_FOUND) {
			copies[i].state = COPY_MISSING;
			continue;
		}
		if (error == SYNOD_OK)
			error = read_copy(disk, store->files[i], &copies[i], why);
		else
			snprintf(why, WHY_SIZE, "%s", disk->ops->why(disk));
		if (error != SYNOD_OK)
			return SYNOD_IO;
	}
	return SYNOD_OK;
}

static bool
same_member(const struct identity *a, const struct identity *b)
{
	return memcmp(a->cluster_id, b->cluster_id, CLUSTER_ID_SIZE) == 0 && a->self == b->self &&
	       memcmp(a->disk_id, b->disk_id, DISK_ID_SIZE) == 0;
}

/* Which of the copies holds: SYNOD_OK, NOT_FOUND or CORRUPT. */
static int
choose(const char *directory, const struct copy copies[2], const struct copy **chosen, char *why)
{
	const struct copy *a = &copies[0];
	const struct copy *b = &copies[1];

	if (a->state == COPY_MISSING && b->state == COPY_MISSING)
		return SYNOD_NOT_FOUND;
	if (a->state == COPY_NEWER || b->state == COPY_NEWER) {
		snprintf(why, WHY_SIZE, "%s/promise.*: a newer format; upgrade synodd", directory);
		return SYNOD_CORRUPT;
	}
	if (a->state != COPY_GOOD && b->state != COPY_GOOD) {
		snprintf(why, WHY_SIZE,
		         "%s/promise.a and promise.b: damaged; what this member has promised is "
		         "lost. Keep the directory; start it under a new name with an empty one",
		         directory);
		return SYNOD_CORRUPT;
	}
	if (a->state == COPY_GOOD && b->state == COPY_GOOD &&
	    !same_member(&a->identity, &b->identity)) {
		snprintf(why, WHY_SIZE,
		         "%s/promise.a and promise.b belong to different members. Put back the "
		         "files that belong together",
		         directory);
		return SYNOD_CORRUPT;
	}
	bool is_b =
		a->state != COPY_GOOD || (b->state == COPY_GOOD && b->generation > a->generation);
	*chosen = is_b ? b : a;
	return SYNOD_OK;
}

static int
save(struct identity_store *store, const struct identity *identity)
{
	buffer_clear(&store->packed);
	encode(identity, &store->packed);
	store->generation++;
	store->saved = *identity;
	int error = write_copy(store, store->files[0]);
	return error == SYNOD_OK ? write_copy(store, store->files[1]) : error;
}

/* Make what has been read certainly durable, and both files whole. */
static int
repair(struct disk *disk, const char *directory, struct identity_store *store,
       const struct copy *chosen, char *why)
{
	int error = SYNOD_OK;

	for (unsigned i = 0; i < 2 && error == SYNOD_OK; i++)
		if (!store->files[i])
			error = open_copy(disk, directory, names[i], DISK_CREATE, &store->files[i]);
	store->generation = chosen->generation;
	if (error == SYNOD_OK)
		error = save(store, &chosen->identity);
	if (error == SYNOD_OK)
		error = disk->ops->sync_directory(disk, directory);
	if (error != SYNOD_OK)
		snprintf(why, WHY_SIZE, "%s", disk->ops->why(disk));
	return error == SYNOD_OK || error == SYNOD_NO_SPACE ? error : SYNOD_IO;
}

int
identity_open(struct disk *disk, const char *directory, struct identity *identity,
              struct identity_store **store, char *why)
{
	struct identity_store *opened = check_calloc(1, sizeof *opened);
	struct copy *copies = check_calloc(2, sizeof *copies);
	const struct copy *chosen = NULL;

	*store = NULL;
	why[0] = '\0';
	int error = read_copies(disk, directory, opened, copies, why);
	if (error == SYNOD_OK)
		error = choose(directory, copies, &chosen, why);
	if (error == SYNOD_OK)
		error = repair(disk, directory, opened, chosen, why);
	if (error == SYNOD_OK) {
		*identity = chosen->identity;
		*store = opened;
	} else {
		identity_close(opened);
	}
	free(copies);
	return error;
}

static int
exists(struct disk *disk, const char *directory, const char *name)
{
	struct disk_file *file;
	int error = open_copy(disk, directory, name, DISK_READ_ONLY, &file);

	if (error != SYNOD_OK)
		return error == SYNOD_NOT_FOUND ? SYNOD_OK : error;
	file->ops->close(file);
	return SYNOD_EXISTS;
}

/* Write NAME under another name first, so that it never exists without its content. */
static int
create_copy(struct disk *disk, const char *directory, struct identity_store *store, unsigned i)
{
	char *to = path_of(directory, names[i], "");
	char *from = path_of(directory, names[i], "~");

	int error = disk->ops->open(disk, from, DISK_CREATE, &store->files[i]);
	if (error == SYNOD_OK)
		error = write_copy(store, store->files[i]);
	if (error == SYNOD_OK)
		error = disk->ops->rename(disk, from, to);
	if (error == SYNOD_OK)
		error = disk->ops->sync_directory(disk, directory);
	free(from);
	free(to);
	return error;
}

int
identity_create(struct disk *disk, const char *directory, const struct identity *identity,
                struct identity_store **store, char *why)
{
	struct identity_store *created = check_calloc(1, sizeof *created);
	int error = SYNOD_OK;

	CHECK(identity->self > 0);
	CHECK(identity->member_count <= MEMBERS_MAX);

	*store = NULL;
	why[0] = '\0';
	created->generation = 1;
	created->saved = *identity;
	encode(identity, &created->packed);
	for (unsigned i = 0; i < 2 && error == SYNOD_OK; i++)
		error = exists(disk, directory, names[i]);
	for (unsigned i = 0; i < 2 && error == SYNOD_OK; i++)
		error = create_copy(disk, directory, created, i);
	if (error == SYNOD_OK) {
		*store = created;
		return SYNOD_OK;
	}
	identity_close(created);
	if (error == SYNOD_EXISTS) {
		snprintf(why, WHY_SIZE, "%s: holds a member's promise already", directory);
		return SYNOD_EXISTS;
	}
	snprintf(why, WHY_SIZE, "%s", disk->ops->why(disk));
	return error == SYNOD_NO_SPACE ? SYNOD_NO_SPACE : SYNOD_IO;
}

int
identity_save(struct identity_store *store, const struct identity *identity)
{
	CHECK(same_member(identity, &store->saved));
	CHECK(identity->epoch >= store->saved.epoch);
	CHECK(ballot_compare(identity->promised, store->saved.promised) >= 0);

	return save(store, identity) == SYNOD_OK ? SYNOD_OK : SYNOD_IO;
}

void
identity_close(struct identity_store *store)
{
	if (!store)
		return;
	for (unsigned i = 0; i < 2; i++)
		if (store->files[i])
			store->files[i]->ops->close(store->files[i]);
	buffer_fini(&store->packed);
	free(store);
}

/* ---- the cluster's name ---- */

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void
identity_cluster_id(const struct member_identity *members, unsigned count,
                    uint8_t cluster_id[CLUSTER_ID_SIZE])
{
	char *texts[MEMBERS_MAX];
	struct buffer list = BUFFER_EMPTY;

	CHECK(count <= MEMBERS_MAX);

	for (unsigned i = 0; i < count; i++) {
		size_t size = sizeof members[i].name + sizeof members[i].address + 1;
		texts[i] = check_malloc(size);
		snprintf(texts[i], size, "%s=%s", members[i].name, members[i].address);
	}
	qsort(texts, count, sizeof *texts, compare_texts);
	for (unsigned i = 0; i < count; i++) {
		if (i > 0)
			buffer_append(&list, ",", 1);
		buffer_append(&list, texts[i], strlen(texts[i]));
		free(texts[i]);
	}
	CHECK(!list.failed);
	XXH128_canonical_t canonical;
	XXH128_canonicalFromHash(&canonical, XXH3_128bits(list.bytes, list.size));
	memcpy(cluster_id, canonical.digest, CLUSTER_ID_SIZE);
	buffer_fini(&list);
}
