/* A store in a new folder with one member, Jane, her card and one share of it, for tests of what happens to leads. */
#ifndef MEISHI_TEST_FRESH_STORE_H
#define MEISHI_TEST_FRESH_STORE_H

#include "server/store/store.h"
#include "tests/support/engine.h"

struct fresh {
    char folder[64], url[ENGINE_URL_SIZE];
    struct arena arena; /* what the verbs of a test borrow */
    struct store *store;
    struct member jane;
    struct card card;
    struct share share; /* of Jane's own hand: "qr", "Berlin fair" */
    int64_t now_ms;     /* a fixed moment: tests move it on */
};

/* Aborts when anything fails. */
struct fresh *fresh_open(void);
/* Closes the store and opens it again. */
void fresh_reopen(struct fresh *fresh);
/* Opens it again after something else closed it. */
void fresh_restart(struct fresh *fresh);
/* Closes it and takes the folder away. */
void fresh_close(struct fresh *fresh);
/* The two as cmocka calls them around a test. */
int fresh_setup(void **state);
int fresh_teardown(void **state);

struct member fresh_member(struct fresh *fresh, const char *handle);
/* A share of Jane's card; PARENT_ID 0 for none. Who shared it: a member, or, with MEMBER_ID 0, the visitor of HIT_ID. */
struct share fresh_share(struct fresh *fresh, int64_t parent_id, int64_t member_id, int64_t hit_id);
/* An endpoint of Jane's for all events. */
struct webhook fresh_webhook(struct fresh *fresh, const char *url);
/* A form of the visitor of HIT_ID on SHARE, stored; RESULT is what the verb said. */
enum result fresh_form(struct fresh *fresh, const struct share *share, int64_t hit_id, const char *name,
                       const char *email, struct lead *out);
/* The receipt's hash fresh_form used last. */
const unsigned char *fresh_receipt(const struct fresh *fresh);

extern const struct lead_filter FRESH_ANY; /* Jane's leads, all */
size_t fresh_count_listed(struct fresh *fresh, struct lead_filter filter);
/* How many deliveries of a type there are; *BODY, unless BODY is NULL, is the newest one's. */
size_t fresh_count_told(struct fresh *fresh, const struct webhook *webhook, enum event_type type, const char **body);

#endif
