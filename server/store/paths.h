/* Where the files of an SQLite store lie: sqlite:NAME.db is that file with its inbox NAME-hits.db beside it; sqlite:FOLDER
 * holds meishi.db and meishi-hits.db; sqlite: alone is the XDG data folder (XDG Base Directory 0.8). */
#ifndef MEISHI_STORE_PATHS_H
#define MEISHI_STORE_PATHS_H

#include "server/store/db.h"

/* NULL when URL is not of SQLite or there is no home folder. */
const char *paths_folder(const char *url, struct arena *arena);
const char *paths_file(const char *url, enum db_part part, struct arena *arena);
/* The XDG data folder of meishi; NULL without a home. */
const char *paths_data_folder(struct arena *arena);
/* Makes the folder and those above it, mode 0700. */
enum result paths_make_folder(const char *folder) MUST_CHECK;

#endif
