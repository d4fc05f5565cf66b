/* Guesses what a mistyped word was meant to be. */
#ifndef CLIENT_CLI_SUGGEST_H
#define CLIENT_CLI_SUGGEST_H

/* The one of NAMES (ended by NULL) nearest to WORD, or NULL when none is near. */
const char *suggest(const char *word, const char *const *names);

#endif
