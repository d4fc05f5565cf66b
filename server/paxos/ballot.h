/* Ballots: (epoch, round, member), ordered lexicographically.  Lamport's ballot numbers. */
#ifndef SERVER_PAXOS_BALLOT_H
#define SERVER_PAXOS_BALLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A voter or learner of the ensemble; from 1; never reused. */
typedef uint64_t member_id;

struct ballot {
	uint64_t epoch;
	uint64_t round;
	member_id member;
};

#define BALLOT_NONE      ((struct ballot){0, 0, 0})
#define BALLOT_TEXT_SIZE 64

/* Negative, zero, positive, as memcmp. */
int ballot_compare(struct ballot a, struct ballot b);
bool ballot_equal(struct ballot a, struct ballot b);
bool ballot_is_none(struct ballot ballot);

/* "1.7.2" into TEXT (BALLOT_TEXT_SIZE bytes); returns TEXT. */
const char *ballot_format(struct ballot ballot, char *text);

#endif
