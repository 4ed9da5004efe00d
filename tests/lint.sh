#!/bin/bash
# The rules that no compiler checks: who may include what, calls we do not make, SQL only in the store, and form. Each
# complaint is FILE:LINE: words. `make lint` fails if there is one; no build ever does.
complaints=$(mktemp) || exit 1
trap 'rm -f "$complaints"' EXIT

sources() { # folders or files, what to leave out (an extended regular expression)
    find $1 -name node_modules -prune -o \( -name '*.c' -o -name '*.h' \) -print 2>/dev/null | grep -vE "${2:-^$}" | sort
}

# forbid "where" "except" "pattern" "words": no line of those sources may match; comments are looked past.
forbid() {
    local files
    files=$(sources "$1" "$2")
    [ -n "$files" ] && grep -HnE "$3" $files | grep -vE '^[^:]+:[0-9]+: *(/\*|\*|//)' | sed -E "s|^([^:]+:[0-9]+):.*|\1: $4|" >>"$complaints"
}

# --- Who may include what (DESIGN.md part 2) ---
ours='^#include "(cards|server|templates|assets)/'
only() { # "where" "except" "allowed prefixes" "words"
    local files
    files=$(sources "$1" "$2")
    [ -n "$files" ] && grep -HnE "$ours" $files | grep -vE ":#include \"($3)" | sed -E 's|^([^:]+:[0-9]+):#include (.*)|\1: '"$4"': \2|' >>"$complaints"
}
only cards/base '' 'cards/base/' 'cards/base includes nothing else of ours'
only cards '' 'cards/' 'cards/ includes nothing of server/'
only server/store '' 'cards/|server/store/|server/log\.h|server/ids\.h' 'the store includes cards/ only'
only server/http '' 'cards/base/|server/http/|server/log\.h|server/ids\.h' 'http includes cards/base only'
forbid 'server cards' '^server/store/' '^#include "server/store/(db|internal)' 'db.h is for the store alone'
insides='changes_inside|endpoints|guards|hit_log|lead_steps|lead_trays|lock|member_rows|migrate|outbox|presence|replica|search|share_rows|store_key'
forbid 'server cards' '^server/store/' "^#include \"server/store/($insides)\\.h" 'this header is for the store alone'
forbid 'server/auth server/notify' '' '^#include "server/(pages|api|cli)/' 'who answers requests is above, not below'
forbid 'server/pages' '' '^#include "server/(api|cli)/' 'pages know of neither the api nor the commands'
only server/api '' 'cards/|server/(api|auth|http|notify|store)/|server/[a-z_]+\.h|server/pages/page_cache\.h' 'of the pages the api knows only their cache'

belongs() { # "header pattern" "the files that may"
    forbid 'server cards' "$2" "^#include <$1>" "this library belongs to another module"
}
belongs 'microhttpd\.h' '^server/http/'
belongs 'sqlite3\.h' '^server/store/(db_sqlite|db_sqlite_[a-z]+|backup)\.c$'
belongs 'libpq-fe\.h' '^server/store/db_postgres[a-z_]*\.c$'
belongs 'curl/[a-z]+\.h' '^server/notify/|^cards/base/url\.c$'
belongs 'qrencode\.h' '^cards/qr\.c$'
belongs 'png\.h' '^cards/png\.c$|^server/[a-z]+/(image|portrait)[a-z_]*\.c$|^cards/image[a-z_]*\.c$'
belongs 'seccomp\.h' '^server/jail\.c$'
belongs 'turbojpeg\.h' '^cards/jpeg\.c$'
belongs 'webp/[a-z]+\.h' '^server/portrait_worker\.c$'
belongs 'pango/[a-z]+\.h' '^cards/(monogram|preview_image)\.c$|^cards/typeface\.h$'
belongs 'cairo\.h' '^cards/(jpeg|monogram|quantise|preview_image)\.[ch]$|^server/portrait_worker\.c$'
belongs 'idn2\.h' '^cards/base/url\.c$'
belongs 'uni(case|ctype|gbrk|lbrk|name|norm|str|stdio|types|wbrk|width)\.h' '^cards/'
belongs 'jansson\.h' '^cards/|^server/(api|cli|store)/|^server/config\.c$'
forbid 'cards' '^cards/base/url\.c$' '^#include <(sys/socket|netinet/.*|arpa/inet|pthread|sys/epoll|unistd|fcntl)\.h>' 'cards/ is pure: no socket, thread or file'
forbid 'server/pages server/api' '' '^#include <(microhttpd|sqlite3|curl/.*|png|qrencode|seccomp|cairo.*|pango.*)\.h>' 'no third-party library in pages and api'

