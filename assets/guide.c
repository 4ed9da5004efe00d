/* The guide: a build tool that writes the page /api from the contract, so that what people read and what tests check is one
 * file. It adds no words about the API of its own but those that every operation needs alike (how to call, where errors
 * are told); it refuses a contract in which something cannot be shown. The page is whole: no script, nothing from elsewhere. */
#include "assets/guide.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assets/source.h"
#include "cards/base/escape.h"

enum { PIECE_MAX = 1 << 20 };

static const char *const METHODS[] = {"get", "post", "put", "patch", "delete"};
enum { METHOD_COUNT = sizeof METHODS / sizeof *METHODS };

struct guide {
    struct tree tree;
    const char *contract; /* its path, for complaints */
    struct str *out;
};

static _Noreturn void fail(const char *path, const char *words)
{
    fprintf(stderr, "%s: error: %s\n", path, words);
    exit(1);
}

static const char *need(struct guide *guide, yaml_node_t *node, const char *name)
{
    const char *text = tree_member(&guide->tree, node, name);
    if (!text)
        fail(guide->contract,
             arena_printf(guide->out->arena, "line %zu: this has no %s", node->start_mark.line + 1, name));
    return text;
}

static yaml_node_t *root_member(struct guide *guide, const char *name)
{
    return tree_get(&guide->tree, tree_root(&guide->tree), name);
}

/* ---- examples ---- */

/* The first of a media type's examples, or of those with this NAME. */
static yaml_node_t *example_of(struct guide *guide, yaml_node_t *media)
{
    yaml_node_t *examples = tree_get(&guide->tree, media, "examples");
    if (!tree_count(examples))
        return NULL;
    return tree_get(&guide->tree, tree_follow(&guide->tree, tree_at(&guide->tree, examples, 0, NULL)), "value");
}

static void add_json(struct guide *guide, yaml_node_t *value)
{
    struct str json;
    str_init(&json, guide->out->arena, PIECE_MAX);
    tree_add_json(&guide->tree, value, 0, &json);
    str_add(guide->out, "<pre><code>");
    escape_html(guide->out, json.data);
    str_add(guide->out, "</code></pre>\n");
}

static yaml_node_t *json_media(struct guide *guide, yaml_node_t *holder)
{
    return tree_get(&guide->tree, tree_get(&guide->tree, holder, "content"), "application/json");
}

/* ---- one operation ---- */

/* "crd_38G20KBH8BA00": an id such as a path takes, by the pattern of its schema. */
static const char *id_like(struct guide *guide, yaml_node_t *parameter)
{
    const char *pattern = tree_member(&guide->tree, tree_get(&guide->tree, parameter, "schema"), "pattern");
    size_t len = pattern && *pattern == '^' ? strspn(pattern + 1, "abcdefghijklmnopqrstuvwxyz_") : 0;
    return len ? arena_printf(guide->out->arena, "%.*s38G20KBH8BA00", (int)len, pattern + 1) : "ID";
}

struct operation {
    const char *method, *path;
    yaml_node_t *item, *node;
};

static yaml_node_t *parameter_at(struct guide *guide, yaml_node_t *holder, size_t i)
{
    return tree_follow(&guide->tree, tree_at(&guide->tree, tree_get(&guide->tree, holder, "parameters"), i, NULL));
}

/* PATH with an id where a parameter is. */
static void add_address(struct guide *guide, const struct operation *operation, struct str *out)
{
    size_t next = 0;
    for (const char *at = operation->path; *at;) {
        if (*at != '{') {
            str_add_char(out, *at++);
            continue;
        }
        str_add(out, id_like(guide, parameter_at(guide, operation->item, next++)));
        at += strcspn(at, "}") + 1;
    }
}

/* Text within the single quotes of a shell. */
static void add_quoted(struct str *out, const char *text)
{
    str_add_char(out, '\'');
    for (; *text; text++)
        str_add(out, *text == '\'' ? "'\\''" : (char[]){*text, '\0'});
    str_add_char(out, '\'');
}

