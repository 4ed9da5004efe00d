/* meishi webhook verify: says of a captured request whether a receiver may trust it, and what to do where not. It needs
 * neither store nor server. */
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cards/webhook_check.h"
#include "server/cli/cli.h"
#include "server/ids.h"

enum { NOT_GENUINE = 1, TOLERANCE_MAX_S = 10 * 365 * 86400 };

static int read_keys(struct cli_call *call, const char *secret, const char *public_key, struct webhook_check_keys *out)
{
    const char *why;
    *out = (struct webhook_check_keys){0};
    if (!secret && !public_key)
        return cli_say(call, EX_USAGE,
                       "Say with --secret whsec_… (or --public-key whpk_…) what the request must be signed with.");
    if (secret && webhook_check_read_secret(secret, out, &why) != RESULT_OK)
        return cli_say(call, EX_USAGE, "--secret: %s", why);
    if (public_key && webhook_check_read_public(public_key, out, &why) != RESULT_OK)
        return cli_say(call, EX_USAGE, "--public-key: %s", why);
    return 0;
}

static int read_tolerance(struct cli_call *call, const char *text, int64_t *out)
{
    char *end;
    *out = WEBHOOK_TOLERANCE_S;
    if (!text)
        return 0;
    *out = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || *out > TOLERANCE_MAX_S)
        return cli_say(call, EX_USAGE, "--tolerance takes a number of seconds; without it, %d.", WEBHOOK_TOLERANCE_S);
    return 0;
}

/* One file with the whole request, or headers and body apart. */
static int read_capture(struct cli_call *call, const char *headers, const char *body, const char *request,
                        struct webhook_capture *out)
{
    const char *why;
    int code;
    if (request ? headers || body : !headers || !body)
        return cli_say(call, EX_USAGE,
                       "Give --headers FILE and --body FILE, or one file that holds the whole request.");
    if (!request && !strcmp(headers, "-") && !strcmp(body, "-"))
        return cli_say(call, EX_USAGE, "Headers and body cannot both come from standard input.");
    const char *text = cli_read_file(call, request ? request : headers, &code);
    if (!text)
        return code;
    if ((request ? webhook_check_request(text, strlen(text), call->arena, out, &why)
                 : webhook_check_headers(text, call->arena, out, &why)) != RESULT_OK)
        return cli_say(call, EX_DATAERR, "%s", why);
    if (request)
        return 0;
    out->body = cli_read_file(call, body, &code);
    out->body_len = out->body ? strlen(out->body) : 0;
    return code;
}

/* What came from a stranger must not steer the terminal. */
static const char *printable(const char *text, struct arena *arena)
{
    char *copy = arena_strdup(arena, text);
    for (char *at = copy; *at; at++)
        if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7f)
            *at = '?';
    return copy;
}

static void print_json(struct cli_call *call, const struct webhook_verdict *verdict)
{
    json_t *findings = json_array();
    for (int i = 0; i < verdict->count; i++)
        json_array_append_new(findings, json_pack("{s:s, s:b, s:s}", "about", verdict->findings[i].about, "right",
                                                  verdict->findings[i].good, "words",
                                                  printable(verdict->findings[i].words, call->arena)));
    cli_json(call, json_pack("{s:b, s:s?, s:s?, s:o}", "genuine", verdict->genuine, "reason", verdict->reason, "type",
                             verdict->type, "findings", findings));
}

static void print_words(struct cli_call *call, const struct webhook_verdict *verdict)
{
    for (int i = 0; i < verdict->count; i++)
        str_addf(&call->out, "%s  %-17s  %s\n", verdict->findings[i].good ? "right" : "WRONG",
                 verdict->findings[i].about, printable(verdict->findings[i].words, call->arena));
    if (!verdict->genuine)
        str_add(&call->out, "\nA receiver must refuse this request.\n");
    else if (verdict->type)
        str_addf(&call->out, "\nThis request is genuine: %s.\n", printable(verdict->type, call->arena));
    else
        str_add(&call->out, "\nThis request is genuine.\n");
}

int cli_webhook_verify(struct cli_call *call, int argc, char **argv)
{
    const char *secret = cli_option(&argc, argv, "secret"), *public_key = cli_option(&argc, argv, "public-key");
    const char *headers = cli_option(&argc, argv, "headers"), *body = cli_option(&argc, argv, "body");
    const char *tolerance = cli_option(&argc, argv, "tolerance"), *request = NULL;
    struct webhook_check_keys keys;
    struct webhook_capture capture;
    struct webhook_verdict verdict;
    int64_t tolerance_s;
    if (argc && strncmp(argv[0], "--", 2)) {
        request = *argv++;
        argc--;
    }
    int code = cli_no_more(call, argc, argv);
    if (code || (code = read_keys(call, secret, public_key, &keys)) ||
        (code = read_tolerance(call, tolerance, &tolerance_s)) ||
        (code = read_capture(call, headers, body, request, &capture)))
        return code;
    webhook_check(&capture, &keys, now_ms() / 1000, tolerance_s, call->arena, &verdict);
    if (call->json)
        print_json(call, &verdict);
    else
        print_words(call, &verdict);
    return verdict.genuine ? EX_OK : NOT_GENUINE;
}
