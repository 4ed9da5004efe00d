/* What strangers wrote, made harmless for the place in a chat where it lands.
 *
 * A message from somebody who scanned a card must read as it was typed and do nothing: call nobody, draw no link, no
 * picture and no heading. Chats find mentions and links in plain text by rules of their own, which differ between their
 * apps; so beside each place's own escapes an invisible U+200B parts what would make one: @ from the name, : from what
 * follows, the dots of a host. */
#ifndef MEISHI_CHAT_TEXT_H
#define MEISHI_CHAT_TEXT_H

#include <stdbool.h>
#include "cards/base/arena.h"
#include "cards/base/text.h"

enum chat_place {
    CHAT_LITERAL,   /* not parsed: Slack's rich text, an Adaptive Card's TextRun, ntfy */
    CHAT_SLACK,     /* mrkdwn: & < > become references */
    CHAT_DISCORD,   /* its Markdown */
    CHAT_MATTERMOST /* CommonMark with mentions, tags and emoji, found after the escapes were read */
};

/* TEXT for that place, at most MAX units (32 and more) with everything that was put in, cut between what people see as
 * characters. */
const char *chat_text(const char *text, enum chat_place place, size_t max, enum text_unit unit, struct arena *arena);
/* The same for an address to be copied: nothing is put in that would spoil it. Only for what chat_is_address allows. */
const char *chat_address(const char *text, enum chat_place place, struct arena *arena);
/* Whether TEXT is so plain an e-mail address or phone number that no chat finds anything else in it. */
bool chat_is_address(const char *text);

#endif
