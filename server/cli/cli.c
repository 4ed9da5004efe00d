/* See cli.h: the table of commands, how their words are taken apart, and where a command runs. */
#include "server/cli/cli.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cards/base/text.h"
#include "server/cli/control.h"
#include "server/cli/open.h"
#include "server/notify/sending.h"
#include "server/portrait.h"
#include "server/store/store.h"

enum takes { NOTHING, FILE_TO_READ, PATH_TO_WRITE };

struct command {
    const char *words;
    cli_command *run; /* on the store, here or in the server that has it; NULL: by itself, see run_alone */
    enum takes takes;
    const char *usage, *help;
};

static const struct command COMMANDS[] = {
    {"serve", NULL, NOTHING, "[--welcome]", "answer requests until told to stop"},
    {"worker", NULL, NOTHING, "[--user NAME]",
     "send webhooks: in a server's stead, or on PostgreSQL beside all servers"},
    {"migrate", cli_migrate, NOTHING, "", "bring the store to this version's tables"},
    {"config", NULL, NOTHING, "", "print the settings in force, without secrets"},
    {"doctor", NULL, NOTHING, "", "check the machine, the settings and the store"},
    {"key accept", NULL, NOTHING, "",
     "take the key file for the store's, when the one it was made with is lost for good"},
    {"member add", cli_member_add, NOTHING, "--handle HANDLE --name NAME [--email ADDRESS] [--role member|admin|owner]",
     "add a member and print their first sign-in link"},
    {"member import", cli_member_import, FILE_TO_READ, "FILE [--dry-run]",
     "add the members of a CSV table with handle, name, email, role (- reads stdin)"},
    {"member list", cli_member_list, NOTHING, "", "list the members"},
    {"member link", cli_member_link, NOTHING, "--handle HANDLE", "print a new one-time sign-in link"},
    {"member change", cli_member_change, NOTHING, "--handle HANDLE [--name NAME] [--email ADDRESS]",
     "correct a member's name or e-mail"},
    {"member disable", cli_member_disable, NOTHING, "--handle HANDLE", "end a member's sessions and tokens"},
    {"token add", cli_token_add, NOTHING, "--member HANDLE [--name NAME] [--scope SCOPE,…] [--read-only]",
     "make an API token"},
    {"token list", cli_token_list, NOTHING, "--member HANDLE", "list a member's API tokens"},
    {"token revoke", cli_token_revoke, NOTHING, "--member HANDLE --id TOKEN-ID", "end an API token"},
    {"card import", cli_card_import, FILE_TO_READ, "--member HANDLE FILE",
     "make a card from a JSON file (- reads stdin)"},
    {"card export", cli_card_export, NOTHING, "--member HANDLE [--handle CARD]", "print a member's cards as JSON"},
    {"backup", cli_backup, PATH_TO_WRITE, "FILE", "write a consistent copy of the store to a new file"},
    {"restore", NULL, NOTHING, "FILE [--replace]", "put a backup in place of the store"},
    {"copy", NULL, NOTHING, "--from STORE --to STORE", "copy a whole installation to another store, on any engine"},
    {"rejudge", cli_rejudge, NOTHING, "", "apply today's rules to every kept hit"},
    {"forget", cli_forget, NOTHING, "--months N", "remove single visits older than N months; the counts stay"},
    {"webhook verify", NULL, NOTHING,
     "--secret whsec_… [--public-key whpk_…] [--tolerance SECONDS] --headers FILE --body FILE | REQUEST-FILE",
     "check a captured webhook request and say what is wrong with it"},
    {"listen", NULL, NOTHING,
     "--token-file FILE --forward URL [--print] [--events lead.created,…] [--secret whsec_…] [--url SERVER]",
     "forward a member's events to a program under development, until Ctrl-C (MEISHI_TOKEN does in place of a file)"},
    {"demo", cli_demo, NOTHING, "", "fill a store with an example to look around in"},
};
enum { COMMAND_COUNT = sizeof COMMANDS / sizeof *COMMANDS, WORD_MAX = 64, HELP_WIDTH = 100 };

/* How many of the words name COMMAND: 0 if they do not. */
static int words_taken(const struct command *command, int argc, char **argv)
{
    char joined[2 * WORD_MAX];
    bool two = strchr(command->words, ' ') != NULL;
    if (argc < 1 + two || strlen(argv[0]) > WORD_MAX || (two && strlen(argv[1]) > WORD_MAX - 2))
        return 0;
    snprintf(joined, sizeof joined, two ? "%s %s" : "%s", argv[0], two ? argv[1] : "");
    return strcmp(joined, command->words) ? 0 : 1 + two;
}

