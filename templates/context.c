/* See context.h; the idea is told at the head of compiler.c. This follows the tokenizer of the HTML Living Standard
 * (13.2.5) as far as our templates go, and refuses what would need more of it. */
#include "templates/context.h"

#include <ctype.h>
#include <string.h>

static bool is_one_of(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(word, *list))
            return true;
    return false;
}

#define ONE_OF(word, ...) is_one_of(word, (const char *const[]){__VA_ARGS__, NULL})

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static void word_add(char word[CONTEXT_WORD_SIZE], char c)
{
    size_t len = strlen(word);
    if (len < CONTEXT_WORD_SIZE - 1)
        word[len] = (char)tolower((unsigned char)c);
}

static void word_clear(char word[CONTEXT_WORD_SIZE])
{
    memset(word, 0, CONTEXT_WORD_SIZE);
}

void context_start(struct context *context)
{
    memset(context, 0, sizeof *context);
    context->spaced = true;
}

static bool attribute_is_url(const struct context *context)
{
    return ONE_OF(context->attribute, "href", "xlink:href", "src", "action", "formaction", "poster", "cite",
                  "background", "manifest", "longdesc") ||
           (!strcmp(context->attribute, "data") && !strcmp(context->tag, "object"));
}

static const char *check_attribute(const struct context *context)
{
    if (!strncmp(context->attribute, "on", 2))
        return "event handlers are refused by our policy: put the script in assets/";
    if (!strcmp(context->attribute, "style"))
        return "style attributes are refused by our policy: use a class";
    if (!strcmp(context->attribute, "srcdoc"))
        return "srcdoc is a document in an attribute, which we cannot judge";
    return NULL;
}

/* After the last attribute of a tag: its > has come. */
static const char *close_tag(struct context *context)
{
    if (context->closing) {
        if (!strcmp(context->tag, "pre") && --context->pre < 0)
            return "</pre> without <pre>";
        context->place = PLACE_TEXT;
    } else if (!strcmp(context->tag, "script")) {
        context->place = context->json ? PLACE_JSON : PLACE_RAW;
    } else if (!strcmp(context->tag, "style")) {
        return "inline styles are refused by our policy: use {{style FILE}}";
    } else if (ONE_OF(context->tag, "title", "textarea")) {
        context->place = PLACE_RCDATA;
    } else if (ONE_OF(context->tag, "plaintext", "xmp", "noembed", "noframes")) {
        return "this element's content is not HTML to all browsers";
    } else {
        context->pre += !strcmp(context->tag, "pre");
        context->place = PLACE_TEXT;
    }
    if (context->place == PLACE_TEXT)
        word_clear(context->tag);
    context->closing = context->json = context->rel_is_inert = false;
    context->http_equiv = context->has_dynamic_content = false;
    context->matched = 0;
    context->spaced = false;
    return NULL;
}

static const char *close_value(struct context *context)
{
    const char *value = context->value;
    if (!strcmp(context->tag, "script") && !strcmp(context->attribute, "type"))
        context->json = ONE_OF(value, "application/ld+json", "application/json");
    if (!strcmp(context->tag, "link") && !strcmp(context->attribute, "rel"))
        context->rel_is_inert = ONE_OF(value, "canonical", "alternate", "me", "icon", "next", "prev", "author", "help",
                                       "license", "search", "apple-touch-icon");
    if (!strcmp(context->tag, "meta") && !strcmp(context->attribute, "http-equiv"))
        context->http_equiv = true;
    word_clear(context->attribute);
    word_clear(context->value);
    context->url = URL_NONE;
    context->place = PLACE_TAG_GLUE;
    if (context->http_equiv && context->has_dynamic_content)
        return "a value may not be the content of http-equiv";
    return NULL;
}

static const char *in_url(struct context *context, char c)
{
    bool slash = c == '/' || c == '\\';
    switch (context->url) {
    case URL_START:
        context->url = c == '/'                    ? URL_SLASH
                       : c == '?' || c == '#'      ? URL_PART
                       : isalpha((unsigned char)c) ? URL_SCHEME
                                                   : URL_ODD;
        break;
    case URL_SCHEME: /* the letters themselves are in context->value */
        if (c == ':')
            context->url = ONE_OF(context->value, "http", "https")          ? URL_SLASHES
                           : ONE_OF(context->value, "mailto", "tel", "sms") ? URL_OPAQUE
                                                                            : URL_ODD;
        else if (c == '/' || c == '?' || c == '#')
            context->url = URL_PART;
        else if (!isalnum((unsigned char)c) && !strchr("+.-_", c))
            context->url = URL_ODD;
        break;
    case URL_SLASH:
        context->url = slash ? URL_SLASHES : URL_PART;
        break;
    case URL_FIRST:
        if (slash)
            return "an empty value would make this //, the start of a host: begin the path with a word";
        context->url = URL_PART;
        break;
    case URL_SLASHES:
        if (!slash)
            context->url = URL_HOST;
        break;
    case URL_HOST:
        if (slash || c == '?' || c == '#')
            context->url = URL_PART;
        break;
    case URL_OPAQUE:
        if (c == '?')
            context->url = URL_PART;
        break;
    case URL_WHOLE:
        if (!strchr(".?#&", c))
            return "text after a whole URL may begin only with . ? # or &";
        context->url = URL_PART;
        break;
    case URL_NONE:
    case URL_PART:
    case URL_ODD:
        break;
    }
    return NULL;
}

