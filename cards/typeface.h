/* Which fonts a card's words are drawn in, and how, where this house draws them itself. */
#ifndef MEISHI_TYPEFACE_H
#define MEISHI_TYPEFACE_H

#include <pango/pangocairo.h>
#include <stdbool.h>

/* A list of families, best first, for pango. Han characters are drawn as LANG (BCP 47, NULL for unknown) writes them; Japanese
 * when it does not say, as this house would. Static. */
const char *typeface_families(const char *lang, bool serif);
/* Lays out text in LANG to be drawn on CR, unhinted: letters keep their shape at any size. The caller unrefs. */
PangoContext *typeface_context(cairo_t *cr, const char *lang);

#endif
