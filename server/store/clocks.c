/* The clocks of the machines that serve one store. Ids, leases, limits and the order of things go by the clock of whoever made
 * them, so they must agree to within some seconds. Each server compares its own with the database's, which is the same for all;
 * nothing is corrected by it, since a clock that is wrong is to be set, but everybody who should know is told. */
#include "server/ids.h"
#include "server/log.h"
#include "server/store/internal.h"

/* At least so far ahead: the answer was made at some moment between the question and its arrival. */
static int64_t reckon(int64_t asked_ms, int64_t took_ms, int64_t told_ms)
{
    int64_t most = asked_ms + took_ms - told_ms, least = asked_ms - told_ms;
    return least > 0 ? least : most < 0 ? most : 0;
}

static bool is_off(int64_t ahead_ms)
{
    return ahead_ms > STORE_CLOCKS_DIFFER_MS || ahead_ms < -STORE_CLOCKS_DIFFER_MS;
}

enum result clocks_compare(struct store *store, struct db *db)
{
    int64_t asked_ms = now_ms(), start_ms = monotonic_ms(), told_ms;
    enum result result = db->driver->clock(db, &told_ms);
    if (result != RESULT_OK)
        return result;
    int64_t ahead_ms = reckon(asked_ms, monotonic_ms() - start_ms, told_ms);
    int64_t before_ms = atomic_exchange(&store->clock_ahead_ms, ahead_ms);
    if (is_off(ahead_ms) && !is_off(before_ms))
        log_warning("clock-off",
                    "ahead_ms=%lld words=\"this machine's clock and the database's differ: set both by NTP\"",
                    (long long)ahead_ms);
    if (!is_off(ahead_ms) && is_off(before_ms))
        log_info("clock-again", "ahead_ms=%lld", (long long)ahead_ms);
    return RESULT_OK;
}

enum result store_compare_clocks(struct store *store)
{
    struct db *db;
    if (!store->driver->shared)
        return RESULT_NOT_FOUND;
    if (pool_borrow(&store->readers, &db) != RESULT_OK)
        return RESULT_FAILED;
    enum result result = clocks_compare(store, db);
    pool_give(&store->readers, db);
    return result == RESULT_OK ? RESULT_OK : RESULT_FAILED;
}

const char *store_clock_off(struct store *store, struct arena *arena)
{
    int64_t ahead_ms = atomic_load(&store->clock_ahead_ms);
    if (!is_off(ahead_ms))
        return NULL;
    return arena_printf(arena, "this machine's clock is %.1f s %s the database's: set both by NTP",
                        (double)(ahead_ms > 0 ? ahead_ms : -ahead_ms) / 1000, ahead_ms > 0 ? "ahead of" : "behind");
}