/* script, style, title and textarea end only with their own end tag. */
static bool sees_end_tag(struct context *context, char c)
{
    size_t name_len = strlen(context->tag);
    size_t matched = (size_t)context->matched;
    char lower = (char)tolower((unsigned char)c);
    if (matched == name_len + 2 && (is_space(c) || c == '/' || c == '>')) {
        context->closing = true;
        context->place = PLACE_TAG_GLUE;
        context->matched = 0;
        return true;
    }
    if ((matched == 1 && c == '/') || (matched > 1 && matched < name_len + 2 && lower == context->tag[matched - 2]))
        context->matched++;
    else
        context->matched = c == '<';
    return false;
}

static const char *in_tag(struct context *context, char c, struct str *out);

static const char *in_raw(struct context *context, char c, struct str *out)
{
    if (context->matched == 1 && c == '!' && context->place != PLACE_RCDATA)
        return "<! has a meaning of its own in a script: write \\u003C";
    bool was_matching = context->matched > 0;
    if (sees_end_tag(context, c))
        return in_tag(context, c, out);
    if (context->place == PLACE_RAW && !is_space(c) && !was_matching && !context->matched)
        return "inline scripts are refused by our policy: put it in assets/";
    if (context->place == PLACE_JSON_ESCAPE)
        context->place = PLACE_JSON_STRING;
    else if (context->place == PLACE_JSON_STRING)
        context->place = c == '\\' ? PLACE_JSON_ESCAPE : c == '"' ? PLACE_JSON : PLACE_JSON_STRING;
    else if (context->place == PLACE_JSON && c == '"')
        context->place = PLACE_JSON_STRING;
    str_add_char(out, c);
    return NULL;
}

static const char *in_text(struct context *context, char c, struct str *out)
{
    if (c == '<') {
        context->place = PLACE_TAG_OPEN; /* not written yet: it may begin a comment, which is dropped */
        return NULL;
    }
    if (is_space(c) && !context->pre) {
        if (!context->spaced)
            str_add_char(out, c == '\n' ? '\n' : ' ');
        context->spaced = true;
        return NULL;
    }
    str_add_char(out, c);
    context->spaced = false;
    return NULL;
}

static const char *in_tag_open(struct context *context, char c, struct str *out)
{
    if (c == '!' && !context->closing) {
        context->place = PLACE_BANG;
        return NULL;
    }
    if (c == '/' && !context->closing) {
        context->closing = true;
        return NULL;
    }
    if (!isalpha((unsigned char)c))
        return "a bare < : write &lt;";
    str_add(out, context->closing ? "</" : "<");
    str_add_char(out, c);
    word_clear(context->tag);
    word_add(context->tag, c);
    context->place = PLACE_TAG_NAME;
    return NULL;
}

static const char *in_bang(struct context *context, char c, struct str *out)
{
    if (context->place == PLACE_BANG && c == '-') {
        context->place = PLACE_BANG_DASH;
    } else if (context->place == PLACE_BANG && isalpha((unsigned char)c)) {
        str_add(out, "<!");
        str_add_char(out, c);
        context->place = PLACE_DECLARATION;
    } else if (context->place == PLACE_BANG_DASH && c == '-') {
        context->place = PLACE_COMMENT;
        context->matched = 0;
    } else {
        return "neither a comment nor a doctype";
    }
    return NULL;
}

static const char *in_comment(struct context *context, char c)
{
    if (c == '>' && context->matched >= 2) {
        context->place = PLACE_TEXT;
        context->matched = 0;
    } else {
        context->matched = c == '-' ? context->matched + 1 : 0;
    }
    return NULL;
}

