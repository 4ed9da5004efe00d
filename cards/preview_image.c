/* See preview_image.h. One sheet on paper: the firm above, the name as large as three balanced lines allow, the role beneath, the
 * host at the foot, the seal or the portrait on the far side. A name that reads from the right mirrors the whole sheet.
 *
 * It draws what the card says and nothing about who handed it over: the picture is the card's, the same for every share. */
#include "cards/preview_image.h"

#include <cairo.h>
#include <pango/pangocairo.h>
#include <string.h>

#include "cards/base/str.h"
#include "cards/jpeg.h"
#include "cards/palette.h"
#include "cards/quantise.h"
#include "cards/typeface.h"

enum {
    SHEET_X = 56,
    SHEET_Y = 48,
    SHEET_WIDTH = PREVIEW_WIDTH - 2 * SHEET_X,
    SHEET_HEIGHT = 526,
    SHEET_RADIUS = 28,
    PAD = 72,
    INNER_WIDTH = SHEET_WIDTH - 2 * PAD,
    TOP = SHEET_Y + 64,
    FOOT = SHEET_Y + SHEET_HEIGHT - 60, /* where the host's line ends */
    SEAL = 132,
    PORTRAIT = 300,
    GAP = 56,
    NAME_LINES_MAX = 3, /* and one more from NAME_SMALL down */
    NAME_SMALL = 56
};

struct sheet {
    cairo_t *cr;
    const struct card *card;
    struct palette palette;
    PangoContext *pango;
    struct arena *arena;
    bool mirrored;
    double text_width; /* what the seal or the portrait leaves */
    struct quantise_area photo;
};

static void set_colour(cairo_t *cr, uint32_t colour)
{
    cairo_set_source_rgb(cr, (colour >> 16) / 255.0, (colour >> 8 & 255) / 255.0, (colour & 255) / 255.0);
}

static void rounded(cairo_t *cr, double x, double y, double width, double height, double radius)
{
    const double quarter = 1.5707963267948966;
    cairo_new_sub_path(cr);
    cairo_arc(cr, x + width - radius, y + radius, radius, -quarter, 0);
    cairo_arc(cr, x + width - radius, y + height - radius, radius, 0, quarter);
    cairo_arc(cr, x + radius, y + height - radius, radius, quarter, 2 * quarter);
    cairo_arc(cr, x + radius, y + radius, radius, 2 * quarter, 3 * quarter);
    cairo_close_path(cr);
}

/* How much of a blurred edge's shadow falls at AT: 0 outside, 1 well inside, smooth over BLUR to each side. */
static double shade(double at, double from, double to, double blur)
{
    double inside = (at - from < to - at ? at - from : to - at) / (2 * blur) + 0.5;
    inside = inside < 0 ? 0 : inside > 1 ? 1 : inside;
    return inside * inside * (3 - 2 * inside);
}

/* cairo has no blur, but the shadow of a rectangle is the product of two blurred edges. */
static void draw_shadow(cairo_t *cr)
{
    const double blur = 34, depth = 46;
    cairo_surface_t *mask = cairo_image_surface_create(CAIRO_FORMAT_A8, PREVIEW_WIDTH, PREVIEW_HEIGHT);
    cairo_surface_flush(mask);
    uint8_t *data = cairo_image_surface_get_data(mask);
    int stride = cairo_image_surface_get_stride(mask);
    for (int y = 0; data && y < PREVIEW_HEIGHT; y++) {
        double down = shade(y, SHEET_Y + 40, SHEET_Y + SHEET_HEIGHT - 20, blur);
        for (int x = 0; x < PREVIEW_WIDTH; x++)
            data[y * stride + x] =
                (uint8_t)(depth * down * shade(x, SHEET_X + 22, SHEET_X + SHEET_WIDTH - 22, blur) + 0.5);
    }
    cairo_surface_mark_dirty(mask);
    cairo_set_source_rgb(cr, 60 / 255.0, 40 / 255.0, 10 / 255.0);
    cairo_mask_surface(cr, mask, 0, 6);
    cairo_surface_destroy(mask);
}

static void draw_paper(cairo_t *cr, const struct palette *palette, bool dark)
{
    set_colour(cr, palette->paper);
    cairo_paint(cr);
    if (!dark)
        draw_shadow(cr);
    set_colour(cr, palette->line);
    rounded(cr, SHEET_X - 1.5, SHEET_Y - 1.5, SHEET_WIDTH + 3, SHEET_HEIGHT + 4, SHEET_RADIUS + 1.5);
    cairo_fill(cr);
    set_colour(cr, palette->sheet);
    rounded(cr, SHEET_X, SHEET_Y, SHEET_WIDTH, SHEET_HEIGHT, SHEET_RADIUS);
    cairo_fill(cr);
}

