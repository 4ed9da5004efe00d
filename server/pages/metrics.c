/* The figures that an operator's monitor collects, in Prometheus' text format 0.0.4. Names and units follow its conventions: base
 * units, counters end in _total. Counts are this process's own and begin at its start; the monitor adds several servers up.
 * assets/operate/grafana.json draws them: a name that changes here changes there. */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/http/request.h"
#include "server/ids.h"
#include "server/notify/deliver.h"
#include "server/notify/mail.h"
#include "server/pages/pages.h"
#include "server/store/store.h"

enum { METRICS_MAX = 64 * 1024, US_A_SECOND = 1000000 };

struct metric {
    const char *name, *help;
    int64_t value;
};

static void begin(struct str *out, const char *name, const char *type, const char *help)
{
    str_addf(out, "# HELP meishi_%s %s\n# TYPE meishi_%s %s\n", name, help, name, type);
}

static void add_all(struct str *out, const char *type, const struct metric *metrics, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        begin(out, metrics[i].name, type, metrics[i].help);
        str_addf(out, "meishi_%s %lld\n", metrics[i].name, (long long)metrics[i].value);
    }
}

#define COUNTERS(out, ...) ADD_ALL(out, "counter", __VA_ARGS__)
#define GAUGES(out, ...) ADD_ALL(out, "gauge", __VA_ARGS__)
#define ADD_ALL(out, type, ...)                              \
    add_all(out, type, (const struct metric[]){__VA_ARGS__}, \
            sizeof((const struct metric[]){__VA_ARGS__}) / sizeof(struct metric))

/* UNIT: how many of what was counted make one of what is said. */
static void add_histogram(struct str *out, const char *name, const char *help, const struct distribution *values,
                          int64_t unit)
{
    int64_t so_far = 0;
    begin(out, name, "histogram", help);
    for (int i = 0; i < values->bound_count; i++) {
        so_far += values->counts[i];
        str_addf(out, "meishi_%s_bucket{le=\"%g\"} %lld\n", name, (double)values->bounds[i] / (double)unit,
                 (long long)so_far);
    }
    so_far += values->counts[values->bound_count];
    str_addf(out, "meishi_%s_bucket{le=\"+Inf\"} %lld\nmeishi_%s_sum %.9g\nmeishi_%s_count %lld\n", name,
             (long long)so_far, name, (double)values->sum / (double)unit, name, (long long)so_far);
}

