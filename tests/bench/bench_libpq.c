/* The best that a bare loop on libpq reaches: the rows that a card page's hits become, 64 a commit, by one prepared statement of
 * unnested arrays on one connection, into a table of a month's shape. No page, no queue, no fold, no counters.
 *
 *   bench_libpq URL SECONDS SHARES MEMBERS   prints {"rows":, "seconds":, "cpu_us":} with the CPU of this process
 *
 * The URL is libpq's. Its table is made anew each time. */
#include <endian.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "server/ids.h"
#include "tests/support/fill_store.h"

enum {
    ROWS = 64,
    COLUMNS = 13,
    NUMBERS = 11,
    TYPE_INT8 = 20,
    TYPE_TEXT = 25,
    TYPE_INT8_ARRAY = 1016,
    TYPE_TEXT_ARRAY = 1009
};

static const char MAKE[] =
    "DROP TABLE IF EXISTS bare_hits; CREATE TABLE bare_hits (owner_id BIGINT NOT NULL, share_id BIGINT NOT NULL, id BIGINT NOT "
    "NULL, visitor_id BIGINT NOT NULL, verdict BIGINT NOT NULL, rule BIGINT NOT NULL, channel BIGINT NOT NULL, facts BIGINT NOT "
    "NULL, acts BIGINT NOT NULL, visitor_hash BIGINT NOT NULL, times BIGINT NOT NULL, family TEXT, referrer TEXT, PRIMARY KEY "
    "(owner_id, share_id, id))";
static const char INSERT[] =
    "INSERT INTO bare_hits SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

static void must(bool ok, const char *words)
{
    if (ok)
        return;
    fprintf(stderr, "bench_libpq: %s\n", words);
    exit(1);
}

static PGresult *checked(PGconn *db, PGresult *result)
{
    must(PQresultStatus(result) == PGRES_COMMAND_OK, PQerrorMessage(db));
    return result;
}

static double seconds_of(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static unsigned char *put(unsigned char *at, uint32_t number)
{
    number = htobe32(number);
    return mempcpy(at, &number, sizeof number);
}

/* The arrays of one commit, in the engine's binary form. */
struct arrays {
    unsigned char bytes[COLUMNS][2048];
    const char *values[COLUMNS];
    int lengths[COLUMNS], formats[COLUMNS];
};

static unsigned char *begin_array(unsigned char *at, uint32_t element)
{
    return put(put(put(put(put(at, 1), 0), element), ROWS), 1);
}

static void fill(struct arrays *arrays, const struct filling *filling)
{
    static const char *const TEXTS[] = {"Safari on iOS", "example.org"};
    unsigned char *ends[COLUMNS];
    for (int i = 0; i < COLUMNS; i++)
        ends[i] = begin_array(arrays->bytes[i], i < NUMBERS ? TYPE_INT8 : TYPE_TEXT);
    for (int row = 0; row < ROWS; row++) {
        int64_t share = random() % filling->shares, id = id_new();
        const int64_t numbers[NUMBERS] = {filled_owner(filling, share),
                                          filled_share(filling, share),
                                          id,
                                          id,
                                          0,
                                          2,
                                          1,
                                          4,
                                          0,
                                          (int64_t)(random_u64() >> 1),
                                          1};
        for (int i = 0; i < NUMBERS; i++) {
            uint64_t number = htobe64((uint64_t)numbers[i]);
            ends[i] = mempcpy(put(ends[i], sizeof number), &number, sizeof number);
        }
        for (int i = NUMBERS; i < COLUMNS; i++) {
            const char *text = TEXTS[i - NUMBERS];
            ends[i] = mempcpy(put(ends[i], (uint32_t)strlen(text)), text, strlen(text));
        }
    }
    for (int i = 0; i < COLUMNS; i++) {
        arrays->values[i] = (const char *)arrays->bytes[i];
        arrays->lengths[i] = (int)(ends[i] - arrays->bytes[i]);
        arrays->formats[i] = 1;
    }
}

int main(int argc, char **argv)
{
    static struct arrays arrays;
    must(argc == 5, "usage: bench_libpq URL SECONDS SHARES MEMBERS");
    const struct filling filling = {.shares = atoll(argv[3]), .members = atoll(argv[4])};
    Oid types[COLUMNS];
    for (int i = 0; i < COLUMNS; i++)
        types[i] = i < NUMBERS ? TYPE_INT8_ARRAY : TYPE_TEXT_ARRAY;
    PGconn *db = PQconnectdb(argv[1]);
    must(PQstatus(db) == CONNECTION_OK, PQerrorMessage(db));
    PQclear(checked(db, PQexec(db, "SET client_min_messages = error")));
    PQclear(checked(db, PQexec(db, MAKE)));
    PQclear(checked(db, PQprepare(db, "rows", INSERT, COLUMNS, types)));
    double start = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID), length = atof(argv[2]),
           took;
    int64_t rows = 0;
    do {
        fill(&arrays, &filling);
        PQclear(checked(db, PQexecPrepared(db, "rows", COLUMNS, arrays.values, arrays.lengths, arrays.formats, 1)));
        rows += ROWS;
        took = seconds_of(CLOCK_MONOTONIC) - start;
    } while (took < length);
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    PQclear(checked(db, PQexec(db, "DROP TABLE bare_hits")));
    PQfinish(db);
    printf("{\"rows\": %lld, \"seconds\": %.6f, \"cpu_us\": %.0f}\n", (long long)rows, took, cpu * 1e6);
    return 0;
}
