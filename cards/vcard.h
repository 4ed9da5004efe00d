/* Card to vCard text. 3.0 by default, since that is what phones import; 4.0 on request. Output only. */
#ifndef MEISHI_VCARD_H
#define MEISHI_VCARD_H

#include "cards/base/str.h"
#include "cards/card.h"

enum vcard_version { VCARD_3, VCARD_4 };
enum { VCARD_MAX = 400 * 1024 };

struct vcard_extras {
    const char *url;  /* the card's address: goes in as URL and SOURCE; NULL leaves it out */
    const char *uid;  /* stable: "urn:uuid:…" or the card's address */
    const void *jpeg; /* the portrait, NULL for none */
    size_t jpeg_len;
};

/* vCard 3.0 (RFC 2426) or 4.0 (RFC 6350): UTF-8, CRLF, folded at 75 octets never inside a character, text escaped
 * exactly. Appends to OUT, which needs a ceiling of VCARD_MAX. */
void vcard_write(struct str *out, const struct card *card, enum vcard_version version,
                 const struct vcard_extras *extras);

#endif
