/* meishi copy: a whole installation to another store, with a bar on a terminal and a line now and then elsewhere. It runs by
 * itself and never in a server, since both stores must be free. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "server/cli/cli.h"
#include "server/ids.h"
#include "server/store/copy.h"
#include "server/store/store.h"

enum { BAR_WIDTH = 24, BAR_PAUSE_MS = 100, LINE_PAUSE_MS = 10000, LINE_MAX = 160 };

struct watch {
    bool terminal;
    bool drawn; /* a bar stands on the last line */
    enum copy_phase phase;
    int64_t phase_ms, told_ms, told_at; /* monotonic; rows that were there when the phase began */
};

static void begin_phase(struct watch *watch, const struct copy_progress *progress, int64_t now)
{
    watch->phase = progress->phase;
    watch->phase_ms = watch->told_ms = now;
    watch->told_at = progress->done;
}

static void draw(struct watch *watch, const char *line)
{
    if (!watch->terminal) {
        fprintf(stderr, "%s\n", line);
        return;
    }
    fprintf(stderr, "\r%s\033[K", line);
    watch->drawn = true;
}

static void end_bar(struct watch *watch)
{
    if (watch->drawn)
        fputc('\n', stderr);
    watch->drawn = false;
}

static void tell(void *context, const struct copy_progress *progress)
{
    struct watch *watch = context;
    int64_t now = monotonic_ms();
    if (!watch->phase_ms || watch->phase != progress->phase) {
        end_bar(watch);
        begin_phase(watch, progress, now);
        return;
    }
    if (now - watch->told_ms < (watch->terminal ? BAR_PAUSE_MS : LINE_PAUSE_MS) && progress->done < progress->all)
        return;
    watch->told_ms = now;
    int64_t all = progress->all > progress->done ? progress->all : progress->done;
    int64_t rate = (progress->done - watch->told_at) * 1000 / (now - watch->phase_ms + 1);
    int64_t rest_s = rate ? (all - progress->done) / rate : 0;
    int percent = all ? (int)(progress->done * 100 / all) : 100, full = percent * BAR_WIDTH / 100;
    char bar[BAR_WIDTH + 1], line[LINE_MAX];
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', (size_t)full);
    bar[BAR_WIDTH] = '\0';
    snprintf(line, sizeof line, "%s %s%s%s%3d %%  %lld of %lld rows  %lld/s  %lld:%02lld left  %s",
             progress->phase == COPY_ROWS ? "copying " : "checking", watch->terminal ? "[" : "",
             watch->terminal ? bar : "", watch->terminal ? "] " : "", percent, (long long)progress->done,
             (long long)all, (long long)rate, (long long)(rest_s / 60), (long long)(rest_s % 60), progress->table);
    draw(watch, line);
}

static int refuse(struct cli_call *call, enum result result, const char *why)
{
    switch (result) {
    case RESULT_NOT_FOUND:
        return cli_say(call, EX_NOINPUT, "%s", why);
    case RESULT_CONFLICT:
        return cli_say(call, EX_TEMPFAIL, "%s", why);
    case RESULT_DENIED:
        return cli_say(call, EX_CANTCREAT, "%s", why);
    case RESULT_INVALID:
        return cli_say(call, EX_DATAERR, "%s", why);
    default:
        return cli_say(call, EX_IOERR, "%s", why ? why : "The copy failed; the log above says why.");
    }
}

/* What is sealed is sealed with the key file, which is none of the store's rows and is not copied. */
static int say_done(struct cli_call *call, const struct config *config, const char *from, const char *to)
{
    const char *old = store_key_folder(from, call->arena), *new = store_key_folder(to, call->arena);
    cli_say(call, EX_OK,
            "All is copied and compared. Secrets are sealed with the key file, which every server of the new "
            "store needs as it is:");
    if (config->key_file)
        return cli_say(call, EX_OK, "meishi serve --store '%s' --key-file '%s'",
                       config_without_password(to, call->arena), config->key_file);
    if (old && new &&strcmp(old, new))
        cli_say(call, EX_OK, "cp '%s/meishi.key' '%s/meishi.key'", old, new);
    return cli_say(call, EX_OK, "meishi serve --store '%s'", config_without_password(to, call->arena));
}

int cli_copy(const struct config *config, struct cli_call *call, int argc, char **argv)
{
    struct watch watch = {.terminal = isatty(STDERR_FILENO)};
    struct copy_options options = {.from = cli_option(&argc, argv, "from"),
                                   .to = cli_option(&argc, argv, "to"),
                                   .base_url = config->url,
                                   .tell = tell,
                                   .context = &watch};
    struct copy_outcome outcome;
    const char *why = NULL;
    int code = cli_no_more(call, argc, argv);
    if (code)
        return code;
    if (!options.from || !options.to)
        return cli_say(call, EX_USAGE, "usage: meishi copy --from STORE --to STORE");
    options.from = config_take_secret(options.from, call->arena);
    options.to = config_take_secret(options.to, call->arena);
    options.from_said = config_without_password(options.from, call->arena);
    options.to_said = config_without_password(options.to, call->arena);
    if (!options.base_url)
        options.base_url = arena_printf(call->arena, "http://%s", config->listen);
    int64_t start_ms = monotonic_ms();
    enum result result = store_copy(&options, call->arena, &outcome, &why);
    end_bar(&watch);
    if (result != RESULT_OK)
        return refuse(call, result, why);
    int64_t took_ms = monotonic_ms() - start_ms, copied = outcome.rows - outcome.rows_before;
    if (call->json) {
        cli_json(call, json_pack("{s:i, s:I, s:I, s:i, s:f}", "tables", outcome.tables, "rows",
                                 (json_int_t)outcome.rows, "rows_from_before", (json_int_t)outcome.rows_before,
                                 "tables_again", outcome.tables_again, "seconds", (double)took_ms / 1000));
        return EX_OK;
    }
    str_addf(&call->out, "%lld rows in %d tables, %lld of them copied now, in %lld.%lld s.\n", (long long)outcome.rows,
             outcome.tables, (long long)copied, (long long)(took_ms / 1000), (long long)(took_ms % 1000 / 100));
    return say_done(call, config, options.from, options.to);
}