/* The caller unrefs. SIZE is in pixels. */
static PangoLayout *layout_of(const struct sheet *sheet, const char *text, bool serif, int weight, double size)
{
    PangoLayout *layout = pango_layout_new(sheet->pango);
    PangoFontDescription *font = pango_font_description_new();
    pango_font_description_set_family_static(font, typeface_families(sheet->card->lang, serif));
    pango_font_description_set_weight(font, (PangoWeight)weight);
    pango_font_description_set_absolute_size(font, size * PANGO_SCALE);
    pango_layout_set_font_description(layout, font);
    pango_font_description_free(font);
    pango_layout_set_text(layout, text, -1);
    pango_layout_set_auto_dir(layout, TRUE);
    return layout;
}

static void size_of(PangoLayout *layout, int *width, int *height)
{
    pango_layout_get_pixel_size(layout, width, height);
}

/* Puts a layout of one or more lines against the reading edge, top at Y. */
static void show(const struct sheet *sheet, PangoLayout *layout, uint32_t colour, double y)
{
    bool right = text_direction(pango_layout_get_text(layout))[0] == 'r';
    /* Pango's "left" is the start of the text, so it turns with the text and has to be turned back. */
    pango_layout_set_alignment(layout, right == sheet->mirrored ? PANGO_ALIGN_LEFT : PANGO_ALIGN_RIGHT);
    pango_layout_set_width(layout, (int)(sheet->text_width * PANGO_SCALE));
    double x = sheet->mirrored ? SHEET_X + SHEET_WIDTH - PAD - sheet->text_width : SHEET_X + PAD;
    set_colour(sheet->cr, colour);
    cairo_move_to(sheet->cr, x, y);
    pango_cairo_show_layout(sheet->cr, layout);
}

static int line_count_at(PangoLayout *layout, int width)
{
    pango_layout_set_width(layout, width * PANGO_SCALE);
    return pango_layout_get_line_count(layout);
}

/* The narrowest width that needs no more lines: what CSS calls text-wrap: balance. Breaks the lines there for good. */
static void balance(PangoLayout *layout, int width, struct arena *arena)
{
    int lines = line_count_at(layout, width);
    int low = 1, high = width;
    if (lines < 2)
        return;
    while (low < high) {
        int half = (low + high) / 2;
        int ink_width, height;
        bool fits = line_count_at(layout, half) <= lines;
        size_of(layout, &ink_width, &height);
        if (fits && ink_width <= half)
            high = half;
        else
            low = half + 1;
    }
    line_count_at(layout, high);
    /* show() lays out at the full width, so the breaks found here become the text's own. */
    const char *text = pango_layout_get_text(layout);
    struct str broken;
    str_init(&broken, arena, 4096);
    for (int i = 0; i < pango_layout_get_line_count(layout); i++) {
        PangoLayoutLine *line = pango_layout_get_line_readonly(layout, i);
        if (i)
            str_add(&broken, "\u2028");
        const char *start = text + line->start_index;
        int len = line->length;
        while (len > 0 && start[len - 1] == ' ')
            len--;
        str_add_n(&broken, start, (size_t)len);
    }
    pango_layout_set_text(layout, broken.data, (int)broken.len);
}

/* The name with its hyphens joined to what follows, so that a double name is parted only where nothing else helps. */
static const char *joined(const struct sheet *sheet)
{
    struct str text;
    str_init(&text, sheet->arena, 4096);
    for (const char *c = sheet->card->name; *c; c++) {
        str_add_char(&text, *c);
        if (*c == '-')
            str_add(&text, "\u2060");
    }
    return text.data;
}

/* NULL when TEXT does not keep its words whole at that size within the lines and the height there are. */
static PangoLayout *try_name(const struct sheet *sheet, const char *text, int size, int height_max)
{
    int width = (int)sheet->text_width, got_width, got_height;
    PangoLayout *layout = layout_of(sheet, text, true, 500, size);
    pango_layout_set_line_spacing(layout, 0.86F);
    pango_layout_set_wrap(layout, PANGO_WRAP_WORD);
    int lines = line_count_at(layout, width);
    size_of(layout, &got_width, &got_height);
    if (lines <= (size > NAME_SMALL ? NAME_LINES_MAX : NAME_LINES_MAX + 1) && got_width <= width &&
        got_height <= height_max) {
        balance(layout, width, sheet->arena);
        return layout;
    }
    g_object_unref(layout);
    return NULL;
}

