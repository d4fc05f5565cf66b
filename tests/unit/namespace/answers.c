/* Kept answers. */
#include "tests/unit/namespace/fixture.h"

static void
keep(struct session *session, uint64_t revision, size_t size)
{
	struct buffer result = BUFFER_EMPTY;
	uint8_t *bytes = check_calloc(1, size + 1);
	struct kept_answer answer = {.error = (int)(revision % 7), .revision = revision};

	pack_binary(&result, (struct slice){bytes, size});
	answer.result = buffer_slice(&result);
	answers_append(session, &answer);
	free(bytes);
	buffer_fini(&result);
}

static void
finds_each_until_it_is_dropped(void **state)
{
	struct session session = {0};

	(void)state;
	for (uint64_t seq = 1; seq <= 100; seq++)
		keep(&session, 1000 + seq, seq);
	for (uint64_t acknowledged = 0; acknowledged < 100; acknowledged += 9) {
		answers_drop(&session, acknowledged);
		for (uint64_t seq = acknowledged + 1; seq <= 100; seq++) {
			struct kept_answer answer;

			answers_find(&session, seq, &answer);
			assert_int_equal(answer.revision, 1000 + seq);
			assert_int_equal(answer.error, (1000 + seq) % 7);
			assert_true(answer.result.size > seq);
		}
	}
	answers_drop(&session, 100);
	assert_int_equal(answers_blob(&session).size, 0);
	buffer_fini(&session.answers);
}

static void
hash_depends_on_what_is_kept_alone(void **state)
{
	struct session one = {0};
	struct session other = {.seq = 3, .acknowledged = 3};

	(void)state;
	for (uint64_t seq = 1; seq <= 10; seq++)
		keep(&one, seq, 20);
	answers_drop(&one, 2);
	answers_drop(&one, 3);
	for (uint64_t seq = 4; seq <= 10; seq++)
		keep(&other, seq, 20);
	assert_true(hash_equal(one.answers_hash, other.answers_hash));
	assert_true(slice_equal(answers_blob(&one), answers_blob(&other)));
	keep(&one, 11, 20);
	assert_false(hash_equal(one.answers_hash, other.answers_hash));
	buffer_fini(&one.answers);
	buffer_fini(&other.answers);
}

static void
loads_what_a_blob_holds(void **state)
{
	struct session session = {0};
	struct session loaded = {.seq = 5, .acknowledged = 2};

	(void)state;
	for (uint64_t seq = 1; seq <= 5; seq++)
		keep(&session, seq, 3);
	answers_drop(&session, 2);
	assert_int_equal(answers_load(&loaded, answers_blob(&session)), SYNOD_OK);
	assert_true(hash_equal(loaded.answers_hash, session.answers_hash));
	buffer_fini(&loaded.answers);
	buffer_fini(&session.answers);
}

static void
refuses_a_blob_with_other_than_the_answers_due(void **state)
{
	struct session session = {0};
	struct session fewer = {.seq = 4};
	struct session more = {.seq = 6};
	struct session impossible = {.seq = 5, .acknowledged = 6};
	struct slice blob;

	(void)state;
	for (uint64_t seq = 1; seq <= 5; seq++)
		keep(&session, seq, 3);
	blob = answers_blob(&session);
	assert_int_equal(answers_load(&fewer, blob), SYNOD_CORRUPT);
	assert_int_equal(answers_load(&more, blob), SYNOD_CORRUPT);
	assert_int_equal(answers_load(&impossible, blob), SYNOD_CORRUPT);
	buffer_fini(&session.answers);
}

static void
are_full_by_bytes_too(void **state)
{
	struct session session = {0};

	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		assert_false(answers_are_full(&session, 0));
		keep(&session, i, 1u << 20);
	}
	assert_true(answers_are_full(&session, 0));
	assert_false(answers_are_full(&session, 1));
	buffer_fini(&session.answers);
}

/* A session that once had a large answer does not go on holding its memory. */
static void
free_their_memory_when_idle(void **state)
{
	struct session session = {0};

	(void)state;
	keep(&session, 1, 1u << 20);
	answers_drop(&session, 1);
	assert_true(session.answers.capacity <= 1024);
	buffer_fini(&session.answers);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_each_until_it_is_dropped),
		cmocka_unit_test(hash_depends_on_what_is_kept_alone),
		cmocka_unit_test(loads_what_a_blob_holds),
		cmocka_unit_test(refuses_a_blob_with_other_than_the_answers_due),
		cmocka_unit_test(are_full_by_bytes_too),
		cmocka_unit_test(free_their_memory_when_idle),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
