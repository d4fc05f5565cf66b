/*
 * Records of instances: anybody may have written them.
 *
 * What is read is written, read and written again: the two texts are equal.  With another health it
 * is the same record but for that.
 */
#include <stdio.h>
#include <string.h>

#include "client/discovery/record.h"
#include "shared/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct record *
read_again(const struct buffer *text)
{
	struct record *record;

	CHECK(!text->failed);
	if (text->size > RECORD_SIZE_MAX)
		return NULL;
	CHECK(record_read("id", text->bytes, text->size, &record, NULL) == SYNOD_OK);
	return record;
}

static void
expect_the_same(const struct record *record, const struct record *other)
{
	struct buffer first = BUFFER_EMPTY;
	struct buffer second = BUFFER_EMPTY;

	record_write(record, &first);
	record_write(other, &second);
	CHECK(slice_equal(buffer_slice(&first), buffer_slice(&second)));
	buffer_fini(&first);
	buffer_fini(&second);
}

static void
try_writing(const struct record *record)
{
	struct buffer text = BUFFER_EMPTY;
	struct record *again;

	record_write(record, &text);
	again = read_again(&text);
	if (again != NULL)
		expect_the_same(record, again);
	record_release(again);
	buffer_fini(&text);
}

static void
try_rewriting(struct record *record, const uint8_t *bytes, size_t size)
{
	struct buffer text = BUFFER_EMPTY;
	struct record *again;

	CHECK(record_rewrite_health(bytes, size, SYNOD_DRAINING, &text, NULL) == SYNOD_OK);
	again = read_again(&text);
	if (again != NULL) {
		CHECK(again->instance.health == SYNOD_DRAINING);
		record->instance.health = SYNOD_DRAINING;
		expect_the_same(record, again);
	}
	record_release(again);
	buffer_fini(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char why[RECORD_WHY_SIZE] = "";
	struct record *record;
	int error = record_read("id", bytes, size, &record, why);

	CHECK(error == SYNOD_OK || error == SYNOD_BAD_MESSAGE);
	CHECK((error == SYNOD_OK) == (why[0] == '\0'));
	CHECK((error == SYNOD_OK) == (record != NULL));
	if (record == NULL)
		return 0;
	try_writing(record);
	try_rewriting(record, bytes, size);
	record_release(record);
	return 0;
}
