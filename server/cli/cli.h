/* The commands of the binary, one file each.
 *
 * A command that needs the store opens it when no server has it, and otherwise hands its words to the server through the
 * control socket beside the store (control.h): the same function runs there, so there is one writer and one behaviour. */
#ifndef MEISHI_CLI_H
#define MEISHI_CLI_H

#include <stdbool.h>
#include <jansson.h>
#include "cards/base/str.h"
#include "server/app.h"

enum { CLI_OUTPUT_MAX = 16 * 1024 * 1024, CLI_INPUT_MAX = 16 * 1024 * 1024 };

/* One call of a command: the file it was given, data for stdout, words for stderr. */
struct cli_call {
    struct arena *arena;
    const char *input; /* the contents of FILE or standard input, for commands that take one; else NULL */
    bool json;         /* --json */
    struct str out, words;
};

/* Answers an exit code of <sysexits.h>. */
typedef int cli_command(struct app *app, struct cli_call *call, int argc, char **argv);

/* Everything the binary can be asked, from argv[1] on. Returns the exit code. */
int cli_run(int argc, char **argv, char **environment);
/* Runs a store command by its words in this process: for the control socket. */
int cli_run_words(struct app *app, struct cli_call *call, int argc, char **argv);

/* Whether the words hold FLAG ("--json"); it is taken out. */
bool cli_flag(int *argc, char **argv, const char *flag);
/* The value of --name VALUE or --name=VALUE, NULL if absent; taken out. */
const char *cli_option(int *argc, char **argv, const char *name);
/* EX_USAGE with what is wrong if words are left that the command did not take, else 0. */
int cli_no_more(struct cli_call *call, int argc, char **argv);
/* Says WORDS (one line, without its newline) and answers CODE. */
int cli_say(struct cli_call *call, int code, const char *format, ...) PRINTF_LIKE(3, 4);
/* Says what an outcome means and answers its exit code: 0 for OK. */
int cli_outcome(struct cli_call *call, enum result result, const char *what);
/* Puts a JSON object on stdout and drops the reference. */
void cli_json(struct cli_call *call, json_t *json);
/* The text of the file PATH, or of standard input for "-", in the arena; NULL with an exit code in *CODE and words said when it
 * cannot be read, holds a NUL or is larger than CLI_INPUT_MAX. */
const char *cli_read_file(struct cli_call *call, const char *path, int *code);
/* The member a command names by HANDLE: 0, or the exit code of what is wrong, which is said already. */
int cli_member(struct app *app, struct cli_call *call, const char *handle, int64_t *out);

/* serve.c: runs until SIGTERM or SIGINT. */
int cli_serve(const struct config *config, struct arena *arena, int argc, char **argv);

cli_command cli_member_add, cli_member_list, cli_member_change, cli_member_disable, cli_member_link; /* member.c */
cli_command cli_member_import;                               /* member_import.c */
cli_command cli_token_add, cli_token_list, cli_token_revoke; /* token.c */
cli_command cli_card_import, cli_card_export;                /* card.c */
cli_command cli_backup;                                      /* backup.c */
int cli_restore(const struct config *config, struct cli_call *call, int argc, char **argv);
int cli_copy(const struct config *config, struct cli_call *call, int argc, char **argv);   /* copy.c */
cli_command cli_migrate, cli_rejudge, cli_forget;                                          /* upkeep.c */
cli_command cli_demo;                                                                      /* demo.c */
int cli_listen(const struct config *config, struct cli_call *call, int argc, char **argv); /* listen.c */
int cli_webhook_verify(struct cli_call *call, int argc, char **argv);                      /* webhook_verify.c */
int cli_doctor(const struct config *config, struct cli_call *call, int argc, char **argv); /* doctor.c */
int cli_key_accept(const struct config *config, struct cli_call *call, int argc, char **argv);
int cli_worker(const struct config *config, struct cli_call *call, int argc,
               char **argv); /* worker.c: returns only if it fails */

#endif
