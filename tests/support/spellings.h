/* Spellings of addresses that no webhook may go to, as they could stand in a URL: data for whoever judges them. Some are not read
 * as an address by this system's parser; those lead nowhere. */
#ifndef MEISHI_TEST_SPELLINGS_H
#define MEISHI_TEST_SPELLINGS_H

#include <stddef.h>

extern const char *const refused_spellings[];
extern const size_t refused_spellings_count;

#endif
