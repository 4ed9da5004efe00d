/* Every setting: read once from flags and MEISHI_* variables, checked once, const afterwards. */
#ifndef MEISHI_CONFIG_H
#define MEISHI_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include "cards/base/arena.h"
#include "cards/base/str.h"
#include "server/http/address.h"

struct config {
    const char *listen; /* MEISHI_LISTEN */
    const char *url;    /* MEISHI_URL: public base, no trailing slash; NULL until the port is known when not set */
    bool url_is_https;
    const char *store;                /* MEISHI_STORE */
    const char *store_read;           /* MEISHI_STORE_READ: a standby of it that lists are read from; "" for none */
    const char *store_pool_text;      /* MEISHI_STORE_POOL */
    int store_pool;                   /* the same: connections that read */
    const char *store_unsafe_text;    /* MEISHI_STORE_UNSAFE */
    bool store_unsafe;                /* the same: a database that may forget what it acknowledged will do */
    const char *key_file;             /* MEISHI_KEY_FILE */
    const char *webhook_allow;        /* MEISHI_WEBHOOK_ALLOW, unparsed; "" for none */
    const char *api_origins;          /* MEISHI_API_ORIGINS: who may call the API from a browser; "" for none */
    const char *send_webhooks_text;   /* MEISHI_SEND_WEBHOOKS */
    bool send_webhooks;               /* the same; false: meishi worker does */
    const char *smtp_url, *mail_from; /* NULL: no mail */
    const char *keep_hits_text;       /* MEISHI_KEEP_HITS_MONTHS */
    int keep_hits_months;             /* the same; 0: all for ever */
    const char *trusted_proxies_text; /* MEISHI_TRUSTED_PROXIES */
    struct address_list trusted_proxies;
};

/* Takes --listen VALUE, --listen=VALUE and so on out of ARGV (*argc shrinks) and the environment; flags win. INVALID with
 * a sentence that names the setting: an unknown MEISHI_* variable is an error (MEISHI_TOKEN is known, and meishi listen's). */
enum result config_read(int *argc, char **argv, char **environment, struct arena *arena, struct config *out,
                        const char **why) MUST_CHECK;
/* "--listen": the flag of the setting of that number, from 0 on; NULL beyond the last. */
const char *config_flag(int number);
/* Puts every setting into this process's environment, for the program it is to become. */
void config_to_environment(const struct config *config);
/* A URL without the passwords that it holds. NULL stays NULL. */
const char *config_without_password(const char *value, struct arena *arena);
/* A copy of a word of the command line, which everybody on the machine may read there: one that holds a password is covered. */
const char *config_take_secret(const char *argument, struct arena *arena);
/* "name value" lines of what is in force, without secrets; JSON if asked. */
void config_print(const struct config *config, bool json, struct str *out);

#endif
