/*
 * The member: the shell around the consensus core.
 *
 * Owns connections, Paxos and the leader's session deadlines, in one strand.
 * It never blocks: journal and namespace are actors of their own.
 *
 *     persist -> send -> apply -> answer
 */
#ifndef SERVER_MEMBER_H
#define SERVER_MEMBER_H
#endif
