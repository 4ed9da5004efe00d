/* meishi listen: a member's events, told to a program under development that only this machine can reach. It asks the server
 * for them through the API of every other client, forwards each as the very request a real endpoint would get, and says
 * what the program answered. It needs no store and no open port.
 *
 * Nothing is lost while it runs: what the program did not take stays pending on the server, and an outcome that the server
 * could not be told is told again before anything else is asked for. */
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cards/base/id.h"
#include "cards/base/url.h"
#include "cards/event.h"
#include "server/cli/cli.h"
#include "server/ids.h"
#include "server/notify/client.h"

enum {
    WAIT_S = 20, /* how long the server may wait for an event */
    BATCH = 4,   /* forwarded one after the other, well within the server's lease */
    ASK_MS = 15000,
    LAST_WORDS_MS = 3000,
    DOWN_NAP_MS = 1000,
    NAP_FIRST_MS = 500,
    NAP_MAX_MS = 10000
};

struct listening {
    struct client *client;
    struct arena *arena; /* of this turn */
    const char *base, *token, *forward, *secret;
    json_t *events; /* NULL: all */
    char id[ID_TEXT_SIZE];
    bool json, print, server_is_down, program_is_down;
    int nap_ms;
};

/* ---- the server ---- */

/* One call of the API; *OUT is its JSON answer, NULL when it has none. FAILED: no answer came. */
static enum result ask(const struct listening *listening, const char *method, const char *path, json_t *body,
                       int timeout_ms, struct client_answer *answer, json_t **out)
{
    struct arena *arena = listening->arena;
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct client_request request = {
        .method = method,
        .url = arena_printf(arena, "%s/api/v1/listeners%s", listening->base, path),
        .headers = {arena_printf(arena, "Authorization: Bearer %s", listening->token),
                    "User-Agent: meishi-listen/" MEISHI_VERSION, "Accept: application/json",
                    text ? "Content-Type: application/json" : NULL},
        .body = arena_strdup(arena, text),
        .timeout_ms = timeout_ms,
    };
    free(text);
    json_decref(body);
    enum result result = client_ask(listening->client, &request, arena, answer);
    *out = result == RESULT_OK ? json_loads(answer->body, 0, NULL) : NULL;
    return result;
}

/* What the server says of a refusal, in the sentence of its problem. */
static int refused(const struct client_answer *answer, const json_t *problem, struct cli_call *call)
{
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    int code = answer->status == 401 || answer->status == 403 ? EX_NOPERM
               : answer->status == 422                        ? EX_USAGE
               : answer->status == 429                        ? EX_TEMPFAIL
                                                              : EX_UNAVAILABLE;
    if (answer->status == 401)
        detail = "it does not know this token.";
    else if (answer->status >= 300 && answer->status < 400)
        detail = "it sends elsewhere; give --url the address it sends to.";
    return cli_say(call, code, "The server answered %d: %s", answer->status,
                   detail ? detail : "is this the address of a Meishi server, and is that recent enough?");
}

/* The server does not answer, or answers that it cannot now: said once, then patience. */
static void bear_server(struct listening *listening, const struct client_answer *answer)
{
    if (client_is_stopped(listening->client))
        return;
    if (!listening->server_is_down) {
        if (answer->status)
            fprintf(stderr, "%s answers %d; trying again.\n", listening->base, answer->status);
        else
            fprintf(stderr, "%s does not answer (%s); trying again.\n", listening->base, answer->words);
    }
    listening->server_is_down = true;
    client_nap(listening->client, listening->nap_ms);
    listening->nap_ms = listening->nap_ms * 2 > NAP_MAX_MS ? NAP_MAX_MS : listening->nap_ms * 2;
}

static void note_server(struct listening *listening)
{
    if (listening->server_is_down)
        fprintf(stderr, "%s answers again.\n", listening->base);
    listening->server_is_down = false;
    listening->nap_ms = NAP_FIRST_MS;
}

static bool is_passing(const struct client_answer *answer)
{
    return !answer->status || answer->status == 429 || answer->status >= 500;
}

/* ---- coming and going ---- */

