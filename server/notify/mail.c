/* See mail.h. A letter that the mail server does not take for now (4xx, or nobody there) is tried again after ten seconds, a
 * minute and five; one that it refuses (5xx) is given up at once. Both are logged, without the address. */
#include "server/notify/mail.h"

#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include "cards/lead.h"
#include "server/ids.h"
#include "server/log.h"

enum { SEND_MS = 30000, CONNECT_MS = 10000, REFUSED_FROM = 500 };

static const int64_t AGAIN_MS[] = {10 * 1000, 60 * 1000, 5 * 60 * 1000};
enum { TRIES_MAX = 1 + sizeof AGAIN_MS / sizeof *AGAIN_MS };

struct letter {
    mail_write *write; /* NULL: free */
    void *context;
    char about[MAIL_ABOUT_SIZE];
    int tries;
    int64_t due_ms; /* monotonic */
};

struct mailer {
    char *url, *from;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t posted;
    bool closing;
    struct letter letters[MAIL_QUEUE_MAX];
    struct mailer_figures figures;
};

const char *mail_address_in(const char *text, struct arena *arena)
{
    const char *open = text ? strchr(text, '<') : NULL;
    const char *address = open ? arena_strndup(arena, open + 1, strcspn(open + 1, ">")) : text;
    return address && email_is_valid(address) ? address : NULL;
}

const char *mail_url_complaint(const char *smtp_url)
{
    if (strncasecmp(smtp_url, "smtp://", 7) && strncasecmp(smtp_url, "smtps://", 8))
        return "it must look like smtps://user:password@mail.example.org or smtp://localhost.";
    return strstr(smtp_url, "://")[3] ? NULL : "it names no mail server.";
}

/* ---- sending ---- */

/* The mail server of the machine itself need not encrypt, and its certificate is seldom one that anybody signed. */
static bool is_local(const char *url)
{
    const char *host = strstr(url, "://") + 3, *end = host + strcspn(host, "/?#"),
               *at = memrchr(host, '@', (size_t)(end - host));
    host = at ? at + 1 : host;
    static const char *const LOCAL[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < sizeof LOCAL / sizeof *LOCAL; i++) {
        size_t len = strlen(LOCAL[i]);
        if (!strncasecmp(host, LOCAL[i], len) && (host + len == end || host[len] == ':'))
            return true;
    }
    return false;
}

static struct curl_slist *headers_of(const struct mailer *mailer, const struct mail *mail, struct arena *arena)
{
    unsigned char random[8];
    char date[64];
    struct tm utc;
    time_t now = (time_t)(now_ms() / 1000);
    random_bytes(random, sizeof random);
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "Date: %a, %d %b %Y %H:%M:%S +0000", &utc); /* RFC 5322 3.3 */
    const char *own = mail_address_in(mailer->from, arena);
    uint64_t id;
    memcpy(&id, random, sizeof id);
    const char *const lines[] = {
        arena_printf(arena, "From: %s", mailer->from),
        arena_printf(arena, "To: <%s>", mail->to),
        arena_printf(arena, "Subject: %s", mail->subject),
        date,
        arena_printf(arena, "Message-ID: <%llx.%llx%s>", (unsigned long long)now_ms(), (unsigned long long)id,
                     strchr(own, '@')),
        "Auto-Submitted: auto-generated", /* RFC 3834: no out-of-office notes come back */
    };
    struct curl_slist *list = NULL;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct curl_slist *longer = curl_slist_append(list, lines[i]);
        if (!longer)
            abort();
        list = longer;
    }
    return list;
}

/* What is sent is the text alone: nothing is read from anywhere. */
static curl_mime *body_of(CURL *easy, const struct mail *mail)
{
    curl_mime *mime = curl_mime_init(easy);
    curl_mimepart *part = mime ? curl_mime_addpart(mime) : NULL;
    if (!part || curl_mime_data(part, mail->text, CURL_ZERO_TERMINATED) ||
        curl_mime_type(part, "text/plain; charset=utf-8") || curl_mime_encoder(part, "quoted-printable"))
        abort();
    return mime;
}

/* OK, BUSY (perhaps later), or FAILED. */
static enum result send_now(const struct mailer *mailer, const struct mail *mail, struct arena *arena)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return RESULT_BUSY;
    struct curl_slist *headers = headers_of(mailer, mail, arena);
    struct curl_slist *to = curl_slist_append(NULL, arena_printf(arena, "<%s>", mail->to));
    curl_mime *body = body_of(easy, mail);
    curl_easy_setopt(easy, CURLOPT_URL, mailer->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_USE_SSL, is_local(mailer->url) ? (long)CURLUSESSL_NONE : (long)CURLUSESSL_ALL);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)SEND_MS);
    curl_easy_setopt(easy, CURLOPT_MAIL_FROM, arena_printf(arena, "<%s>", mail_address_in(mailer->from, arena)));
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, to);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_MIMEPOST, body);
    CURLcode code = curl_easy_perform(easy);
    long answer = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer);
    curl_mime_free(body);
    curl_slist_free_all(to);
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
    if (code == CURLE_OK)
        return RESULT_OK;
    log_warning("mail", "answer=%ld words=\"%s\"", answer, curl_easy_strerror(code));
    return answer >= REFUSED_FROM ? RESULT_FAILED : RESULT_BUSY;
}

