/* The process that speaks to strangers.
 *
 * Members choose where their webhooks go, so whoever makes the calls reads what strangers send, through a TLS library and an
 * HTTP library that are large and written in C. It is therefore a process of its own that has nothing worth taking: no store,
 * no key file, no member's secret, no listening socket, no environment. It knows the requests at hand: an address that the
 * server has looked up and judged, signed headers, a body. It hands back a status, a class of error and a time for each.
 *
 * It locks itself up before the first call: no file can be opened, nothing executed, no process made, no port listened on;
 * memory, descriptors and the calls it may make of the kernel are few (jail.h). It cannot look up names either, and
 * refuses to connect to any address that was not handed to it or that its own judgement denies.
 *
 * What happens when it dies: the server sees its end of the socket close, starts another after a short pause, and gives what
 * had no outcome back to whoever asked as SEND_INTERRUPTED: perhaps sent, to be sent again with the same id. One that hangs is
 * killed when a call is long overdue, and a timer inside ends it if nobody else does. When the server dies or stops, the
 * socket closes and the process leaves at once.
 *
 * It leaves by itself after a day, when it has nothing to do, so that a new one reads the authorities' certificates anew.
 *
 * `meishi worker` is the same process, started by the operator under a user and unit of their own. */
#ifndef MEISHI_SENDING_H
#define MEISHI_SENDING_H

#define SENDING_COMMAND "webhook-sender" /* the word that makes a program of ours this process */

/* The server's own child: its socket is standard input. Never returns. */
void sending_main(void) __attribute__((noreturn));
/* Serves the server at the other end of SOCKET until it goes away or, after a signal to be read from the signalfd SIGNALS (-1:
 * none), until what is under way is done. Gives this process's abilities up for good; 0 or an exit code of <sysexits.h>. */
int sending_run(int socket, int signals);
/* What an exit code of sending_run means, in a few words. */
const char *sending_words(int code);

#endif