/* Makes the listener, with the secret of the one before if there was one. 0, or the code to end with; again, it is patient. */
static int begin(struct listening *listening, struct cli_call *call, bool again)
{
    struct client_answer answer;
    json_t *made;
    int code = 0;
    json_t *body = json_object();
    if (listening->events)
        json_object_set(body, "events", listening->events);
    if (listening->secret)
        json_object_set_new(body, "secret", json_string(listening->secret));
    enum result result = ask(listening, "POST", "", body, ASK_MS, &answer, &made);
    const char *secret = json_string_value(json_object_get(made, "secret"));
    int64_t id = id_parse("whk", json_string_value(json_object_get(made, "id")));
    if (client_is_stopped(listening->client)) {
        code = 0;
    } else if (again && is_passing(&answer)) {
        bear_server(listening, &answer);
    } else if (result != RESULT_OK) {
        code = cli_say(call, EX_UNAVAILABLE, "%s does not answer: %s.", listening->base, answer.words);
    } else if (answer.status != 201 || !secret || !id) {
        code = refused(&answer, made, call);
    } else {
        id_format(listening->id, "whk", id);
        listening->secret = arena_strdup(call->arena, secret);
    }
    json_decref(made);
    return code;
}

static void end(struct listening *listening)
{
    struct client_answer answer;
    json_t *nothing;
    if (!*listening->id)
        return;
    client_stop_by(listening->client, -1);
    if (ask(listening, "DELETE", arena_printf(listening->arena, "/%s", listening->id), NULL, LAST_WORDS_MS, &answer,
            &nothing) != RESULT_OK ||
        answer.status >= 300)
        fputs("The listener could not be removed; it ends by itself in ten minutes.\n", stderr);
    json_decref(nothing);
}

static void greet(const struct listening *listening)
{
    if (listening->json) {
        json_t *line = json_pack("{s:s, s:s, s:s?}", "listener", listening->id, "secret", listening->secret, "forward",
                                 listening->forward);
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(line);
    } else {
        printf("Listening at %s. Check signatures with this secret:\n%s\n", listening->base, listening->secret);
        if (listening->forward)
            printf("Events go to %s. Ctrl-C ends.\n", listening->forward);
    }
    fflush(stdout);
}

/* ---- one delivery ---- */

/* Names and values that can stand in a header, or the delivery is not sent on. */
static bool take_headers(const json_t *headers, struct client_request *out, struct arena *arena)
{
    const char *name;
    json_t *value;
    int count = 0;
    json_object_foreach((json_t *)(uintptr_t)headers, name, value)
    {
        const char *text = json_string_value(value);
        bool sound = text && *name && count < CLIENT_HEADERS_MAX - 1 &&
                     strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
        for (const char *at = text; sound && *at; at++)
            sound = (unsigned char)*at >= 0x20 && (unsigned char)*at != 0x7f;
        if (!sound)
            return false;
        out->headers[count++] = arena_printf(arena, "%s: %s", name, text);
    }
    return count > 0;
}

/* The time of day here, for people. */
static const char *clock_text(char out[16])
{
    time_t now = (time_t)(now_ms() / 1000);
    struct tm parts;
    strftime(out, 16, "%H:%M:%S", localtime_r(&now, &parts));
    return out;
}

static void print_body(const char *body)
{
    json_t *json = json_loads(body, 0, NULL);
    char *text =
        json ? json_dumps(json, JSON_INDENT(2) | JSON_ENSURE_ASCII) : NULL; /* nothing that steers a terminal */
    if (text)
        puts(text);
    free(text);
    json_decref(json);
}

static void print_outcome(const struct listening *listening, const char *type, const char *event_id, const char *body,
                          const struct client_answer *answer)
{
    char clock[16];
    const char *error = send_error_name(answer->error);
    if (listening->json) {
        json_t *line = json_pack("{s:s, s:s, s:i, s:s?, s:I}", "type", type, "id", event_id, "status", answer->status,
                                 "error", error, "latency_ms", (json_int_t)answer->latency_ms);
        if (listening->print)
            json_object_set_new(line, "body", json_loads(body, 0, NULL));
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(line);
    } else {
        if (!listening->forward)
            printf("%s  %s  %s\n", clock_text(clock), type, event_id);
        else if (answer->status)
            printf("%s  %s  %s  %d  %lld ms\n", clock_text(clock), type, event_id, answer->status,
                   (long long)answer->latency_ms);
        else
            printf("%s  %s  %s  %s\n", clock_text(clock), type, event_id, error);
        if (listening->print)
            print_body(body);
    }
    fflush(stdout);
}

static bool is_unreached(const struct client_answer *answer)
{
    return answer->error == SEND_CONNECT || answer->error == SEND_NAME_NOT_FOUND;
}

/* Once for each time that it stops to answer. */
static void note_program(struct listening *listening, const struct client_answer *answer)
{
    bool down = is_unreached(answer);
    if (down && !listening->program_is_down)
        fprintf(stderr, "%s does not answer (%s). Events wait until it does.\n", listening->forward, answer->words);
    else if (!down && listening->program_is_down)
        fprintf(stderr, "%s answers again.\n", listening->forward);
    listening->program_is_down = down;
    if (!down && (answer->status < 200 || answer->status > 299))
        fprintf(stderr, "That will be tried again, with the same id: only 2xx says that it was taken.\n");
}

