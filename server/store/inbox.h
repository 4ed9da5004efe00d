/* The inbox: hits that are on disk and not folded yet. One row is one group commit or a stretch of it, its hits and acts packed one
 * behind the other. Each has a number, SEQ, which only grows within its lane (lanes.h). */
#ifndef MEISHI_STORE_INBOX_H
#define MEISHI_STORE_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "server/store/hits.h"

struct db;
struct db_rows;

/* Room to pack a commit in, kept from one to the next. Starts zeroed; free(bytes) gives it back. */
struct inbox_room {
    unsigned char *bytes;
    size_t size;
};

/* Appends COUNT hits, linked by next, numbered from FIRST_SEQ, by one statement. */
enum result inbox_append(struct db *db, const struct hit *first, size_t count, int64_t first_seq,
                         struct inbox_room *room) MUST_CHECK;
/* Deletes the commits that lie wholly at SEQ and below, in its lane. In a transaction. */
enum result inbox_sweep(struct db *db, int64_t seq) MUST_CHECK;
/* The first and the last number in it, where there is one lane; both 0 when it is empty. */
enum result inbox_ends(struct db *db, int64_t *out_first, int64_t *out_last) MUST_CHECK;

struct inbox_reader {
    struct db *db;
    struct db_rows *rows;          /* a few commits; asked for more behind them */
    int left;                      /* of those, how many may still come */
    const unsigned char *at, *end; /* of the present row */
    int64_t after, seq, last;
};
/* What has a number above AFTER in the lane of AFTER, in order. To be ended by inbox_end, also after FAILED. */
enum result inbox_begin(struct db *db, int64_t after, struct inbox_reader *out) MUST_CHECK;
/* Fills what a hit is made of, and its number. NOT_FOUND: that was all. FAILED: it could not be read, or is damaged. */
enum result inbox_next(struct inbox_reader *reader, struct hit *out, int64_t *out_seq) MUST_CHECK;
void inbox_end(struct inbox_reader *reader);

#endif