static void add_curl(struct guide *guide, const struct operation *operation)
{
    struct str line, json;
    str_init(&line, guide->out->arena, PIECE_MAX);
    str_init(&json, guide->out->arena, PIECE_MAX);
    yaml_node_t *body = tree_get(&guide->tree, operation->node, "requestBody"),
                *content = tree_get(&guide->tree, body, "content"), *media = json_media(guide, body);
    str_add(&line, "curl ");
    if (strcmp(operation->method, "get"))
        str_addf(&line, "-X %s ", operation->method);
    for (char *at = line.data; *at; at++)
        if (at > line.data + 6)
            *at = (char)toupper((unsigned char)*at);
    str_add(&line, "$MEISHI/api/v1");
    add_address(guide, operation, &line);
    str_add(&line, " \\\n  -H \"Authorization: Bearer $TOKEN\"");
    const char *type = NULL;
    if (tree_count(content))
        tree_at(&guide->tree, content, 0, &type);
    if (media)
        type = "application/json";
    if (type)
        str_addf(&line, " \\\n  -H \"Content-Type: %s\"", type);
    if (media && example_of(guide, media)) {
        tree_add_json(&guide->tree, example_of(guide, media), 0, &json);
        str_add(&line, " \\\n  -d ");
        add_quoted(&line, json.data);
    } else if (type)
        str_add(&line, " \\\n  --data-binary @FILE");
    str_add(guide->out, "<p class=\"label\">For example</p>\n<pre><code>");
    escape_html(guide->out, line.data);
    str_add(guide->out, "</code></pre>\n");
}

static void add_parameter(struct guide *guide, yaml_node_t *parameter)
{
    const char *name = need(guide, parameter, "name"), *words = need(guide, parameter, "description"),
               *place = need(guide, parameter, "in");
    if (!strcmp(place, "path"))
        return; /* the address shows it, and the curl line one of them */
    str_addf(guide->out, "<div><dt><code>%s</code> <span>%s, ", name, place);
    guide_add_type(&guide->tree, parameter, "schema", guide->out);
    str_add(guide->out, "</span></dt>\n<dd>");
    guide_add_line(words, strlen(words), guide->out);
    str_add(guide->out, "</dd></div>\n");
}

static void add_parameters(struct guide *guide, const struct operation *operation)
{
    size_t count = tree_count(tree_get(&guide->tree, operation->node, "parameters"));
    if (!count)
        return;
    str_add(guide->out, "<p class=\"label\">Parameters</p>\n<dl class=\"members\">\n");
    for (size_t i = 0; i < count; i++)
        add_parameter(guide, parameter_at(guide, operation->node, i));
    str_add(guide->out, "</dl>\n");
}

static void add_body(struct guide *guide, yaml_node_t *body)
{
    yaml_node_t *content = tree_get(&guide->tree, body, "content"), *media = json_media(guide, body);
    if (!body)
        return;
    const char *words = tree_member(&guide->tree, body, "description");
    str_add(guide->out, "<p class=\"label\">Body: ");
    if (media)
        guide_add_type(&guide->tree, media, "schema", guide->out);
    for (size_t i = 0; !media && i < tree_count(content); i++) {
        const char *type;
        tree_at(&guide->tree, content, i, &type);
        str_addf(guide->out, "%s<code>%s</code>", i ? " or " : "", type);
    }
    str_add(guide->out, "</p>\n");
    guide_add_words(words, guide->out);
}

/* Successes with their example, then the rest as a line of numbers: what they mean is told once, below. */
static void add_answers(struct guide *guide, yaml_node_t *responses)
{
    struct str rest;
    str_init(&rest, guide->out->arena, PIECE_MAX);
    for (size_t i = 0; i < tree_count(responses); i++) {
        const char *status, *named = NULL;
        yaml_node_t *raw = tree_at(&guide->tree, responses, i, &status), *response = tree_follow(&guide->tree, raw),
                    *media = json_media(guide, response);
        const char *words = need(guide, response, "description");
        named = tree_reference(&guide->tree, raw, NULL);
        if (!strcmp(status, "default"))
            continue;
        if (*status != '2') {
            str_addf(&rest, "<li><a href=\"#%s\">%s</a></li>\n", named ? named : "wrong", status);
            continue;
        }
        str_addf(guide->out, "<p class=\"label\">Answer %s%s", status, media ? ": " : "");
        if (media)
            guide_add_type(&guide->tree, media, "schema", guide->out);
        str_add(guide->out, "</p>\n");
        guide_add_words(words, guide->out);
        if (media && example_of(guide, media))
            add_json(guide, example_of(guide, media));
    }
    if (rest.len)
        str_addf(guide->out, "<p class=\"label\">Or</p>\n<ul class=\"statuses\">\n%s</ul>\n", rest.data);
}

