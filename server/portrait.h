/* A picture somebody uploaded, to the portrait that is kept: 512 x 512 JPEG, at most 200 KB, upright, the middle square, no
 * metadata.
 *
 * The bytes are decoded only in a child: our own binary, started anew without our memory, environment or descriptors,
 * locked up (server/jail.h) before it reads, and killed after PORTRAIT_DEADLINE_MS. So a flaw in a decoder costs its finder a
 * portrait. */
#ifndef MEISHI_PORTRAIT_H
#define MEISHI_PORTRAIT_H

#include <stdbool.h>
#include "cards/base/arena.h"

enum {
    PORTRAIT_UPLOAD_MAX = 8 * 1024 * 1024,
    PORTRAIT_SIDE = 512,
    PORTRAIT_BYTES_MAX = 200 * 1024,
    PORTRAIT_SIDE_MIN = 64,    /* of an upload, in pixels, */
    PORTRAIT_SIDE_MAX = 12000, /* and at most; */
    PORTRAIT_PIXELS_MAX = 40 * 1000 * 1000,
    PORTRAIT_DEADLINE_MS = 5000
};

/* JPEG, PNG or WebP in, the portrait in the arena out. INVALID with *WHY a sentence for the person who sent it; FAILED when no
 * child could be had, with *WHY one as well. Blocks for up to PORTRAIT_DEADLINE_MS: never call it in the event loop. The child is
 * /proc/self/exe: a program that calls this must hand `portrait-worker` on to portrait_worker_main. */
enum result portrait_make(const void *bytes, size_t len, struct arena *arena, const void **jpeg, size_t *jpeg_len,
                          const char **why) MUST_CHECK;
/* Whether the bytes begin as one of those does: what does not needs no child to be refused, *WHY saying so. */
bool portrait_may_be(const void *bytes, size_t len, const char **why) MUST_CHECK;
/* The child's whole life, `meishi portrait-worker`: the upload on standard input, one byte of outcome and the portrait on
 * standard output. Returns the exit status. */
int portrait_worker_main(void);

#endif
