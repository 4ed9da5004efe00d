/* See guide.h: the contract's words and types for people. */
#include "assets/guide.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cards/base/escape.h"

static void add_html(const char *text, size_t len, struct str *out)
{
    escape_html(out, arena_strndup(out->arena, text, len));
}

void guide_add_slug(const char *text, size_t len, struct str *out)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        str_add_char(out, isalnum(c) || c == '.' ? (char)tolower(c) : '-');
    }
}

void guide_add_line(const char *markdown, size_t len, struct str *out)
{
    static const struct {
        const char *mark, *open, *close;
    } MARKS[] = {{"**", "<strong>", "</strong>"}, {"`", "<code>", "</code>"}};
    const char *end = markdown + len, *plain = markdown;
    for (const char *at = markdown; at < end;) {
        size_t i = *at == '`' ? 1 : 0, mark_len = strlen(MARKS[i].mark);
        const char *close = NULL;
        if (!strncmp(at, MARKS[i].mark, mark_len) && at + mark_len < end)
            close = strstr(at + mark_len, MARKS[i].mark);
        if (!close || close >= end) {
            at++;
            continue;
        }
        add_html(plain, (size_t)(at - plain), out);
        str_add(out, MARKS[i].open);
        add_html(at + mark_len, (size_t)(close - at) - mark_len, out);
        str_add(out, MARKS[i].close);
        plain = at = close + mark_len;
    }
    add_html(plain, (size_t)(end - plain), out);
}

static size_t block_len(const char *markdown)
{
    const char *end = !strncmp(markdown, "```", 3) ? strstr(markdown + 3, "\n```") : strstr(markdown, "\n\n");
    return end ? (size_t)(end - markdown) : strlen(markdown);
}

void guide_add_words(const char *markdown, struct str *out)
{
    if (!markdown)
        return;
    while (*(markdown += strspn(markdown, "\n"))) {
        size_t len = block_len(markdown);
        if (!strncmp(markdown, "```", 3)) {
            size_t first = strcspn(markdown, "\n") + 1;
            str_add(out, "<pre><code>");
            add_html(markdown + first, len - first, out);
            str_add(out, "</code></pre>\n");
            markdown += len + strlen("\n```");
            continue;
        }
        while (len && markdown[len - 1] == '\n')
            len--;
        str_add(out, "<p>");
        guide_add_line(markdown, len, out);
        str_add(out, "</p>\n");
        markdown += len;
    }
}

/* ---- types ---- */

static const char *type_words(const char *type, const char *format)
{
    static const struct {
        const char *type, *format, *words;
    } WORDS[] = {{"string", "date-time", "time"},
                 {"string", "uri", "address"},
                 {"string", "uri-reference", "address"},
                 {"string", NULL, "text"},
                 {"integer", NULL, "number"},
                 {"number", NULL, "number"},
                 {"boolean", NULL, "true or false"},
                 {"array", NULL, "list"},
                 {"object", NULL, "object"},
                 {"null", NULL, "null"}};
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (!strcmp(WORDS[i].type, type) && (!WORDS[i].format || (format && !strcmp(WORDS[i].format, format))))
            return WORDS[i].words;
    return type;
}

static void add_values(struct tree *tree, yaml_node_t *values, struct str *out)
{
    size_t count = tree_count(values);
    for (size_t i = 0; i < count; i++) {
        str_add(out, !i ? "" : i + 1 == count ? " or " : ", ");
        str_add(out, "<code>");
        escape_html(out, tree_text(tree_at(tree, values, i, NULL)));
        str_add(out, "</code>");
    }
}

/* "1 to 120 characters", from the two limits that a schema may have. */
static void add_range(struct tree *tree, yaml_node_t *schema, const char *min, const char *max, const char *unit,
                      struct str *out)
{
    const char *least = tree_member(tree, schema, min), *most = tree_member(tree, schema, max);
    if (!least && !most)
        return;
    if (least && !most && !strcmp(min, "minItems") && !strcmp(least, "1")) {
        str_add(out, ", not empty");
        return;
    }
    str_add(out, ", ");
    if (least && most)
        str_addf(out, "%s to %s%s", least, most, unit);
    else
        str_addf(out, "%s %s%s", least ? "at least" : "at most", least ? least : most, unit);
}

