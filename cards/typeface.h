/* Which fonts a card's words are drawn in, where this house draws them itself. */
#ifndef MEISHI_TYPEFACE_H
#define MEISHI_TYPEFACE_H

#include <stdbool.h>

/* A list of families, best first, for pango. Han characters are drawn as LANG (BCP 47, NULL for unknown) writes them; Japanese
 * when it does not say, as this house would. Static. */
const char *typeface_families(const char *lang, bool serif);

#endif
