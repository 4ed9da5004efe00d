/* See quantise.h. Median cut (Heckbert 1982): colours are counted in cells of 4 x 4 x 4, the cells put in one box, and the box that
 * spreads widest, weighed by how much of the picture it holds, is cut in two until there are boxes enough; each becomes the mean
 * of what fell into it. The drawing and the photograph get boxes of their own, or a large face would leave the letters none.
 * Inside the photograph the error of each pixel is handed to its neighbours (Floyd and Steinberg 1976). */
#include "cards/quantise.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BITS = 6, SHIFT = 8 - BITS, CELLS = 1 << (3 * BITS), DRAWING_MAX = 96, FIXED_MAX = 16 };

struct cell {
    uint32_t count, red, green, blue; /* sums; mean colour once collected */
};

struct box {
    int from, to; /* of the list of used cells */
    uint64_t weight;
    int axis, spread;
};

struct source {
    const uint8_t *pixels;
    int stride, width, height;
    struct quantise_area photo;
};

static uint32_t pixel_at(const struct source *source, int x, int y)
{
    uint32_t pixel;
    memcpy(&pixel, source->pixels + (size_t)y * (size_t)source->stride + (size_t)x * 4, 4);
    return pixel & 0xffffff;
}

static bool in_photo(const struct source *source, int x, int y)
{
    const struct quantise_area *p = &source->photo;
    return x >= p->x && x < p->x + p->width && y >= p->y && y < p->y + p->height;
}

static uint32_t cell_of(uint32_t colour)
{
    return (colour >> (16 + SHIFT) & 63) << 12 | (colour >> (8 + SHIFT) & 63) << 6 | (colour >> SHIFT & 63);
}

static int fixed_index(uint32_t colour, const uint32_t *fixed, int fixed_count)
{
    for (int i = 0; i < fixed_count; i++)
        if (fixed[i] == colour)
            return i;
    return -1;
}

/* Counts the photograph's colours or the others, and moves the used cells to the front as means. Returns how many. */
static int collect(const struct source *source, bool photo, const uint32_t *fixed, int fixed_count, struct cell *cells)
{
    memset(cells, 0, CELLS * sizeof *cells);
    for (int y = 0; y < source->height; y++)
        for (int x = 0; x < source->width; x++) {
            uint32_t colour = pixel_at(source, x, y);
            if (in_photo(source, x, y) != photo || fixed_index(colour, fixed, fixed_count) >= 0)
                continue;
            struct cell *cell = &cells[cell_of(colour)];
            cell->count++;
            cell->red += colour >> 16;
            cell->green += colour >> 8 & 255;
            cell->blue += colour & 255;
        }
    int used = 0;
    for (int i = 0; i < CELLS; i++)
        if (cells[i].count) {
            const struct cell c = cells[i];
            cells[used++] = (struct cell){c.count, c.red / c.count, c.green / c.count, c.blue / c.count};
        }
    return used;
}

static int by_red(const void *a, const void *b)
{
    return (int)((const struct cell *)a)->red - (int)((const struct cell *)b)->red;
}

static int by_green(const void *a, const void *b)
{
    return (int)((const struct cell *)a)->green - (int)((const struct cell *)b)->green;
}

static int by_blue(const void *a, const void *b)
{
    return (int)((const struct cell *)a)->blue - (int)((const struct cell *)b)->blue;
}

static struct box measured(const struct cell *cells, int from, int to)
{
    uint32_t low[3] = {255, 255, 255}, high[3] = {0, 0, 0};
    struct box box = {.from = from, .to = to};
    for (int i = from; i < to; i++) {
        const uint32_t parts[3] = {cells[i].red, cells[i].green, cells[i].blue};
        box.weight += cells[i].count;
        for (int k = 0; k < 3; k++) {
            low[k] = parts[k] < low[k] ? parts[k] : low[k];
            high[k] = parts[k] > high[k] ? parts[k] : high[k];
        }
    }
    for (int k = 0; k < 3; k++)
        if ((int)(high[k] - low[k]) > box.spread) {
            box.spread = (int)(high[k] - low[k]);
            box.axis = k;
        }
    return box;
}