static void add_limits(struct tree *tree, yaml_node_t *schema, struct str *out)
{
    add_range(tree, schema, "minLength", "maxLength", " characters", out);
    add_range(tree, schema, "minimum", "maximum", "", out);
    add_range(tree, schema, "minItems", "maxItems", " items", out);
    const char *usual = tree_member(tree, schema, "default"), *pattern = tree_member(tree, schema, "pattern");
    if (pattern) {
        str_add(out, " like <code>");
        escape_html(out, pattern);
        str_add(out, "</code>");
    }
    if (usual) {
        str_add(out, ", <code>");
        escape_html(out, usual);
        str_add(out, "</code> when absent");
    }
}

static void add_choices(struct tree *tree, yaml_node_t *choices, struct str *out)
{
    for (size_t i = 0; i < tree_count(choices); i++) {
        str_add(out, i ? " or " : "");
        guide_add_type(tree, tree_at(tree, choices, i, NULL), NULL, out);
    }
}

void guide_add_type(struct tree *tree, yaml_node_t *node, const char *member, struct str *out)
{
    const char *name = tree_reference(tree, node, member);
    if (name) {
        str_addf(out, "<a href=\"#%s\">%s</a>", name, name);
        return;
    }
    yaml_node_t *schema = member ? tree_get(tree, node, member) : node, *type = tree_get(tree, schema, "type"),
                *choices = tree_get(tree, schema, "oneOf"), *values = tree_get(tree, schema, "enum");
    if (!choices)
        choices = tree_get(tree, schema, "anyOf");
    const char *constant = tree_member(tree, schema, "const"), *format = tree_member(tree, schema, "format");
    if (choices && !tree_get(tree, schema, "properties")) {
        add_choices(tree, choices, out);
        return;
    }
    if (constant)
        str_addf(out, "<code>%s</code>", constant);
    else if (values)
        add_values(tree, values, out);
    else
        for (size_t i = 0; i < (tree_is_list(type) ? tree_count(type) : 1); i++) {
            const char *one = tree_text(tree_is_list(type) ? tree_at(tree, type, i, NULL) : type);
            str_add(out, i ? " or " : "");
            str_add(out, one ? type_words(one, format) : "anything");
            if (one && !strcmp(one, "array") && tree_get(tree, schema, "items")) {
                str_add(out, " of ");
                guide_add_type(tree, schema, "items", out);
                str_add(out, tree_get(tree, tree_get(tree, schema, "items"), "properties") &&
                                     !tree_reference(tree, schema, "items")
                                 ? "s"
                                 : "");
            }
        }
    add_limits(tree, schema, out);
}

static bool is_required(struct tree *tree, yaml_node_t *schema, const char *name)
{
    yaml_node_t *required = tree_get(tree, schema, "required");
    for (size_t i = 0; i < tree_count(required); i++) {
        const char *one = tree_text(tree_at(tree, required, i, NULL));
        if (one && !strcmp(one, name))
            return true;
    }
    return false;
}

/* The object that stands in a member: itself, or what a list is of. */
static yaml_node_t *inner_object(struct tree *tree, yaml_node_t *properties, yaml_node_t *property, const char *name)
{
    if (tree_reference(tree, properties, name))
        return NULL;
    if (tree_get(tree, property, "properties"))
        return property;
    return tree_reference(tree, property, "items") ? NULL : tree_get(tree, property, "items");
}

void guide_add_members(struct tree *tree, yaml_node_t *schema, struct str *out)
{
    yaml_node_t *properties = tree_get(tree, schema, "properties");
    bool is_taken = tree_get(tree, schema, "additionalProperties");
    str_add(out, "<dl class=\"members\">\n");
    for (size_t i = 0; i < tree_count(properties); i++) {
        const char *name;
        yaml_node_t *property = tree_follow(tree, tree_at(tree, properties, i, &name));
        str_addf(out, "<div><dt><code>%s</code> <span>", name);
        guide_add_type(tree, properties, name, out);
        if (is_taken && is_required(tree, schema, name))
            str_add(out, ", needed");
        else if (!is_taken && !is_required(tree, schema, name))
            str_add(out, ", not always there");
        str_add(out, "</span></dt>\n");
        const char *words = tree_text(tree_get(tree, tree_at(tree, properties, i, NULL), "description"));
        yaml_node_t *inner = inner_object(tree, properties, property, name);
        str_add(out, "<dd>");
        if (words)
            guide_add_line(words, strlen(words), out);
        if (tree_get(tree, inner, "properties"))
            guide_add_members(tree, inner, out);
        str_add(out, "</dd></div>\n");
    }
    str_add(out, "</dl>\n");
}
