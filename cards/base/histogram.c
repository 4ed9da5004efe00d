/* See histogram.h. Bounds are few, so they are walked. */
#include "cards/base/histogram.h"

#include <assert.h>

void histogram_init(struct histogram *histogram, const int64_t *bounds, int bound_count)
{
    assert(bound_count <= HISTOGRAM_BOUNDS_MAX);
    histogram->bounds = bounds;
    histogram->bound_count = bound_count;
    for (int i = 0; i <= bound_count; i++)
        atomic_init(&histogram->counts[i], 0);
    atomic_init(&histogram->sum, 0);
}

void histogram_add(struct histogram *histogram, int64_t value)
{
    int range = 0;
    while (range < histogram->bound_count && value > histogram->bounds[range])
        range++;
    atomic_fetch_add_explicit(&histogram->counts[range], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, value, memory_order_relaxed);
}

void histogram_read(const struct histogram *histogram, struct distribution *out)
{
    *out = (struct distribution){.bounds = histogram->bounds, .bound_count = histogram->bound_count};
    for (int i = 0; i <= histogram->bound_count; i++)
        out->counts[i] = atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
    out->sum = atomic_load_explicit(&histogram->sum, memory_order_relaxed);
}
