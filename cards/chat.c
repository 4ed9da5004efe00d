/* See chat.h. Where a format has text that nothing parses (Slack's rich text, Adaptive Cards' TextRun) strangers' words stand
 * there and nowhere else; where it has none, chat_text.h makes them safe. Each number below is a receiver's documented limit
 * or, where a limit holds for a sum, a share of it. */
#include "cards/chat.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "cards/base/str.h"
#include "cards/chat_text.h"

static const char OPEN[] = "Open in Meishi";

static json_t *made(json_t *json)
{
    if (!json)
        abort(); /* out of memory: what is packed is UTF-8 */
    return json;
}

static void append(json_t *list, json_t *item)
{
    if (json_array_append_new(list, made(item)))
        abort();
}

static void set(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, made(value)))
        abort();
}

static const char *title_of(const struct notice *notice, enum chat_place place, size_t max, enum text_unit unit,
                            struct arena *arena)
{
    const char *title = notice->who ? arena_printf(arena, "%s: %s", notice->heading, notice->who) : notice->heading;
    return chat_text(title, place, max, unit, arena);
}

static const char *fact_text(const struct notice_fact *fact, enum chat_place place, size_t max, enum text_unit unit,
                             struct arena *arena)
{
    return fact->address ? chat_address(fact->text, place, arena) : chat_text(fact->text, place, max, unit, arena);
}

/* ------------------------------------------------------------------------------------------------------- Slack */

enum { SLACK_TEXT_MAX = 3000 /* as of a section */, SLACK_FACT_MAX = 500, SLACK_FALLBACK_MAX = 500 };

static void slack_text(json_t *elements, const char *text, bool bold)
{
    json_t *element = made(json_pack("{s:s, s:s}", "type", "text", "text", text));
    if (bold)
        set(element, "style", json_pack("{s:b}", "bold", 1));
    append(elements, element);
}

static void slack_link(json_t *elements, const char *url, const char *text)
{
    append(elements, json_pack("{s:s, s:s, s:s}", "type", "link", "url", url, "text", text));
}

json_t *chat_slack(const struct notice *notice, struct arena *arena)
{
    json_t *lines = json_array(), *parts = json_array();
    slack_text(lines, title_of(notice, CHAT_LITERAL, SLACK_FACT_MAX, TEXT_UTF16, arena), true);
    if (notice->hint)
        slack_text(lines, arena_printf(arena, "\n%s", notice->hint), false);
    for (int i = 0; i < notice->fact_count; i++) {
        const struct notice_fact *fact = &notice->facts[i];
        const char *text = fact_text(fact, CHAT_LITERAL, SLACK_FACT_MAX, TEXT_UTF16, arena);
        slack_text(lines, arena_printf(arena, "\n%s: ", fact->label), false);
        if (fact->address)
            slack_link(lines, fact->address, text);
        else
            slack_text(lines, text, false);
    }
    append(parts, json_pack("{s:s, s:o}", "type", "rich_text_section", "elements", lines));
    if (notice->message) {
        json_t *quote = json_array();
        slack_text(quote, chat_text(notice->message, CHAT_LITERAL, SLACK_TEXT_MAX, TEXT_UTF16, arena), false);
        append(parts, json_pack("{s:s, s:o}", "type", "rich_text_quote", "elements", quote));
    }
    if (notice->url) {
        json_t *link = json_array();
        slack_link(link, notice->url, OPEN);
        append(parts, json_pack("{s:s, s:o}", "type", "rich_text_section", "elements", link));
    }
    /* The text is what a notification shows. */
    return made(json_pack("{s:s, s:b, s:b, s:[{s:s, s:o}]}", "text",
                          title_of(notice, CHAT_SLACK, SLACK_FALLBACK_MAX, TEXT_UTF16, arena), "unfurl_links", 0,
                          "unfurl_media", 0, "blocks", "type", "rich_text", "elements", parts));
}

/* ----------------------------------------------------------------------------------------------------- Discord */

/* An embed: title 256, description 4096, 25 fields of 256 and 1024, 6000 in all. */
enum { DISCORD_TITLE_MAX = 256, DISCORD_DESCRIPTION_MAX = 2600, DISCORD_FACT_MAX = 250, VERMILION = 0xB3311B };

