/* What the embedder put into the binary: found under both its names, and unpacked by the libraries' own readers to the
 * very bytes it was made of. */
#include <brotli/decode.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <dirent.h>
#include <cmocka.h>

#include "server/http/assets.h"
#include "server/store/migrations.h"

/* Calls CHECK for each file in assets/ that was embedded; returns how many there were. */
static int each_asset(void (*check)(const struct asset *asset))
{
    int count = 0;
    DIR *dir = opendir("assets");
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        const struct asset *asset = asset_find(entry->d_name);
        if (asset)
            check(asset);
        count += asset != NULL;
    }
    closedir(dir);
    return count;
}

static void check_names(const struct asset *asset)
{
    assert_memory_equal(asset->url, "/assets/", 8);
    assert_ptr_equal(asset_find(asset->url + 8), asset);
    assert_string_not_equal(asset->url + 8, asset->name);
    assert_non_null(strchr(asset->type, '/'));
    assert_int_equal(asset->plain.etag[0], '"');
    assert_int_equal(strlen(asset->plain.etag), 34);
}

static void asset__is_found_by_name_and_by_url(void **state)
{
    (void)state;
    assert_true(each_asset(check_names) > 0);
    assert_null(asset_find("none.css"));
    assert_null(asset_find(""));
    assert_null(asset_find("embed.c"));
    assert_null(asset_find("robots.00000000.txt"));
}

static void check_gzip(const struct asset *asset)
{
    if (!asset->gzip.bytes)
        return;
    assert_true(asset->gzip.len < asset->plain.len);
    assert_string_not_equal(asset->gzip.etag, asset->plain.etag);
    unsigned char *bytes = malloc(asset->plain.len + 1);
    z_stream stream = {.next_in = (z_const Bytef *)asset->gzip.bytes,
                       .avail_in = (uInt)asset->gzip.len,
                       .next_out = bytes,
                       .avail_out = (uInt)asset->plain.len + 1};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, asset->plain.len);
    assert_memory_equal(bytes, asset->plain.bytes, asset->plain.len);
    inflateEnd(&stream);
    free(bytes);
}

static void check_brotli(const struct asset *asset)
{
    if (!asset->brotli.bytes)
        return;
    assert_true(asset->brotli.len < asset->plain.len);
    assert_string_not_equal(asset->brotli.etag, asset->gzip.bytes ? asset->gzip.etag : asset->plain.etag);
    size_t len = asset->plain.len + 1;
    unsigned char *bytes = malloc(len);
    assert_int_equal(
        BrotliDecoderDecompress(asset->brotli.len, (const unsigned char *)asset->brotli.bytes, &len, bytes),
        BROTLI_DECODER_RESULT_SUCCESS);
    assert_int_equal(len, asset->plain.len);
    assert_memory_equal(bytes, asset->plain.bytes, len);
    free(bytes);
}

static void packed_forms__unpack_to_the_plain_one(void **state)
{
    (void)state;
    each_asset(check_gzip);
    each_asset(check_brotli);
}

static void migrations__are_numbered_from_one(void **state)
{
    (void)state;
    assert_true(migrations_count > 0);
    for (int i = 0; i < migrations_count; i++) {
        assert_int_equal(migrations[i].number, i + 1);
        assert_non_null(strchr(migrations[i].sql, ';'));
        assert_true(*migrations[i].name);
        assert_null(strchr(migrations[i].name, '.'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asset__is_found_by_name_and_by_url),
        cmocka_unit_test(packed_forms__unpack_to_the_plain_one),
        cmocka_unit_test(migrations__are_numbered_from_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
