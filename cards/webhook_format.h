/* How an event is told to an endpoint: as Meishi's own JSON, or as the message that a chat's incoming webhook takes, so that
 * nobody needs a program in between.
 *
 * The same event for the same endpoint is the same bytes at every attempt. What strangers wrote never calls anybody and
 * draws no link in a chat (chat_text.h), and every receiver's limits are kept by cutting. */
#ifndef MEISHI_WEBHOOK_FORMAT_H
#define MEISHI_WEBHOOK_FORMAT_H

#include <stdbool.h>
#include <stdint.h>
#include "cards/base/arena.h"

/* Kept in the store: numbers never change. */
enum webhook_format {
    FORMAT_STANDARD, /* Standard Webhooks 1.0.0; n8n, Zapier and Make read it as it is */
    FORMAT_SLACK,
    FORMAT_DISCORD,
    FORMAT_TEAMS,
    FORMAT_MATTERMOST,
    FORMAT_NTFY,
    FORMAT_COUNT
};

/* "slack"; a literal. */
const char *webhook_format_name(enum webhook_format format);
/* FORMAT_COUNT if NAME is none; NULL is none. */
enum webhook_format webhook_format_parse(const char *name);
/* For people: "Slack", and one sentence on where the URL comes from. */
const char *webhook_format_label(enum webhook_format format);
const char *webhook_format_hint(enum webhook_format format);
/* What is wrong with URL for this format, a literal sentence, or NULL. URL is sound otherwise. */
const char *webhook_format_complaint(enum webhook_format format, const char *url);

struct webhook_event {
    enum webhook_format format;
    bool thin;            /* ids, kind and address only */
    int64_t sequence;     /* the event's number at this endpoint */
    const char *url;      /* the endpoint's */
    const char *body;     /* as event_body made it */
    const char *base_url; /* of Meishi, without a trailing slash */
};
enum { WEBHOOK_BODY_MAX = 28000 }; /* bytes, whatever the format */
struct webhook_message {
    const char *url; /* where the body is posted: the endpoint's own, but for ntfy the root of its server */
    const char *body;
};
/* What is sent, always application/json. INVALID if the body is no event, as when erasing emptied it. */
enum result webhook_format_write(const struct webhook_event *event, struct arena *arena,
                                 struct webhook_message *out) MUST_CHECK;

#endif
