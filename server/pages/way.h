/* The way somebody came, in words: "Ann Okafor → Lea Brandt → Barry · WhatsApp · QR code, Hamburg fair". */
#ifndef MEISHI_WAY_H
#define MEISHI_WAY_H

#include "cards/lead.h"
#include "server/app.h"

struct ways; /* remembers, for one page, how each chain began and which cards there are */

struct ways *ways_begin(struct app *app, struct arena *arena);
/* LEAD needs its share with the chain. */
const char *way_words(struct ways *ways, const struct lead *lead);
/* "Ann Okafor → Lea Brandt": through whose hands the share went after its owner's; NULL for none. */
const char *hands_words(const struct share *share, struct arena *arena);
/* "QR code, Hamburg fair": how one share went out. */
const char *share_words(const struct share *share, struct arena *arena);
/* What comes first in a full name, for a list; a name of a square script stays whole. */
const char *first_name(const char *name, struct arena *arena);

#endif
