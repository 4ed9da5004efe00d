/* Doing a request with an Idempotency-Key once, whatever dies. The key is written before the work and its answer after it, so a
 * process that is killed between the two, or a commit whose answer is lost on its way, would leave a key of which nobody knows
 * whether its work was done. So the work itself says so, in its own transaction: every write of the thread whose request has a
 * key marks that key. A key that is marked is never done again; one that is not was not done. */
#include "server/store/once.h"

void once_init(struct onces *onces)
{
    pthread_mutex_init(&onces->lock, NULL);
    onces->count = 0;
}

void once_destroy(struct onces *onces)
{
    pthread_mutex_destroy(&onces->lock);
}

/* With the lock held; -1 for none. */
static int place_of_thread(const struct onces *onces)
{
    for (int i = 0; i < onces->count; i++)
        if (pthread_equal(onces->thread[i], pthread_self()))
            return i;
    return -1;
}

void once_begin(struct onces *onces, int64_t member_id, const char *key)
{
    pthread_mutex_lock(&onces->lock);
    int place = place_of_thread(onces);
    if (place < 0 && onces->count < ONCE_MAX)
        place = onces->count++;
    if (place >= 0) {
        onces->thread[place] = pthread_self();
        onces->once[place] = (struct once){member_id, key};
    }
    pthread_mutex_unlock(&onces->lock);
}

void once_end(struct onces *onces)
{
    pthread_mutex_lock(&onces->lock);
    int place = place_of_thread(onces);
    if (place >= 0) {
        int last = --onces->count;
        onces->thread[place] = onces->thread[last];
        onces->once[place] = onces->once[last];
    }
    pthread_mutex_unlock(&onces->lock);
}

struct once once_of_thread(struct onces *onces)
{
    struct once found = {0};
    pthread_mutex_lock(&onces->lock);
    int place = place_of_thread(onces);
    if (place >= 0)
        found = onces->once[place];
    pthread_mutex_unlock(&onces->lock);
    return found;
}

enum result once_mark(struct db *db, const struct once *once)
{
    return db_run(db, "UPDATE idempotency SET status = $3 WHERE member_id = $1 AND key = $2 AND status IS NULL",
                  DB_ARGS(DB_INT(once->member_id), db_text(once->key), DB_INT(ONCE_DONE)));
}
