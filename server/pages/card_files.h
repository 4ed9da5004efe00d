/* The files of a share: contact, QR code, preview image, portrait. Fetching one is never a visit; saving the contact from a
 * page that carries a stamp is an act of that page's visitor. */
#ifndef MEISHI_CARD_FILES_H
#define MEISHI_CARD_FILES_H

#include "cards/card.h"
#include "cards/qr.h"
#include "server/app.h"

enum result card_file_vcf(struct app *app, struct request *request); /* GET /c/{token}.vcf ?v=4 &s=STAMP */
/* GET /c/{token}.png ?size=PIXELS &level=Q &logo=1: the last puts the card's initials in the middle. */
enum result card_file_qr_png(struct app *app, struct request *request);
enum result card_file_qr_svg(struct app *app, struct request *request);   /* GET /c/{token}.svg ?level=Q &logo=1 */
enum result card_file_preview(struct app *app, struct request *request);  /* GET /c/{token}/preview.png */
enum result card_file_portrait(struct app *app, struct request *request); /* GET /portrait/{id}.jpg */
/* The upper-case address a share's QR code holds, from BASE_URL: "HTTPS://HOST/C/TOKEN". */
const char *card_file_qr_text(const char *base_url, const char *token, struct arena *arena);
/* The symbol those are drawn of; with CARD its initials in the middle, and LEVEL is Q or H. */
enum result card_file_qr(struct app *app, const char *token, enum qr_level level, const struct card *card,
                         struct arena *arena, struct qr *out) MUST_CHECK;

#endif