static const char *in_tag(struct context *context, char c, struct str *out)
{
    const char *words = NULL;
    bool naming = context->place == PLACE_TAG_NAME || context->place == PLACE_ATTRIBUTE;
    if (context->place == PLACE_ATTRIBUTE && (is_space(c) || strchr("=>/", c)))
        words = check_attribute(context);
    if (words)
        return words;
    if (is_space(c)) {
        if (context->place != PLACE_TAG_SPACE)
            str_add_char(out, ' ');
        context->place = PLACE_TAG_SPACE;
        word_clear(context->attribute);
        return NULL;
    }
    if (c == '>') {
        word_clear(context->attribute);
        str_add_char(out, c);
        return close_tag(context);
    }
    if (c == '=' && context->place == PLACE_ATTRIBUTE) {
        context->place = PLACE_EQUALS;
    } else if (c == '/') {
        word_clear(context->attribute);
        context->place = PLACE_TAG_GLUE;
    } else if (strchr("\"'<=`", c)) {
        return "a stray character in a tag";
    } else if (context->place == PLACE_TAG_GLUE) {
        return "a space is missing between attributes";
    } else if (naming) {
        word_add(context->place == PLACE_TAG_NAME ? context->tag : context->attribute, c);
    } else {
        context->place = PLACE_ATTRIBUTE;
        word_add(context->attribute, c);
    }
    str_add_char(out, c);
    return NULL;
}

static const char *in_equals(struct context *context, char c, struct str *out)
{
    if (is_space(c) || c == '>')
        return "an attribute without its value";
    context->place = c == '"' ? PLACE_DOUBLE : c == '\'' ? PLACE_SINGLE : PLACE_BARE;
    if (context->place == PLACE_DOUBLE && attribute_is_url(context))
        context->url = URL_START;
    if (context->place == PLACE_BARE)
        word_add(context->value, c);
    str_add_char(out, c);
    return NULL;
}

static const char *in_value(struct context *context, char c, struct str *out)
{
    if (context->place == PLACE_BARE && (is_space(c) || c == '>')) {
        const char *words = close_value(context);
        return words ? words : in_tag(context, c, out);
    }
    const char *words = NULL;
    if ((context->place == PLACE_DOUBLE && c == '"') || (context->place == PLACE_SINGLE && c == '\'')) {
        words = close_value(context);
    } else {
        words = in_url(context, c);
        word_add(context->value, c);
    }
    str_add_char(out, c);
    return words;
}

const char *context_literal(struct context *context, char c, struct str *out)
{
    switch (context->place) {
    case PLACE_TEXT:
        return in_text(context, c, out);
    case PLACE_TAG_OPEN:
        return in_tag_open(context, c, out);
    case PLACE_BANG:
    case PLACE_BANG_DASH:
        return in_bang(context, c, out);
    case PLACE_COMMENT:
        return in_comment(context, c);
    case PLACE_DECLARATION:
        str_add_char(out, c);
        if (c == '>')
            context->place = PLACE_TEXT;
        context->spaced = false;
        return NULL;
    case PLACE_TAG_NAME:
    case PLACE_TAG_SPACE:
    case PLACE_TAG_GLUE:
    case PLACE_ATTRIBUTE:
        return in_tag(context, c, out);
    case PLACE_EQUALS:
        return in_equals(context, c, out);
    case PLACE_DOUBLE:
    case PLACE_SINGLE:
    case PLACE_BARE:
        return in_value(context, c, out);
    case PLACE_RAW:
    case PLACE_RCDATA:
    case PLACE_JSON:
    case PLACE_JSON_STRING:
    case PLACE_JSON_ESCAPE:
        return in_raw(context, c, out);
    }
    return "lost";
}

static const char *value_in_url(struct context *context, enum escape *out)
{
    *out = ESCAPE_URL_PART;
    switch (context->url) {
    case URL_START:
        *out = ESCAPE_URL;
        context->url = URL_WHOLE;
        return NULL;
    case URL_SLASH:
        context->url = URL_FIRST;
        return NULL;
    case URL_FIRST:
    case URL_PART:
        return NULL;
    case URL_WHOLE:
        return "a second value right after a whole URL: put ? or # and a name between them";
    case URL_SLASHES:
    case URL_HOST:
        return "a value may not choose the host: give the whole URL as one value";
    case URL_NONE:
    case URL_SCHEME:
    case URL_OPAQUE:
    case URL_ODD:
        break;
    }
    return "a value may not continue the start of a URL: give the whole URL as one value, or begin with /";
}

