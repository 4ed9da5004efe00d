/* Runs a program of the engine's makers (pg_dump, pg_restore), found on PATH: never by a shell, and with nothing of ours open but
 * what is handed to it. What it says on its standard error is kept for words. */
#ifndef MEISHI_STORE_TOOL_H
#define MEISHI_STORE_TOOL_H

#include <stdbool.h>
#include <sys/types.h>
#include "cards/base/arena.h"

struct tool {
    pid_t pid;
    int words; /* what it says, in memory */
};

/* Starts ARGUMENTS[0]; its standard output is OUT, which stays open here. NOT_FOUND: there is none on PATH. */
enum result tool_start(struct tool *tool, char *const *arguments, char *const *environment, int out) MUST_CHECK;
/* Waits for its end; whether it was good. *WORDS, in the arena, are the last line it said, "" for none. */
bool tool_end(struct tool *tool, struct arena *arena, const char **words);
/* Ends it without waiting for its work. */
void tool_stop(struct tool *tool);
/* What it prints when it is run with ARGUMENTS to its end, up to 16 MB; NULL with *WORDS when it fails or is not there. */
const char *tool_ask(char *const *arguments, struct arena *arena, const char **words);

#endif
