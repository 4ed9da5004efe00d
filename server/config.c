/* See config.h. One table names every setting; flags, variables, `meishi config` and the refusal of unknown variables all
 * read it. */
#include "server/config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "server/notify/mail.h"
#include "server/store/hits.h"
#include "server/store/store.h"

struct setting {
    const char *variable, *flag, *standard;
    size_t at;      /* offset of the const char * in struct config */
    bool is_secret; /* its password part is not shown */
};

static const struct setting SETTINGS[] = {
    {"MEISHI_LISTEN", "--listen", "127.0.0.1:8080", offsetof(struct config, listen), false},
    {"MEISHI_URL", "--url", NULL, offsetof(struct config, url), false},
    {"MEISHI_STORE", "--store", "sqlite:", offsetof(struct config, store), true},
    {"MEISHI_STORE_READ", "--store-read", "", offsetof(struct config, store_read), true},
    {"MEISHI_STORE_POOL", "--store-pool", "8", offsetof(struct config, store_pool_text), false},
    {"MEISHI_STORE_UNSAFE", "--store-unsafe", "no", offsetof(struct config, store_unsafe_text), false},
    {"MEISHI_TRUSTED_PROXIES", "--trusted-proxies", "", offsetof(struct config, trusted_proxies_text), false},
    {"MEISHI_KEY_FILE", "--key-file", NULL, offsetof(struct config, key_file), false},
    {"MEISHI_WEBHOOK_ALLOW", "--webhook-allow", "", offsetof(struct config, webhook_allow), false},
    {"MEISHI_SEND_WEBHOOKS", "--send-webhooks", "yes", offsetof(struct config, send_webhooks_text), false},
    {"MEISHI_API_ORIGINS", "--api-origins", "", offsetof(struct config, api_origins), false},
    {"MEISHI_KEEP_HITS_MONTHS", "--keep-hits-months", "", offsetof(struct config, keep_hits_text), false},
    {"MEISHI_SMTP_URL", "--smtp-url", NULL, offsetof(struct config, smtp_url), true},
    {"MEISHI_MAIL_FROM", "--mail-from", NULL, offsetof(struct config, mail_from), false},
};
enum { SETTING_COUNT = sizeof SETTINGS / sizeof *SETTINGS };

/* A variable of one command, no setting of a server: meishi listen reads it. */
static const char TOKEN_ENTRY[] = "MEISHI_TOKEN=";

static const char **place(struct config *config, const struct setting *setting)
{
    return (const char **)(void *)((char *)config + setting->at);
}

static const struct setting *setting_of_variable(const char *name, size_t len)
{
    for (int i = 0; i < SETTING_COUNT; i++)
        if (strlen(SETTINGS[i].variable) == len && !memcmp(SETTINGS[i].variable, name, len))
            return &SETTINGS[i];
    return NULL;
}

static const struct setting *setting_of_flag(const char *text, size_t len)
{
    for (int i = 0; i < SETTING_COUNT; i++)
        if (strlen(SETTINGS[i].flag) == len && !memcmp(SETTINGS[i].flag, text, len))
            return &SETTINGS[i];
    return NULL;
}

static enum result read_environment(char **environment, struct arena *arena, struct config *out, const char **why)
{
    for (char **entry = environment; entry && *entry; entry++) {
        if (strncmp(*entry, "MEISHI_", 7) || !strncmp(*entry, TOKEN_ENTRY, strlen(TOKEN_ENTRY)))
            continue;
        size_t len = strcspn(*entry, "=");
        const struct setting *setting = setting_of_variable(*entry, len);
        if (!setting) {
            *why =
                arena_printf(arena, "%.*s is not a setting of meishi; `meishi config` lists them.", (int)len, *entry);
            return RESULT_INVALID;
        }
        if ((*entry)[len] == '=' && (*entry)[len + 1])
            *place(out, setting) = arena_strdup(arena, *entry + len + 1);
    }
    return RESULT_OK;
}

/* A parameter's value is hidden when its name speaks of a password or is written so that one cannot see what it speaks of. */
static bool hides(const char *name, size_t len)
{
    return memmem(name, len, "pass", 4) || memchr(name, '%', len);
}

static void add_query(struct str *out, const char *query)
{
    for (const char *at = query; *at;) {
        size_t len = 1 + strcspn(at + 1, "&"), name = strcspn(at, "=");
        if (name < len && hides(at + 1, name - 1))
            str_addf(out, "%.*s=***", (int)name, at);
        else
            str_add_n(out, at, len);
        at += len;
    }
}

/* "scheme://user:password@rest?password=…" without the passwords. One that holds a bare @ or / is hidden whole: everything up
 * to the last @ counts as its, since showing less is no harm. */
