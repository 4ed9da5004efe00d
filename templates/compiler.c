/* The template compiler: a build tool that turns templates into C functions, and refuses those it cannot make safe.
 *
 * The hard idea is contextual escaping at build time. Text that a visitor typed is harmless in one place of a page and a
 * script in another: & < > are enough between tags, not in an attribute; an attribute's rules are not enough in href,
 * where "javascript:" needs no special character; in a JSON script references mean nothing at all. A person who must pick
 * the escaper for each place picks the wrong one some day. So nobody picks. A template is literal HTML with holes, and the
 * literal part can be read now: context.c walks it as a browser's tokenizer would and knows at each hole whether it is text,
 * a quoted attribute, the whole of a URL, one component of it or the inside of a JSON string. To each of these belongs
 * exactly one escaper; for every other place (in a script, a comment, the name of a tag, an attribute without quotes, the
 * middle of a scheme) there is none, and the build fails with the file and the line.
 *
 * The walk is over the text, but a page is made by running it: an if takes one branch, a loop turns many times or not at all.
 * The places must therefore agree wherever two ways meet. A branch is walked from the place where its if stands; all branches
 * must end in one place, which must be the if's own when there is no else; a loop must end where it began. Where ways that
 * meet differ harmlessly the weaker knowledge is kept: between attributes "a space may be missing", in a URL "no value may
 * follow", for white space "do not absorb more". So what is known at a hole is true however the page came there.
 *
 * An escaper cannot make a value empty or not empty, so a few rules are about what an empty value would do: "/{{a}}/{{b}}"
 * would become "//…", the start of a host, and is refused.
 *
 * The tags, each on one line; the first line is {{template VIEW_STRUCT}}, or {{partial}} in a file that is only included:
 *
 *     {{path.to->value[2]}}        a member of the view, or of a loop's element; text or a number
 *     {{if path}} {{if not path}} {{if path == "text"}} {{if path != 3}} {{else if …}} {{else}} {{end}}
 *     {{for x in path}} … {{end}}  path_count is its length; x points to the element, {{x.name}}; {{x}} is an element itself
 *     {{include _part.html}}       here and now, with the same view
 *     {{asset card.css}}           its URL          {{style card.css}}  a style element, its hash in CSP_STYLE_CARD_CSS
 *     {{icon phone}}               assets/icons/phone.svg, inline
 *
 * Expressions are C: {{lead.name}} becomes v->lead.name under a #line directive, so gcc checks names and types and names
 * the template's line. Literal text between two holes becomes one string. Nothing is parsed or allocated at run time. */
#include "assets/source.h"
#include "templates/context.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 32, INCLUDE_MAX = 8, STYLES_MAX = 32, NAME_SIZE = 64 };

struct block {
    struct context start;   /* where the if or for stands */
    struct context meeting; /* what holds after the branches so far */
    bool is_loop, has_branch, has_else;
    int line;
    char variable[NAME_SIZE]; /* of a loop */
};

struct compiler {
    struct arena arena;
    const char *assets, *made, *views;
    struct str code, header;
    struct str literal; /* read, not yet emitted */
    struct context context;
    struct block blocks[DEPTH_MAX];
    int depth, includes;
    const char *styles[STYLES_MAX]; /* whose hash is exported already */
    int style_count;
    const char *file;
    int line;
    bool uses_view;
};

static _Noreturn void fail(const struct compiler *c, const char *format, ...) PRINTF_LIKE(2, 3);

