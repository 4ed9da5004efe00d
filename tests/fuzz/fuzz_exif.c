/* Any bytes as a picture: an orientation there is, and nothing read outside of them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "cards/exif.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const heads[] = {"",
                                        "\xff\xd8\xff\xe1\x01\x02"
                                        "Exif\0\0",
                                        "\x89PNG\r\n\x1a\n\0\0\0\x1a"
                                        "eXIf",
                                        "RIFF\0\0\0\0WEBPEXIF\x1a\0\0\0"};
    static const size_t lens[] = {0, 12, 16, 20};
    if (!size)
        return 0;
    /* The first byte chooses a head, so that the walk to the TIFF part need not be guessed. An exact copy shows a read too far. */
    size_t head = data[0] % 4, len = lens[head] + size - 1;
    uint8_t *file = malloc(len ? len : 1);
    if (!file)
        return 0;
    memcpy(file, heads[head], lens[head]);
    memcpy(file + lens[head], data + 1, size - 1);
    int orientation = exif_orientation(file, len);
    free(file);
    if (orientation < 1 || orientation > 8)
        abort();
    return 0;
}
