/* The way of a call from the application's thread into the session's actor, and back. */
#ifndef CLIENT_SUBMIT_H
#define CLIENT_SUBMIT_H

#include "client/handle.h"

/*
 * Check what has nothing to do with the operation, and make *CALL for OP.  Not
 * SYNOD_OK: the call is over, with that error; *RESULT (if RESULT is not NULL) says so too.
 */
int submit_begin(struct synod *synod, const struct synod_call *how, uint8_t op,
                 struct synod_result **result, struct call **call);

/* CALL, whose body was encoded with ERROR and WHY, goes its way or is given back.  What the public
 * function returns. */
int submit(struct synod *synod, struct call *call, const struct synod_call *how, int error,
           const char *why, struct synod_result **result);

/* What was wrong before anything was asked, in a result like any other if one is wanted.  Returns
 * ERROR. */
int submit_refuse(struct synod_result **result, int error, const char *why);

#endif
