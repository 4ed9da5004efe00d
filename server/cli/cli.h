/* The commands of the binary, one file each.
 *
 * A command that needs the store opens it when no server has it, and otherwise hands its words to the server through the
 * control socket beside the store (control.h): the same function runs there, so there is one writer and one behaviour. */
#ifndef MEISHI_CLI_H
#define MEISHI_CLI_H

#include <stdbool.h>
#include "cards/base/str.h"
#include "server/app.h"

/* What a command says: data for stdout, words for stderr. Its answer is an exit code of <sysexits.h>. */
struct cli_output {
    struct str out, words;
};

typedef int cli_command(struct app *app, int argc, char **argv, struct cli_output *output);

/* Finds "member add" and so on in the table; NULL if there is none. *USED: how many words it took. */
cli_command *cli_find(int argc, char **argv, int *used);
/* Everything the binary can be asked, from argv[1] on. Returns the exit code. */
int cli_run(int argc, char **argv, char **environment);

/* Whether the words hold FLAG ("--json"); it is taken out. */
bool cli_flag(int *argc, char **argv, const char *flag);
/* The value of --name VALUE or --name=VALUE, NULL if absent; taken out. */
const char *cli_option(int *argc, char **argv, const char *name);
/* EX_USAGE and what is wrong, if words are left over that the command did not take. */
int cli_no_more(int argc, char **argv, struct cli_output *output);

/* serve.c: runs until SIGTERM or SIGINT. */
int cli_serve(const struct config *config, struct arena *arena, int argc, char **argv);

#endif
