#!/bin/bash
# The template compiler refuses every template of refused.txt with exactly its words, accepts every one of accepted.txt,
# and what it accepts but names no variable is refused by the C compiler at the template's own line.
compiler="$PWD/$BUILD/tools/template-compiler" root="$PWD" number=0
cd tests/templates || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

report() { # ok|not ok, name, what was said
    number=$((number + 1))
    echo "$1 $number - $2"
    [ "$1" = ok ] || sed 's/^/# /' <<<"$3"
}

compile() { # text after the first line
    printf '{{template golden_view}}\n%s\n' "${1//\\n/$'\n'}" | sed 's/\\\\/\\/' >"$work/t.html"
    "$compiler" "$work/out" tests/templates/golden/views.h golden "$work/t.html" 2>&1
}

while IFS=$'\t' read -r text expected; do
    case $text in '#'* | '') continue ;; esac
    said=$(compile "$text")
    status=$?
    said=${said#"$work/t.html:"}
    said=${said/"$work/"/}
    if [ $status -eq 1 ] && [ "$said" = "${expected/: /: error: }" ]; then
        report ok "refused__$text"
    else
        report "not ok" "refused__$text" "status $status, said: $said"
    fi
done <refused.txt

while IFS= read -r text; do
    case $text in '# '* | '') continue ;; esac
    if said=$(compile "$text"); then report ok "accepted__$text"; else report "not ok" "accepted__$text" "$said"; fi
done <accepted.txt

# What only the C compiler can see: a name that is not there, and a type that has no form as text.
c_says() { # text, what gcc's message holds
    said=$(compile "$1" && ${CC:-cc} -std=gnu11 -D_GNU_SOURCE -I"$root" -fsyntax-only "$work/out.c" 2>&1)
    if [ "$2" = nothing ] && [ -z "$said" ]; then
        report ok "compiles__$1"
    elif [ "$2" != nothing ] && [[ $said == *"error:"* && $said == *"$work/t.html:$2:"* ]]; then
        report ok "fails_to_compile__$1"
    else
        report "not ok" "c__$1" "$said"
    fi
}
c_says '<p>\n{{name}}' nothing
c_says '<p>\n{{nmae}}' 3
c_says '<p>\n\n{{owner.nmae}}' 4
c_says '{{for l in links}}\n{{l.label}}{{end}}' nothing
c_says '{{for l in links}}\n{{l.lable}}{{end}}' 3
c_says '{{for l in lnks}}{{end}}' 2
c_says '{{is_open}}' 2
c_says '{{if is_open}}{{end}}' nothing
c_says '{{owner}}' 2
c_says '{{if name == 3}}{{end}}' 2
c_says '{{if score == "a"}}{{end}}' 2
c_says '{{if theme == THEME_NONE}}{{end}}' 2
c_says '<a href="{{score}}">' 2
printf '<p>\n' >"$work/t.html"
if said=$("$compiler" "$work/out" v.h golden "$work/t.html" 2>&1); then
    report "not ok" "first_line__is_required" "$said"
else
    report ok "first_line__is_required"
fi
echo "1..$number"
