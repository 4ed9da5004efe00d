/* The files of a share: contact, QR code, preview image, portrait. Fetching one is never a visit; saving the contact from a
 * page that carries a stamp is an act of that page's visitor. */
#ifndef MEISHI_CARD_FILES_H
#define MEISHI_CARD_FILES_H

#include "server/app.h"

enum result card_file_vcf(struct app *app, struct request *request); /* GET /c/{token}.vcf ?v=4 &s=STAMP */
enum result card_file_qr_png(struct app *app,
                             struct request *request); /* GET /c/{token}.png ?size=PIXELS &level=Q &logo=1 */
enum result card_file_qr_svg(struct app *app, struct request *request);   /* GET /c/{token}.svg */
enum result card_file_preview(struct app *app, struct request *request);  /* GET /c/{token}/preview.png */
enum result card_file_portrait(struct app *app, struct request *request); /* GET /portrait/{id}.jpg */
/* The upper-case address a share's QR code holds, from BASE_URL: "HTTPS://HOST/C/TOKEN". */
const char *card_file_qr_text(const char *base_url, const char *token, struct arena *arena);

#endif
