/* See typeface.h. The Noto families of Debian's fonts-noto-core and fonts-noto-cjk lead; where they are not installed, the
 * system's own serif or sans draws what it can. */
#include "cards/typeface.h"

#include <string.h>

#define OTHER_SERIFS ",Noto Naskh Arabic,Noto Serif Hebrew,Noto Serif Devanagari,Noto Serif Thai,DejaVu Serif,serif"
#define OTHER_SANS ",DejaVu Sans,sans-serif"

const char *typeface_families(const char *lang, bool serif)
{
    if (!lang)
        lang = "ja";
    if (!strncmp(lang, "zh-TW", 5) || !strncmp(lang, "zh-Hant", 7) || !strncmp(lang, "zh-HK", 5))
        return serif ? "Noto Serif,Noto Serif CJK TC" OTHER_SERIFS : "Noto Sans,Noto Sans CJK TC" OTHER_SANS;
    if (!strncmp(lang, "zh", 2))
        return serif ? "Noto Serif,Noto Serif CJK SC" OTHER_SERIFS : "Noto Sans,Noto Sans CJK SC" OTHER_SANS;
    if (!strncmp(lang, "ko", 2))
        return serif ? "Noto Serif,Noto Serif CJK KR" OTHER_SERIFS : "Noto Sans,Noto Sans CJK KR" OTHER_SANS;
    return serif ? "Noto Serif,Noto Serif CJK JP" OTHER_SERIFS : "Noto Sans,Noto Sans CJK JP" OTHER_SANS;
}

PangoContext *typeface_context(cairo_t *cr, const char *lang)
{
    PangoContext *context = pango_cairo_create_context(cr);
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    pango_cairo_context_set_font_options(context, options);
    cairo_font_options_destroy(options);
    if (lang)
        pango_context_set_language(context, pango_language_from_string(lang));
    return context;
}
