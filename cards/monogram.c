/* See monogram.h. Pango shapes the letters large and without hinting, their outline is taken and brought to one size; from there
 * on nothing knows of fonts. It draws no frame and no colour: in a QR code the ink is black and the paper white. */
#include "cards/monogram.h"

#include <assert.h>
#include <cairo.h>
#include <math.h>
#include <string.h>

#include "cards/typeface.h"

enum {
    EM = 1000,       /* pixels the letters are shaped at */
    SPACING = 50,    /* more than the font puts between two letters, so that whole pixels keep them apart */
    WEIGHT = 700,    /* the hairlines of a lighter serif are lost at this size */
    DOT_RADIUS = 330 /* of MONOGRAM_UNITS */
};

/* Puts the outline of INITIALS on CR's path; false when a font for one of them is missing. */
static bool trace_letters(cairo_t *cr, const struct card *card, const char *initials)
{
    PangoContext *context = typeface_context(cr, card->lang);
    PangoFontDescription *font = pango_font_description_new();
    pango_font_description_set_family_static(font, typeface_families(card->lang, true));
    pango_font_description_set_weight(font, (PangoWeight)WEIGHT);
    pango_font_description_set_absolute_size(font, EM * PANGO_SCALE);
    PangoAttrList *spacing = pango_attr_list_new();
    pango_attr_list_insert(spacing, pango_attr_letter_spacing_new(SPACING * PANGO_SCALE));
    PangoLayout *layout = pango_layout_new(context);
    pango_layout_set_font_description(layout, font);
    pango_layout_set_attributes(layout, spacing);
    pango_layout_set_text(layout, initials, -1);
    bool known = pango_layout_get_unknown_glyphs_count(layout) == 0;
    if (known)
        pango_cairo_layout_path(cr, layout);
    g_object_unref(layout);
    pango_attr_list_unref(spacing);
    pango_font_description_free(font);
    g_object_unref(context);
    return known;
}

static void trace_dot(cairo_t *cr)
{
    cairo_new_path(cr);
    cairo_arc(cr, 0, 0, DOT_RADIUS, 0, 6.283185307179586);
    cairo_close_path(cr);
}

/* How a path is brought to the one size: by SCALE around its middle. */
struct fit {
    double scale, middle_x, middle_y;
    int width, height; /* of what comes out */
};

/* False when the path has no ink. */
static bool fit_path(cairo_t *cr, struct fit *out)
{
    double left, top, right, bottom;
    cairo_fill_extents(cr, &left, &top, &right, &bottom);
    double width = right - left, height = bottom - top;
    if (width < 1 || height < 1)
        return false;
    double scale = MONOGRAM_UNITS / (width > height ? width : height);
    *out = (struct fit){.scale = scale,
                        .middle_x = (left + right) / 2,
                        .middle_y = (top + bottom) / 2,
                        .width = (int)lround(width * scale),
                        .height = (int)lround(height * scale)};
    return true;
}

/* Control points may lie outside of what they draw, but not far. */
static int16_t bring(double at, double middle, double scale)
{
    double to = (at - middle) * scale;
    return (int16_t)lround(to < -MONOGRAM_UNITS ? -MONOGRAM_UNITS : to > MONOGRAM_UNITS ? MONOGRAM_UNITS : to);
}

/* False when the path is not one of a letter: too many steps, as a picture's. */
static bool take_steps(const cairo_path_t *path, const struct fit *fit, struct arena *arena, struct monogram *out)
{
    static const struct {
        char verb;
        int points;
    } kinds[] = {[CAIRO_PATH_MOVE_TO] = {'M', 1},
                 [CAIRO_PATH_LINE_TO] = {'L', 1},
                 [CAIRO_PATH_CURVE_TO] = {'C', 3},
                 [CAIRO_PATH_CLOSE_PATH] = {'Z', 0}};
    struct monogram_step *steps = arena_alloc(arena, MONOGRAM_STEPS_MAX * sizeof *steps);
    int count = 0;
    for (int i = 0; i < path->num_data; i += path->data[i].header.length) {
        if (count == MONOGRAM_STEPS_MAX)
            return false;
        const cairo_path_data_t *data = path->data + i;
        struct monogram_step *step = &steps[count++];
        step->verb = kinds[data->header.type].verb;
        for (int p = 0; p < kinds[data->header.type].points; p++) {
            step->x[p] = bring(data[p + 1].point.x, fit->middle_x, fit->scale);
            step->y[p] = bring(data[p + 1].point.y, fit->middle_y, fit->scale);
        }
    }
    /* cairo begins a new path where the last was closed; nothing is drawn there. */
    while (count && steps[count - 1].verb == 'M')
        count--;
    *out = (struct monogram){.steps = steps, .count = count, .width = fit->width, .height = fit->height};
    return true;
}

