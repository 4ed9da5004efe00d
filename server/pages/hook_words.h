/* Webhooks in words and signs: how one is doing, what became of a message, and what an error means to who must mend it. */
#ifndef MEISHI_HOOK_WORDS_H
#define MEISHI_HOOK_WORDS_H

#include "cards/base/arena.h"
#include "server/pages/views.h"
#include "server/store/webhooks.h"

/* "Somebody scanned", and a sentence on when it is told. */
const char *hook_event_title(enum event_type type);
const char *hook_event_sentence(enum event_type type);
/* The titles of several, "Somebody scanned, a lead changed". */
const char *hook_events(uint32_t events, const char *between, struct arena *arena);

/* "hooks.example.org:8443" of a URL, and what follows it with its middle cut out. */
const char *hook_host(const char *url, struct arena *arena);
const char *hook_rest(const char *url, struct arena *arena);
/* What a webhook is called: its host, or that it is a program that listens. */
const char *hook_name(const struct webhook *webhook, struct arena *arena);
/* "340 ms", "1.4 s". */
const char *hook_latency(int64_t latency_ms, struct arena *arena);

struct trouble {
    const char *what;  /* "No answer in time" */
    const char *means; /* a sentence */
    const char *todo;  /* what to do about it; NULL: nothing */
};
/* Of an attempt's error class and HTTP status (0: none came). WHAT is "Answer 204" when all was well. */
struct trouble hook_trouble(const char *error, int status, struct arena *arena);

struct sign_view hook_delivery_sign(const struct delivery *delivery);
/* "Answer 204 in 12 ms", "No answer in time, 3 tries. Next try in 5 min."; NULL: nothing to say yet. */
const char *hook_delivery_words(const struct delivery *delivery, int64_t now_ms, struct arena *arena);
/* A line of a list; host is left out when the delivery's url is. */
struct delivery_view hook_delivery_view(const struct delivery *delivery, int64_t now_ms, struct arena *arena);

#endif