static void add_verb(struct guide *guide, const char *method)
{
    str_add(guide->out, "<b>");
    for (const char *at = method; *at; at++)
        str_add_char(guide->out, (char)toupper((unsigned char)*at));
    str_add(guide->out, "</b>");
}

static void add_head_of(struct guide *guide, const char *id, const char *method, const char *path, yaml_node_t *node)
{
    const char *summary = need(guide, node, "summary");
    str_addf(guide->out, "<article class=\"sheet call\" id=\"%s\">\n<h3><a href=\"#%s\">", id, id);
    guide_add_line(summary, strlen(summary), guide->out);
    str_add(guide->out, "</a></h3>\n<p class=\"where\">");
    add_verb(guide, method);
    str_addf(guide->out, " <code>%s</code></p>\n", path);
    guide_add_words(tree_member(&guide->tree, node, "description"), guide->out);
}

static void add_operation(struct guide *guide, const struct operation *operation)
{
    add_head_of(guide, need(guide, operation->node, "operationId"), operation->method, operation->path,
                operation->node);
    add_parameters(guide, operation);
    add_body(guide, tree_get(&guide->tree, operation->node, "requestBody"));
    add_curl(guide, operation);
    add_answers(guide, tree_get(&guide->tree, operation->node, "responses"));
    str_add(guide->out, "</article>\n");
}

static bool has_tag(struct guide *guide, yaml_node_t *node, const char *tag)
{
    yaml_node_t *tags = tree_get(&guide->tree, node, "tags");
    const char *first = tree_count(tags) ? tree_text(tree_at(&guide->tree, tags, 0, NULL)) : NULL;
    return first && !strcmp(first, tag);
}

/* Calls VISIT for every operation with this tag, in the order of the contract. */
static void each_operation(struct guide *guide, const char *tag,
                           void (*visit)(struct guide *guide, const struct operation *operation))
{
    yaml_node_t *paths = root_member(guide, "paths");
    for (size_t i = 0; i < tree_count(paths); i++) {
        struct operation operation;
        operation.item = tree_at(&guide->tree, paths, i, &operation.path);
        for (size_t m = 0; m < METHOD_COUNT; m++) {
            operation.method = METHODS[m];
            operation.node = tree_get(&guide->tree, operation.item, METHODS[m]);
            if (operation.node && has_tag(guide, operation.node, tag))
                visit(guide, &operation);
        }
    }
}

static void add_link(struct guide *guide, const struct operation *operation)
{
    const char *summary = need(guide, operation->node, "summary");
    str_addf(guide->out, "<li><a href=\"#%s\">", need(guide, operation->node, "operationId"));
    add_verb(guide, operation->method);
    str_addf(guide->out, " <code>%s</code> <span>", operation->path);
    guide_add_line(summary, strlen(summary), guide->out);
    str_add(guide->out, "</span></a></li>\n");
}

/* ---- events ---- */

static void add_event(struct guide *guide, const char *type, yaml_node_t *node)
{
    yaml_node_t *media = json_media(guide, tree_get(&guide->tree, node, "requestBody")),
                *examples = tree_get(&guide->tree, media, "examples");
    const char *id = need(guide, node, "operationId");
    add_head_of(guide, id, "event", type, node);
    str_add(guide->out, "<p class=\"label\">Body: ");
    guide_add_type(&guide->tree, media, "schema", guide->out);
    str_add(guide->out, "</p>\n");
    for (size_t i = 0; i < tree_count(examples); i++) {
        const char *name;
        yaml_node_t *example = tree_follow(&guide->tree, tree_at(&guide->tree, examples, i, &name));
        if (tree_count(examples) > 1)
            str_addf(guide->out, "<p class=\"label\">%c%s</p>\n", toupper((unsigned char)*name), name + 1);
        add_json(guide, tree_get(&guide->tree, example, "value"));
    }
    str_add(guide->out, "</article>\n");
}

static void each_event(struct guide *guide, void (*visit)(struct guide *guide, const char *type, yaml_node_t *node))
{
    yaml_node_t *events = root_member(guide, "webhooks");
    for (size_t i = 0; i < tree_count(events); i++) {
        const char *type;
        yaml_node_t *item = tree_at(&guide->tree, events, i, &type);
        visit(guide, type, tree_get(&guide->tree, item, "post"));
    }
}

