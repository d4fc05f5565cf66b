/* Transitions in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "server/paxos/paxos.h"

static void
tells_what_happened_and_then_the_facts(void **state)
{
	struct paxos_transition transition = {
		.type = TRANSITION_LOST_QUORUM, .ballot = {1, 7, 2}, .slot = 8812, .ms = 500};
	char text[256];

	(void)state;
	paxos_transition_format(&transition, text, sizeof(text));
	assert_string_equal(text,
	                    "lost leadership: no quorum answers for 500 ms ballot=1.7.2 slot=8812");
	transition = (struct paxos_transition){
		.type = TRANSITION_PROMISED, .ballot = {1, 1, 3}, .slot = 4, .member = 3};
	paxos_transition_format(&transition, text, sizeof(text));
	assert_string_equal(text, "promised ballot=1.1.3 slot=4 member=3");
}

static void
keeps_to_the_size_it_is_given(void **state)
{
	struct paxos_transition transition = {.type = TRANSITION_LEADER};
	char text[8];

	(void)state;
	paxos_transition_format(&transition, text, sizeof(text));
	assert_int_equal(strlen(text), 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_what_happened_and_then_the_facts),
		cmocka_unit_test(keeps_to_the_size_it_is_given),
	};

	alarm(120);
	return cmocka_run_group_tests_name("paxos/transition", tests, NULL, NULL);
}
