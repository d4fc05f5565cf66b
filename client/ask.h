/*
 * Asking members one question each, on short connections of their own.
 *
 * For what is asked of a particular member rather than of the ensemble: its
 * status, the members it sees, handing over leadership.
 */
#ifndef CLIENT_ASK_H
#define CLIENT_ASK_H

#include "client/handle.h"

struct answer {
	const char *address; /* in: whom to ask; owned by the caller */
	int error;           /* SYNOD_OK, why the member could not be asked, or the answer's own */
	char text[CONTACT_TEXT_MAX]; /* for an error, in words; may be empty */
	struct buffer frame;         /* the body of the RESPONSE, or empty */
	struct slice result;         /* in it; for SYNOD_OK one packed element */
};

/*
 * Ask COUNT members at the same time and wait for all, at most TIMEOUT_MS.  BODY is
 * the request's packed body.  SYNOD_OK, or SYNOD_NO_MEMORY when nobody could be asked.
 * Free each answer with answer_fini().
 */
int ask(struct synod *synod, struct answer *answers, unsigned count, uint8_t op, struct slice body,
        unsigned timeout_ms);
void answer_fini(struct answer *answer);

/* Ask every endpoint that is known; *ANSWERS has *COUNT of them.  Free with answers_free(). */
int ask_all(struct synod *synod, uint8_t op, struct slice body, unsigned timeout_ms,
            struct answer **answers, unsigned *count);
void answers_free(struct answer *answers, unsigned count);

/* May this thread ask now, and hand something over in RESULT? */
int ask_check(struct synod *synod, const void *result);

/* TIMEOUT_MS, or the default for 0. */
unsigned ask_timeout_ms(unsigned timeout_ms);

#endif