static void add_event_link(struct guide *guide, const char *type, yaml_node_t *node)
{
    const char *summary = need(guide, node, "summary");
    str_addf(guide->out, "<li><a href=\"#%s\"><code>%s</code> <span>", need(guide, node, "operationId"), type);
    guide_add_line(summary, strlen(summary), guide->out);
    str_add(guide->out, "</span></a></li>\n");
}

/* The headers that every event comes with. */
static void add_event_headers(struct guide *guide)
{
    const char *type;
    yaml_node_t *first =
                    tree_get(&guide->tree, tree_at(&guide->tree, root_member(guide, "webhooks"), 0, &type), "post"),
                *responses = tree_get(&guide->tree, first, "responses");
    str_add(guide->out, "<p class=\"label\">Each comes with</p>\n<dl class=\"members\">\n");
    for (size_t i = 0; i < tree_count(tree_get(&guide->tree, first, "parameters")); i++)
        add_parameter(guide, parameter_at(guide, first, i));
    str_add(guide->out, "</dl>\n<p class=\"label\">What you answer</p>\n<dl class=\"members\">\n");
    for (size_t i = 0; i < tree_count(responses); i++) {
        const char *status, *words;
        yaml_node_t *response = tree_follow(&guide->tree, tree_at(&guide->tree, responses, i, &status));
        words = need(guide, response, "description");
        str_addf(guide->out, "<div><dt><code>%s</code></dt>\n<dd>", strcmp(status, "default") ? status : "all else");
        guide_add_line(words, strlen(words), guide->out);
        str_add(guide->out, "</dd></div>\n");
    }
    str_add(guide->out, "</dl>\n");
}

/* ---- what several operations share ---- */

/* The status with which some operation gives this response of components; NULL when none names it by a number. */
static const char *status_of(struct guide *guide, const char *name)
{
    yaml_node_t *paths = root_member(guide, "paths");
    for (size_t i = 0; i < tree_count(paths) * METHOD_COUNT; i++) {
        yaml_node_t *item = tree_at(&guide->tree, paths, i / METHOD_COUNT, NULL),
                    *responses =
                        tree_get(&guide->tree, tree_get(&guide->tree, item, METHODS[i % METHOD_COUNT]), "responses");
        for (size_t j = 0; j < tree_count(responses); j++) {
            const char *status, *named;
            named = tree_reference(&guide->tree, tree_at(&guide->tree, responses, j, &status), NULL);
            if (named && !strcmp(named, name) && isdigit((unsigned char)*status))
                return status;
        }
    }
    return NULL;
}

static void add_error(struct guide *guide, const char *name, yaml_node_t *response)
{
    const char *words = need(guide, response, "description"), *status = status_of(guide, name);
    yaml_node_t *problem =
        tree_get(&guide->tree, tree_get(&guide->tree, response, "content"), "application/problem+json");
    if (status ? *status == '2' : !problem)
        return;
    str_addf(guide->out, "<div id=\"%s\"><dt>%s</dt>\n<dd>", name, status ? status : "All else");
    guide_add_line(words, strlen(words), guide->out);
    if (problem && example_of(guide, problem))
        add_json(guide, example_of(guide, problem));
    str_add(guide->out, "</dd></div>\n");
}

static void add_errors(struct guide *guide)
{
    yaml_node_t *responses = tree_get(&guide->tree, root_member(guide, "components"), "responses");
    str_add(guide->out, "<section id=\"wrong\">\n<h2>What may go wrong</h2>\n<dl class=\"sheet members\">\n");
    for (size_t i = 0; i < tree_count(responses); i++) {
        const char *name;
        yaml_node_t *response = tree_at(&guide->tree, responses, i, &name);
        add_error(guide, name, response);
    }
    str_add(guide->out, "</dl>\n</section>\n");
}

static void add_objects(struct guide *guide)
{
    yaml_node_t *schemas = tree_get(&guide->tree, root_member(guide, "components"), "schemas");
    str_add(guide->out, "<section id=\"objects\">\n<h2>Objects</h2>\n");
    for (size_t i = 0; i < tree_count(schemas); i++) {
        const char *name, *words;
        yaml_node_t *schema = tree_at(&guide->tree, schemas, i, &name);
        words = tree_member(&guide->tree, schema, "description");
        str_addf(guide->out, "<article class=\"sheet object\" id=\"%s\">\n<h3>%s</h3>\n", name, name);
        guide_add_words(words, guide->out);
        if (tree_get(&guide->tree, schema, "properties"))
            guide_add_members(&guide->tree, schema, guide->out);
        else {
            str_add(guide->out, "<p class=\"kind\">");
            guide_add_type(&guide->tree, schema, NULL, guide->out);
            str_add(guide->out, "</p>\n");
        }
        str_add(guide->out, "</article>\n");
    }
    str_add(guide->out, "</section>\n");
}

