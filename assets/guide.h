/* The pieces of the guide to the API (guide.c): words of the contract as HTML, and schemas in plain words. */
#ifndef MEISHI_GUIDE_H
#define MEISHI_GUIDE_H

#include "assets/tree.h"

/* Markdown as the contract uses it: paragraphs, `code`, **strong** and blocks between ```. Everything else is text. */
void guide_add_words(const char *markdown, struct str *out);
/* One paragraph of it, without its <p>. */
void guide_add_line(const char *markdown, size_t len, struct str *out);
/* TEXT as part of an id: lower case, all but letters, digits, - and . made -. */
void guide_add_slug(const char *text, size_t len, struct str *out);

/* What a schema allows, in a few words with links to the objects it names: "text or nothing, at most 120 characters". MEMBER of
 * NODE is the schema, or NODE itself when MEMBER is NULL. */
void guide_add_type(struct tree *tree, yaml_node_t *node, const char *member, struct str *out);
/* The members of an object as a dl, those that must be there marked. */
void guide_add_members(struct tree *tree, yaml_node_t *schema, struct str *out);

#endif