json_t *chat_discord(const struct notice *notice, struct arena *arena)
{
    json_t *fields = json_array();
    for (int i = 0; i < notice->fact_count; i++)
        append(fields,
               json_pack("{s:s, s:s, s:b}", "name", notice->facts[i].label, "value",
                         fact_text(&notice->facts[i], CHAT_DISCORD, DISCORD_FACT_MAX, TEXT_UTF16, arena), "inline", 1));
    json_t *embed =
        made(json_pack("{s:s, s:i, s:o}", "title", title_of(notice, CHAT_DISCORD, DISCORD_TITLE_MAX, TEXT_UTF16, arena),
                       "color", VERMILION, "fields", fields));
    if (notice->message)
        set(embed, "description",
            json_string(chat_text(notice->message, CHAT_DISCORD, DISCORD_DESCRIPTION_MAX, TEXT_UTF16, arena)));
    else if (notice->hint)
        set(embed, "description", json_string(notice->hint));
    if (notice->url)
        set(embed, "url", json_string(notice->url));
    if (notice->time)
        set(embed, "timestamp", json_string(notice->time));
    return made(json_pack("{s:{s:[]}, s:[o]}", "allowed_mentions", "parse", "embeds", embed));
}

/* ------------------------------------------------------------------------------------------------------- Teams */

/* 28 KB in all, which JSON's own escapes may nearly double. */
enum { TEAMS_TITLE_MAX = 600, TEAMS_FACT_MAX = 600, TEAMS_MESSAGE_MAX = 8000, TEAMS_LINES_MAX = 12 };

static json_t *teams_run(const char *text)
{
    return made(json_pack("{s:s, s:s}", "type", "TextRun", "text", text));
}

static json_t *teams_line(json_t *first, json_t *second)
{
    json_t *inlines = json_array(), *line = made(json_pack("{s:s, s:o}", "type", "RichTextBlock", "inlines", inlines));
    append(inlines, first);
    if (second)
        append(inlines, second);
    return line;
}

static json_t *teams_title(const char *title)
{
    json_t *run = teams_run(title);
    set(run, "weight", json_string("bolder"));
    set(run, "size", json_string("medium"));
    return teams_line(run, NULL);
}

static json_t *teams_fact(const struct notice_fact *fact, struct arena *arena)
{
    json_t *label = teams_run(arena_printf(arena, "%s: ", fact->label));
    set(label, "isSubtle", json_true());
    json_t *line = teams_line(label, teams_run(fact_text(fact, CHAT_LITERAL, TEAMS_FACT_MAX, TEXT_BYTES, arena)));
    set(line, "spacing", json_string("small"));
    return line;
}

/* A run does not break its lines, so each of the first is a block of its own. */
static json_t *teams_message(const char *message, struct arena *arena)
{
    json_t *lines = json_array();
    const char *text = chat_text(message, CHAT_LITERAL, TEAMS_MESSAGE_MAX, TEXT_BYTES, arena);
    while (*text) {
        size_t len = json_array_size(lines) + 1 < TEAMS_LINES_MAX ? strcspn(text, "\n") : strlen(text);
        if (len) {
            json_t *line = teams_line(teams_run(arena_strndup(arena, text, len)), NULL);
            set(line, "spacing", json_string("none"));
            append(lines, line);
        }
        text += len + (text[len] == '\n');
    }
    return made(json_pack("{s:s, s:s, s:o}", "type", "Container", "style", "emphasis", "items", lines));
}

json_t *chat_teams(const struct notice *notice, struct arena *arena)
{
    json_t *body = json_array(), *actions = json_array();
    append(body, teams_title(title_of(notice, CHAT_LITERAL, TEAMS_TITLE_MAX, TEXT_BYTES, arena)));
    if (notice->hint)
        append(body, teams_line(teams_run(notice->hint), NULL));
    for (int i = 0; i < notice->fact_count; i++)
        append(body, teams_fact(&notice->facts[i], arena));
    if (notice->message)
        append(body, teams_message(notice->message, arena));
    if (notice->url)
        append(actions, json_pack("{s:s, s:s, s:s}", "type", "Action.OpenUrl", "title", OPEN, "url", notice->url));
    return made(json_pack("{s:s, s:[{s:s, s:n, s:{s:s, s:s, s:s, s:o, s:o}}]}", "type", "message", "attachments",
                          "contentType", "application/vnd.microsoft.card.adaptive", "contentUrl", "content", "$schema",
                          "http://adaptivecards.io/schemas/adaptive-card.json", "type", "AdaptiveCard", "version",
                          "1.4", "body", body, "actions", actions));
}