static const struct command *find(int argc, char **argv, int *used)
{
    for (int i = 0; i < COMMAND_COUNT; i++)
        if ((*used = words_taken(&COMMANDS[i], argc, argv)))
            return &COMMANDS[i];
    return NULL;
}

bool cli_flag(int *argc, char **argv, const char *flag)
{
    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], flag))
            continue;
        memmove(&argv[i], &argv[i + 1], sizeof *argv * (size_t)(*argc - i - 1));
        (*argc)--;
        return true;
    }
    return false;
}

const char *cli_option(int *argc, char **argv, const char *name)
{
    size_t len = strlen(name);
    for (int i = 0; i < *argc; i++) {
        if (strncmp(argv[i], "--", 2) || strncmp(argv[i] + 2, name, len))
            continue;
        const char *rest = argv[i] + 2 + len, *value = NULL;
        int taken = 1;
        if (*rest == '=')
            value = rest + 1;
        else if (!*rest && i + 1 < *argc) {
            value = argv[i + 1];
            taken = 2;
        }
        if (!value)
            continue;
        memmove(&argv[i], &argv[i + taken], sizeof *argv * (size_t)(*argc - i - taken));
        *argc -= taken;
        return value;
    }
    return NULL;
}

int cli_say(struct cli_call *call, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char line[2048];
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    str_addf(&call->words, "%s\n", line);
    return code;
}

int cli_no_more(struct cli_call *call, int argc, char **argv)
{
    return argc ? cli_say(call, EX_USAGE, "\"%s\" is not understood here; see --help.", argv[0]) : 0;
}

int cli_outcome(struct cli_call *call, enum result result, const char *what)
{
    switch (result) {
    case RESULT_OK:
        return EX_OK;
    case RESULT_NOT_FOUND:
        return cli_say(call, EX_DATAERR, "%s was not found.", what);
    case RESULT_CONFLICT:
        return cli_say(call, EX_DATAERR, "%s exists already.", what);
    case RESULT_INVALID:
        return cli_say(call, EX_DATAERR, "%s is not valid.", what);
    case RESULT_DENIED:
        return cli_say(call, EX_NOPERM, "%s may not be changed so.", what);
    case RESULT_LIMITED:
        return cli_say(call, EX_TEMPFAIL, "%s: there are too many already.", what);
    case RESULT_BUSY:
    case RESULT_FAILED:
        break;
    }
    return cli_say(call, EX_IOERR, "%s: the store could not be read or written; the log above says why.", what);
}

void cli_json(struct cli_call *call, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    if (text)
        str_addf(&call->out, "%s\n", text);
    else
        call->out.failed = true;
    free(text);
    json_decref(json);
}

int cli_member(struct app *app, struct cli_call *call, const char *handle, int64_t *out)
{
    struct member member;
    if (!handle)
        return cli_say(call, EX_USAGE, "Say whose with a member's handle; `meishi member list` shows them.");
    enum result result = store_member_find_by_handle(app->store, call->arena, handle, &member);
    if (result == RESULT_NOT_FOUND)
        return cli_say(call, EX_NOUSER, "There is no member \"%s\".", handle);
    *out = result == RESULT_OK ? member.id : 0;
    return cli_outcome(call, result, "The member");
}

/* Whether WORD begins commands of two words: "member". */
static bool is_group(const char *word)
{
    size_t len = strlen(word);
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (!strncmp(COMMANDS[i].words, word, len) && COMMANDS[i].words[len] == ' ')
            return true;
    return false;
}

/* The commands, or those of one GROUP. */
static void print_help(FILE *to, const char *group)
{
    fputs("meishi: business cards that tell you who is interested\n\nusage: meishi COMMAND [--json] [settings]\n\n",
          to);
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (!group || !strncmp(COMMANDS[i].words, group, strlen(group)))
            fprintf(to, "  %-14s %s\n", COMMANDS[i].words, COMMANDS[i].help);
    fputs(
        "\nSettings are flags or variables of the same name (MEISHI_LISTEN, …); `meishi config` prints those in force:\n ",
        to);
    size_t width = 0;
    const char *flag;
    for (int i = 0; (flag = config_flag(i)); i++) {
        width += strlen(flag) + 1;
        fprintf(to, "%s%s", width > HELP_WIDTH ? "\n  " : " ", flag);
        width = width > HELP_WIDTH ? strlen(flag) + 1 : width;
    }
    fputs("\n`meishi COMMAND --help` says what a command takes.\n", to);
}