const char *config_without_password(const char *value, struct arena *arena)
{
    const char *start = value ? strstr(value, "://") : NULL;
    if (!start)
        return value;
    const char *at = strrchr(start, '@');
    const char *colon = at ? memchr(start + 3, ':', (size_t)(at - start - 3)) : NULL;
    const char *rest = colon ? at : start, *query = strchr(rest, '?');
    struct str shown;
    str_init(&shown, arena, strlen(value) * 4 + 16);
    if (colon)
        str_addf(&shown, "%.*s:***", (int)(colon - value), value);
    else
        rest = value;
    str_add_n(&shown, rest, query ? (size_t)(query - rest) : strlen(rest));
    if (query)
        add_query(&shown, query);
    return shown.data;
}

const char *config_take_secret(const char *argument, struct arena *arena)
{
    const char *value = arena_strdup(arena, argument), *start = strstr(argument, "://");
    char *seen = (char *)(uintptr_t)argument; /* the words of a command are the process's own */
    if (start && strcmp(config_without_password(value, arena), value) != 0)
        memset(seen + (start - argument) + 3, '*', strlen(start + 3));
    return value;
}

static enum result read_flags(int *argc, char **argv, struct arena *arena, struct config *out, const char **why)
{
    int kept = 0;
    bool no_more_flags = false;
    for (int i = 0; i < *argc; i++) {
        size_t len = strcspn(argv[i], "=");
        const struct setting *setting = no_more_flags ? NULL : setting_of_flag(argv[i], len);
        if (!strcmp(argv[i], "--"))
            no_more_flags = true;
        if (!setting) {
            argv[kept++] = argv[i];
            continue;
        }
        const char *value = argv[i][len] == '=' ? argv[i] + len + 1 : i + 1 < *argc ? argv[++i] : NULL;
        if (!value) {
            *why = arena_printf(arena, "%s needs a value.", setting->flag);
            return RESULT_INVALID;
        }
        *place(out, setting) = setting->is_secret ? config_take_secret(value, arena) : value;
    }
    *argc = kept;
    return RESULT_OK;
}

/* The public base address: http or https, a host, no path, no trailing slash. */
static enum result check_url(struct config *config, struct arena *arena, const char **why)
{
    if (!config->url)
        return RESULT_OK;
    char *url = arena_strdup(arena, config->url);
    size_t len = strlen(url);
    while (len && url[len - 1] == '/')
        url[--len] = '\0';
    config->url_is_https = !strncmp(url, "https://", 8);
    const char *host = config->url_is_https ? url + 8 : !strncmp(url, "http://", 7) ? url + 7 : NULL;
    if (!host || !*host || strpbrk(host, "/?#@ \\\"<>") || len > 200) {
        *why = arena_printf(arena, "MEISHI_URL must look like https://cards.example.org, without a path; it is \"%s\".",
                            config->url);
        return RESULT_INVALID;
    }
    config->url = url;
    return RESULT_OK;
}

static enum result check_pool(struct config *config, struct arena *arena, const char **why)
{
    char *end;
    long pool = strtol(config->store_pool_text, &end, 10);
    if (*end || pool < 1 || pool > STORE_READERS_MAX) {
        *why = arena_printf(arena, "MEISHI_STORE_POOL is a number of connections from 1 to %d; it is \"%s\".",
                            STORE_READERS_MAX, config->store_pool_text);
        return RESULT_INVALID;
    }
    config->store_pool = (int)pool;
    config->store_unsafe = !strcmp(config->store_unsafe_text, "yes");
    if (config->store_unsafe || !strcmp(config->store_unsafe_text, "no"))
        return RESULT_OK;
    *why = arena_printf(arena, "MEISHI_STORE_UNSAFE is yes or no; it is \"%s\".", config->store_unsafe_text);
    return RESULT_INVALID;
}

static bool is_postgres(const char *store)
{
    return !strncmp(store, "postgres://", 11) || !strncmp(store, "postgresql://", 13);
}

static enum result check_store(const struct config *config, const char **why)
{
    static const char *const STARTS[] = {"sqlite:", "postgres://", "postgresql://"};
    if (*config->store_read && !(is_postgres(config->store) && is_postgres(config->store_read))) {
        *why = "MEISHI_STORE_READ is a standby of the PostgreSQL database that MEISHI_STORE names: write "
               "postgres://USER@HOST/DATABASE, and leave it out with SQLite.";
        return RESULT_INVALID;
    }
    for (size_t i = 0; i < sizeof STARTS / sizeof *STARTS; i++)
        if (!strncmp(config->store, STARTS[i], strlen(STARTS[i])))
            return RESULT_OK;
    *why = "MEISHI_STORE is no store this program knows: write sqlite:FOLDER, sqlite:FILE.db or "
           "postgres://USER@HOST/DATABASE.";
    return RESULT_INVALID;
}

/* Origins as browsers send them: scheme and host, a port if it is not the usual one, and nothing behind it. */
static enum result check_origins(const struct config *config, struct arena *arena, const char **why)
{
    for (const char *at = config->api_origins; *at;) {
        at += strspn(at, " ,");
        size_t len = strcspn(at, " ,");
        const char *host = !strncmp(at, "https://", 8) ? at + 8 : !strncmp(at, "http://", 7) ? at + 7 : NULL;
        size_t host_len = host ? len - (size_t)(host - at) : 0;
        if (len && (!host_len || strcspn(host, "/?#@*\\\"<>") < host_len)) {
            *why = arena_printf(arena,
                                "MEISHI_API_ORIGINS holds origins like https://app.example.org, with commas between "
                                "them; \"%.*s\" is none.",
                                (int)len, at);
            return RESULT_INVALID;
        }
        at += len;
    }
    return RESULT_OK;
}