/* Tells the server until it knows. It may say that there is nothing to know any more: erased, or done. */
static void report(struct listening *listening, const char *delivery_id, const struct client_answer *outcome)
{
    struct client_answer answer;
    const char *path = arena_printf(listening->arena, "/%s/deliveries/%s/outcome", listening->id, delivery_id);
    for (;;) {
        json_t *said, *body = outcome->status ? json_pack("{s:i, s:I}", "status", outcome->status, "latency_ms",
                                                          (json_int_t)outcome->latency_ms)
                                              : json_pack("{s:s, s:I}", "error", send_error_name(outcome->error),
                                                          "latency_ms", (json_int_t)outcome->latency_ms);
        enum result result = ask(listening, "POST", path, body, ASK_MS, &answer, &said);
        json_decref(said);
        if (result == RESULT_OK && !is_passing(&answer)) {
            note_server(listening);
            return;
        }
        if (client_is_stopped(listening->client))
            return;
        bear_server(listening, &answer);
    }
}

/* UNREACHED: the one before found nobody there, so this one goes back untried. */
static void deliver(struct listening *listening, const json_t *delivery, bool unreached)
{
    char id[ID_TEXT_SIZE], event_id[ID_TEXT_SIZE];
    struct client_request request = {
        .method = "POST", .url = listening->forward, .timeout_ms = COURIER_DEADLINE_MS, .as_courier = true};
    struct client_answer answer = {.status = 204, .error = SEND_OK};
    int64_t number = id_parse("dlv", json_string_value(json_object_get(delivery, "id")));
    int64_t event = id_parse("msg", json_string_value(json_object_get(delivery, "event_id")));
    enum event_type type = event_parse(json_string_value(json_object_get(delivery, "type")));
    request.body = json_string_value(json_object_get(delivery, "body"));
    if (!number || !event || type == EVENT_COUNT || !request.body ||
        !take_headers(json_object_get(delivery, "headers"), &request, listening->arena)) {
        fputs("The server handed out something that is no event; is it newer than this program?\n", stderr);
        client_nap(listening->client, NAP_MAX_MS);
        return;
    }
    id_format(id, "dlv", number);
    id_format(event_id, "msg", event);
    if (unreached) {
        answer = (struct client_answer){.error = SEND_CONNECT};
    } else if (listening->forward) {
        if (client_ask(listening->client, &request, listening->arena, &answer) != RESULT_OK &&
            client_is_stopped(listening->client))
            return;
        note_program(listening, &answer);
    }
    if (!is_unreached(&answer))
        print_outcome(listening, event_name(type), event_id, request.body, &answer);
    report(listening, id, &answer);
}

/* Asks once and forwards what comes. 0, or the code to end with. */
static int turn(struct listening *listening, struct cli_call *call)
{
    struct client_answer answer;
    json_t *said, *delivery;
    size_t i;
    int code = 0;
    const char *path = arena_printf(listening->arena, "/%s/deliveries?wait=%d&limit=%d", listening->id,
                                    listening->server_is_down ? 0 : WAIT_S, listening->program_is_down ? 1 : BATCH);
    int64_t started_ms = monotonic_ms();
    enum result result = ask(listening, "GET", path, NULL, WAIT_S * 1000 + ASK_MS, &answer, &said);
    if (client_is_stopped(listening->client) || result != RESULT_OK || is_passing(&answer)) {
        bear_server(listening, &answer);
    } else if (answer.status == 404) {
        fputs("The listener had ended, as after ten minutes without a word from here; making another.\n", stderr);
        code = begin(listening, call, true);
    } else if (answer.status != 200) {
        code = refused(&answer, said, call);
    } else {
        note_server(listening);
        json_array_foreach(json_object_get(said, "data"), i, delivery)
        {
            if (client_is_stopped(listening->client))
                break;
            deliver(listening, delivery, i && listening->program_is_down);
        }
        if (listening->program_is_down)
            client_nap(listening->client, DOWN_NAP_MS);
        else if (!i && monotonic_ms() - started_ms < NAP_FIRST_MS)
            client_nap(listening->client, NAP_FIRST_MS); /* a server that is full answers at once */
    }
    json_decref(said);
    return code;
}

/* ---- the command ---- */

