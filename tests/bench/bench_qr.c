/* What our QR PNG costs beside the bare libraries: libqrencode, then libpng at the setting found best (level 6, no filter), into
 * memory, with nothing checked. Ours and theirs take turns in one run; the middle of all the turns' ratios counts, and the
 * quarters beside it are the spread. Leaves with 1 above the bar. */
#include <png.h>
#include <qrencode.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cards/qr.h"

enum { TURNS = 61, IMAGES = 40, BYTES_MAX = 1 << 20 };

static const double bar = 1.2;
static const char address[] = "HTTPS://CARDS.EXAMPLE.ORG/C/7K3QX9V2M4T8B6RC";

struct sink {
    size_t len;
    uint8_t data[BYTES_MAX];
};

static void take(png_structp png, png_bytep bytes, size_t len)
{
    struct sink *sink = png_get_io_ptr(png);
    memcpy(sink->data + sink->len, bytes, len);
    sink->len += len;
}

static void flush(png_structp png)
{
    (void)png;
}

/* As short as it can be written by hand; errors end the program. */
static void bare(int size, struct sink *sink)
{
    QRinput *input = QRinput_new2(0, QR_ECLEVEL_M);
    QRinput_append(input, QR_MODE_AN, (int)strlen(address), (const unsigned char *)address);
    QRcode *code = QRcode_encodeInput(input);
    int across = code->width + 8, scale = size / across, side = across * scale;
    uint8_t row[1024];
    sink->len = 0;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    if (setjmp(png_jmpbuf(png)))
        abort();
    png_set_write_fn(png, sink, take, flush);
    png_set_compression_level(png, 6);
    png_set_filter(png, 0, PNG_FILTER_NONE);
    png_set_IHDR(png, info, (png_uint_32)side, (png_uint_32)side, 1, PNG_COLOR_TYPE_GRAY, 0, 0, 0);
    png_write_info(png, info);
    for (int y = 0; y < across; y++) {
        memset(row, 0xff, sizeof row);
        for (int x = 0; y >= 4 && y < across - 4 && x < code->width; x++)
            if (code->data[(y - 4) * code->width + x] & 1)
                for (int i = (x + 4) * scale; i < (x + 5) * scale; i++)
                    row[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
        for (int i = 0; i < scale; i++)
            png_write_row(png, row);
    }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    QRcode_free(code);
    QRinput_free(input);
}

static size_t ours(int size, struct arena *arena)
{
    struct qr qr;
    const void *png;
    size_t len;
    if (qr_encode(address, QR_LEVEL_M, arena, &qr) != RESULT_OK || qr_png(&qr, size, arena, &png, &len) != RESULT_OK)
        abort();
    arena_reset(arena);
    return len;
}

static double cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(void)
{
    static const int sizes[] = {256, 512, 1024};
    static struct sink sink;
    struct arena arena;
    double worst = 0;
    arena_init(&arena);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        double ratios[TURNS], theirs_us[TURNS], ours_us[TURNS];
        size_t len = 0;
        for (int turn = 0; turn < TURNS; turn++) {
            double spent[2];
            for (int half = 0; half < 2; half++) {
                bool mine = (turn + half) % 2;
                double begin = cpu_us();
                for (int i = 0; i < IMAGES; i++) {
                    if (mine)
                        len = ours(sizes[s], &arena);
                    else
                        bare(sizes[s], &sink);
                }
                spent[mine] = (cpu_us() - begin) / IMAGES;
            }
            theirs_us[turn] = spent[0];
            ours_us[turn] = spent[1];
            ratios[turn] = spent[1] / spent[0];
        }
        if (len != sink.len)
            printf("note: %zu bytes against %zu\n", len, sink.len);
        qsort(ratios, TURNS, sizeof *ratios, by_size);
        qsort(theirs_us, TURNS, sizeof *theirs_us, by_size);
        qsort(ours_us, TURNS, sizeof *ours_us, by_size);
        printf(
            "QR PNG, cold, %4d px: %.3f x libqrencode + libpng (quarters %.3f to %.3f; %.0f us and %.0f us, %zu bytes)\n",
            sizes[s], ratios[TURNS / 2], ratios[TURNS / 4], ratios[3 * TURNS / 4], ours_us[TURNS / 2],
            theirs_us[TURNS / 2], len);
        worst = ratios[TURNS / 2] > worst ? ratios[TURNS / 2] : worst;
    }
    arena_free(&arena);
    printf("bar %.1f: %s\n", bar, worst <= bar ? "met" : "missed");
    return worst <= bar ? 0 : 1;
}