static void add_process(struct str *out)
{
    struct rusage used;
    long pages = 0;
    FILE *memory = fopen("/proc/self/statm", "re");
    if (memory) {
        if (fscanf(memory, "%*d %ld", &pages) != 1)
            pages = 0;
        fclose(memory);
    }
    getrusage(RUSAGE_SELF, &used);
    str_addf(out,
             "# HELP process_cpu_seconds_total Processor time used.\n# TYPE process_cpu_seconds_total counter\n"
             "process_cpu_seconds_total %.2f\n",
             (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                 (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / US_A_SECOND);
    str_addf(out,
             "# HELP process_resident_memory_bytes Memory held.\n# TYPE process_resident_memory_bytes gauge\n"
             "process_resident_memory_bytes %lld\n",
             (long long)pages * sysconf(_SC_PAGESIZE));
    begin(out, "build_info", "gauge", "1, with the version that runs.");
    str_add(out, "meishi_build_info{version=\"" MEISHI_VERSION "\"} 1\n");
}

static void add_http(struct str *out, const struct http *http)
{
    struct http_figures figures;
    http_figures(http, &figures);
    GAUGES(out, {"http_connections", "Open connections.", figures.connections},
           {"http_worker_queue", "Requests waiting for a worker.", figures.worker_queue});
    COUNTERS(out, {"http_requests_total", "Requests answered.", figures.requests},
             {"http_refused_total", "Requests refused by the hygiene gate.", figures.refused},
             {"http_deadlines_missed_total", "Connections closed for being too slow.", figures.deadlines_missed});
    begin(out, "http_responses_total", "counter", "Answers by class of status.");
    for (int i = 1; i < 6; i++)
        str_addf(out, "meishi_http_responses_total{class=\"%dxx\"} %lld\n", i, (long long)figures.by_status[i]);
}

static void add_hits(struct str *out, const struct store_figures *store)
{
    COUNTERS(
        out, {"hits_committed_total", "Hits and acts put on disk.", store->hits_committed},
        {"hits_unrecorded_total", "Pages served although their hit could not be recorded.", store->hits_unrecorded},
        {"hits_folded_total", "Hits and acts moved into the indexed tables.", store->hits_folded},
        {"folds_total", "Rounds of the fold.", store->folds},
        {"hits_confirmed_total", "Hits that an act made a person's after they had been folded.",
         store->hits_confirmed});
    GAUGES(out, {"hit_queue", "Hits waiting for the writer.", store->queue_length},
           {"hits_unfolded", "Hits and acts on disk that wait for the fold.", store->unfolded});
    begin(out, "fold_seconds_total", "counter", "Time spent folding.");
    str_addf(out, "meishi_fold_seconds_total %.3f\n", (double)store->fold_ms / 1000);
    begin(out, "hits_total", "counter", "Requests for shares' pages, by the verdict they were folded with.");
    for (int verdict = 0; verdict < VERDICT_COUNT; verdict++)
        str_addf(out, "meishi_hits_total{verdict=\"%s\"} %lld\n", verdict_name((enum verdict)verdict),
                 (long long)store->hits_by_verdict[verdict]);
    add_histogram(out, "hit_commit_rows", "Hits and acts of one group commit.", &store->commit_rows, 1);
    add_histogram(out, "hit_commit_seconds", "Time of one group commit, the disk's included.", &store->commit_us,
                  US_A_SECOND);
}

static void add_store(struct str *out, const struct store_figures *store)
{
    GAUGES(out, {"store_pool_connections", "Connections for reading that there may be.", store->pool_size},
           {"store_pool_in_use", "Connections for reading that are lent now.", store->pool_in_use});
    COUNTERS(out, {"store_write_failures_total", "Transactions that could not be committed.", store->write_failures},
             {"store_pool_waits_total", "Times somebody waited for a connection for reading.", store->pool_waits},
             {"store_pool_timeouts_total", "Times that was in vain.", store->pool_timeouts},
             {"store_standby_reads_total", "Lists that were read from the standby.", store->standby_reads},
             {"store_standby_behind_total", "Lists that were not, since it was behind.", store->standby_behind},
             {"store_standby_failures_total", "Times the standby did not answer.", store->standby_failures});
    begin(out, "store_clock_ahead_seconds", "gauge",
          "This machine's clock ahead of the database's, or behind it, as far as that is certain.");
    str_addf(out, "meishi_store_clock_ahead_seconds %.3f\n", (double)store->clock_ahead_ms / 1000);
    begin(out, "store_pool_wait_seconds_total", "counter", "Time spent waiting for a connection for reading.");
    str_addf(out, "meishi_store_pool_wait_seconds_total %.3f\n", (double)store->pool_wait_ms / 1000);
}

static void add_webhooks(struct str *out, struct store *store, struct sender *sender)
{
    struct sender_figures sending;
    struct webhook_figures webhooks;
    sender_figures(sender, &sending);
    COUNTERS(out, {"webhook_attempts_total", "Webhook attempts made.", sending.attempts},
             {"webhook_delivered_total", "Webhook attempts that succeeded.", sending.delivered},
             {"webhook_sender_restarts_total", "Times the process that sends webhooks ended and was started.",
              sending.restarts});
    GAUGES(out, {"webhook_in_flight", "Webhook attempts under way.", sending.in_flight},
           {"webhook_worker_attached", "1 while `meishi worker` sends instead of the server's own process.",
            sending.worker});
    if (store_webhook_figures(store, now_ms(), &webhooks) == RESULT_OK)
        GAUGES(out, {"webhook_queue", "Deliveries that wait.", webhooks.pending},
               {"webhook_endpoints_waiting", "Endpoints that deliveries wait for.", webhooks.waiting},
               {"webhook_endpoints_resting", "Endpoints that rest after many failures.", webhooks.resting});
    begin(out, "webhook_deliveries_total", "counter", "Deliveries that ended, by how.");
    for (int state = DELIVERY_PENDING + 1; state < DELIVERY_STATE_COUNT; state++)
        str_addf(out, "meishi_webhook_deliveries_total{outcome=\"%s\"} %lld\n",
                 delivery_state_name((enum delivery_state)state), (long long)webhooks.ended[state]);
}

static void add_mail(struct str *out, struct mailer *mailer)
{
    struct mailer_figures mail;
    mailer_figures(mailer, &mail);
    COUNTERS(out, {"mail_sent_total", "Letters that the mail server took.", mail.sent},
             {"mail_failed_total", "Letters given up.", mail.failed});
}

enum result metrics_page(struct app *app, struct request *request)
{
    struct store_figures store;
    struct str out;
    str_init(&out, &request->arena, METRICS_MAX);
    store_figures(app->store, &store);
    add_process(&out);
    add_http(&out, app->http);
    add_hits(&out, &store);
    add_store(&out, &store);
    add_webhooks(&out, app->store, app->sender);
    add_mail(&out, app->mailer);
    reply_bytes(request, 200, "text/plain; version=0.0.4; charset=utf-8", out.data, out.len);
    return RESULT_OK;
}