# --- Calls we do not make ---
word='(^|[^A-Za-z0-9_.>])'
forbid 'cards server templates assets' '' "$word(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atof|rand|srand|gets|localtime|gmtime|asctime|ctime|strncpy|alloca|system|popen|tmpnam|mktemp) *\(" 'a banned call'
forbid 'cards' '^cards/base/' "$word(malloc|calloc|realloc) *\(" 'memory comes from an arena'
forbid 'server templates assets' '^server/(http/reply|pages/page_cache)\.c$' "$word(malloc|realloc) *\(" 'memory comes from an arena, or calloc in an open'
forbid 'cards' '' "$word(time|clock_gettime|gettimeofday|random|getrandom|randombytes_buf|fopen|open|printf|getenv) *\(" 'cards/ is pure: time, random bytes and files come in as arguments'
forbid 'cards server templates assets tests' '' '^typedef (struct|enum|union)[^(]*$' 'no typedefs for structs'
forbid 'cards server templates assets tests' '^tests/lint' "$word(TODO|FIXME|XXX)($|[^A-Za-z])" 'unfinished'

# --- SQL only in the store ---
forbid 'cards server' '^server/store/' '"(SELECT [a-z*(]|INSERT INTO |UPDATE [a-z_]+ SET |DELETE FROM |CREATE (TABLE|INDEX) )' 'SQL outside server/store'

# --- Form ---
everything=$(find cards server templates assets tests .ci Makefile README.md \( -name node_modules -o -name fixtures \) -prune -o \
    -type f \( -name '*.[ch]' -o -name '*.html' -o -name '*.css' -o -name '*.js' -o -name '*.mjs' -o -name '*.sh' -o -name '*.sql' \
    -o -name Makefile -o -name '*.md' -o -name run \) -print 2>/dev/null | sort)
grep -HnE '[[:space:]]+$' $everything | sed -E 's|^([^:]+:[0-9]+):.*|\1: trailing white space|' >>"$complaints"
grep -HnP '\t' $(sources 'cards server templates assets tests') | sed -E 's|^([^:]+:[0-9]+):.*|\1: a tab|' >>"$complaints"
for file in $everything; do
    [ -s "$file" ] || continue
    [ -z "$(tail -c 1 "$file")" ] || echo "$file:1: no new line at the end" >>"$complaints"
done
for file in $(sources 'cards server templates assets tests'); do
    lines=$(wc -l <"$file")
    [ "$lines" -le 600 ] || echo "$file:$lines: more than 600 lines are two subjects" >>"$complaints"
    [ "$(head -c 2 "$file")" = '/*' ] || echo "$file:1: says not what it is for" >>"$complaints"
done
for file in $(sources 'cards server templates assets tests' '\.c$'); do
    guard=$(sed -nE 's/^#ifndef (MEISHI_[A-Z0-9_]+_H)$/\1/p' "$file" | head -1)
    if [ -z "$guard" ] || ! grep -qx "#define $guard" "$file"; then
        echo "$file:1: no include guard MEISHI_…_H" >>"$complaints"
    fi
done
sources 'cards server templates assets tests' '\.c$' | xargs grep -hE '^#ifndef MEISHI_' | sort | uniq -d | while read -r _ guard; do
    grep -Hn "^#ifndef $guard" $(sources 'cards server templates assets tests' '\.c$') | sed -E 's|^([^:]+:[0-9]+):.*|\1: another header has this guard|'
done >>"$complaints"

# --- Migrations that have left the house are never edited: a store would keep the old tables and not know it ---
(cd server/store/migrations && for file in *.sql; do
    grep -q "  $file\$" SHA256SUMS || echo "server/store/migrations/$file:1: not in SHA256SUMS (sha256sum *.sql > SHA256SUMS, once, when it is released)"
done; sha256sum --quiet -c SHA256SUMS 2>/dev/null | sed -nE 's|^([^:]+): FAILED.*|server/store/migrations/\1:1: was edited after it was listed in SHA256SUMS; write another migration|p') >>"$complaints"

# --- Other people's tools, where they are installed ---
if command -v clang-format-14 >/dev/null; then
    sources 'cards server templates assets tests' | xargs clang-format-14 --dry-run 2>&1 |
        sed -nE 's|^([^:]+:[0-9]+):[0-9]+: warning: code should be clang-formatted.*|\1: not as clang-format would (make format)|p' |
        sort -u -t: -k1,1 >>"$complaints"
fi
if command -v cppcheck >/dev/null; then
    cppcheck -q --std=c11 --enable=warning,portability --inline-suppr --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=ctuuninitvar -I. \
        --template='{file}:{line}: {message} ({id})' $(sources 'cards server templates assets' '\.h$') 2>>"$complaints" >/dev/null
fi
if command -v shellcheck >/dev/null; then
    shellcheck -S error -f gcc $(find tests .ci \( -name node_modules -prune \) -o \( -name '*.sh' -print \)) >>"$complaints"
fi

sort -t: -k1,1 -k2,2n "$complaints"
count=$(wc -l <"$complaints")
echo "$count complaints"
[ "$count" -eq 0 ]
