/* See qr.h. libqrencode makes the symbol; this file decides what may go in and how the cells become a picture. It never
 * draws light on dark, never scales by a fraction and never gives up the quiet zone: those are why codes fail to scan. */
#include "cards/qr.h"

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

enum result qr_encode(const char *text, enum qr_level level, struct arena *arena, struct qr *out)
{
    static const QRecLevel levels[] = {QR_ECLEVEL_L, QR_ECLEVEL_M, QR_ECLEVEL_Q, QR_ECLEVEL_H};
    size_t len = strlen(text);
    /* 4296 characters is what version 40 holds at level L; asking first keeps the int below safe. */
    if (!len || len > 4296 || !is_alphanumeric(text))
        return RESULT_INVALID;
    enum result result = RESULT_INVALID;
    QRcode *code = NULL;
    QRinput *input = QRinput_new2(0, levels[level]);
    if (!input || QRinput_append(input, QR_MODE_AN, (int)len, (const unsigned char *)text) != 0) {
        result = RESULT_FAILED;
        goto done;
    }
    code = QRcode_encodeInput(input);
    if (!code)
        goto done;
    size_t count = (size_t)code->width * (size_t)code->width;
    uint8_t *cells = arena_alloc_raw(arena, count);
    for (size_t i = 0; i < count; i++)
        cells[i] = code->data[i] & 1; /* the other bits say why the cell is there */
    *out = (struct qr){.modules = code->width, .cells = cells};
    result = RESULT_OK;
done:
    QRcode_free(code);
    QRinput_free(input);
    return result;
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
    return png_from_bits(rows, side, side, arena, out, out_len);
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
    str_add(out, "\"/></svg>\n");
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