/* Where a sorted box is cut: at half its weight, leaving a cell on each side. */
static int middle(const struct cell *cells, const struct box *box)
{
    uint64_t sum = 0;
    int at = box->from;
    while (at < box->to - 1 && sum + cells[at].count <= box->weight / 2)
        sum += cells[at++].count;
    return at > box->from ? at : box->from + 1;
}

static int median_cut(struct cell *cells, int used, int max, struct png_colour *out)
{
    static int (*const orders[])(const void *, const void *) = {by_red, by_green, by_blue};
    struct box boxes[PNG_COLOURS_MAX];
    int count = used ? 1 : 0;
    if (used)
        boxes[0] = measured(cells, 0, used);
    while (count && count < max) {
        int widest = -1;
        uint64_t most = 0;
        for (int i = 0; i < count; i++) {
            uint64_t score = (uint64_t)boxes[i].spread * (uint64_t)boxes[i].spread * boxes[i].weight;
            if (boxes[i].to - boxes[i].from > 1 && score > most) {
                most = score;
                widest = i;
            }
        }
        if (widest < 0)
            break;
        struct box box = boxes[widest];
        qsort(cells + box.from, (size_t)(box.to - box.from), sizeof *cells, orders[box.axis]);
        int cut = middle(cells, &box);
        boxes[widest] = measured(cells, box.from, cut);
        boxes[count++] = measured(cells, cut, box.to);
    }
    for (int i = 0; i < count; i++) {
        uint64_t red = 0, green = 0, blue = 0;
        for (int k = boxes[i].from; k < boxes[i].to; k++) {
            red += (uint64_t)cells[k].red * cells[k].count;
            green += (uint64_t)cells[k].green * cells[k].count;
            blue += (uint64_t)cells[k].blue * cells[k].count;
        }
        out[i] = (struct png_colour){(uint8_t)(red / boxes[i].weight), (uint8_t)(green / boxes[i].weight),
                                     (uint8_t)(blue / boxes[i].weight)};
    }
    return count;
}

static uint8_t nearest(int red, int green, int blue, const struct png_colour *colours, int from, int to)
{
    int best = from, least = 1 << 30;
    for (int i = from; i < to; i++) {
        int r = red - colours[i].red, g = green - colours[i].green, b = blue - colours[i].blue;
        int distance = 2 * r * r + 4 * g * g + b * b; /* roughly as eyes weigh them */
        if (distance < least) {
            least = distance;
            best = i;
        }
    }
    return (uint8_t)best;
}

/* Colours repeat, so what each cell mapped to is remembered: 0 for not yet, the index and one otherwise. */
static void map_drawing(const struct source *source, const uint32_t *fixed, int fixed_count,
                        const struct png_colour *colours, int drawing_end, uint16_t *known, uint8_t *indices)
{
    for (int y = 0; y < source->height; y++)
        for (int x = 0; x < source->width; x++) {
            if (in_photo(source, x, y))
                continue;
            uint32_t colour = pixel_at(source, x, y);
            uint8_t *index = &indices[(size_t)y * (size_t)source->width + (size_t)x];
            int exact = fixed_index(colour, fixed, fixed_count);
            if (exact >= 0) {
                *index = (uint8_t)exact;
                continue;
            }
            uint16_t *slot = &known[cell_of(colour)];
            if (!*slot)
                *slot = (uint16_t)(nearest((int)(colour >> 16), (int)(colour >> 8 & 255), (int)(colour & 255), colours,
                                           0, drawing_end) +
                                   1);
            *index = (uint8_t)(*slot - 1);
        }
}

static int clamp(int value)
{
    return value < 0 ? 0 : value > 255 ? 255 : value;
}