static _Noreturn void fail(const struct compiler *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: error: ", c->file, c->line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void require(const struct compiler *c, const char *words)
{
    if (words)
        fail(c, "%s", words);
}

static void feed(struct compiler *c, const char *text)
{
    for (; *text; text++)
        require(c, context_literal(&c->context, *text, &c->literal));
}

static void indent(struct compiler *c)
{
    str_addf(&c->code, "%*s", (c->depth + 1) * 4, "");
}

/* Writes the literal text before a statement, and the #line that makes the C compiler speak of the template. */
static void flush(struct compiler *c)
{
    if (!c->literal.len)
        return;
    indent(c);
    str_add(&c->code, "str_add_n(out, ");
    source_add_c_string(&c->code, c->literal.data, c->literal.len, (c->depth + 1) * 4 + 15);
    str_addf(&c->code, ", %zu);\n", c->literal.len);
    c->literal.len = 0;
    c->literal.data[0] = '\0';
}

static void begin_statement(struct compiler *c)
{
    flush(c);
    str_addf(&c->code, "#line %d \"%s\"\n", c->line, c->file);
    indent(c);
}

static void skip_spaces(const char **at)
{
    while (**at == ' ' || **at == '\t')
        ++*at;
}

static bool take_word(const char **at, const char *word)
{
    size_t len = strlen(word);
    if (strncmp(*at, word, len) != 0 || isalnum((unsigned char)(*at)[len]) || (*at)[len] == '_')
        return false;
    *at += len;
    skip_spaces(at);
    return true;
}

static size_t identifier_len(const char *text)
{
    size_t len = 0;
    if (isalpha((unsigned char)*text) || *text == '_')
        while (isalnum((unsigned char)text[len]) || text[len] == '_')
            len++;
    return len;
}

static const struct block *find_loop(const struct compiler *c, const char *name, size_t len)
{
    for (int i = c->depth - 1; i >= 0; i--)
        if (c->blocks[i].is_loop && strlen(c->blocks[i].variable) == len && !strncmp(c->blocks[i].variable, name, len))
            return &c->blocks[i];
    return NULL;
}

/* A member expression: a.b->c[2]. On a loop's variable if there is one of that name, else on the view. */
static const char *take_expression(struct compiler *c, const char **at)
{
    const char *start = *at;
    size_t len = identifier_len(start);
    if (!len)
        fail(c, "a variable is expected, not \"%s\"", start);
    const struct block *loop = find_loop(c, start, len);
    const char *rest = start + len, *end = rest;
    for (;;) {
        size_t access = *end == '.' ? 1 : !strncmp(end, "->", 2) ? 2 : 0;
        if (access && !identifier_len(end + access))
            fail(c, "a member's name is expected after \"%.*s\"", (int)(end + access - start), start);
        if (access) {
            end += access + identifier_len(end + access);
            continue;
        }
        size_t digits = *end == '[' ? strspn(end + 1, "0123456789") : 0;
        if (!digits || end[1 + digits] != ']')
            break;
        end += digits + 2;
    }
    *at = end;
    skip_spaces(at);
    if (!loop) {
        c->uses_view = true;
        return arena_printf(&c->arena, "v->%.*s", (int)(end - start), start);
    }
    if (end == rest)
        return arena_printf(&c->arena, "*%s", loop->variable);
    if (*rest == '.')
        return arena_printf(&c->arena, "%s->%.*s", loop->variable, (int)(end - rest - 1), rest + 1);
    return arena_printf(&c->arena, "(*%s)%.*s", loop->variable, (int)(end - rest), rest);
}

static void require_end(const struct compiler *c, const char *at)
{
    if (*at)
        fail(c, "\"%s\" is not understood here", at);
}

/* [not] EXPRESSION [== or != "text", number or CONSTANT], as a C condition. */
static const char *take_condition(struct compiler *c, const char *at)
{
    const char *not = take_word(&at, "not") ? "!" : "";
    const char *value = take_expression(c, &at);
    if (!*at)
        return arena_printf(&c->arena, "%stemplate_has(%s)", not, value);
    bool unequal = !strncmp(at, "!=", 2);
    if (!unequal && strncmp(at, "==", 2) != 0)
        fail(c, "\"%s\" is not understood: == or != is expected", at);
    at += 2;
    skip_spaces(&at);
    const char *other = at;
    if (*at == '"') {
        at += strcspn(at + 1, "\"\\") + 1;
        if (*at != '"')
            fail(c, "the text is not closed");
        at++;
        const char *text = arena_strndup(&c->arena, other, (size_t)(at - other));
        skip_spaces(&at);
        require_end(c, at);
        return arena_printf(&c->arena, "%stemplate_is(%s, %s)", unequal == (*not == '!') ? "" : "!", value, text);
    }
    size_t len = *at == '-' ? 1 + strspn(at + 1, "0123456789") : strspn(at, "0123456789");
    if (!len && isupper((unsigned char)*at))
        len = identifier_len(at);
    if (!len)
        fail(c, "\"text\", a number or a CONSTANT is expected, not \"%s\"", at);
    at += len;
    skip_spaces(&at);
    require_end(c, at);
    bool equal = unequal == (*not == '!');
    return arena_printf(&c->arena, "template_number(%s) %s %.*s", value, equal ? "==" : "!=", (int)len, other);
}

static void put_value(struct compiler *c, const char *at)
{
    static const char *const functions[] = {
        [ESCAPE_HTML] = "html",         [ESCAPE_ATTR] = "attr", [ESCAPE_URL] = "url",
        [ESCAPE_URL_PART] = "url_part", [ESCAPE_JSON] = "json",
    };
    const char *value = take_expression(c, &at);
    require_end(c, at);
    enum escape escape;
    require(c, context_value(&c->context, &escape));
    begin_statement(c);
    str_addf(&c->code, "template_%s(out, %s);\n", functions[escape], value);
}

static struct block *push_block(struct compiler *c)
{
    if (c->depth == DEPTH_MAX)
        fail(c, "too deeply nested");
    struct block *block = &c->blocks[c->depth];
    *block = (struct block){.start = c->context, .line = c->line};
    return block;
}

static void put_if(struct compiler *c, const char *at)
{
    require(c, context_control(&c->context));
    const char *condition = take_condition(c, at);
    begin_statement(c);
    str_addf(&c->code, "if (%s) {\n", condition);
    push_block(c);
    c->depth++;
}

/* The branch before this tag has ended. */
static void end_branch(struct compiler *c, struct block *block)
{
    require(c, context_control(&c->context));
    flush(c);
    if (block->has_branch)
        require(c, context_join(&block->meeting, &c->context));
    else
        block->meeting = c->context;
    block->has_branch = true;
}

static struct block *innermost(struct compiler *c, const char *tag)
{
    if (!c->depth)
        fail(c, "{{%s}} without {{if}} or {{for}}", tag);
    return &c->blocks[c->depth - 1];
}

static void put_else(struct compiler *c, const char *at)
{
    struct block *block = innermost(c, "else");
    if (block->is_loop || block->has_else)
        fail(c, block->is_loop ? "{{else}} in a {{for}}" : "a second {{else}}");
    end_branch(c, block);
    c->context = block->start;
    if (take_word(&at, "if")) {
        const char *condition = take_condition(c, at);
        c->depth--;
        begin_statement(c);
        str_addf(&c->code, "} else if (%s) {\n", condition);
    } else {
        require_end(c, at);
        block->has_else = true;
        c->depth--;
        indent(c);
        str_add(&c->code, "} else {\n");
    }
    c->depth++;
}

static void put_for(struct compiler *c, const char *at)
{
    require(c, context_control(&c->context));
    size_t len = identifier_len(at);
    const char *name = at;
    at += len;
    skip_spaces(&at);
    if (!len || len >= NAME_SIZE || !take_word(&at, "in"))
        fail(c, "{{for NAME in LIST}} is expected");
    if (find_loop(c, name, len) || (len == 1 && *name == 'v') || (len == 3 && !strncmp(name, "out", 3)))
        fail(c, "\"%.*s\" is taken: choose another name", (int)len, name);
    const char *list = take_expression(c, &at);
    require_end(c, at);
    begin_statement(c);
    int n = (int)len;
    str_addf(&c->code, "for (size_t %.*s_i = 0; %.*s_i < template_count(%s_count); %.*s_i++) {\n", n, name, n, name,
             list, n, name);
    struct block *block = push_block(c);
    block->is_loop = true;
    memcpy(block->variable, name, len);
    /* What absorbed white space before the first turn is not there before the second. */
    c->context.spaced = false;
    c->depth++;
    begin_statement(c);
    str_addf(&c->code, "const __typeof__((%s)[0]) *%.*s = &(%s)[%.*s_i];\n", list, n, name, list, n, name);
    indent(c);
    str_addf(&c->code, "(void)%.*s;\n", n, name);
}

static void put_end(struct compiler *c, const char *at)
{
    struct block *block = innermost(c, "end");
    require_end(c, at);
    end_branch(c, block);
    if (block->is_loop)
        require(c, context_repeat(&block->start, &block->meeting));
    if (!block->has_else)
        require(c, context_join(&block->meeting, &block->start));
    c->context = block->meeting;
    c->depth--;
    indent(c);
    str_add(&c->code, "}\n");
}

/* Reads an asset named in a tag. */
static struct source_asset take_asset(struct compiler *c, const char *name)
{
    struct source_asset asset;
    if (!*name || strstr(name, "..") || *name == '/')
        fail(c, "the name of a file in %s is expected, not \"%s\"", c->assets, name);
    if (!source_load_asset(&c->arena, c->assets, name, &asset))
        fail(c, "%s/%s: %s", c->assets, name, strerror(errno));
    return asset;
}

static void put_style(struct compiler *c, const char *name)
{
    struct source_asset style = take_asset(c, name);
    if (c->context.place != PLACE_TEXT)
        fail(c, "{{style}} stands between tags");
    if (strstr(style.bytes, "</"))
        fail(c, "%s/%s holds </, which may end the style", c->assets, name);
    str_add(&c->literal, "<style>");
    str_add_n(&c->literal, style.bytes, style.len);
    str_add(&c->literal, "</style>");
    c->context.spaced = false;
    for (int i = 0; i < c->style_count; i++)
        if (!strcmp(c->styles[i], name))
            return;
    if (c->style_count == STYLES_MAX)
        fail(c, "too many styles");
    c->styles[c->style_count++] = name;
    str_add(&c->header, "#define CSP_STYLE_");
    for (const char *at = name; *at; at++)
        str_add_char(&c->header, isalnum((unsigned char)*at) ? (char)toupper((unsigned char)*at) : '_');
    str_addf(&c->header, " \"%s\"\n", source_csp_hash(&c->arena, style.bytes, style.len));
}

/* The drawing goes through the walk like any other text; only what HTML does not need is left out. */
static void put_icon(struct compiler *c, const char *name)
{
    static const char namespace[] = " xmlns=\"http://www.w3.org/2000/svg\"";
    struct source_asset icon = take_asset(c, arena_printf(&c->arena, "icons/%s.svg", name));
    const char *svg = strstr(icon.bytes, "<svg");
    if (c->context.place != PLACE_TEXT || !svg)
        fail(c, svg ? "{{icon}} stands between tags" : "not an SVG file");
    feed(c, "<svg aria-hidden=\"true\"");
    svg += strlen("<svg");
    const char *unneeded = strstr(svg, namespace);
    if (unneeded)
        feed(c, arena_strndup(&c->arena, svg, (size_t)(unneeded - svg)));
    const char *rest = unneeded ? unneeded + strlen(namespace) : svg;
    size_t len = strlen(rest);
    while (len && isspace((unsigned char)rest[len - 1]))
        len--;
    feed(c, arena_strndup(&c->arena, rest, len));
}

static void read_file(struct compiler *c, const char *text);

static void put_include(struct compiler *c, const char *name)
{
    const char *slash = strrchr(c->file, '/');
    const char *path = arena_printf(&c->arena, "%.*s%s", slash ? (int)(slash + 1 - c->file) : 0, c->file, name);
    const char *text = source_read(&c->arena, path, NULL);
    const char *mark = "{{partial}}\n";
    if (!text)
        fail(c, "%s: %s", path, strerror(errno));
    if (strncmp(text, mark, strlen(mark)) != 0)
        fail(c, "%s does not begin with {{partial}}", path);
    if (c->includes++ == INCLUDE_MAX)
        fail(c, "includes are nested too deeply: does %s include itself?", path);
    const char *file = c->file;
    int line = c->line;
    c->file = path;
    c->line = 2;
    read_file(c, text + strlen(mark));
    c->file = file;
    c->line = line;
    c->includes--;
}

static void put_tag(struct compiler *c, const char *tag)
{
    if (take_word(&tag, "if"))
        put_if(c, tag);
    else if (take_word(&tag, "else"))
        put_else(c, tag);
    else if (take_word(&tag, "end"))
        put_end(c, tag);
    else if (take_word(&tag, "for"))
        put_for(c, tag);
    else if (take_word(&tag, "include"))
        put_include(c, tag);
    else if (take_word(&tag, "asset"))
        feed(c, take_asset(c, tag).url);
    else if (take_word(&tag, "style"))
        put_style(c, tag);
    else if (take_word(&tag, "icon"))
        put_icon(c, tag);
    else if (take_word(&tag, "template") || take_word(&tag, "partial"))
        fail(c, "this tag stands on the first line only");
    else
        put_value(c, tag);
}

/* One file's text after its first line; blocks opened in it must end in it. */
static void read_file(struct compiler *c, const char *text)
{
    int depth = c->depth;
    while (*text) {
        if (!strncmp(text, "{{", 2)) {
            size_t len = strcspn(text + 2, "}\n");
            if (strncmp(text + 2 + len, "}}", 2) != 0)
                fail(c, "{{ without }} on its line");
            char *tag = arena_strndup(&c->arena, text + 2, len);
            while (len && tag[len - 1] == ' ')
                tag[--len] = '\0';
            const char *at = tag;
            skip_spaces(&at);
            text += strcspn(text, "}") + 2;
            put_tag(c, at);
            if (c->depth < depth)
                fail(c, "{{end}} of a block that another file began");
            continue;
        }
        require(c, context_literal(&c->context, *text, &c->literal));
        c->line += *text++ == '\n';
    }
    if (c->depth > depth) {
        c->line = c->blocks[c->depth - 1].line;
        fail(c, "this %s has no {{end}}", c->blocks[c->depth - 1].is_loop ? "{{for}}" : "{{if}}");
    }
}

/* "card" of "templates/card.html"; what C does not take in a name becomes _. */
static char *function_name(struct compiler *c)
{
    const char *slash = strrchr(c->file, '/');
    char *name = arena_strdup(&c->arena, slash ? slash + 1 : c->file);
    name[strcspn(name, ".")] = '\0';
    for (char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at))
            *at = '_';
    return name;
}