static int read_events(struct cli_call *call, const char *text, json_t **out)
{
    *out = NULL;
    if (!text)
        return 0;
    *out = json_array();
    for (const char *at = text; *at; at += *at == ',') {
        size_t len = strcspn(at, ",");
        const char *name = arena_strndup(call->arena, at, len);
        if (event_parse(name) == EVENT_COUNT)
            return cli_say(call, EX_USAGE,
                           "--events: there is no event \"%s\"; names are like lead.created,lead.updated.", name);
        json_array_append_new(*out, json_string(name));
        at += len;
    }
    return json_array_size(*out) ? 0 : cli_say(call, EX_USAGE, "--events needs names, like lead.created,lead.updated.");
}

/* Everybody on a machine can list the words of its commands, so a token can also come by a file that others cannot read, by
 * standard input, or by the environment, which only its owner and root can read. */
static int read_token(struct listening *listening, struct cli_call *call, const char *word, const char *path)
{
    int code = 0;
    if (word && path)
        return cli_say(call, EX_USAGE, "Give the token once: by --token-file, MEISHI_TOKEN or --token.");
    char *text = arena_strdup(call->arena, path   ? cli_read_file(call, path, &code)
                                           : word ? word
                                                  : getenv("MEISHI_TOKEN"));
    if (code)
        return code;
    size_t len = text ? strlen(text) : 0;
    while (len && path && strchr(" \t\r\n", text[len - 1]))
        text[--len] = '\0';
    if (!len)
        return cli_say(call, EX_USAGE,
                       "The member's API token is wanted, from their account page or `meishi token add`: in a file "
                       "(--token-file FILE, - for standard input) or in MEISHI_TOKEN.");
    if (strpbrk(text, " \t\r\n"))
        return cli_say(call, EX_USAGE, "The token holds a blank.");
    listening->token = text;
    return 0;
}

static int read_words(struct listening *listening, struct cli_call *call, const struct config *config, int argc,
                      char **argv)
{
    struct url url;
    const char *events = cli_option(&argc, argv, "events");
    const char *token = cli_option(&argc, argv, "token"), *token_file = cli_option(&argc, argv, "token-file");
    listening->forward = cli_option(&argc, argv, "forward");
    listening->secret = cli_option(&argc, argv, "secret");
    listening->print = cli_flag(&argc, argv, "--print");
    listening->base = config->url ? config->url : arena_printf(call->arena, "http://%s", config->listen);
    int code = cli_no_more(call, argc, argv);
    if (code)
        return code;
    code = read_token(listening, call, token, token_file);
    if (code)
        return code;
    if (!config->url && !strncmp(config->listen, "unix:", 5))
        return cli_say(call, EX_USAGE, "--url is wanted: the address of the server.");
    if (!listening->forward && !listening->print)
        return cli_say(call, EX_USAGE, "--forward URL says where events go; --print shows them here.");
    if (listening->forward && url_parse(listening->forward, URL_NO_FRAGMENT, call->arena, &url) != RESULT_OK)
        return cli_say(call, EX_USAGE, "--forward must be a web address like http://127.0.0.1:3000/hook.");
    return read_events(call, events, &listening->events);
}

/* SIGINT and SIGTERM as a descriptor, so that nothing is interrupted at a bad moment. */
static int catch_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    return signalfd(-1, set, SFD_CLOEXEC);
}

/* The first signal has been heard; another one ends at once. */
static void hear_no_more(int signals, const sigset_t *set)
{
    struct signalfd_siginfo heard;
    if (read(signals, &heard, sizeof heard) == (ssize_t)sizeof heard)
        pthread_sigmask(SIG_UNBLOCK, set, NULL);
}

int cli_listen(const struct config *config, struct cli_call *call, int argc, char **argv)
{
    sigset_t set;
    struct arena turns;
    struct listening listening = {.arena = &turns, .json = call->json, .nap_ms = NAP_FIRST_MS};
    int code = read_words(&listening, call, config, argc, argv), signals = -1;
    arena_init(&turns);
    if (code)
        goto done;
    signals = catch_signals(&set);
    if (signals < 0 || client_open(signals, &listening.client) != RESULT_OK) {
        code = cli_say(call, EX_OSERR, "This machine did not give what listening needs.");
        goto done;
    }
    code = begin(&listening, call, false);
    if (!code && *listening.id)
        greet(&listening);
    while (!code && !client_is_stopped(listening.client)) {
        arena_reset(&turns);
        code = turn(&listening, call);
    }
    if (client_is_stopped(listening.client))
        hear_no_more(signals, &set);
    end(&listening);
done:
    client_close(listening.client);
    if (signals >= 0)
        close(signals);
    json_decref(listening.events);
    arena_free(&turns);
    return code;
}
