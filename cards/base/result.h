/* The outcomes every function of this program shares. A function has at most two or three that its callers
 * expect; anything else is RESULT_FAILED, logged once by whoever meets it first. One place (server/routes.c)
 * turns an outcome into HTTP. */
#ifndef MEISHI_RESULT_H
#define MEISHI_RESULT_H

enum result {
    RESULT_OK,
    RESULT_NOT_FOUND, /* no such thing, or not yours: the two are never told apart */
    RESULT_INVALID,   /* the input is wrong; the words are in a struct complaints */
    RESULT_DENIED,    /* the caller may not */
    RESULT_CONFLICT,  /* it exists already, or has changed meanwhile */
    RESULT_LIMITED,   /* too often or too much; later is fine */
    RESULT_BUSY,      /* the engine asks to try again: only db.c sees this one */
    RESULT_FAILED     /* our fault or the machine's */
};

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))

#endif
