/* Memory that lives exactly as long as one request or one job, freed in one place.
 *
 * Every input is capped before it reaches an arena, so running out of memory is a broken machine, not a case to
 * handle: allocation never fails, it aborts. Not thread-safe; a request belongs to one thread at a time. */
#ifndef MEISHI_ARENA_H
#define MEISHI_ARENA_H

#include <stddef.h>
#include "cards/base/result.h"

struct arena_block;

struct arena {
    struct arena_block *head;
    char *next; /* first free byte of the newest block */
    char *end;
};

/* An empty arena; holds no memory until the first allocation. */
void arena_init(struct arena *arena);
/* Zeroed memory of SIZE bytes, aligned for any type, owned by the arena. */
void *arena_alloc(struct arena *arena, size_t size);
/* Not zeroed: for buffers that are filled at once. */
void *arena_alloc_raw(struct arena *arena, size_t size);
/* A NUL-terminated copy; NULL stays NULL. */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t len);
void *arena_memdup(struct arena *arena, const void *data, size_t len);
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
/* Forgets everything but keeps the first block for the next use. */
void arena_reset(struct arena *arena);
/* Gives every block back. */
void arena_free(struct arena *arena);

#endif