/* -------------------------------------------------------------------------------------------------- Mattermost */

/* A post is 16,383 characters; attachments count apart, but nobody reads more. */
enum { MATTERMOST_FACT_MAX = 600, MATTERMOST_MESSAGE_MAX = 8000 };

json_t *chat_mattermost(const struct notice *notice, struct arena *arena)
{
    json_t *fields = json_array();
    for (int i = 0; i < notice->fact_count; i++) {
        const struct notice_fact *fact = &notice->facts[i];
        const char *text = fact_text(fact, CHAT_MATTERMOST, MATTERMOST_FACT_MAX, TEXT_UTF16, arena);
        append(fields, json_pack("{s:b, s:s, s:s}", "short", 1, "title", fact->label, "value",
                                 fact->address ? arena_printf(arena, "[%s](%s)", text, fact->address) : text));
    }
    json_t *attachment = made(json_pack("{s:s, s:s, s:s, s:o}", "fallback",
                                        title_of(notice, CHAT_MATTERMOST, MATTERMOST_FACT_MAX, TEXT_UTF16, arena),
                                        "color", "#B3311B", "title", notice->heading, "fields", fields));
    /* The title is a link and ours; a name stands below it. */
    const char *who =
        notice->who ? arena_printf(arena, "**%s**",
                                   chat_text(notice->who, CHAT_MATTERMOST, MATTERMOST_FACT_MAX, TEXT_UTF16, arena))
                    : notice->hint;
    const char *message =
        notice->message ? chat_text(notice->message, CHAT_MATTERMOST, MATTERMOST_MESSAGE_MAX, TEXT_UTF16, arena) : NULL;
    if (who || message)
        set(attachment, "text",
            json_string(who && message ? arena_printf(arena, "%s\n\n%s", who, message)
                        : who          ? who
                                       : message));
    if (notice->url)
        set(attachment, "title_link", json_string(notice->url));
    return made(json_pack("{s:[o]}", "attachments", attachment));
}

/* -------------------------------------------------------------------------------------------------------- ntfy */

/* A message is 4096 bytes, and the whole JSON twice that. */
enum { NTFY_TITLE_MAX = 250, NTFY_FACT_MAX = 200, NTFY_MESSAGE_MAX = 3000, NTFY_ACTIONS_MAX = 3 };

static void ntfy_action(json_t *actions, const char *label, const char *url)
{
    if (url && json_array_size(actions) < NTFY_ACTIONS_MAX)
        append(actions, json_pack("{s:s, s:s, s:s}", "action", "view", "label", label, "url", url));
}

static const char *ntfy_message(const struct notice *notice, struct arena *arena)
{
    struct str text;
    str_init(&text, arena, 2 * NTFY_MESSAGE_MAX);
    str_add(&text, notice->hint);
    for (int i = 0; i < notice->fact_count; i++)
        str_addf(&text, "%s%s: %s", text.len ? "\n" : "", notice->facts[i].label,
                 fact_text(&notice->facts[i], CHAT_LITERAL, NTFY_FACT_MAX, TEXT_BYTES, arena));
    assert(!text.failed && text.len < NTFY_MESSAGE_MAX);
    if (notice->message)
        str_addf(&text, "%s%s", text.len ? "\n\n" : "",
                 chat_text(notice->message, CHAT_LITERAL, NTFY_MESSAGE_MAX - text.len, TEXT_BYTES, arena));
    return text.len ? text.data : "Read more in Meishi.";
}

json_t *chat_ntfy(const struct notice *notice, const char *topic, struct arena *arena)
{
    json_t *actions = json_array();
    ntfy_action(actions, OPEN, notice->url);
    for (int i = 0; i < notice->fact_count; i++)
        ntfy_action(actions, strcmp(notice->facts[i].label, "Phone") ? "Write" : "Call", notice->facts[i].address);
    json_t *json = made(json_pack("{s:s, s:s, s:s, s:o}", "topic", topic, "title",
                                  title_of(notice, CHAT_LITERAL, NTFY_TITLE_MAX, TEXT_BYTES, arena), "message",
                                  ntfy_message(notice, arena), "actions", actions));
    if (notice->url)
        set(json, "click", json_string(notice->url));
    return json;
}
