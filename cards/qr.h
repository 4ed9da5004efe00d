/* A link as a QR symbol (ISO/IEC 18004): dark on light, a quiet zone of 4 modules that cannot be lowered, whole pixels a
 * module. Only upper-case addresses in alphanumeric mode are encoded, so that the symbol is the smallest there can be. */
#ifndef MEISHI_QR_H
#define MEISHI_QR_H

#include <stdbool.h>
#include <stdint.h>
#include "cards/base/arena.h"
#include "cards/base/str.h"

enum {
    QR_QUIET_MODULES = 4,
    QR_SIZE_MIN = 64,
    QR_SIZE_MAX = 4096,
    QR_SIZE_DEFAULT = 512,
    QR_VERSION_MAX = 40,
    QR_MODULE_MIN_PX = 3
};

enum qr_level { QR_LEVEL_L, QR_LEVEL_M, QR_LEVEL_Q, QR_LEVEL_H };

struct qr {
    int modules;          /* a side, without the quiet zone: 21 to 177 */
    const uint8_t *cells; /* modules * modules bytes, 1 is dark; owned by the arena */
};

/* INVALID if TEXT holds a character outside the alphanumeric set or does not fit. */
enum result qr_encode(const char *text, enum qr_level level, struct arena *arena, struct qr *out) MUST_CHECK;
/* A 1-bit grey PNG at most SIZE pixels a side and as near to it as whole pixels a module allow, libpng at level 6 without
 * filters. A module has QR_MODULE_MIN_PX at least, since finer ones are not read: then the picture is larger than asked.
 * INVALID if SIZE is outside the limits above. The bytes are in the arena. */
enum result qr_png(const struct qr *qr, int size, struct arena *arena, const void **out, size_t *out_len) MUST_CHECK;
/* One path in a viewBox of modules, with the quiet zone and a white ground. TITLE is what it is, for screen readers. */
void qr_svg(struct str *out, const struct qr *qr, const char *title);
/* Half-block characters for a terminal, light ground drawn explicitly so that dark terminals scan too. */
void qr_terminal(struct str *out, const struct qr *qr);
/* How wide a print must be, quiet zone included, for a scan from DISTANCE_MM: distance / 10, but no module under 0.4 mm. */
double qr_print_width_mm(const struct qr *qr, double distance_mm);

#endif
