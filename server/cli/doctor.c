/* meishi doctor: is everything as it should be? A line a check, what to do beside what is wrong, EX_CONFIG if anything is.
 * It changes nothing and may run beside a server. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sysexits.h>
#include <unistd.h>

#include "server/cli/cli.h"
#include "server/cli/open.h"
#include "server/ids.h"
#include "server/store/paths.h"
#include "server/store/store.h"

enum { SPACE_WANTED_MB = 256, CLOCK_FLOOR_S = 1767225600 /* 2026-01-01 */ };

struct report {
    struct cli_call *call;
    json_t *list;
    int wrong;
};

static void note(struct report *report, bool ok, const char *check, const char *words)
{
    report->wrong += !ok;
    json_array_append_new(report->list, json_pack("{s:s, s:b, s:s}", "check", check, "ok", ok, "words", words));
    if (!report->call->json)
        str_addf(&report->call->out, "%-5s %-10s %s\n", ok ? "ok" : "WRONG", check, words);
}

static void check_folder(struct report *report, const char *folder)
{
    struct arena *arena = report->call->arena;
    struct stat about;
    struct statvfs space;
    if (stat(folder, &about)) {
        note(report, errno == ENOENT, "folder",
             errno == ENOENT ? arena_printf(arena, "%s will be made at the first start.", folder)
                             : arena_printf(arena, "%s cannot be looked at: %s.", folder, strerror(errno)));
        return;
    }
    bool is_private = !(about.st_mode & 077), writable = !access(folder, W_OK);
    note(report, is_private && writable, "folder",
         !writable     ? arena_printf(arena, "%s cannot be written by this user.", folder)
         : !is_private ? arena_printf(arena, "%s can be read by others. Run: chmod 700 %s", folder, folder)
                       : arena_printf(arena, "%s is there, private and writable.", folder));
    if (!statvfs(folder, &space)) {
        unsigned long long free_mb = (unsigned long long)space.f_bavail * space.f_frsize >> 20;
        note(report, free_mb >= SPACE_WANTED_MB, "space",
             arena_printf(arena, "%llu MB are free%s", free_mb,
                          free_mb >= SPACE_WANTED_MB ? "." : ": make room before it runs full."));
    }
}

static void check_address(struct report *report, const struct config *config)
{
    struct arena *arena = report->call->arena;
    if (!config->url)
        note(report, true, "address",
             "MEISHI_URL is not set: links name the address that is listened on. Set it for real use.");
    else
        note(report, true, "address", arena_printf(arena, "Links and QR codes are made of %s.", config->url));
    if (config->url && !config->url_is_https)
        note(report, true, "https", "Without https, phones cannot share or keep the screen awake. Put Caddy in front.");
    if (config->url_is_https && !config->trusted_proxies.count && strncmp(config->listen, "unix:", 5))
        note(report, true, "proxy",
             "MEISHI_TRUSTED_PROXIES is not set: every visitor looks like the proxy, and all share the limits of one.");
}

/* Without a key nothing is opened: that would make one. */
static bool check_key(struct report *report, const struct config *config)
{
    struct arena *arena = report->call->arena;
    const char *path = app_key_file(config, arena), *why = NULL;
    if (!path || !access(path, F_OK))
        return true;
    enum result made = store_is_made(config->store, arena, &why);
    if (made == RESULT_FAILED)
        note(report, false, "store", why);
    else
        note(report, made == RESULT_NOT_FOUND, "key",
             made == RESULT_NOT_FOUND
                 ? arena_printf(arena, "%s will be made at the first start.", path)
                 : arena_printf(arena, "%s is missing: put back the one this store was made with.", path));
    return false;
}

static void check_store(struct report *report, const struct config *config)
{
    struct arena *arena = report->call->arena;
    struct app app = {.config = config};
    const char *why = "it cannot be opened";
    const char *folder = store_folder(config->store, arena);
    if (folder && access(folder, F_OK))
        return; /* said already */
    if (!check_key(report, config))
        return;
    if (app_open(&app, arena, true, NULL, NULL, &why) != RESULT_OK) {
        note(report, false, "store", why);
        return;
    }
    struct complaints complaints = {0};
    bool sound = store_check(app.store, arena, &complaints) == RESULT_OK && !complaints.count;
    note(report, sound, "store",
         sound              ? "The store is sound."
         : complaints.count ? complaints.list[0].words
                            : "It could not be read.");
    for (int i = 1; i < complaints.count; i++)
        note(report, false, "store", complaints.list[i].words);
    enum result standby = store_ping_standby(app.store);
    if (standby != RESULT_NOT_FOUND)
        note(report, standby == RESULT_OK, "standby",
             standby == RESULT_OK
                 ? "Lists can be read from the standby."
                 : "The standby of MEISHI_STORE_READ does not answer, or has not this version's tables: "
                   "lists are read from the main database.");
    if (store_compare_clocks(app.store) == RESULT_OK) {
        const char *off = store_clock_off(app.store, arena);
        note(report, !off, "clocks",
             off ? arena_printf(arena, "Leases and limits go wrong: %s.", off)
                 : "This machine's clock agrees with the database's.");
    }
    const char *forgets = store_forgets(app.store);
    if (forgets)
        note(report, config->store_unsafe, "durable",
             arena_printf(arena, "%s: %s.",
                          config->store_unsafe ? "Taken as it is by MEISHI_STORE_UNSAFE" : "Turn it on", forgets));
    app_close(&app);
}

int cli_doctor(const struct config *config, struct cli_call *call, int argc, char **argv)
{
    struct report report = {.call = call, .list = json_array()};
    int code = cli_no_more(call, argc, argv);
    if (code)
        return code;
    const char *folder = store_folder(config->store, call->arena);
    if (folder)
        check_folder(&report, folder);
    check_address(&report, config);
    check_store(&report, config);
    bool clock_ok = now_ms() / 1000 > CLOCK_FLOOR_S;
    note(&report, clock_ok, "clock",
         clock_ok ? "The clock is plausible." : "The clock is years behind: signatures would be refused.");
    note(&report, !access("/etc/ssl/certs/ca-certificates.crt", R_OK), "ca",
         access("/etc/ssl/certs/ca-certificates.crt", R_OK)
             ? "No certificates to check webhooks with. Run: apt install ca-certificates"
             : "Certificates of authorities are there.");
    if (call->json)
        cli_json(call, json_pack("{s:b, s:O}", "ok", !report.wrong, "checks", report.list));
    json_decref(report.list);
    return report.wrong ? EX_CONFIG : EX_OK;
}