static void dither_photo(const struct source *source, const uint32_t *fixed, int fixed_count,
                         const struct png_colour *colours, int from, int to, struct arena *arena, uint8_t *indices)
{
    const struct quantise_area *photo = &source->photo;
    size_t row_size = ((size_t)photo->width + 2) * 3 * sizeof(int);
    int *now = arena_alloc(arena, row_size), *next = arena_alloc(arena, row_size);
    for (int y = 0; y < photo->height; y++) {
        memset(next, 0, row_size);
        for (int x = 0; x < photo->width; x++) {
            uint32_t colour = pixel_at(source, photo->x + x, photo->y + y);
            uint8_t *mapped = &indices[(size_t)(photo->y + y) * (size_t)source->width + (size_t)(photo->x + x)];
            int exact = fixed_index(colour, fixed, fixed_count);
            if (exact >= 0) { /* the sheet behind a rounded corner */
                *mapped = (uint8_t)exact;
                continue;
            }
            int *here = now + (x + 1) * 3, *below = next + (x + 1) * 3;
            int want[3];
            for (int k = 0; k < 3; k++)
                want[k] = clamp((int)(colour >> (16 - 8 * k) & 255) + here[k] / 16);
            uint8_t index = nearest(want[0], want[1], want[2], colours, from, to);
            *mapped = index;
            const int got[3] = {colours[index].red, colours[index].green, colours[index].blue};
            for (int k = 0; k < 3; k++) {
                int error = want[k] - got[k];
                here[k + 3] += 7 * error;
                below[k - 3] += 3 * error;
                below[k] += 5 * error;
                below[k + 3] += error;
            }
        }
        int *swap = now;
        now = next;
        next = swap;
    }
}

int quantise(cairo_surface_t *surface, struct quantise_area photo, const uint32_t *fixed, int fixed_count,
             struct arena *arena, const uint8_t **indices, struct png_colour colours[PNG_COLOURS_MAX])
{
    assert(fixed_count <= FIXED_MAX && cairo_image_surface_get_format(surface) == CAIRO_FORMAT_RGB24);
    cairo_surface_flush(surface);
    struct source source = {.pixels = cairo_image_surface_get_data(surface),
                            .stride = cairo_image_surface_get_stride(surface),
                            .width = cairo_image_surface_get_width(surface),
                            .height = cairo_image_surface_get_height(surface),
                            .photo = photo};
    uint8_t *mapped = arena_alloc(arena, (size_t)source.width * (size_t)source.height);
    struct cell *cells = arena_alloc_raw(arena, CELLS * sizeof *cells);
    for (int i = 0; i < fixed_count; i++)
        colours[i] = (struct png_colour){(uint8_t)(fixed[i] >> 16), (uint8_t)(fixed[i] >> 8), (uint8_t)fixed[i]};
    int drawing_max = photo.width ? DRAWING_MAX : PNG_COLOURS_MAX - fixed_count;
    int used = collect(&source, false, fixed, fixed_count, cells);
    int drawing_end = fixed_count + median_cut(cells, used, drawing_max, colours + fixed_count);
    map_drawing(&source, fixed, fixed_count, colours, drawing_end, arena_alloc(arena, CELLS * sizeof(uint16_t)),
                mapped);
    *indices = mapped;
    if (!photo.width)
        return drawing_end;
    used = collect(&source, true, fixed, fixed_count, cells);
    int end = drawing_end + median_cut(cells, used, PNG_COLOURS_MAX - drawing_end, colours + drawing_end);
    if (used)
        dither_photo(&source, fixed, fixed_count, colours, drawing_end, end, arena, mapped);
    else
        for (int y = 0; y < photo.height; y++) /* a photograph of nothing but fixed colours */
            for (int x = 0; x < photo.width; x++)
                mapped[(photo.y + y) * source.width + photo.x + x] =
                    (uint8_t)fixed_index(pixel_at(&source, photo.x + x, photo.y + y), fixed, fixed_count);
    return end;
}
