/* What a child process gives up before it touches a stranger's bytes: one kind only computes, the other calls strangers. */
#ifndef MEISHI_JAIL_H
#define MEISHI_JAIL_H

#include <stddef.h>
#include "cards/base/result.h"

/* For the rest of this process: descriptors above 2 are closed, no new privileges, no core file, no file or process can be
 * made, at most MEMORY_MAX bytes of address space and CPU_SECONDS of work, and of all system calls only reading from 0,
 * writing to 1, memory that cannot be executed, and leaving; any other kills it at once. FAILED leaves it half locked: exit.
 * Load every library and touch every lock before. */
enum result jail_enter(size_t memory_max, unsigned cpu_seconds) MUST_CHECK;

/* For the rest of this process: no new privileges, no core file, at most MEMORY_MAX bytes of address space and DESCRIPTORS_MAX
 * descriptors, and of all system calls what a program needs that speaks TCP to others: its open descriptors, new sockets of
 * IPv4 and IPv6, memory that cannot be executed, clocks, timers. Any other fails as not permitted, since libraries try things
 * and do without; what no library does here (run a program, trace a process, listen) kills it at once. FAILED leaves it half
 * locked: exit. */
enum result jail_enter_sender(size_t memory_max, unsigned descriptors_max) MUST_CHECK;

#endif
