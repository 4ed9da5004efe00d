#!/bin/bash
# Lines reached, file by file, worst first, from the gcov data under the build folder named; then over all. What runs in the
# jail (server/portrait_worker.c, server/jail.c, the pictures' decoders) cannot write such data and seems unreached; the server
# that a test kills with SIGKILL writes none either.
build=$(cd "$1" && pwd) || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
find "$build/cards" "$build/server" -name '*.gcda' | while read -r data; do
    (cd "$work" && gcov -n -o "$(dirname "$data")" "$data" 2>/dev/null)
done | awk '
    /^File / { file = $2; gsub(/\x27/, "", file) }
    /^Lines executed:/ && file ~ /^(cards|server)\/.*\.c$/ {
        split($0, part, /[:% ]/); share = part[3]; lines = $NF
        printf "%6.1f %% of %5d  %s\n", share, lines, file
        all += lines; reached += lines * share / 100
    }
    { if (/^Lines/) file = "" }
    END { if (all) printf "  0000 %.1f %% of %d lines over all\n", 100 * reached / all, all }' | sort -n | sed 's/^  0000 //' |
    awk '/over all/ { last = $0; next } { print } END { print last }'
