/* The HTTP front alone, for http.sh: the same 16 KB page as a ready reply, as a mould's copy with two holes filled, as
 * bytes handed over, and finished by another thread as a card page is by the store's writer. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/http/http.h"
#include "server/http/request.h"

enum { PAGE_LEN = 16384, BATCH_MAX = 4096 };

struct bench {
    char page[PAGE_LEN];
    struct ready_reply *ready;
    struct page_mould *mould;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct request *turn[BATCH_MAX], *batch[BATCH_MAX];
    size_t turn_count, batch_count;
};

static const struct http_route PAGE = {0, false, NULL};

static const struct http_route *match(void *app, struct request *request, int *status, const char **allow)
{
    (void)app;
    (void)allow;
    *status = 404;
    return request->path[1] ? &PAGE : NULL;
}

static const char *const HOLES[] = {"................", "________________________________________", NULL};

static void fill_mould(struct bench *bench, struct request *request)
{
    reply_mould(request, mould_hold(bench->mould),
                (const char *const[]){"0123456789ABCDEF", "0123456789ABCDEF0123456789ABCDEF01234567"});
}

static void dispatch(void *app, struct request *request)
{
    struct bench *bench = app;
    switch (request->path[1]) {
    case 'r':
        reply_ready(request, bench->ready);
        return;
    case 'm':
        fill_mould(bench, request);
        return;
    case 'w':
        fill_mould(bench, request);
        if (bench->turn_count == BATCH_MAX)
            return;
        request_wait(request);
        bench->turn[bench->turn_count++] = request;
        return;
    default: {
        char *page = arena_alloc_raw(&request->arena, PAGE_LEN);
        memcpy(page, bench->page, PAGE_LEN);
        reply_html(request, 200, page, PAGE_LEN);
        reply_cache(request, "private, no-cache");
        return;
    }
    }
}

static void turn_end(void *app)
{
    struct bench *bench = app;
    if (!bench->turn_count)
        return;
    pthread_mutex_lock(&bench->lock);
    size_t count = bench->turn_count;
    if (count > BATCH_MAX - bench->batch_count)
        count = BATCH_MAX - bench->batch_count;
    memcpy(bench->batch + bench->batch_count, bench->turn + bench->turn_count - count, count * sizeof *bench->turn);
    bench->batch_count += count;
    bench->turn_count -= count;
    pthread_cond_signal(&bench->filled);
    pthread_mutex_unlock(&bench->lock);
}

static void *finish_batches(void *arg)
{
    struct bench *bench = arg;
    static struct request *batch[BATCH_MAX];
    for (;;) {
        pthread_mutex_lock(&bench->lock);
        while (!bench->batch_count)
            pthread_cond_wait(&bench->filled, &bench->lock);
        size_t count = bench->batch_count;
        memcpy(batch, bench->batch, count * sizeof *batch);
        bench->batch_count = 0;
        pthread_mutex_unlock(&bench->lock);
        request_finish_all(batch, count);
    }
    return NULL;
}

static void refuse(void *app, struct request *request, int status, const char *words)
{
    (void)app;
    reply_text(request, status, words);
}

int main(int argc, char **argv)
{
    static struct bench bench = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};
    struct http_options options = {.listen = argc > 1 ? argv[1] : "127.0.0.1:0",
                                   .loops = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0,
                                   .handlers = {&bench, match, dispatch, refuse, turn_end}};
    struct http *http;
    const char *why = "";
    sigset_t stop;
    pthread_t writer;
    int signal;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    for (int i = 0; i < PAGE_LEN; i++)
        bench.page[i] = "<div class=card>Lorem ipsum</div>\n"[i % 34];
    memcpy(bench.page + 4000, HOLES[0], strlen(HOLES[0]));
    memcpy(bench.page + 12000, HOLES[1], strlen(HOLES[1]));
    struct ready_options html = {
        .content_type = "text/html; charset=utf-8", .cache = "private, no-cache", .csp = CSP_DEFAULT};
    bench.ready = ready_new(bench.page, PAGE_LEN, true, &html);
    bench.mould = mould_new(bench.page, PAGE_LEN, HOLES, &html);
    if (pthread_create(&writer, NULL, finish_batches, &bench) || http_open(&options, &http, &why) || http_run(http)) {
        fprintf(stderr, "bench_http: %s\n", why);
        return 1;
    }
    printf("%d\n", http_port(http));
    fflush(stdout);
    sigwait(&stop, &signal);
    http_stop(http, 1000);
    mould_drop(bench.mould);
    ready_drop(bench.ready);
    return 0;
}
