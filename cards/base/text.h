/* Text that people typed, made sound: UTF-8 (RFC 3629), NFC (Unicode 15 annex 15), trimmed, without control characters.
 *
 * What is kept is what was meant: a pasted tab becomes a space, an invisible control is dropped, letters are never
 * changed. Only broken UTF-8 and too much of it are refused. Lengths are counted in code points. */
#ifndef MEISHI_TEXT_H
#define MEISHI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/base/arena.h"
#include "cards/base/complaints.h"

enum text_kind {
    TEXT_LINE, /* line breaks become spaces */
    TEXT_LINES /* line breaks stay, as \n */
};

bool text_is_utf8(const char *text, size_t len);
/* How many code points; TEXT must be UTF-8. */
size_t text_count(const char *text);
/* OUT is the cleaned text in the arena, or NULL when nothing visible is left or TEXT is NULL. INVALID if TEXT is not
 * UTF-8; OUT is NULL then. */
enum result text_clean(const char *text, enum text_kind kind, struct arena *arena, const char **out) MUST_CHECK;
/* Cleans *TEXT in place and complains about FIELD when it is not UTF-8 (*TEXT becomes NULL, since it cannot be shown
 * again) or longer than MAX code points (*TEXT stays). Whether there was no complaint. */
bool text_check(const char **text, size_t max, enum text_kind kind, const char *field, struct arena *arena,
                struct complaints *complaints);
/* What other systems count when they say how long a text may be. */
enum text_unit { TEXT_POINTS, TEXT_UTF16, TEXT_BYTES };
/* How long TEXT is; it must be UTF-8. */
size_t text_measure(const char *text, enum text_unit unit);
/* At most MAX units of TEXT, ending in an ellipsis when something was cut off; what a person sees as one character is kept
 * whole or left off (Unicode 15 annex 29). TEXT must be UTF-8. MAX has room for the ellipsis. */
const char *text_fit(const char *text, size_t max, enum text_unit unit, struct arena *arena);
/* The same in code points. */
const char *text_cut(const char *text, size_t max, struct arena *arena);
/* What a search compares: NFKC, case-folded, without the marks that ride on letters (é is e; but が is not か, since
 * kana voicing, nuktas and viramas make another letter). "" for NULL or what is not UTF-8. */
const char *text_fold(const char *text, struct arena *arena);
/* Lower case by Unicode's rules, NFC, nothing else changed. "" for what is not UTF-8. */
const char *text_lower(const char *text, struct arena *arena);
/* The first character of TEXT as a person sees it (an emoji of several code points, a letter with its marks), large as a
 * name begins: "é…" gives "É", "ǆ…" gives "ǅ". Marks piled up beyond all sense are left off. "" for "". */
const char *text_initial(const char *text, struct arena *arena);
/* The code point at *AT, which moves on by it; 0 at the end. *AT must be UTF-8. */
uint32_t text_next(const char **at);
/* Whether POINT is of a script whose names are written family first and unspaced: Han, kana, Hangul, Bopomofo. */
bool text_is_cjk(uint32_t point);

#endif