/* ---- the page ---- */

/* The paragraphs of the contract's own description that open with a **title**: each begins a chapter. VISIT gets the title
 * without a full stop and the words behind it, or the whole sentence when the title is its subject. */
static void each_chapter(struct guide *guide,
                         void (*visit)(struct guide *guide, const char *title, size_t len, const char *words))
{
    const char *at = need(guide, root_member(guide, "info"), "description");
    while ((at = strstr(at, "\n\n**"))) {
        const char *title = at + strlen("\n\n**"), *close = strstr(title, "**");
        if (!close)
            fail(guide->contract, "a title in the description has no end");
        bool is_sentence = close[-1] != '.';
        visit(guide, title, (size_t)(close - title) - !is_sentence, is_sentence ? title - 2 : close + 2);
        at = close;
    }
}

static void add_chapter_link(struct guide *guide, const char *title, size_t len, const char *words)
{
    (void)words;
    str_add(guide->out, "<li><a href=\"#");
    guide_add_slug(title, len, guide->out);
    str_addf(guide->out, "\">%.*s</a></li>\n", (int)len, title);
}

/* To the next chapter, or the end. */
static size_t chapter_len(const char *words)
{
    const char *next = strstr(words, "\n\n**");
    return next ? (size_t)(next - words) : strlen(words);
}

static void add_chapter(struct guide *guide, const char *title, size_t len, const char *words)
{
    str_add(guide->out, "<section id=\"");
    guide_add_slug(title, len, guide->out);
    str_addf(guide->out, "\">\n<h2>%.*s</h2>\n", (int)len, title);
    words += strspn(words, " ");
    guide_add_words(arena_strndup(guide->out->arena, words, chapter_len(words)), guide->out);
    str_add(guide->out, "</section>\n");
}

static void each_tag(struct guide *guide, void (*visit)(struct guide *guide, const char *name, yaml_node_t *tag))
{
    yaml_node_t *tags = root_member(guide, "tags");
    for (size_t i = 0; i < tree_count(tags); i++) {
        yaml_node_t *tag = tree_at(&guide->tree, tags, i, NULL);
        visit(guide, need(guide, tag, "name"), tag);
    }
}

static void add_tag_link(struct guide *guide, const char *name, yaml_node_t *tag)
{
    (void)tag;
    str_add(guide->out, "<li><a href=\"#");
    guide_add_slug(name, strlen(name), guide->out);
    str_addf(guide->out, "\">%s</a></li>\n", name);
}

static void add_tag(struct guide *guide, const char *name, yaml_node_t *tag)
{
    str_add(guide->out, "<section id=\"");
    guide_add_slug(name, strlen(name), guide->out);
    str_addf(guide->out, "\">\n<h2>%s</h2>\n", name);
    guide_add_words(tree_member(&guide->tree, tag, "description"), guide->out);
    str_add(guide->out, "<ul class=\"sheet calls\">\n");
    each_operation(guide, name, add_link);
    str_add(guide->out, "</ul>\n");
    each_operation(guide, name, add_operation);
    str_add(guide->out, "</section>\n");
}

static void add_contents(struct guide *guide)
{
    str_add(guide->out, "<nav class=\"contents\" aria-label=\"Contents\">\n<ul>\n"
                        "<li><a href=\"#first\">A first call</a></li>\n");
    each_chapter(guide, add_chapter_link);
    str_add(guide->out, "</ul>\n<ul>\n");
    each_tag(guide, add_tag_link);
    str_add(guide->out, "<li><a href=\"#events\">Events</a></li>\n</ul>\n<ul>\n"
                        "<li><a href=\"#wrong\">What may go wrong</a></li>\n"
                        "<li><a href=\"#objects\">Objects</a></li>\n</ul>\n</nav>\n");
}

