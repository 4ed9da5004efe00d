/* What operators and their monitors ask: alive, ready, and the figures in Prometheus text format 0.0.4. */
#include <string.h>

#include "server/http/request.h"
#include "server/ids.h"
#include "server/notify/deliver.h"
#include "server/notify/mail.h"
#include "server/pages/pages.h"
#include "server/store/store.h"

enum { METRICS_MAX = 64 * 1024 };

enum result health_alive(struct app *app, struct request *request)
{
    (void)app;
    reply_text(request, 200, "alive\n");
    return RESULT_OK;
}

enum result health_ready(struct app *app, struct request *request)
{
    if (store_ping(app->store) == RESULT_OK)
        reply_text(request, 200, "ready\n");
    else
        reply_text(request, 503, "the store does not answer\n");
    return RESULT_OK;
}

static void metric(struct str *out, const char *name, const char *type, const char *help, int64_t value)
{
    str_addf(out, "# HELP meishi_%s %s\n# TYPE meishi_%s %s\nmeishi_%s %lld\n", name, help, name, type, name,
             (long long)value);
}

enum result metrics_page(struct app *app, struct request *request)
{
    struct http_figures http;
    struct store_figures store;
    struct webhook_figures webhooks;
    struct str out;
    str_init(&out, &request->arena, METRICS_MAX);
    http_figures(app->http, &http);
    store_figures(app->store, &store);
    metric(&out, "http_connections", "gauge", "Open connections.", http.connections);
    metric(&out, "http_requests_total", "counter", "Requests answered.", http.requests);
    metric(&out, "http_refused_total", "counter", "Requests refused by the hygiene gate.", http.refused);
    metric(&out, "http_deadlines_missed_total", "counter", "Connections closed for being too slow.",
           http.deadlines_missed);
    metric(&out, "http_worker_queue", "gauge", "Requests waiting for a worker.", http.worker_queue);
    str_add(
        &out,
        "# HELP meishi_http_responses_total Answers by class of status.\n# TYPE meishi_http_responses_total counter\n");
    for (int i = 1; i < 6; i++)
        str_addf(&out, "meishi_http_responses_total{class=\"%dxx\"} %lld\n", i, (long long)http.by_status[i]);
    metric(&out, "hits_committed_total", "counter", "Hits and acts put on disk.", store.hits_committed);
    metric(&out, "hits_unrecorded_total", "counter", "Pages served although their hit could not be recorded.",
           store.hits_unrecorded);
    metric(&out, "hit_batches_total", "counter", "Group commits.", store.batches);
    metric(&out, "hit_batch_rows_max", "gauge", "Most rows of one group commit.", store.batch_rows_max);
    metric(&out, "hit_queue", "gauge", "Hits waiting for the writer.", store.queue_length);
    metric(&out, "hits_folded_total", "counter", "Hits and acts moved into the indexed tables.", store.hits_folded);
    metric(&out, "hits_unfolded", "gauge", "Hits and acts on disk that wait for the fold.", store.unfolded);
    metric(&out, "folds_total", "counter", "Rounds of the fold.", store.folds);
    metric(&out, "fold_milliseconds_total", "counter", "Time spent folding.", store.fold_ms);
    metric(&out, "store_write_failures_total", "counter", "Transactions that could not be committed.",
           store.write_failures);
    struct sender_figures sender;
    sender_figures(app->sender, &sender);
    metric(&out, "webhook_attempts_total", "counter", "Webhook attempts made.", sender.attempts);
    metric(&out, "webhook_delivered_total", "counter", "Webhook attempts that succeeded.", sender.delivered);
    metric(&out, "webhook_in_flight", "gauge", "Webhook attempts under way.", sender.in_flight);
    if (store_webhook_figures(app->store, now_ms(), &webhooks) == RESULT_OK) {
        metric(&out, "webhook_queue", "gauge", "Deliveries that wait.", webhooks.pending);
        metric(&out, "webhook_endpoints_waiting", "gauge", "Endpoints that deliveries wait for.", webhooks.waiting);
        metric(&out, "webhook_endpoints_resting", "gauge", "Endpoints that rest after many failures.",
               webhooks.resting);
    }
    str_add(&out, "# HELP meishi_webhook_deliveries_total Deliveries that ended, by how.\n"
                  "# TYPE meishi_webhook_deliveries_total counter\n");
    for (int state = DELIVERY_PENDING + 1; state < DELIVERY_STATE_COUNT; state++)
        str_addf(&out, "meishi_webhook_deliveries_total{outcome=\"%s\"} %lld\n",
                 delivery_state_name((enum delivery_state)state), (long long)webhooks.ended[state]);
    struct mailer_figures mail;
    mailer_figures(app->mailer, &mail);
    metric(&out, "mail_sent_total", "counter", "Letters that the mail server took.", mail.sent);
    metric(&out, "mail_failed_total", "counter", "Letters given up.", mail.failed);
    metric(&out, "webhook_sender_restarts_total", "counter",
           "Times the process that sends webhooks ended and was started.", sender.restarts);
    metric(&out, "webhook_worker_attached", "gauge",
           "1 while `meishi worker` sends instead of the server's own process.", sender.worker);
    reply_bytes(request, 200, "text/plain; version=0.0.4; charset=utf-8", out.data, out.len);
    return RESULT_OK;
}
