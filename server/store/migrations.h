/* The steps that bring a database to today's tables, from server/store/migrations/NNN_name.sql, embedded at build time
 * by assets/embed.c: numbered from 1 without a gap, in order. One text for every engine; "-- postgresql: STATEMENT;" on a line
 * is for that one alone, about how it stores rows, never about what they say. */
#ifndef MEISHI_MIGRATIONS_H
#define MEISHI_MIGRATIONS_H

#include <stdbool.h>

struct migration {
    int number;
    const char *name; /* "first" of "001_first.sql" */
    /* Servers of the version before may go on beside it: it only adds tables, indexes, and columns that may be empty or have
     * a default. Its first line says so, and tests/server/test_migrations.c looks whether that is true. */
    bool beside_old;
    const char *sql;
};

extern const struct migration migrations[];
extern const int migrations_count;

#endif
