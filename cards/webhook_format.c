/* See webhook_format.h. */
#include "cards/webhook_format.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>
#include "cards/base/url.h"
#include "cards/chat.h"
#include "cards/event.h"
#include "cards/notice.h"

static const struct {
    const char *name, *label, *hint;
} FORMATS[FORMAT_COUNT] = {
    [FORMAT_STANDARD] = {"standard", "JSON (Standard Webhooks)",
                         "For a program of yours, and for n8n (node Webhook, method POST), Zapier (Webhooks, "
                         "Catch Hook) and Make (Custom webhook): paste the URL they show."},
    [FORMAT_SLACK] = {"slack", "Slack",
                      "On api.slack.com/apps make an app, switch Incoming Webhooks on, add one to a channel and "
                      "copy its URL."},
    [FORMAT_DISCORD] = {"discord", "Discord",
                        "In the channel's settings open Integrations, Webhooks, make one and copy its URL."},
    [FORMAT_TEAMS] = {"teams", "Microsoft Teams",
                      "In the channel's menu open Workflows, choose the template that posts when a webhook "
                      "request is received, and copy its URL."},
    [FORMAT_MATTERMOST] = {"mattermost", "Mattermost",
                           "In the main menu open Integrations, Incoming Webhooks, add one and copy its URL."},
    [FORMAT_NTFY] = {"ntfy", "ntfy",
                     "The address of your topic, like https://ntfy.sh/a-name-that-is-hard-to-guess; for a "
                     "protected one add ?auth= and its token as ntfy's documentation says."},
};

const char *webhook_format_name(enum webhook_format format)
{
    assert((unsigned)format < FORMAT_COUNT);
    return FORMATS[format].name;
}

enum webhook_format webhook_format_parse(const char *name)
{
    enum webhook_format format = FORMAT_STANDARD;
    while (format < FORMAT_COUNT && (!name || strcmp(FORMATS[format].name, name)))
        format++;
    return format;
}

const char *webhook_format_label(enum webhook_format format)
{
    assert((unsigned)format < FORMAT_COUNT);
    return FORMATS[format].label;
}

const char *webhook_format_hint(enum webhook_format format)
{
    assert((unsigned)format < FORMAT_COUNT);
    return FORMATS[format].hint;
}

/* ntfy takes JSON only at the root of its server, with the topic in it; what people know and paste is the topic's address.
 * NULL if URL is none. */
static const char *ntfy_topic(const char *url, struct arena *arena, const char **root)
{
    enum { TOPIC_MAX = 64 };
    static const char LETTERS[] = "-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    struct url parsed;
    if (url_parse(url, URL_NO_FRAGMENT, arena, &parsed) != RESULT_OK)
        return NULL;
    const char *path = strstr(parsed.text, "://") + strlen("://");
    path += strcspn(path, "/");
    size_t len = *path ? strspn(path + 1, LETTERS) : 0;
    const char *query = len ? path + 1 + len : path;
    query += *query == '/';
    if (!len || len > TOPIC_MAX || (*query && *query != '?'))
        return NULL;
    *root = arena_printf(arena, "%.*s/%s", (int)(path - parsed.text), parsed.text, query);
    return arena_strndup(arena, path + 1, len);
}

const char *webhook_format_complaint(enum webhook_format format, const char *url)
{
    struct arena arena;
    const char *root;
    if (format != FORMAT_NTFY)
        return NULL;
    arena_init(&arena);
    bool is_topic = ntfy_topic(url, &arena, &root) != NULL;
    arena_free(&arena);
    return is_topic ? NULL : "For ntfy, give the address of a topic, like https://ntfy.sh/my-topic.";
}

/* ------------------------------------------------------------------------------------------------------ writing */

static const char *text_of(json_t *json, struct arena *arena)
{
    size_t len = json_dumpb(json, NULL, 0, JSON_COMPACT);
    char *text = arena_alloc_raw(arena, len + 1);
    json_dumpb(json, text, len, JSON_COMPACT);
    text[len] = '\0';
    json_decref(json);
    return text;
}

static json_t *message_of(const struct webhook_event *event, const struct notice *notice, struct arena *arena,
                          const char **url)
{
    const char *topic;
    switch (event->format) {
    case FORMAT_SLACK:
        return chat_slack(notice, arena);
    case FORMAT_DISCORD:
        return chat_discord(notice, arena);
    case FORMAT_TEAMS:
        return chat_teams(notice, arena);
    case FORMAT_MATTERMOST:
        return chat_mattermost(notice, arena);
    case FORMAT_NTFY:
        /* An endpoint that names no topic is refused when it is made; should there be one, ntfy's refusal shows it. */
        topic = ntfy_topic(event->url, arena, url);
        return chat_ntfy(notice, topic ? topic : "", arena);
    case FORMAT_STANDARD:
    case FORMAT_COUNT:
        break;
    }
    return NULL;
}

static enum result write_chat(const struct webhook_event *event, struct arena *arena, struct webhook_message *out)
{
    struct notice notice;
    json_t *read =
        event->thin ? event_thin(event->body, event->sequence, event->base_url) : json_loads(event->body, 0, NULL);
    json_t *message = read && notice_read(read, event->base_url, arena, &notice)
                          ? message_of(event, &notice, arena, &out->url)
                          : NULL;
    out->body = message ? text_of(message, arena) : NULL;
    assert(!out->body || strlen(out->body) <= WEBHOOK_BODY_MAX);
    json_decref(read);
    return out->body ? RESULT_OK : RESULT_INVALID;
}

enum result webhook_format_write(const struct webhook_event *event, struct arena *arena, struct webhook_message *out)
{
    *out = (struct webhook_message){.url = event->url};
    if (event->format != FORMAT_STANDARD)
        return write_chat(event, arena, out);
    if (event->thin) {
        json_t *thin = event_thin(event->body, event->sequence, event->base_url);
        out->body = thin ? text_of(thin, arena) : NULL;
    } else
        out->body = event_number(event->body, event->sequence, arena);
    return out->body ? RESULT_OK : RESULT_INVALID;
}
