/* Tables as text (RFC 4180): fields with commas between them, rows with line ends, quotes around what holds either. */
#ifndef MEISHI_CSV_H
#define MEISHI_CSV_H

#include "cards/base/arena.h"

enum { CSV_FIELDS_MAX = 32 };

/* Reads the row at *AT into FIELDS, in the arena, and moves *AT behind it; a byte order mark before the first is passed over by
 * the caller. *COUNT is 0 for an empty line. INVALID: a quote that is not closed or stands where none may, or too many fields. */
enum result csv_row(const char **at, struct arena *arena, const char *fields[CSV_FIELDS_MAX], size_t *count) MUST_CHECK;

#endif
