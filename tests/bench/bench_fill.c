/* Fills a store for other benches: bench_fill STORE-URL HITS SHARES MEMBERS MONTHS, for a store that nobody serves. On
 * stdout come the tokens of the shares, one a line. */
#include <stdio.h>
#include <stdlib.h>
#include "server/ids.h"
#include "server/store/store.h"
#include "tests/support/fill_store.h"

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: bench_fill STORE-URL HITS SHARES MEMBERS MONTHS\n");
        return 64;
    }
    struct filling filling = {.hits = strtoll(argv[2], NULL, 10),
                              .shares = strtoll(argv[3], NULL, 10),
                              .members = strtoll(argv[4], NULL, 10),
                              .to_ms = now_ms() - 1000};
    filling.from_ms = filling.to_ms - strtoll(argv[5], NULL, 10) * 30 * 86400000;
    if (filling.hits < 0 || filling.members < 1 || filling.shares < filling.members ||
        filling.from_ms > filling.to_ms) {
        fprintf(stderr, "bench_fill: every member has a share at least, and nothing is negative\n");
        return 64;
    }
    static const unsigned char key[32];
    struct store_options options = {.url = argv[1], .base_url = "http://localhost", .seal_key = key, .readers = 1};
    struct arena arena;
    struct store *store;
    const char *why;
    arena_init(&arena);
    if (store_open(&options, &arena, &store, &why) != RESULT_OK) {
        fprintf(stderr, "bench_fill: %s\n", why);
        return 1;
    }
    fill_store(store, &filling);
    store_close(store);
    arena_free(&arena);
    for (int64_t i = 0; i < filling.shares; i++) {
        char token[TOKEN_SIZE];
        filled_token(i, token);
        puts(token);
    }
    return 0;
}
