/* The first byte a portrait worker writes. Between server/portrait.c and server/portrait_worker.c only. */
#ifndef MEISHI_PORTRAIT_OUTCOME_H
#define MEISHI_PORTRAIT_OUTCOME_H

enum portrait_outcome {
    PORTRAIT_MADE = 'm',
    PORTRAIT_UNKNOWN = 'u', /* not a picture of a kind we read */
    PORTRAIT_DAMAGED = 'd',
    PORTRAIT_MOVING = 'a',
    PORTRAIT_SMALL = 's',
    PORTRAIT_LARGE = 'l'
};

#endif
