/*
 * The judge of the exhaustive search: what has happened so far that the members' states alone do
 * not tell, as a number; and the promises that take more than one member to break.
 */
#ifndef TESTS_SIM_EXHAUSTIVE_JUDGE_H
#define TESTS_SIM_EXHAUSTIVE_JUDGE_H

#include "tests/sim/exhaustive_member.h"

void judge_reset(void);

/* The number of the empty history. */
uint32_t judge_first(void);

/* MEMBER has done ACTION, which has led from BEFORE to AFTER (numbers of all members' states).
 * Breaks off if a promise is broken; otherwise returns the history's next number. */
uint32_t judge_action(uint32_t history, const uint32_t *before, const uint32_t *after,
                      struct action action, const struct outcome *outcome);

/* How many slots are chosen. */
unsigned judge_chosen(uint32_t history);

/* "chosen=[S1.1 a] at 1.1.1 1.1.1 known=2" */
const char *judge_format(uint32_t history, char *text);

#endif