static const char *value_in_attribute(struct context *context, enum escape *out)
{
    const char *name = context->attribute, *tag = context->tag;
    if (ONE_OF(name, "srcset", "imagesrcset", "ping", "archive"))
        return "a list of URLs cannot be escaped as one value";
    if (ONE_OF(name, "http-equiv", "sandbox", "allow", "is", "attributename", "integrity", "charset"))
        return "a value may not decide what this attribute turns on";
    if (!strcmp(tag, "script") && ONE_OF(name, "src", "type", "href", "xlink:href"))
        return "a value may not choose a script";
    if (!strcmp(tag, "base"))
        return "a value may not choose where all links lead";
    if (!strcmp(tag, "link") && !strcmp(name, "href") && !context->rel_is_inert)
        return "a value may not choose what this link loads: a harmless rel must stand before href";
    if (!strcmp(tag, "link") && !strcmp(name, "rel"))
        return "a value may not choose what this link is";
    if ((!strncmp(tag, "animate", 7) || !strcmp(tag, "set")) && ONE_OF(name, "to", "from", "by", "values"))
        return "an animated value may become a URL";
    if (!strcmp(tag, "meta") && !strcmp(name, "content")) {
        if (context->http_equiv)
            return "a value may not be the content of http-equiv";
        context->has_dynamic_content = true;
    }
    if (context->url != URL_NONE)
        return value_in_url(context, out);
    *out = ESCAPE_ATTR;
    return NULL;
}

const char *context_value(struct context *context, enum escape *out)
{
    context->spaced = false;
    if (context->matched)
        return "a value may not complete an end tag";
    switch (context->place) {
    case PLACE_TEXT:
    case PLACE_RCDATA:
        *out = ESCAPE_HTML;
        return NULL;
    case PLACE_DOUBLE:
        return value_in_attribute(context, out);
    case PLACE_JSON_STRING:
        *out = ESCAPE_JSON;
        return NULL;
    case PLACE_JSON:
    case PLACE_JSON_ESCAPE:
        return "a value in a JSON script must stand between double quotes";
    case PLACE_RAW:
        return "a value may not stand in a script";
    case PLACE_SINGLE:
        return "a value may not stand in single quotes: use double quotes";
    case PLACE_EQUALS:
    case PLACE_BARE:
        return "a value may not stand in an attribute without quotes: use double quotes";
    case PLACE_TAG_OPEN:
    case PLACE_TAG_NAME:
        return "a value may not be or continue the name of a tag";
    case PLACE_TAG_SPACE:
    case PLACE_TAG_GLUE:
    case PLACE_ATTRIBUTE:
        return "a value may not be or continue the name of an attribute";
    case PLACE_BANG:
    case PLACE_BANG_DASH:
    case PLACE_COMMENT:
        return "a value may not stand in a comment";
    case PLACE_DECLARATION:
        return "a value may not stand in a doctype";
    }
    return "lost";
}

const char *context_control(struct context *context)
{
    switch (context->place) {
    case PLACE_TAG_OPEN:
    case PLACE_EQUALS:
    case PLACE_BARE:
    case PLACE_SINGLE:
    case PLACE_BANG:
    case PLACE_BANG_DASH:
    case PLACE_COMMENT:
    case PLACE_DECLARATION:
    case PLACE_JSON_ESCAPE:
        return "a choice may not be made here";
    case PLACE_ATTRIBUTE: {
        const char *words = check_attribute(context);
        word_clear(context->attribute);
        context->place = PLACE_TAG_GLUE;
        return words;
    }
    case PLACE_TAG_NAME:
        context->place = PLACE_TAG_GLUE;
        return NULL;
    default:
        return context->matched ? "a choice may not be made here" : NULL;
    }
}

static bool is_between_attributes(enum place place)
{
    return place == PLACE_TAG_SPACE || place == PLACE_TAG_GLUE;
}

/* All but the place itself and the white space, which have rules of their own. */
static bool is_alike(const struct context *a, const struct context *b)
{
    return a->pre == b->pre && a->matched == b->matched && a->closing == b->closing && a->json == b->json &&
           a->rel_is_inert == b->rel_is_inert && a->http_equiv == b->http_equiv && !strcmp(a->tag, b->tag) &&
           !strcmp(a->attribute, b->attribute);
}

const char *context_join(struct context *context, const struct context *other)
{
    bool between = is_between_attributes(context->place) && is_between_attributes(other->place);
    if (!is_alike(context, other) || (context->place != other->place && !between))
        return "the branches end in different places of the document";
    if (context->place != other->place)
        context->place = PLACE_TAG_GLUE;
    if (context->url != other->url)
        context->url = URL_ODD; /* may end here, but no value may follow */
    context->spaced = context->spaced && other->spaced;
    context->has_dynamic_content = context->has_dynamic_content || other->has_dynamic_content;
    /* What the two ways wrote differs, so no rule may look for a known word in it. */
    if (strcmp(context->value, other->value) != 0) {
        word_clear(context->value);
        word_add(context->value, '*');
    }
    return NULL;
}

const char *context_repeat(const struct context *start, const struct context *context)
{
    if (!is_alike(start, context) || start->place != context->place || start->url != context->url)
        return "the loop ends in another place of the document than it began";
    return NULL;
}
