/* Watching the space on the disk. */
#include "server/storage/space.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"

#define WHY_SIZE        256
#define RESERVE_DEFAULT ((uint64_t)64 << 20)

struct space {
	struct disk *disk;
	char *directory;
	char *ballast_path;
	uint64_t reserve_bytes;
	enum space_state state;
	bool has_ballast;
};

struct space_decision
space_decide(uint64_t reserve_bytes, enum space_state state, bool has_ballast, uint64_t free_bytes)
{
	uint64_t ballast = has_ballast ? 0 : reserve_bytes;
	uint64_t with_ballast = free_bytes > ballast ? free_bytes - ballast : 0;
	struct space_decision decision = {state, SPACE_NOTHING};

	if (with_ballast < 2 * reserve_bytes)
		decision.state = SPACE_LOW;
	else if (with_ballast >= 3 * reserve_bytes)
		decision.state = SPACE_PLENTY;

	if (has_ballast && free_bytes < reserve_bytes + reserve_bytes / 4)
		decision.action = SPACE_DROP_BALLAST;
	else if (!has_ballast && with_ballast >= 3 * reserve_bytes)
		decision.action = SPACE_MAKE_BALLAST;
	return decision;
}

static int
drop_ballast(struct space *space)
{
	int error = space->disk->ops->remove(space->disk, space->ballast_path);

	if (error == SYNOD_OK || error == SYNOD_NOT_FOUND)
		space->has_ballast = false;
	return space->has_ballast ? SYNOD_IO : SYNOD_OK;
}

/* The ballast need not be durable: it can be made again. */
static void
make_ballast(struct space *space)
{
	struct disk_file *file;

	if (space->disk->ops->open(space->disk, space->ballast_path, DISK_CREATE, &file))
		return;
	int error = file->ops->reserve(file, space->reserve_bytes);
	file->ops->close(file);
	space->has_ballast = true;
	if (error != SYNOD_OK)
		drop_ballast(space);
}

/* Is there a ballast of the right size from an earlier run?  Any other is removed. */
static int
find_ballast(struct space *space)
{
	struct disk_file *file;
	uint64_t size;

	int error = space->disk->ops->open(space->disk, space->ballast_path, DISK_READ_ONLY, &file);
	if (error == SYNOD_NOT_FOUND)
		return SYNOD_OK;
	if (error != SYNOD_OK)
		return error;
	error = file->ops->size(file, &size);
	file->ops->close(file);
	if (error != SYNOD_OK)
		return error;
	space->has_ballast = true;
	return size == space->reserve_bytes ? SYNOD_OK : drop_ballast(space);
}

int
space_open(struct disk *disk, const char *directory, uint64_t reserve_bytes, struct space **space,
           char *why)
{
	static const char name[] = "/ballast";
	struct space *opened = check_calloc(1, sizeof *opened);
	size_t size = strlen(directory) + sizeof name;

	*space = NULL;
	why[0] = '\0';
	opened->disk = disk;
	opened->directory = check_strdup(directory);
	opened->reserve_bytes = reserve_bytes ? reserve_bytes : RESERVE_DEFAULT;
	opened->ballast_path = check_malloc(size);
	snprintf(opened->ballast_path, size, "%s%s", directory, name);
	if (find_ballast(opened) != SYNOD_OK) {
		snprintf(why, WHY_SIZE, "%s", disk->ops->why(disk));
		space_close(opened);
		return SYNOD_IO;
	}
	space_check(opened);
	*space = opened;
	return SYNOD_OK;
}

void
space_close(struct space *space)
{
	if (!space)
		return;
	free(space->ballast_path);
	free(space->directory);
	free(space);
}

enum space_state
space_check(struct space *space)
{
	uint64_t free_bytes;

	if (space->disk->ops->free_bytes(space->disk, space->directory, &free_bytes) != SYNOD_OK)
		return space->state;
	struct space_decision decision =
		space_decide(space->reserve_bytes, space->state, space->has_ballast, free_bytes);
	space->state = decision.state;
	if (decision.action == SPACE_DROP_BALLAST)
		drop_ballast(space);
	else if (decision.action == SPACE_MAKE_BALLAST)
		make_ballast(space);
	return space->state;
}