static enum result check_mail(const struct config *config, struct arena *arena, const char **why)
{
    const char *complaint = config->smtp_url ? mail_url_complaint(config->smtp_url) : NULL;
    if (complaint)
        *why = arena_printf(arena, "MEISHI_SMTP_URL: %s", complaint);
    else if (config->smtp_url && !config->mail_from)
        *why = "MEISHI_SMTP_URL is set, so MEISHI_MAIL_FROM must say whom mail comes from.";
    else if (config->mail_from && !mail_address_in(config->mail_from, arena))
        *why =
            arena_printf(arena, "MEISHI_MAIL_FROM must be an address, as in Meishi <meishi@example.org>; it is \"%s\".",
                         config->mail_from);
    else
        return RESULT_OK;
    return RESULT_INVALID;
}

/* A store that is a folder has one server, and a worker only lends it a hand. */
static enum result check_sending(struct config *config, struct arena *arena, const char **why)
{
    config->send_webhooks = !strcmp(config->send_webhooks_text, "yes");
    if (config->send_webhooks)
        return RESULT_OK;
    if (strcmp(config->send_webhooks_text, "no") != 0)
        *why = arena_printf(arena, "MEISHI_SEND_WEBHOOKS is yes or no; it is \"%s\".", config->send_webhooks_text);
    else if (!strncmp(config->store, "sqlite:", strlen("sqlite:")))
        *why = "MEISHI_SEND_WEBHOOKS=no leaves webhooks to meishi worker, which sends by itself only with PostgreSQL.";
    else
        return RESULT_OK;
    return RESULT_INVALID;
}

static enum result check_keeping(struct config *config, struct arena *arena, const char **why)
{
    const char *text = config->keep_hits_text;
    char *end = NULL;
    long months = *text ? strtol(text, &end, 10) : 0;
    if (*text && (*end || months < 1 || months > HITS_KEPT_MONTHS_MAX)) {
        *why =
            arena_printf(arena,
                         "MEISHI_KEEP_HITS_MONTHS says for how many months single visits are kept, 1 to %d, like 13; "
                         "not set, all are. It is \"%s\".",
                         HITS_KEPT_MONTHS_MAX, text);
        return RESULT_INVALID;
    }
    config->keep_hits_months = (int)months;
    return RESULT_OK;
}

enum result config_read(int *argc, char **argv, char **environment, struct arena *arena, struct config *out,
                        const char **why)
{
    *out = (struct config){0};
    for (int i = 0; i < SETTING_COUNT; i++)
        *place(out, &SETTINGS[i]) = SETTINGS[i].standard;
    enum result result = read_environment(environment, arena, out, why);
    if (result == RESULT_OK)
        result = read_flags(argc, argv, arena, out, why);
    if (result == RESULT_OK)
        result = check_url(out, arena, why);
    if (result == RESULT_OK)
        result = check_store(out, why);
    if (result == RESULT_OK)
        result = check_pool(out, arena, why);
    if (result == RESULT_OK)
        result = check_origins(out, arena, why);
    if (result == RESULT_OK)
        result = check_keeping(out, arena, why);
    if (result == RESULT_OK)
        result = check_sending(out, arena, why);
    const char *bad = NULL;
    if (result == RESULT_OK &&
        address_list_parse(out->trusted_proxies_text, arena, &out->trusted_proxies, &bad) != RESULT_OK) {
        *why = arena_printf(arena, "MEISHI_TRUSTED_PROXIES: %s", bad);
        result = RESULT_INVALID;
    }
    return result == RESULT_OK ? check_mail(out, arena, why) : result;
}

const char *config_flag(int number)
{
    return number < SETTING_COUNT ? SETTINGS[number].flag : NULL;
}

void config_to_environment(const struct config *config)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        const char *value = *place((struct config *)(uintptr_t)config, &SETTINGS[i]);
        if (value)
            setenv(SETTINGS[i].variable, value, 1);
    }
}

void config_print(const struct config *config, bool json, struct str *out)
{
    json_t *object = json_object();
    for (int i = 0; i < SETTING_COUNT; i++) {
        const char *value = *place((struct config *)(uintptr_t)config, &SETTINGS[i]);
        if (SETTINGS[i].is_secret)
            value = config_without_password(value, out->arena);
        if (json)
            json_object_set_new(object, SETTINGS[i].variable, value ? json_string(value) : json_null());
        else
            str_addf(out, "%-24s %s\n", SETTINGS[i].variable, value && *value ? value : "(not set)");
    }
    if (json) {
        char *text = json_dumps(object, JSON_INDENT(2));
        str_addf(out, "%s\n", text);
        free(text);
    }
    json_decref(object);
}