static int refuse_words(int argc, char **argv)
{
    if (is_group(argv[0]) && argc == 1)
        fprintf(stderr, "meishi: \"%s\" needs another word.\n\n", argv[0]);
    else
        fprintf(stderr, "meishi: there is no command \"%s%s%s\".\n\n", argv[0], argc > 1 ? " " : "",
                argc > 1 ? argv[1] : "");
    print_help(stderr, is_group(argv[0]) ? argv[0] : NULL);
    return EX_USAGE;
}

static json_t *help_json(const struct command *command)
{
    return json_pack("{s:s, s:s, s:s}", "command", command->words, "usage", command->usage, "help", command->help);
}

static void print_json(json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
}

/* --help, which needs no sound settings: of the command that the words name, else of all. */
static int print_help_about(int argc, char **argv, bool json)
{
    int used;
    const struct command *command = find(argc, argv, &used);
    if (!command && argc && strncmp(argv[0], "--", 2) && !is_group(argv[0]))
        return refuse_words(argc, argv);
    if (command && json)
        print_json(help_json(command));
    else if (command)
        printf("usage: meishi %s%s%s [--json] [settings]\n%s\n", command->words, *command->usage ? " " : "",
               command->usage, command->help);
    else if (json) {
        json_t *list = json_array();
        for (int i = 0; i < COMMAND_COUNT; i++)
            json_array_append_new(list, help_json(&COMMANDS[i]));
        print_json(list);
    } else
        print_help(stdout, argc && is_group(argv[0]) ? argv[0] : NULL);
    return EX_OK;
}

const char *cli_read_file(struct cli_call *call, const char *path, int *code)
{
    struct str text;
    str_init(&text, call->arena, CLI_INPUT_MAX);
    *code = 0;
    FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;
    char piece[16384];
    size_t got;
    while (file && (got = fread(piece, 1, sizeof piece, file)) > 0)
        str_add_n(&text, piece, got);
    bool bad = !file || ferror(file) || text.failed || memchr(text.data, '\0', text.len);
    if (file && file != stdin)
        fclose(file);
    if (bad)
        *code = cli_say(call, EX_NOINPUT, "%s cannot be read as a text of at most 16 MB.", path);
    return bad ? NULL : text.data;
}

/* Commands that name a file name it for this process, so it is read here, or made absolute, before the words go to a
 * server in another folder. */
static int take_file(const struct command *command, struct cli_call *call, int *argc, char **argv)
{
    int at = -1;
    for (int i = 0; i < *argc; i++) {
        if (!strncmp(argv[i], "--", 2) && !strchr(argv[i], '=') && strcmp(argv[i], "--dry-run"))
            i++; /* an option's value */
        else if (strncmp(argv[i], "--", 2) && at < 0)
            at = i;
    }
    if (at < 0)
        return cli_say(call, EX_USAGE, "usage: meishi %s %s", command->words, command->usage);
    if (command->takes == PATH_TO_WRITE) {
        char *folder = argv[at][0] == '/' ? NULL : getcwd(NULL, 0);
        if (folder)
            argv[at] = arena_printf(call->arena, "%s/%s", folder, argv[at]);
        free(folder);
        return 0;
    }
    int code;
    call->input = cli_read_file(call, argv[at], &code);
    if (!call->input)
        return code;
    if (!text_is_utf8(call->input, strlen(call->input)))
        return cli_say(call, EX_DATAERR, "%s is not UTF-8 text.", argv[at]);
    memmove(&argv[at], &argv[at + 1], sizeof *argv * (size_t)(*argc - at - 1));
    (*argc)--;
    return 0;
}

int cli_run_words(struct app *app, struct cli_call *call, int argc, char **argv)
{
    int used;
    const struct command *command = find(argc, argv, &used);
    if (!command || !command->run)
        return cli_say(call, EX_USAGE, "There is no such command here.");
    return command->run(app, call, argc - used, argv + used);
}

/* What a server on this machine would say without MEISHI_URL; a port that it will pick is not known. */
static const char *local_url(const struct config *config, struct arena *arena)
{
    return strncmp(config->listen, "unix:", 5) ? arena_printf(arena, "http://%s", config->listen) : "http://localhost";
}