static int count_lines(const struct str *text)
{
    int lines = 1;
    for (size_t i = 0; i < text->len; i++)
        lines += text->data[i] == '\n';
    return lines;
}

static void compile(struct compiler *c, const char *path)
{
    c->file = path;
    c->line = 1;
    const char *text = source_read(&c->arena, path, NULL);
    if (!text)
        fail(c, "%s", strerror(errno));
    if (!strncmp(text, "{{partial}}\n", 12))
        return;
    char view[NAME_SIZE];
    int used = 0;
    if (sscanf(text, "{{template %63[a-z0-9_]}}%n", view, &used) != 1 || !used || text[used] != '\n')
        fail(c, "the first line must be {{template VIEW_STRUCT}} or {{partial}}");
    char *prototype =
        arena_printf(&c->arena, "void template_%s(struct str *out, const struct %s *v)", function_name(c), view);
    str_addf(&c->header, "%s;\n", prototype);
    str_addf(&c->code, "\n%s\n{\n", prototype);
    context_start(&c->context);
    c->uses_view = false;
    c->line = 2;
    read_file(c, text + used + 1);
    if (c->context.place != PLACE_TEXT || c->context.pre)
        fail(c, "the template ends inside a tag, a comment, a script or a <pre>");
    flush(c);
    if (!c->uses_view)
        str_add(&c->code, "    (void)v;\n");
    str_add(&c->code, "}\n");
    str_addf(&c->code, "#line %d \"%s.c\"\n", count_lines(&c->code) + 1, c->made);
}

