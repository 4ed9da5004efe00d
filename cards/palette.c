/* See palette.h. */
#include "cards/palette.h"

#include <stddef.h>
#include <string.h>

struct accent {
    const char *name;
    uint32_t light, dark;
};

static const struct accent accents[] = {
    {"vermilion", 0xb3311b, 0xff7d61}, {"indigo", 0x34508f, 0x9fb6f2}, {"pine", 0x2a6349, 0x7cc7a0},
    {"plum", 0x82386c, 0xe59ccb},      {"ochre", 0x86580a, 0xe2b257},  {"slate", 0x4a5863, 0xaebbc6},
};

struct palette palette_for(const char *accent, bool dark)
{
    const struct accent *it = &accents[0];
    for (size_t i = 0; accent && i < sizeof accents / sizeof *accents; i++)
        if (!strcmp(accents[i].name, accent))
            it = &accents[i];
    if (dark)
        return (struct palette){.paper = 0x141311,
                                .sheet = 0x1d1b18,
                                .ink = 0xefebe2,
                                .ink_2 = 0xaaa396,
                                .line = 0x35312b,
                                .seal = it->dark,
                                .seal_ink = 0x1d0d08};
    return (struct palette){.paper = 0xf5f2ea,
                            .sheet = 0xfffefb,
                            .ink = 0x1d1b18,
                            .ink_2 = 0x5f5a51,
                            .line = 0xe3ddd0,
                            .seal = it->light,
                            .seal_ink = 0xfffaf5};
}
