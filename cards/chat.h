/* The messages that chats take at their incoming webhooks, each as its documentation says. All return a new reference. */
#ifndef MEISHI_CHAT_H
#define MEISHI_CHAT_H

#include <jansson.h>
#include "cards/notice.h"

/* Incoming webhook with blocks: docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, …/reference/block-kit. */
json_t *chat_slack(const struct notice *notice, struct arena *arena);
/* Execute Webhook: docs.discord.com/developers/resources/webhook, …/resources/message (embed limits). */
json_t *chat_discord(const struct notice *notice, struct arena *arena);
/* The flow "When a Teams webhook request is received" with an Adaptive Card 1.4: adaptivecards.io/explorer, 28 KB in all. */
json_t *chat_teams(const struct notice *notice, struct arena *arena);
/* Incoming webhook with attachments: developers.mattermost.com/integrate/webhooks/incoming. */
json_t *chat_mattermost(const struct notice *notice, struct arena *arena);
/* Publish as JSON, to the root of the server: docs.ntfy.sh/publish/#publish-as-json. */
json_t *chat_ntfy(const struct notice *notice, const char *topic, struct arena *arena);

#endif