/* The largest size that fits: parted at spaces alone if that is large enough, else at hyphens too; when even the least is too
 * large, words are cut and the rest becomes an ellipsis. The caller unrefs. */
static PangoLayout *fit_name(const struct sheet *sheet, int height_max)
{
    static const int sizes[] = {112, 104, 96, 88, 80, 72, 64, NAME_SMALL, 50, 44, 38};
    const char *whole = joined(sheet);
    PangoLayout *layout = NULL;
    for (int i = 0; !layout && sizes[i] > NAME_SMALL; i++)
        layout = try_name(sheet, whole, sizes[i], height_max);
    for (size_t i = 0; !layout && i < sizeof sizes / sizeof *sizes; i++)
        layout = try_name(sheet, sheet->card->name, sizes[i], height_max);
    if (layout)
        return layout;
    layout = layout_of(sheet, sheet->card->name, true, 500, 44);
    pango_layout_set_line_spacing(layout, 0.86F);
    pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_width(layout, (int)(sheet->text_width * PANGO_SCALE));
    pango_layout_set_height(layout, -NAME_LINES_MAX);
    pango_layout_set_ellipsize(layout, PANGO_ELLIPSIZE_END);
    return layout;
}

/* A line or two of quiet text. The caller unrefs. */
static PangoLayout *fit_lines(const struct sheet *sheet, const char *text, int weight, double size, int lines)
{
    PangoLayout *layout = layout_of(sheet, text, false, weight, size);
    pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_width(layout, (int)(sheet->text_width * PANGO_SCALE));
    pango_layout_set_height(layout, -lines);
    pango_layout_set_ellipsize(layout, PANGO_ELLIPSIZE_END);
    return layout;
}

/* A square of SIDE with a fine frame cut into it, its initials upright in it, turned a little as a hand would. */
static void draw_seal(const struct sheet *sheet, double x, double y, double side)
{
    cairo_t *cr = sheet->cr;
    const char *initials = card_initials(sheet->card, sheet->arena);
    cairo_save(cr);
    cairo_translate(cr, x + side / 2, y + side / 2);
    cairo_rotate(cr, -0.035);
    set_colour(cr, sheet->palette.seal);
    rounded(cr, -side / 2, -side / 2, side, side, side * 0.16);
    cairo_fill(cr);
    set_colour(cr, sheet->palette.seal_ink);
    cairo_set_line_width(cr, side * 0.02);
    rounded(cr, -side * 0.44, -side * 0.44, side * 0.88, side * 0.88, side * 0.115);
    cairo_stroke(cr);
    /* One letter, or one character of a CJK name, has the whole square to itself. */
    double size = side * (g_utf8_strlen(initials, -1) == 1 ? 0.56 : 0.43);
    PangoLayout *layout = layout_of(sheet, initials, true, 600, size);
    PangoRectangle ink;
    pango_layout_get_pixel_extents(layout, &ink, NULL);
    if (ink.width > side * 0.7) { /* two wide letters, or a font that is not ours */
        size *= side * 0.7 / ink.width;
        g_object_unref(layout);
        layout = layout_of(sheet, initials, true, 600, size);
        pango_layout_get_pixel_extents(layout, &ink, NULL);
    }
    cairo_move_to(cr, -ink.x - ink.width / 2.0, -ink.y - ink.height / 2.0);
    pango_cairo_show_layout(cr, layout);
    g_object_unref(layout);
    cairo_restore(cr);
}

static void draw_portrait(struct sheet *sheet, cairo_surface_t *portrait, double x, double y)
{
    cairo_t *cr = sheet->cr;
    int width = cairo_image_surface_get_width(portrait), height = cairo_image_surface_get_height(portrait);
    double scale = (double)PORTRAIT / (width < height ? width : height);
    cairo_save(cr);
    rounded(cr, x, y, PORTRAIT, PORTRAIT, 22);
    cairo_clip(cr);
    cairo_translate(cr, x + (PORTRAIT - width * scale) / 2, y + (PORTRAIT - height * scale) / 2);
    cairo_scale(cr, scale, scale);
    cairo_set_source_surface(cr, portrait, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_GOOD);
    cairo_pattern_set_extend(cairo_get_source(cr), CAIRO_EXTEND_PAD);
    cairo_paint(cr);
    cairo_restore(cr);
    sheet->photo = (struct quantise_area){(int)x, (int)y, PORTRAIT, PORTRAIT};
}

