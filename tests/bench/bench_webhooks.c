/* What webhooks are measured against: a bare curl multi loop that sends COUNT unsigned requests and keeps nothing.
 *
 *   bench_webhooks PORT COUNT PLACES BODY-BYTES
 *
 * The same connection policy as ours (a new connection for each request, closed after it, HTTP/1.1), as many at once, the same
 * places in turn (place_of), the same number of header lines. It takes the handles it has for the next request, which ours does
 * not. Prints {"sent":…,"seconds":…,"cpu_seconds":…}. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "tests/support/fill_store.h"

enum { AT_ONCE = 64 };

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_webhooks: %s failed\n", what);
    exit(1);
}

static size_t drop(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes;
    (void)context;
    return size * count;
}

static double seconds(const struct timespec *from)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - from->tv_sec) + (double)(now.tv_nsec - from->tv_nsec) * 1e-9;
}

static double cpu_seconds(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1e-6;
}

static CURL *make_handle(const char *body, struct curl_slist *headers)
{
    CURL *easy = curl_easy_init();
    must(easy && !curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
             !curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L) && !curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L) &&
             !curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) && !curl_easy_setopt(easy, CURLOPT_PROXY, "") &&
             !curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body) &&
             !curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) &&
             !curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop),
         "a setting");
    return easy;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("usage: bench_webhooks PORT COUNT PLACES BODY-BYTES\n", stderr);
        return 1;
    }
    int port = (int)strtol(argv[1], NULL, 10);
    long count = strtol(argv[2], NULL, 10), places = strtol(argv[3], NULL, 10), begun = 0, ended = 0;
    size_t body_len = strtoul(argv[4], NULL, 10);
    char *body = calloc(1, body_len + 1), url[PLACE_URL_SIZE];
    must(body && !curl_global_init(CURL_GLOBAL_DEFAULT), "curl");
    memset(body, 'a', body_len);
    struct curl_slist *headers = NULL;
    static const char *const LINES[] = {"Content-Type: application/json",
                                        "User-Agent: bare/1",
                                        "webhook-id: msg_00000000000000000000000000",
                                        "webhook-timestamp: 1700000000",
                                        "webhook-signature: v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                                        "Expect:"};
    for (size_t i = 0; i < sizeof LINES / sizeof *LINES; i++)
        headers = curl_slist_append(headers, LINES[i]);
    CURLM *multi = curl_multi_init();
    struct timespec from;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (; begun < AT_ONCE && begun < count; begun++) {
        CURL *easy = make_handle(body, headers);
        curl_easy_setopt(easy, CURLOPT_URL, place_of(begun % places, port, url));
        must(!curl_multi_add_handle(multi, easy), "a request");
    }
    while (ended < count) {
        int running, left;
        CURLMsg *message;
        curl_multi_perform(multi, &running);
        while ((message = curl_multi_info_read(multi, &left))) {
            CURL *easy = message->easy_handle;
            long status = 0;
            must(message->data.result == CURLE_OK, curl_easy_strerror(message->data.result));
            curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
            must(status == 204, "a 204");
            curl_multi_remove_handle(multi, easy);
            ended++;
            if (begun == count) {
                curl_easy_cleanup(easy);
                continue;
            }
            curl_easy_setopt(easy, CURLOPT_URL, place_of(begun++ % places, port, url));
            must(!curl_multi_add_handle(multi, easy), "a request");
        }
        if (ended < count)
            curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    printf("{\"sent\":%ld,\"seconds\":%.4f,\"cpu_seconds\":%.4f}\n", ended, seconds(&from), cpu_seconds());
    curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    curl_global_cleanup();
    free(body);
    return 0;
}
