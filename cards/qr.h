/* A link as a QR symbol (ISO/IEC 18004): dark on light, a quiet zone of 4 modules that cannot be lowered, whole pixels a
 * module. Only upper-case addresses in alphanumeric mode are encoded, so that the symbol is the smallest there can be. */
#ifndef MEISHI_QR_H
#define MEISHI_QR_H

#include <stdbool.h>
#include <stdint.h>
#include "cards/base/arena.h"
#include "cards/base/str.h"
#include "cards/monogram.h"

enum {
    QR_QUIET_MODULES = 4,
    QR_SIZE_MIN = 64,
    QR_SIZE_MAX = 4096,
    QR_SIZE_DEFAULT = 512,
    QR_VERSION_MAX = 40,
    QR_MODULE_MIN_PX = 3,
    QR_MARK_VERSION_MIN = 4, /* 33 modules: the smallest symbol that spares QR_CLEAR_MIN squared of them */
    QR_CLEAR_MIN = 7,
    QR_CLEAR_SHARE = 20 /* what is cleared for a mark is at most one of so many parts of the symbol */
};

enum qr_level { QR_LEVEL_L, QR_LEVEL_M, QR_LEVEL_Q, QR_LEVEL_H };

struct qr {
    int modules;                   /* a side, without the quiet zone: 21 to 177 */
    const uint8_t *cells;          /* modules * modules bytes, 1 is dark; owned by the arena */
    int clear_width, clear_height; /* of the light field in the middle, in modules, odd; 0: there is none */
    const struct monogram *mark;   /* what stands in it, one module from its edges; NULL: nothing */
};

/* INVALID if TEXT holds a character outside the alphanumeric set or does not fit. */
enum result qr_encode(const char *text, enum qr_level level, struct arena *arena, struct qr *out) MUST_CHECK;
/* The same with MARK in a clear field in the middle, a square or for wide letters two modules wider and less tall: what it covers
 * the error correction mends. LEVEL is Q or H; Q is raised to H where that costs nothing, and the symbol to version 4, since the
 * mark takes from what is there for dirt and creases. It covers nothing that a reader finds its way by, so it is left out where an
 * alignment pattern is in the middle: versions 7 to 13, 21 to 27, 35 to 40, for addresses of more than 108 characters. MARK must
 * outlive OUT. */
enum result qr_encode_marked(const char *text, enum qr_level level, const struct monogram *mark, struct arena *arena,
                             struct qr *out) MUST_CHECK;
/* A 1-bit grey PNG at most SIZE pixels a side and as near to it as whole pixels a module allow, libpng at level 6 without
 * filters. A module has QR_MODULE_MIN_PX at least, since finer ones are not read: then the picture is larger than asked.
 * INVALID if SIZE is outside the limits above. The bytes are in the arena. */
enum result qr_png(const struct qr *qr, int size, struct arena *arena, const void **out, size_t *out_len) MUST_CHECK;
/* One path in a viewBox of modules, another for the mark, with the quiet zone and a white ground. TITLE is what it is, for screen
 * readers. */
void qr_svg(struct str *out, const struct qr *qr, const char *title);
/* Half-block characters for a terminal, light ground drawn explicitly so that dark terminals scan too. */
void qr_terminal(struct str *out, const struct qr *qr);
/* How wide a print must be, quiet zone included, for a scan from DISTANCE_MM: distance / 10, but no module under 0.4 mm. */
double qr_print_width_mm(const struct qr *qr, double distance_mm);

#endif