static void add_opening(struct guide *guide)
{
    yaml_node_t *info = root_member(guide, "info");
    const char *words = need(guide, info, "description"), *chapters = strstr(words, "\n\n**");
    str_addf(guide->out, "<header>\n<p class=\"kind\">Version %s</p>\n<h1>The API</h1>\n",
             need(guide, info, "version"));
    guide_add_words(arena_strndup(guide->out->arena, words, chapters ? (size_t)(chapters - words) : strlen(words)),
                    guide->out);
    str_add(
        guide->out,
        "<p>This page is made from <a href=\"/api/openapi.yaml\">openapi.yaml</a> (OpenAPI 3.1), which other programs "
        "read. The addresses below stand behind <code>/api/v1</code>.</p>\n</header>\n");
}

static void add_first_call(struct guide *guide)
{
    str_add(guide->out, "<section id=\"first\">\n<h2>A first call</h2>\n"
                        "<p>Make a key on <a href=\"/account#tokens\">your account</a>, then list your cards:</p>\n"
                        "<pre><code>export MEISHI=https://cards.example.org TOKEN=msh_…\n"
                        "curl $MEISHI/api/v1/cards -H \"Authorization: Bearer $TOKEN\"</code></pre>\n</section>\n");
}

/* The head that every page has, from its template: only {{asset NAME}} is understood. */
static void add_head(struct guide *guide, const char *assets, const char *head)
{
    const char *text = source_read(guide->out->arena, head, NULL);
    if (!text)
        fail(head, strerror(errno));
    text += strcspn(text, "\n") + 1; /* {{partial}} */
    for (const char *hole; (hole = strstr(text, "{{asset ")); text = strstr(hole, "}}") + 2) {
        struct source_asset asset;
        const char *name = hole + strlen("{{asset ");
        str_add_n(guide->out, text, (size_t)(hole - text));
        name = arena_strndup(guide->out->arena, name, strcspn(name, "}"));
        if (!source_load_asset(guide->out->arena, assets, name, &asset))
            fail(name, strerror(errno));
        str_add(guide->out, asset.url);
    }
    str_add(guide->out, text);
}

static void add_page(struct guide *guide, const char *assets, const char *head)
{
    struct source_asset style;
    if (!source_load_asset(guide->out->arena, assets, "guide.css", &style))
        fail("guide.css", strerror(errno));
    str_add(guide->out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>The API · Meishi</title>\n"
            "<meta name=\"description\" content=\"How other programs read and change your cards, shares and leads "
            "here, and how they hear of each event.\">\n");
    add_head(guide, assets, head);
    str_addf(
        guide->out,
        "<link rel=\"stylesheet\" href=\"%s\">\n</head>\n<body>\n<a class=\"skip\" href=\"#first\">Skip the contents</a>\n"
        "<div class=\"guide\">\n",
        style.url);
    add_opening(guide);
    add_contents(guide);
    str_add(guide->out, "<main>\n");
    add_first_call(guide);
    each_chapter(guide, add_chapter);
    each_tag(guide, add_tag);
    str_add(
        guide->out,
        "<section id=\"events\">\n<h2>Events</h2>\n<p>What a webhook is sent, each as it was really sent once.</p>\n");
    str_add(guide->out, "<ul class=\"sheet calls\">\n");
    each_event(guide, add_event_link);
    str_add(guide->out, "</ul>\n");
    add_event_headers(guide);
    each_event(guide, add_event);
    str_add(guide->out, "</section>\n");
    add_errors(guide);
    add_objects(guide);
    str_add(guide->out, "</main>\n</div>\n</body>\n</html>\n");
}

/* guide OUT_HTML ASSETS_DIR HEAD_TEMPLATE */
int main(int argc, char **argv)
{
    if (argc != 4 || sodium_init() < 0) {
        fprintf(stderr, "usage: guide OUT_HTML ASSETS_DIR HEAD_TEMPLATE\n");
        return 64;
    }
    struct arena arena;
    struct str html;
    struct guide guide = {.out = &html};
    const char *why = NULL;
    arena_init(&arena);
    str_init(&html, &arena, SOURCE_MAX);
    guide.contract = arena_printf(&arena, "%s/openapi.yaml", argv[2]);
    if (!tree_load(guide.contract, &arena, &guide.tree, &why))
        fail(guide.contract, why);
    add_page(&guide, argv[2], argv[3]);
    if (!source_write(argv[1], &html))
        fail(argv[1], strerror(errno));
    yaml_document_delete(&guide.tree.document);
    arena_free(&arena);
    return 0;
}
