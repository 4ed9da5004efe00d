/* What a child process gives up before it touches a stranger's bytes. */
#ifndef MEISHI_JAIL_H
#define MEISHI_JAIL_H

#include <stddef.h>
#include "cards/base/result.h"

/* For the rest of this process: descriptors above 2 are closed, no new privileges, no core file, no file or process can be
 * made, at most MEMORY_MAX bytes of address space and CPU_SECONDS of work, and of all system calls only reading from 0,
 * writing to 1, memory that cannot be executed, and leaving; any other kills it at once. FAILED leaves it half locked: exit.
 * Load every library and touch every lock before. */
enum result jail_enter(size_t memory_max, unsigned cpu_seconds) MUST_CHECK;

#endif