/* In this process if the store is free, else in the server that has it. */
static int run_on_store(const struct config *config, struct cli_call *call, int argc, char **argv)
{
    const char *why = "The store cannot be opened.";
    int code = EX_UNAVAILABLE;
    const char *folder = store_folder(config->store, call->arena);
    enum result result = control_ask(folder, call, argc, argv, &code);
    if (result == RESULT_OK)
        return code;
    if (result == RESULT_FAILED)
        return cli_say(call, EX_UNAVAILABLE, "The server that has this store did not answer.");
    struct config local = *config;
    if (!local.url)
        local.url = local_url(config, call->arena);
    struct app app = {.config = &local};
    result = app_open(&app, call->arena, false, NULL, NULL, &why);
    if (result == RESULT_CONFLICT)
        return cli_say(call, EX_TEMPFAIL, "%s", why);
    if (result != RESULT_OK)
        return cli_say(call, EX_UNAVAILABLE, "%s", why);
    result = store_start(app.store);
    code = result == RESULT_OK ? cli_run_words(&app, call, argc, argv) : cli_outcome(call, result, "The store");
    app_close(&app);
    return code;
}

static int run_alone(const struct command *command, const struct config *config, struct cli_call *call, int argc,
                     char **argv)
{
    if (!strcmp(command->words, "serve"))
        return cli_serve(config, call->arena, argc, argv);
    if (!strcmp(command->words, "doctor"))
        return cli_doctor(config, call, argc, argv);
    if (!strcmp(command->words, "key accept"))
        return cli_key_accept(config, call, argc, argv);
    if (!strcmp(command->words, "restore"))
        return cli_restore(config, call, argc, argv);
    if (!strcmp(command->words, "copy"))
        return cli_copy(config, call, argc, argv);
    if (!strcmp(command->words, "listen"))
        return cli_listen(config, call, argc, argv);
    if (!strcmp(command->words, "webhook verify"))
        return cli_webhook_verify(call, argc, argv);
    if (!strcmp(command->words, "config")) {
        struct config in_force = *config;
        int code = cli_no_more(call, argc, argv);
        in_force.key_file = app_key_file(config, call->arena);
        const char *port = strrchr(config->listen, ':');
        if (!config->url && port && strcmp(port, ":0") != 0)
            in_force.url = local_url(config, call->arena);
        if (!code)
            config_print(&in_force, call->json, &call->out);
        return code;
    }
    return cli_worker(config, call, argc, argv);
}

/* A command with its settings; what it says goes out when it has ended. */
static int run_command(struct arena *arena, int argc, char **argv, char **environment, bool json)
{
    struct config config;
    const char *why = NULL;
    int used;
    struct cli_call call = {.arena = arena, .json = json};
    str_init(&call.out, arena, CLI_OUTPUT_MAX);
    str_init(&call.words, arena, CLI_OUTPUT_MAX);
    if (config_read(&argc, argv, environment, arena, &config, &why) != RESULT_OK) {
        fprintf(stderr, "meishi: %s\n", why);
        return EX_CONFIG;
    }
    const struct command *command = find(argc, argv, &used);
    if (!command)
        return refuse_words(argc, argv);
    argc -= used;
    int code = command->takes == NOTHING ? 0 : take_file(command, &call, &argc, argv + used);
    if (!code)
        code = command->run ? run_on_store(&config, &call, argc + used, argv)
                            : run_alone(command, &config, &call, argc, argv + used);
    fwrite(call.out.data, 1, call.out.len, stdout);
    fwrite(call.words.data, 1, call.words.len, stderr);
    return fflush(stdout) || call.out.failed ? EX_IOERR : code;
}

int cli_run(int argc, char **argv, char **environment)
{
    setlocale(LC_CTYPE, "C.UTF-8"); /* international domain names */
    signal(SIGPIPE, SIG_IGN);
    if (argc == 1 && !strcmp(argv[0], "portrait-worker"))
        return portrait_worker_main();
    if (argc == 1)
        sending_main(argv[0]);
    for (int i = 0; i < argc; i++)
        if (!text_is_utf8(argv[i], strlen(argv[i]))) {
            fprintf(stderr, "meishi: word %d of the command is not UTF-8.\n", i + 1);
            return EX_USAGE;
        }
    bool help = cli_flag(&argc, argv, "--help") || cli_flag(&argc, argv, "-h"), json = cli_flag(&argc, argv, "--json");
    if (cli_flag(&argc, argv, "--version")) {
        puts(json ? "{\"name\": \"meishi\", \"version\": \"" MEISHI_VERSION "\"}" : "meishi " MEISHI_VERSION);
        return EX_OK;
    }
    if (help || !argc)
        return print_help_about(argc, argv, json);
    struct arena arena;
    arena_init(&arena);
    int code = run_command(&arena, argc, argv, environment, json);
    arena_free(&arena);
    return code;
}
