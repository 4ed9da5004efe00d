/* See tree.h. libyaml parses and keeps the nodes; here is only finding one's way. */
#include "assets/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_LEN = 76, JSON_MAX = 1 << 20 };

bool tree_load(const char *path, struct arena *arena, struct tree *out, const char **why)
{
    yaml_parser_t parser;
    FILE *file = fopen(path, "rb");
    if (!file) {
        *why = strerror(errno);
        return false;
    }
    if (!yaml_parser_initialize(&parser))
        abort();
    yaml_parser_set_input_file(&parser, file);
    bool loaded = yaml_parser_load(&parser, &out->document) && yaml_document_get_root_node(&out->document);
    if (!loaded)
        *why = arena_printf(arena, "line %zu: %s", parser.problem_mark.line + 1,
                            parser.problem ? parser.problem : "there is nothing in it");
    yaml_parser_delete(&parser);
    fclose(file);
    return loaded;
}

yaml_node_t *tree_root(struct tree *tree)
{
    return yaml_document_get_root_node(&tree->document);
}

bool tree_is_list(const yaml_node_t *node)
{
    return node && node->type == YAML_SEQUENCE_NODE;
}

bool tree_is_map(const yaml_node_t *node)
{
    return node && node->type == YAML_MAPPING_NODE;
}

const char *tree_text(yaml_node_t *node)
{
    return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

size_t tree_count(const yaml_node_t *node)
{
    if (tree_is_list(node))
        return (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    return tree_is_map(node) ? (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start) : 0;
}

yaml_node_t *tree_at(struct tree *tree, yaml_node_t *node, size_t i, const char **name)
{
    if (tree_is_list(node))
        return yaml_document_get_node(&tree->document, node->data.sequence.items.start[i]);
    const yaml_node_pair_t *pair = &node->data.mapping.pairs.start[i];
    if (name)
        *name = tree_text(yaml_document_get_node(&tree->document, pair->key));
    return yaml_document_get_node(&tree->document, pair->value);
}

static yaml_node_t *member(struct tree *tree, yaml_node_t *node, const char *name, size_t len)
{
    for (size_t i = 0; tree_is_map(node) && i < tree_count(node); i++) {
        const char *key;
        yaml_node_t *value = tree_at(tree, node, i, &key);
        if (key && strlen(key) == len && !memcmp(key, name, len))
            return value;
    }
    return NULL;
}

yaml_node_t *tree_follow(struct tree *tree, yaml_node_t *node)
{
    const char *at = tree_text(member(tree, node, "$ref", 4));
    if (!at || strncmp(at, "#/", 2))
        return node;
    yaml_node_t *found = tree_root(tree);
    for (at += 2; *at && found; at += *at == '/') {
        size_t len = strcspn(at, "/");
        found = member(tree, found, at, len);
        at += len;
    }
    return found;
}

yaml_node_t *tree_get(struct tree *tree, yaml_node_t *node, const char *name)
{
    return tree_follow(tree, member(tree, node, name, strlen(name)));
}

const char *tree_reference(struct tree *tree, yaml_node_t *node, const char *name)
{
    yaml_node_t *value = name ? member(tree, node, name, strlen(name)) : node;
    const char *reference = tree_text(member(tree, value, "$ref", 4));
    return reference ? strrchr(reference, '/') + 1 : NULL;
}

const char *tree_member(struct tree *tree, yaml_node_t *node, const char *name)
{
    return tree_text(tree_get(tree, node, name));
}

static bool is_number(const char *text)
{
    size_t digits = strspn(text + (*text == '-'), "0123456789");
    text += (*text == '-') + digits;
    return digits && (!*text || (*text == '.' && text[1] && !text[1 + strspn(text + 1, "0123456789")]));
}

/* null, true, false and numbers are themselves where they stand bare, everything else is text (YAML 1.2, 10.3.2). */
static void add_scalar(yaml_node_t *node, struct str *out)
{
    const char *text = tree_text(node);
    bool is_bare = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (is_bare && (!*text || !strcmp(text, "~")))
        str_add(out, "null");
    else if (is_bare && (!strcmp(text, "null") || !strcmp(text, "true") || !strcmp(text, "false") || is_number(text)))
        str_add(out, text);
    else {
        str_add_char(out, '"');
        for (; *text; text++)
            if (*text == '"' || *text == '\\')
                str_addf(out, "\\%c", *text);
            else if (*text == '\n')
                str_add(out, "\\n");
            else
                str_add_char(out, *text);
        str_add_char(out, '"');
    }
}

static void add_name(const char *name, struct str *out)
{
    str_addf(out, "\"%s\": ", name);
}

static void add_on_one_line(struct tree *tree, yaml_node_t *node, struct str *out)
{
    if (!tree_is_list(node) && !tree_is_map(node)) {
        add_scalar(node, out);
        return;
    }
    bool is_map = tree_is_map(node);
    str_add(out, is_map ? "{" : "[");
    for (size_t i = 0; i < tree_count(node); i++) {
        const char *name;
        yaml_node_t *value = tree_at(tree, node, i, &name);
        str_add(out, i ? ", " : is_map ? " " : "");
        if (is_map)
            add_name(name, out);
        add_on_one_line(tree, value, out);
    }
    str_add(out, is_map ? tree_count(node) ? " }" : "}" : "]");
}

void tree_add_json(struct tree *tree, yaml_node_t *node, int indent, struct str *out)
{
    struct str line;
    str_init(&line, out->arena, JSON_MAX);
    add_on_one_line(tree, node, &line);
    bool is_whole = !indent && tree_is_map(node) && tree_count(node) > 2;
    if (line.len + (size_t)indent <= LINE_MAX_LEN && !is_whole) {
        str_add(out, line.data);
        return;
    }
    if (!tree_is_list(node) && !tree_is_map(node)) {
        str_add(out, line.data);
        return;
    }
    str_add(out, tree_is_map(node) ? "{" : "[");
    for (size_t i = 0; i < tree_count(node); i++) {
        const char *name;
        yaml_node_t *value = tree_at(tree, node, i, &name);
        str_addf(out, "%s\n%*s", i ? "," : "", indent + 2, "");
        if (tree_is_map(node))
            add_name(name, out);
        tree_add_json(tree, value, indent + 2, out);
    }
    str_addf(out, "\n%*s%s", indent, "", tree_is_map(node) ? "}" : "]");
}