static bool take_path(cairo_t *cr, const struct fit *fit, struct arena *arena, struct monogram *out)
{
    cairo_path_t *path = cairo_copy_path(cr);
    bool taken = path->status == CAIRO_STATUS_SUCCESS && take_steps(path, fit, arena, out);
    cairo_path_destroy(path);
    return taken;
}

enum result monogram_make(const struct card *card, struct arena *arena, struct monogram *out)
{
    const char *initials = card_initials(card, arena);
    struct fit fit;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1);
    cairo_t *cr = cairo_create(surface);
    bool made = *initials && trace_letters(cr, card, initials) && fit_path(cr, &fit) && take_path(cr, &fit, arena, out);
    if (!made) {
        trace_dot(cr);
        fit = (struct fit){.scale = 1, .width = MONOGRAM_UNITS, .height = MONOGRAM_UNITS};
        made = take_path(cr, &fit, arena, out);
    }
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    return made ? RESULT_OK : RESULT_FAILED;
}

static void replay(cairo_t *cr, const struct monogram *monogram)
{
    for (const struct monogram_step *at = monogram->steps; at < monogram->steps + monogram->count; at++)
        switch (at->verb) {
        case 'M':
            cairo_move_to(cr, at->x[0], at->y[0]);
            break;
        case 'L':
            cairo_line_to(cr, at->x[0], at->y[0]);
            break;
        case 'C':
            cairo_curve_to(cr, at->x[0], at->y[0], at->x[1], at->y[1], at->x[2], at->y[2]);
            break;
        default:
            cairo_close_path(cr);
        }
}

enum result monogram_fill(const struct monogram *monogram, int width, int height, struct arena *arena,
                          const uint8_t **out)
{
    assert(width > 0 && width <= MONOGRAM_SIDE_MAX && height > 0 && height <= MONOGRAM_SIDE_MAX);
    double scale_x = (double)width / monogram->width, scale_y = (double)height / monogram->height;
    double scale = scale_x < scale_y ? scale_x : scale_y;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A8, width, height);
    cairo_t *cr = cairo_create(surface);
    cairo_set_antialias(cr, CAIRO_ANTIALIAS_BEST);
    cairo_translate(cr, width / 2.0, height / 2.0);
    cairo_scale(cr, scale, scale);
    replay(cr, monogram);
    cairo_fill(cr);
    bool drawn = cairo_status(cr) == CAIRO_STATUS_SUCCESS;
    cairo_destroy(cr);
    cairo_surface_flush(surface);
    const uint8_t *coverage = cairo_image_surface_get_data(surface);
    if (drawn && coverage) {
        uint8_t *ink = arena_alloc_raw(arena, (size_t)width * (size_t)height);
        int stride = cairo_image_surface_get_stride(surface);
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                ink[y * width + x] = coverage[y * stride + x] >= 128;
        *out = ink;
    }
    cairo_surface_destroy(surface);
    return drawn && coverage ? RESULT_OK : RESULT_FAILED;
}

void monogram_path(struct str *out, const struct monogram *monogram)
{
    int x = 0, y = 0, begin_x = 0, begin_y = 0;
    for (const struct monogram_step *at = monogram->steps; at < monogram->steps + monogram->count; at++) {
        int points = at->verb == 'C' ? 3 : at->verb == 'Z' ? 0 : 1;
        str_add_char(out, (char)(at->verb | 0x20)); /* lower case: relative to where the step before ended */
        for (int p = 0; p < points; p++)
            str_addf(out, "%s%d %d", p ? " " : "", at->x[p] - x, at->y[p] - y);
        if (!points) {
            x = begin_x;
            y = begin_y;
            continue;
        }
        x = at->x[points - 1];
        y = at->y[points - 1];
        if (at->verb == 'M') {
            begin_x = x;
            begin_y = y;
        }
    }
}