static enum result write_and_send(const struct mailer *mailer, const struct letter *letter)
{
    struct arena arena;
    struct mail mail;
    arena_init(&arena);
    enum result result = letter->write(letter->context, letter->about, &arena, &mail);
    if (result == RESULT_OK)
        result = mail_address_in(mail.to, &arena) ? send_now(mailer, &mail, &arena) : RESULT_INVALID;
    arena_free(&arena);
    return result;
}

/* ---- the queue ---- */

/* The letter that is due first, or NULL. With the lock held. */
static struct letter *first_due(struct mailer *mailer)
{
    struct letter *first = NULL;
    for (int i = 0; i < MAIL_QUEUE_MAX; i++) {
        struct letter *letter = &mailer->letters[i];
        if (letter->write && (!first || letter->due_ms < first->due_ms))
            first = letter;
    }
    return first;
}

/* Waits until a letter is due; NULL when closing. With the lock held. */
static struct letter *wait_for_letter(struct mailer *mailer)
{
    while (!mailer->closing) {
        struct letter *letter = first_due(mailer);
        int64_t rest_ms = letter ? letter->due_ms - monotonic_ms() : 0;
        if (letter && rest_ms <= 0)
            return letter;
        if (!letter) {
            pthread_cond_wait(&mailer->posted, &mailer->lock);
            continue;
        }
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += (time_t)(rest_ms / 1000 + 1);
        pthread_cond_timedwait(&mailer->posted, &mailer->lock, &until);
    }
    return NULL;
}

static void settle(struct mailer *mailer, struct letter *letter, enum result result)
{
    bool again = result == RESULT_BUSY && letter->tries < TRIES_MAX - 1;
    mailer->figures.sent += result == RESULT_OK;
    mailer->figures.failed += !again && (result == RESULT_BUSY || result == RESULT_FAILED);
    if (again)
        letter->due_ms = monotonic_ms() + AGAIN_MS[letter->tries++];
    else
        *letter = (struct letter){0};
}

static void *run(void *context)
{
    struct mailer *mailer = context;
    pthread_mutex_lock(&mailer->lock);
    for (struct letter *letter; (letter = wait_for_letter(mailer));) {
        pthread_mutex_unlock(&mailer->lock);
        enum result result = write_and_send(mailer, letter); /* nobody else touches one that is queued */
        pthread_mutex_lock(&mailer->lock);
        settle(mailer, letter, result);
    }
    pthread_mutex_unlock(&mailer->lock);
    return NULL;
}

enum result mailer_post(struct mailer *mailer, mail_write *write, void *context, const char *about)
{
    assert(strlen(about) < MAIL_ABOUT_SIZE);
    enum result result = RESULT_LIMITED;
    pthread_mutex_lock(&mailer->lock);
    for (int i = 0; i < MAIL_QUEUE_MAX && result != RESULT_OK; i++) {
        struct letter *letter = &mailer->letters[i];
        if (letter->write)
            continue;
        *letter = (struct letter){.write = write, .context = context, .due_ms = monotonic_ms()};
        memcpy(letter->about, about, strlen(about) + 1);
        result = RESULT_OK;
    }
    pthread_cond_signal(&mailer->posted);
    pthread_mutex_unlock(&mailer->lock);
    return result;
}

static char *copy_text(const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        abort();
    return copy;
}

enum result mailer_open(const char *smtp_url, const char *from, struct mailer **out)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return RESULT_FAILED;
    struct mailer *mailer = calloc(1, sizeof *mailer);
    pthread_condattr_t monotonic;
    if (!mailer)
        abort();
    mailer->url = copy_text(smtp_url);
    mailer->from = copy_text(from);
    pthread_mutex_init(&mailer->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&mailer->posted, &monotonic);
    pthread_condattr_destroy(&monotonic);
    bool started = pthread_create(&mailer->thread, NULL, run, mailer) == 0;
    *out = started ? mailer : NULL;
    if (started)
        return RESULT_OK;
    free(mailer->url);
    free(mailer->from);
    free(mailer);
    curl_global_cleanup();
    return RESULT_FAILED;
}

void mailer_close(struct mailer *mailer)
{
    if (!mailer)
        return;
    pthread_mutex_lock(&mailer->lock);
    mailer->closing = true;
    pthread_cond_signal(&mailer->posted);
    pthread_mutex_unlock(&mailer->lock);
    pthread_join(mailer->thread, NULL);
    pthread_cond_destroy(&mailer->posted);
    pthread_mutex_destroy(&mailer->lock);
    free(mailer->url);
    free(mailer->from);
    free(mailer);
    curl_global_cleanup();
}

void mailer_figures(struct mailer *mailer, struct mailer_figures *out)
{
    *out = (struct mailer_figures){0};
    if (!mailer)
        return;
    pthread_mutex_lock(&mailer->lock);
    *out = mailer->figures;
    pthread_mutex_unlock(&mailer->lock);
}
