/*
 * Feeds arbitrary bytes to the reader of the promise files.
 *
 * The first byte decides: 1 mend the checksum, 2 the second file is missing
 * (otherwise it is damaged).
 */
#include <string.h>
#include <xxhash.h>

#include "server/storage/bytes.h"
#include "server/storage/identity.h"
#include "shared/check.h"
#include "shared/error.h"
#include "tests/support/disk_memory.h"

#define HEADER_SIZE 32u
#define FILE_SIZE   8192u

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
mend(uint8_t *file)
{
	uint32_t size = get_u32(file + 12);

	if (size <= FILE_SIZE - HEADER_SIZE)
		put_u64(file + 24, XXH3_64bits_withSeed(file + HEADER_SIZE, size,
		                                        XXH3_64bits(file, HEADER_SIZE - 8)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct disk *disk;
	struct identity identity;
	struct identity again;
	struct identity_store *store;
	uint8_t file[FILE_SIZE] = {0};
	char why[256];

	if (size < 1 || size - 1 > FILE_SIZE)
		return 0;
	disk = memory_disk_new(1);
	memcpy(file, bytes + 1, size - 1);
	if (bytes[0] & 1)
		mend(file);
	CHECK(disk->ops->make_directory(disk, "data") == SYNOD_OK);
	memory_disk_put(disk, "data/promise.a", (struct slice){file, FILE_SIZE});
	if (!(bytes[0] & 2))
		memory_disk_put(disk, "data/promise.b", (struct slice){file, 100});

	int error = identity_open(disk, "data", &identity, &store, why);
	if (error == SYNOD_OK) {
		/* What was understood is understood again. */
		identity_close(store);
		CHECK(identity_open(disk, "data", &again, &store, why) == SYNOD_OK);
		CHECK(ballot_equal(identity.promised, again.promised));
		CHECK(identity.self == again.self);
		CHECK(identity.member_count == again.member_count);
		identity_close(store);
	} else {
		CHECK(error == SYNOD_CORRUPT);
		CHECK(why[0] != '\0');
	}
	memory_disk_free(disk);
	return 0;
}
