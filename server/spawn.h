/* Another process of this program, for work that is better kept apart. The server has many threads, so it is a new program and
 * not a fork of this one: nothing of our memory, our environment or our open files goes with it but what is named here, and
 * no signal is blocked or ignored. */
#ifndef MEISHI_SPAWN_H
#define MEISHI_SPAWN_H

#include <sys/types.h>

/* Starts the running binary with the one argument COMMAND. INPUT and OUTPUT become its standard input and output; OUTPUT -1 and
 * standard error go nowhere. The pid, the caller's to wait for; -1 with errno when it could not be started. */
pid_t spawn_self(const char *command, int input, int output);

#endif
