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
/* Asks the server at FOLDER to let this process send its webhooks; *out is a socket to it then (server/notify/sending.h).
 * NOT_FOUND: nobody listens. CONFLICT: it will not, call and *CODE say why. */
enum result control_attach(const char *folder, struct cli_call *call, int *code, int *out) MUST_CHECK;

#endif
