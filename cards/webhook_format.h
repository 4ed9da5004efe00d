/* The shapes in which an endpoint may want to hear of events. */
#ifndef MEISHI_WEBHOOK_FORMAT_H
#define MEISHI_WEBHOOK_FORMAT_H

/* As kept in the store: numbers never change their meaning. */
enum webhook_format {
    FORMAT_STANDARD, /* the JSON of event_body, Standard Webhooks 1.0.0 */
    FORMAT_SLACK,
    FORMAT_DISCORD,
    FORMAT_TEAMS,
    FORMAT_MATTERMOST,
    FORMAT_NTFY,
    FORMAT_COUNT
};

#endif
