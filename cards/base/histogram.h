/* How often a measure fell into which range, counted by any thread: what a monitor needs to draw percentiles
 * of many servers together, which cannot be done from percentiles. */
#ifndef MEISHI_HISTOGRAM_H
#define MEISHI_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

enum { HISTOGRAM_BOUNDS_MAX = 16 };

struct histogram {
    const int64_t *bounds; /* growing; a value falls under the first that is not less. Not copied */
    int bound_count;
    _Atomic int64_t counts[HISTOGRAM_BOUNDS_MAX + 1]; /* of each bound, and of what is beyond the last */
    _Atomic int64_t sum;
};

/* What a histogram held at one moment, the counters one after the other. */
struct distribution {
    const int64_t *bounds;
    int bound_count;
    int64_t counts[HISTOGRAM_BOUNDS_MAX + 1], sum;
};

void histogram_init(struct histogram *histogram, const int64_t *bounds, int bound_count);
void histogram_add(struct histogram *histogram, int64_t value);
void histogram_read(const struct histogram *histogram, struct distribution *out);

#endif
