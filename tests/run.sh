#!/bin/bash
# Runs every program named, one after the other, and counts. A program may print TAP ("ok 1 - …", "not ok 2 - …"); one that
# prints none counts as one test by its exit status. What a program printed is shown only if it failed. UNDER is put before
# each compiled test. The slowest programs are named at the end.
passed=0 failed=0
export BUILD="${BUILD:-build}" CMOCKA_MESSAGE_OUTPUT=TAP
export MEISHI="$PWD/$BUILD/meishi" MEISHI_VCARD_WRITER="$PWD/$BUILD/tests/cards/test_vcard"
export LSAN_OPTIONS="suppressions=$PWD/tests/leaks.txt:print_suppressions=0"
export TSAN_OPTIONS="suppressions=$PWD/tests/races.txt:print_suppressions=0"
output=$(mktemp) && times=$(mktemp) || exit 1
trap 'rm -f "$output" "$times"' EXIT
for program in "$@"; do
    case $program in
    *.mjs) set -- node --test-reporter=tap "$program" ;;
    *.sh) set -- bash "$program" ;;
    *) set -- $UNDER "$program" ;;
    esac
    began=${EPOCHREALTIME/./}
    timeout "${TEST_SECONDS:-600}" "$@" >"$output" 2>&1 </dev/null
    status=$?
    tenths=$(((${EPOCHREALTIME/./} - began) / 100000))
    took="$((tenths / 10)).$((tenths % 10)) s"
    printf '%7s  %s\n' "$took" "${program#"$BUILD"/}" >>"$times"
    good=$(grep -c '^ok ' "$output")
    bad=$(grep -c '^not ok ' "$output")
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
    elif [ $((good + bad)) -eq 0 ]; then
        good=1
    fi
    passed=$((passed + good)) failed=$((failed + bad))
    if [ "$bad" -gt 0 ]; then
        cat "$output"
        echo "FAILED ${program#"$BUILD"/}: $good passed, $bad failed, exit status $status, $took"
    else
        echo "${program#"$BUILD"/}: $good passed, $took"
    fi
done
echo "The slowest:"
sort -rn "$times" | head -8
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