/* The seal alone in the corner, or the portrait with the seal stamped over its lower edge. Leaves the room for text. */
static void draw_person(struct sheet *sheet, cairo_surface_t *portrait)
{
    double side = portrait ? PORTRAIT : SEAL;
    double x = sheet->mirrored ? SHEET_X + PAD : SHEET_X + SHEET_WIDTH - PAD - side;
    sheet->text_width = INNER_WIDTH - side - GAP;
    if (!portrait) {
        draw_seal(sheet, x, TOP + 4, side);
        return;
    }
    const double stamp = 84;
    double y = SHEET_Y + (SHEET_HEIGHT - PORTRAIT) / 2.0;
    draw_portrait(sheet, portrait, x, y);
    draw_seal(sheet, sheet->mirrored ? x + PORTRAIT - stamp * 0.62 : x - stamp * 0.38, y + PORTRAIT - stamp * 0.82,
              stamp);
}

/* Firm at the top, host at the foot, name and role in the middle of what is left. */
static void draw_words(const struct sheet *sheet, const char *host)
{
    int width, height, role_height = 0, top = TOP, foot = FOOT;
    if (sheet->card->organization) {
        PangoLayout *firm = fit_lines(sheet, sheet->card->organization, 400, 32, 1);
        size_of(firm, &width, &height);
        show(sheet, firm, sheet->palette.ink_2, TOP);
        top += height + 12;
        g_object_unref(firm);
    }
    if (host) {
        PangoLayout *at = fit_lines(sheet, host, 400, 26, 1);
        size_of(at, &width, &height);
        foot -= height;
        show(sheet, at, sheet->palette.ink_2, foot);
        foot -= 34;
        g_object_unref(at);
    }
    PangoLayout *role = sheet->card->title ? fit_lines(sheet, sheet->card->title, 400, 34, 2) : NULL;
    if (role) {
        size_of(role, &width, &role_height);
        role_height += 16;
    }
    PangoLayout *name = fit_name(sheet, foot - top - role_height);
    size_of(name, &width, &height);
    double y = top + (foot - top - height - role_height) / 2.0;
    show(sheet, name, sheet->palette.ink, y);
    if (role) {
        show(sheet, role, sheet->palette.ink, y + height + 16);
        g_object_unref(role);
    }
    g_object_unref(name);
}

static enum result pack(cairo_surface_t *surface, const struct sheet *sheet, struct arena *arena, const void **out,
                        size_t *out_len)
{
    const struct palette *p = &sheet->palette;
    const uint32_t fixed[] = {p->paper, p->sheet, p->ink, p->ink_2, p->line, p->seal, p->seal_ink};
    struct png_colour colours[PNG_COLOURS_MAX];
    const uint8_t *indices;
    int count = quantise(surface, sheet->photo, fixed, sizeof fixed / sizeof *fixed, arena, &indices, colours);
    return png_from_indices(indices, PREVIEW_WIDTH, PREVIEW_HEIGHT, colours, count, arena, out, out_len);
}

enum result preview_image_png(const struct card *card, const char *host, const void *jpeg, size_t jpeg_len,
                              struct arena *arena, const void **out, size_t *out_len)
{
    bool dark = card->theme && !strcmp(card->theme, "dark");
    enum result result = RESULT_FAILED;
    cairo_surface_t *portrait = NULL;
    /* A portrait that cannot be read is our fault, but no reason to have no picture. */
    if (jpeg && jpeg_decode(jpeg, jpeg_len, 2 * PORTRAIT, &portrait) != RESULT_OK)
        portrait = NULL;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, PREVIEW_WIDTH, PREVIEW_HEIGHT);
    cairo_t *cr = cairo_create(surface);
    struct sheet sheet = {.cr = cr,
                          .card = card,
                          .palette = palette_for(card->accent, dark),
                          .pango = typeface_context(cr, card->lang),
                          .arena = arena,
                          .mirrored = text_direction(card->name)[0] == 'r'};
    draw_paper(cr, &sheet.palette, dark);
    draw_person(&sheet, portrait);
    draw_words(&sheet, host);
    if (cairo_status(cr) == CAIRO_STATUS_SUCCESS)
        result = pack(surface, &sheet, arena, out, out_len);
    g_object_unref(sheet.pango);
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    if (portrait)
        cairo_surface_destroy(portrait);
    return result;
}
