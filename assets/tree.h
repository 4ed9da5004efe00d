/* A YAML file (1.2, as OpenAPI uses it) as a tree to read at build time: maps, lists and scalars, references followed. */
#ifndef MEISHI_TREE_H
#define MEISHI_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>
#include "cards/base/str.h"

struct tree {
    yaml_document_t document; /* of libyaml, which owns every node */
};

/* False when the file cannot be read or is not YAML; WHY says so and where, in the arena. A tree lives until the tool ends. */
MUST_CHECK bool tree_load(const char *path, struct arena *arena, struct tree *out, const char **why);
yaml_node_t *tree_root(struct tree *tree);
/* Member NAME of a map, "$ref" within the file followed ("#/components/…"); NULL when there is none. NODE may be NULL. */
yaml_node_t *tree_get(struct tree *tree, yaml_node_t *node, const char *name);
/* The last part of what a member's "$ref" names; NULL when it is no reference. */
const char *tree_reference(struct tree *tree, yaml_node_t *node, const char *name);
/* Text of a scalar, NULL for everything else; of a member. */
const char *tree_text(yaml_node_t *node);
const char *tree_member(struct tree *tree, yaml_node_t *node, const char *name);
bool tree_is_list(const yaml_node_t *node);
bool tree_is_map(const yaml_node_t *node);
/* How many items a list or members a map has; 0 for everything else. */
size_t tree_count(const yaml_node_t *node);
/* Item I of a list; member I of a map with its NAME, which may be NULL when nobody asks. References are not followed. */
yaml_node_t *tree_at(struct tree *tree, yaml_node_t *node, size_t i, const char **name);
/* NODE, or what its own "$ref" names. */
yaml_node_t *tree_follow(struct tree *tree, yaml_node_t *node);
/* JSON (RFC 8259) with what fits a line on one line, and what is deeper indented by two. */
void tree_add_json(struct tree *tree, yaml_node_t *node, int indent, struct str *out);

#endif
