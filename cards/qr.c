/* See qr.h. libqrencode makes the symbol; this file decides what may go in and how the cells become a picture. It never
 * draws light on dark, never scales by a fraction and never gives up the quiet zone: those are why codes fail to scan. */
#include "cards/qr.h"

#include <assert.h>
#include <qrencode.h>
#include <string.h>

#include "cards/base/escape.h"
#include "cards/png.h"

static bool is_alphanumeric(const char *text)
{
    return text[strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")] == '\0';
}

static bool is_dark(const struct qr *qr, int x, int y)
{
    if (x < 0 || y < 0 || x >= qr->modules || y >= qr->modules)
        return false;
    return qr->cells[y * qr->modules + x];
}

/* The symbol of TEXT, of VERSION_MIN at least (0: as small as can be), for the caller to free. */
static enum result encode(const char *text, enum qr_level level, int version_min, QRcode **out)
{
    static const QRecLevel levels[] = {QR_ECLEVEL_L, QR_ECLEVEL_M, QR_ECLEVEL_Q, QR_ECLEVEL_H};
    size_t len = strlen(text);
    /* 4296 characters is what version 40 holds at level L; asking first keeps the int below safe. */
    if (!len || len > 4296 || !is_alphanumeric(text))
        return RESULT_INVALID;
    QRinput *input = QRinput_new2(version_min, levels[level]);
    if (!input || QRinput_append(input, QR_MODE_AN, (int)len, (const unsigned char *)text) != 0) {
        QRinput_free(input);
        return RESULT_FAILED;
    }
    *out = QRcode_encodeInput(input);
    QRinput_free(input);
    return *out ? RESULT_OK : RESULT_INVALID;
}

/* A copy of the symbol's cells without the bits that say why each is there. */
static uint8_t *cells_of(const QRcode *code, struct arena *arena)
{
    size_t count = (size_t)code->width * (size_t)code->width;
    uint8_t *cells = arena_alloc_raw(arena, count);
    for (size_t i = 0; i < count; i++)
        cells[i] = code->data[i] & 1;
    return cells;
}

enum result qr_encode(const char *text, enum qr_level level, struct arena *arena, struct qr *out)
{
    QRcode *code = NULL;
    enum result result = encode(text, level, 0, &code);
    if (result == RESULT_OK)
        *out = (struct qr){.modules = code->width, .cells = cells_of(code, arena)};
    QRcode_free(code);
    return result;
}

/* Whether a field in the middle holds nothing but data and its correction. */
static bool is_data_only(const QRcode *code, int width, int height)
{
    const int is_pattern = 0x80; /* libqrencode: not data */
    int left = (code->width - width) / 2, top = (code->width - height) / 2;
    for (int y = top; y < top + height; y++)
        for (int x = left; x < left + width; x++)
            if (code->data[y * code->width + x] & is_pattern)
                return false;
    return true;
}

/* How large MARK becomes in a field: modules a unit. */
static double mark_scale(const struct monogram *mark, int width, int height)
{
    double x = (double)(width - 2) / mark->width, y = (double)(height - 2) / mark->height;
    return x < y ? x : y;
}

/* Sizes the field: the square of the share, or the wide one where that shows MARK larger, made smaller until it keeps off the
 * patterns. False when even the least does not: an alignment pattern is in the middle. */
static bool size_field(const QRcode *code, const struct monogram *mark, struct qr *qr)
{
    int side = QR_CLEAR_MIN;
    while ((side + 2) * (side + 2) * QR_CLEAR_SHARE <= code->width * code->width)
        side += 2;
    for (; side >= QR_CLEAR_MIN; side -= 2) {
        bool wide = mark_scale(mark, side + 2, side - 2) > mark_scale(mark, side, side);
        qr->clear_width = wide ? side + 2 : side;
        qr->clear_height = wide ? side - 2 : side;
        if (is_data_only(code, qr->clear_width, qr->clear_height))
            return true;
    }
    return false;
}

enum result qr_encode_marked(const char *text, enum qr_level level, const struct monogram *mark, struct arena *arena,
                             struct qr *out)
{
    assert(level >= QR_LEVEL_Q);
    QRcode *code = NULL, *stronger = NULL;
    enum result result = encode(text, level, QR_MARK_VERSION_MIN, &code);
    if (result != RESULT_OK)
        return result;
    if (level < QR_LEVEL_H && encode(text, QR_LEVEL_H, QR_MARK_VERSION_MIN, &stronger) == RESULT_OK &&
        stronger->width == code->width) {
        QRcode_free(code);
        code = stronger;
        stronger = NULL;
    }
    struct qr marked = {.mark = mark};
    if (!size_field(code, mark, &marked))
        marked = (struct qr){0};
    uint8_t *cells = cells_of(code, arena);
    int left = (code->width - marked.clear_width) / 2, top = (code->width - marked.clear_height) / 2;
    for (int y = top; y < top + marked.clear_height; y++)
        memset(cells + y * code->width + left, 0, (size_t)marked.clear_width);
    marked.modules = code->width;
    marked.cells = cells;
    *out = marked;
    QRcode_free(stronger);
    QRcode_free(code);
    return RESULT_OK;
}

/* Clears the bits of a white row from FROM on, LEN of them: a byte at a time where it can. */
static void darken(uint8_t *row, int from, int len)
{
    while (len > 0) {
        int bit = from & 7;
        int here = len < 8 - bit ? len : 8 - bit;
        row[from >> 3] &= (uint8_t) ~((0xff >> bit) & (0xff << (8 - bit - here)));
        from += here;
        len -= here;
    }
}

/* Draws the mark over the pixel rows of a picture of SCALE pixels a module, which get bytes of their own for it. */
static enum result draw_mark(const struct qr *qr, int scale, size_t stride, struct arena *arena, const uint8_t **rows)
{
    int width = (qr->clear_width - 2) * scale, height = (qr->clear_height - 2) * scale;
    int side = (qr->modules + 2 * QR_QUIET_MODULES) * scale, left = (side - width) / 2, top = (side - height) / 2;
    const uint8_t *ink;
    enum result result = monogram_fill(qr->mark, width, height, arena, &ink);
    if (result != RESULT_OK)
        return result;
    for (int y = 0; y < height; y++) {
        uint8_t *row = arena_memdup(arena, rows[top + y], stride);
        for (int x = 0; x < width; x++)
            if (ink[y * width + x])
                darken(row, left + x, 1);
        rows[top + y] = row;
    }
    return RESULT_OK;
}

enum result qr_png(const struct qr *qr, int size, struct arena *arena, const void **out, size_t *out_len)
{
    if (size < QR_SIZE_MIN || size > QR_SIZE_MAX)
        return RESULT_INVALID;
    int across = qr->modules + 2 * QR_QUIET_MODULES;
    int scale = size / across > QR_MODULE_MIN_PX ? size / across : QR_MODULE_MIN_PX;
    int side = across * scale;
    size_t stride = ((size_t)side + 7) / 8;
    /* One packed row a module; the pixel rows point at them, so a module's rows are made once. */
    uint8_t *packed = arena_alloc_raw(arena, stride * (size_t)across);
    memset(packed, 0xff, stride * (size_t)across);
    const uint8_t **rows = arena_alloc_raw(arena, (size_t)side * sizeof *rows);
    for (int y = 0; y < across; y++) {
        uint8_t *row = packed + (size_t)y * stride;
        for (int x = 0; x < across; x++)
            if (is_dark(qr, x - QR_QUIET_MODULES, y - QR_QUIET_MODULES))
                darken(row, x * scale, scale);
        for (int i = 0; i < scale; i++)
            rows[y * scale + i] = row;
    }
    if (qr->mark && draw_mark(qr, scale, stride, arena, rows) != RESULT_OK)
        return RESULT_FAILED;
    return png_from_bits(rows, side, side, arena, out, out_len);
}

static void add_mark(struct str *out, const struct qr *qr)
{
    int middle = QR_QUIET_MODULES + qr->modules / 2; /* and a half: the sides are odd */
    int millionths = (int)(mark_scale(qr->mark, qr->clear_width, qr->clear_height) * 1e6);
    str_addf(out, "<path transform=\"translate(%d.5 %d.5)scale(.%06d)\" d=\"", middle, middle, millionths);
    monogram_path(out, qr->mark);
    str_add(out, "\"/>");
}

void qr_svg(struct str *out, const struct qr *qr, const char *title)
{
    int across = qr->modules + 2 * QR_QUIET_MODULES;
    str_addf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\"><title>", across,
             across);
    escape_html(out, title);
    str_addf(out, "</title><rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>", across, across);
    str_add(out, "<path fill=\"#000\" shape-rendering=\"crispEdges\" d=\"");
    for (int y = 0; y < qr->modules; y++) {
        for (int x = 0; x < qr->modules;) {
            int end = x;
            while (is_dark(qr, end, y))
                end++;
            if (end > x)
                str_addf(out, "M%d %dh%dv1h-%dz", x + QR_QUIET_MODULES, y + QR_QUIET_MODULES, end - x, end - x);
            x = end > x ? end : x + 1;
        }
    }
    str_add(out, "\"/>");
    if (qr->mark)
        add_mark(out, qr);
    str_add(out, "</svg>\n");
}

void qr_terminal(struct str *out, const struct qr *qr)
{
    static const char *const halves[] = {" ", "\u2580", "\u2584", "\u2588"};
    /* Black and white of the fixed colour cube: the first sixteen colours are the user's to change. */
    static const char on[] = "\033[38;5;16;48;5;231m", off[] = "\033[0m\n";
    for (int y = -QR_QUIET_MODULES; y < qr->modules + QR_QUIET_MODULES; y += 2) {
        str_add(out, on);
        for (int x = -QR_QUIET_MODULES; x < qr->modules + QR_QUIET_MODULES; x++)
            str_add(out, halves[is_dark(qr, x, y) | is_dark(qr, x, y + 1) << 1]);
        str_add(out, off);
    }
}

double qr_print_width_mm(const struct qr *qr, double distance_mm)
{
    const double module_min_mm = 0.4;
    double least = module_min_mm * (qr->modules + 2 * QR_QUIET_MODULES);
    return distance_mm / 10 > least ? distance_mm / 10 : least;
}
