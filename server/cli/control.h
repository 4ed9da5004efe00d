/* The control socket: how a command reaches the server that has the store. A unix socket beside the store, for the store's
 * own user and root; one JSON line {"words":[…],"input":…,"json":…} there, one {"code","out","words"} back. */
#ifndef MEISHI_CONTROL_H
#define MEISHI_CONTROL_H

#include "server/cli/cli.h"

struct control;

/* Listens in a thread of its own until closed. NULL with *WHY when it cannot. */
struct control *control_open(struct app *app, const char *folder, struct arena *arena, const char **why);
void control_close(struct control *control);
/* Asks the server at FOLDER; fills the call and *CODE. NOT_FOUND: nobody listens. */
enum result control_ask(const char *folder, struct cli_call *call, int argc, char **argv, int *code) MUST_CHECK;

#endif
