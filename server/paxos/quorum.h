/* Quorums: majorities of the voters of one epoch. */
#ifndef SERVER_PAXOS_QUORUM_H
#define SERVER_PAXOS_QUORUM_H

#include <stdint.h>

/* The least number of voters of which any two sets have a member in common. */
unsigned quorum_size(unsigned voter_count);

/* The largest value that a quorum has reached: each voter stands at one of VALUES. */
uint64_t quorum_reached(const uint64_t *values, unsigned voter_count);

#endif
