/* The steps that bring a database to today's tables, from server/store/migrations/NNN_name.sql, embedded at build time
 * by assets/embed.c: numbered from 1 without a gap, in order. One text for every engine. */
#ifndef MEISHI_MIGRATIONS_H
#define MEISHI_MIGRATIONS_H

struct migration {
    int number;
    const char *name; /* "first" of "001_first.sql" */
    const char *sql;
};

extern const struct migration migrations[];
extern const int migrations_count;

#endif