static bool write_out(struct compiler *c)
{
    str_add(&c->header, "\n#endif\n");
    const char *paths[] = {arena_printf(&c->arena, "%s.c", c->made), arena_printf(&c->arena, "%s.h", c->made)};
    const struct str *texts[] = {&c->code, &c->header};
    for (int i = 0; i < 2; i++)
        if (!source_write(paths[i], texts[i])) {
            fprintf(stderr, "%s: %s\n", paths[i], strerror(errno));
            return false;
        }
    return true;
}

/* template-compiler OUT VIEWS_H ASSETS_DIR TEMPLATE…: writes OUT.c and OUT.h. */
int main(int argc, char **argv)
{
    if (argc < 4 || sodium_init() < 0) {
        fprintf(stderr, "usage: template-compiler OUT VIEWS_H ASSETS_DIR TEMPLATE...\n");
        return 64;
    }
    static struct compiler c;
    c.made = argv[1];
    c.views = argv[2];
    c.assets = argv[3];
    arena_init(&c.arena);
    str_init(&c.code, &c.arena, SOURCE_MAX);
    str_init(&c.header, &c.arena, SOURCE_MAX);
    str_init(&c.literal, &c.arena, SOURCE_MAX);
    const char *base = strrchr(c.made, '/');
    base = base ? base + 1 : c.made;
    str_addf(
        &c.header,
        "/* Made by templates/compiler.c: one function a template; V is read, OUT is appended to. CSP_STYLE_… are the\n"
        " * policy's sources for the styles that pages carry inline. */\n"
        "#ifndef MEISHI_GEN_%s_H\n#define MEISHI_GEN_%s_H\n\n#include \"cards/base/str.h\"\n#include \"%s\"\n\n",
        base, base, c.views);
    str_addf(&c.code, "/* Made by templates/compiler.c. */\n#include \"%s.h\"\n\n#include \"server/http/template.h\"\n",
             base);
    for (int i = 4; i < argc; i++)
        compile(&c, argv[i]);
    bool written = write_out(&c);
    arena_free(&c.arena);
    return written ? 0 : 1;
}
