/* A server's watch over what the others of its database do: one thread with a connection of its own, on which it hears that
 * there are changes to read, or deliveries in the outbox. It looks by itself each second too, so that nothing depends on a
 * word that a pooler between us and the database swallows.
 *
 * When the connection was lost, anything may have happened, even that a standby which never got the last changes is the
 * database now: then everything is forgotten. Until it is back what is kept goes on being served. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <poll.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/log.h"
#include "server/store/changes.h"
#include "server/store/changes_inside.h"
#include "server/store/guards.h"
#include "server/store/internal.h"
#include "server/store/migrate.h"

enum {
    LOOK_MS = 1000,
    CLOCK_MS = 10 * 1000, /* from one look at the database's clock to the next */
    CHANGES_READ_MAX = 1024,
    DAY_MS = 24 * 60 * 60 * 1000,
    SALT_AHEAD_MS = 10 * 60 * 1000
};

struct watch {
    struct store *store;
    struct db *db;
    bool there;           /* connected, and it hears */
    int64_t mark;         /* the number of the last change that was told */
    int64_t day;          /* the last whose salt was told */
    int64_t clock_due_ms; /* when the clocks are compared next (monotonic) */
    int stop;             /* an eventfd */
    pthread_t thread;
    struct change changes[CHANGES_READ_MAX];
};

/* In one snapshot, so that the mark fits the rows. */
static enum result read_changes(struct watch *watch, int64_t *mark, size_t *count)
{
    const struct db_driver *driver = watch->store->driver;
    enum result result = driver->begin(watch->db);
    if (result != RESULT_OK)
        return result;
    result = changes_read(watch->db, watch->mark, mark, watch->changes, CHANGES_READ_MAX, count);
    enum result ended = driver->end(watch->db, false);
    return result == RESULT_OK ? ended : result;
}

static void catch_up(struct watch *watch)
{
    size_t count = 0;
    int64_t mark;
    if (read_changes(watch, &mark, &count) != RESULT_OK) {
        watch->there = false;
        return;
    }
    watch->mark = mark;
    changes_tell(watch->store, watch->changes, count, false);
}

/* First it listens, then it sees where things stand, and only then all is forgotten: so nothing falls in between. Meanwhile
 * somebody may have brought the tables to a version that this program cannot go on with: then it ends, and says so when it is
 * started again. */
static void connect(struct watch *watch)
{
    static const struct change all = {CHANGE_ALL, 0};
    struct store *store = watch->store;
    if (!watch->db && store->driver->open(store->url, DB_MAIN, DB_READ, &watch->db) != RESULT_OK)
        return;
    size_t count;
    int64_t step;
    if (store->driver->listen(watch->db) != RESULT_OK || read_changes(watch, &watch->mark, &count) != RESULT_OK ||
        migrate_find_newer(watch->db, &step) != RESULT_OK)
        return;
    if (step) {
        log_error("outdated", "step=%lld words=\"a newer version changed the tables\"", (long long)step);
        store_broken(store);
    }
    watch->there = true;
    changes_tell(store, &all, 1, true);
}

/* Until something is said, it is time to look (NOT_FOUND), or the thread is to stop. */
static enum result sleep_until(struct watch *watch, int64_t look_ms, char word[DB_WORD_SIZE])
{
    int64_t left_ms = look_ms - monotonic_ms();
    int wait_ms = left_ms > 0 ? (int)left_ms : 0;
    if (watch->there)
        return watch->store->driver->wait(watch->db, watch->stop, wait_ms, word);
    struct pollfd stop = {.fd = watch->stop, .events = POLLIN};
    (void)poll(&stop, 1, wait_ms);
    return RESULT_NOT_FOUND;
}

/* Today's at first, and each day's some time before it begins. */
static void tell_salt(struct watch *watch)
{
    struct store *store = watch->store;
    unsigned char salt[DAY_SALT_SIZE] = {0};
    int64_t now = now_ms(), today = now / DAY_MS, day = watch->day < today ? today : (now + SALT_AHEAD_MS) / DAY_MS;
    pthread_mutex_lock(&store->tell_lock);
    bool wanted = store->tell_day && watch->day < day;
    pthread_mutex_unlock(&store->tell_lock);
    if (!wanted || day_salt(store, day, today, salt) != RESULT_OK)
        return;
    watch->day = day;
    pthread_mutex_lock(&store->tell_lock);
    if (store->tell_day)
        store->tell_day(store->day_context, day, salt);
    pthread_mutex_unlock(&store->tell_lock);
    explicit_bzero(salt, sizeof salt);
}

static void compare_clocks(struct watch *watch)
{
    if (monotonic_ms() < watch->clock_due_ms)
        return;
    watch->clock_due_ms = monotonic_ms() + CLOCK_MS;
    if (clocks_compare(watch->store, watch->db) != RESULT_OK)
        watch->there = false;
}

static bool is_told_to_stop(const struct watch *watch)
{
    struct pollfd stop = {.fd = watch->stop, .events = POLLIN};
    return poll(&stop, 1, 0) > 0;
}

static void *run(void *context)
{
    struct watch *watch = context;
    int64_t look_ms = 0;
    for (;;) {
        char word[DB_WORD_SIZE] = "";
        enum result result = sleep_until(watch, look_ms, word);
        if (is_told_to_stop(watch))
            return NULL;
        if (result == RESULT_FAILED)
            watch->there = false;
        bool looks = monotonic_ms() >= look_ms;
        if (looks)
            look_ms = monotonic_ms() + LOOK_MS;
        if (!watch->there && looks)
            connect(watch);
        else if (watch->there && (looks || !strcmp(word, WORD_CHANGES)))
            catch_up(watch);
        if (watch->there && looks)
            tell_salt(watch);
        if (watch->there && looks)
            compare_clocks(watch);
        if (watch->there && (looks || !strcmp(word, WORD_OUTBOX)))
            changes_tell(watch->store, NULL, 0, true);
    }
}

enum result store_watch(struct store *store)
{
    if (!store->driver->shared || store->watch)
        return RESULT_OK;
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return RESULT_FAILED;
    watch->store = store;
    watch->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watch->stop >= 0 && !pthread_create(&watch->thread, NULL, run, watch)) {
        store->watch = watch;
        return RESULT_OK;
    }
    if (watch->stop >= 0)
        close(watch->stop);
    free(watch);
    return RESULT_FAILED;
}

void watch_close(struct watch *watch)
{
    const uint64_t one = 1;
    if (!watch)
        return;
    (void)!write(watch->stop, &one, sizeof one);
    pthread_join(watch->thread, NULL);
    if (watch->db)
        watch->store->driver->close(watch->db);
    close(watch->stop);
    free(watch);
}
