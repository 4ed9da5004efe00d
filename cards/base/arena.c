/* Bump allocation in a chain of blocks. Blocks double up to 64 KiB; a larger object gets a block of its own. */
#include "cards/base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_FIRST = 2048, BLOCK_MAX = 65536 };

struct arena_block {
    struct arena_block *older;
    size_t size;
    alignas(max_align_t) char data[];
};

static void out_of_memory(void)
{
    fputs("meishi: out of memory\n", stderr);
    abort();
}

static void grow(struct arena *arena, size_t need)
{
    size_t size = arena->head ? arena->head->size * 2 : BLOCK_FIRST;
    if (size > BLOCK_MAX)
        size = BLOCK_MAX;
    if (size < need)
        size = need;
    struct arena_block *block = malloc(sizeof *block + size);
    if (!block)
        out_of_memory();
    block->older = arena->head;
    block->size = size;
    arena->head = block;
    arena->next = block->data;
    arena->end = block->data + size;
}

void arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
}

void *arena_alloc_raw(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > SIZE_MAX - align)
        out_of_memory();
    size = (size + align - 1) & ~(align - 1);
    if (!arena->head || (size_t)(arena->end - arena->next) < size)
        grow(arena, size);
    void *at = arena->next;
    arena->next += size;
    return at;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *at = arena_alloc_raw(arena, size);
    memset(at, 0, size);
    return at;
}

void *arena_memdup(struct arena *arena, const void *data, size_t len)
{
    void *copy = arena_alloc_raw(arena, len ? len : 1);
    if (len)
        memcpy(copy, data, len);
    return copy;
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
    char *copy = arena_alloc_raw(arena, len + 1);
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return text ? arena_strndup(arena, text, strlen(text)) : NULL;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    char *place = arena->next; /* where it will stand, if there is room for it */
    size_t room = place ? (size_t)(arena->end - place) : 0;
    int len = vsnprintf(place, room, format, args);
    va_end(args);
    if (len < 0)
        abort(); /* only a broken format: our bug */
    char *text = arena_alloc_raw(arena, (size_t)len + 1);
    if (text != place)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *block = arena->head;
    if (!block)
        return;
    while (block->older) {
        struct arena_block *older = block->older;
        free(block);
        block = older;
    }
    arena->head = block;
    arena->next = block->data;
    arena->end = block->data + block->size;
}

void arena_free(struct arena *arena)
{
    struct arena_block *block = arena->head;
    while (block) {
        struct arena_block *older = block->older;
        free(block);
        block = older;
    }
    arena_init(arena);
}
