/* The only escapers, each named after the place the text lands. Pages never call them by hand: the template
 * compiler picks one for each place at build time and refuses places where none is safe. */
#ifndef MEISHI_ESCAPE_H
#define MEISHI_ESCAPE_H

#include "cards/base/str.h"

/* Text between tags (HTML Living Standard 13.1.2): & < > become references. NULL adds nothing, in all of these. */
void escape_html(struct str *out, const char *text);
/* A double-quoted attribute value: & < > " '. */
void escape_attr(struct str *out, const char *text);
/* A whole URL in a double-quoted attribute: schemes other than http, https, mailto, tel, sms, and anything that a
 * browser would read as one of those after stripping controls and spaces, become "#". Relative paths starting with a
 * single /, queries starting with ? and fragments pass. */
void escape_url(struct str *out, const char *url);
/* One component of a URL, percent-encoded (RFC 3986 unreserved characters stay), safe in an attribute too. */
void escape_url_part(struct str *out, const char *text);
/* The inside of a JSON string (RFC 8259), safe also inside <script type="application/..."> : < > & and U+2028/9
 * become \u escapes. */
void escape_json(struct str *out, const char *text);

#endif
