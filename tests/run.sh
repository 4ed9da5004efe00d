#!/bin/bash
# Runs every program named, one after the other, and counts. A program may print TAP ("ok 1 - …", "not ok 2 - …"); one that
# prints none counts as one test by its exit status. What a program printed is shown only if it failed. UNDER is put before
# each compiled test. A sanitizer's report fails the program during which it was made, also when it came from a server that the
# program had started and whose end it did not look at. The slowest programs are named at the end.
passed=0 failed=0
export BUILD="${BUILD:-build}" CMOCKA_MESSAGE_OUTPUT=TAP
export MEISHI="$PWD/$BUILD/meishi" MEISHI_VCARD_WRITER="$PWD/$BUILD/tests/cards/test_vcard"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
output=$work/output times=$work/times
chmod 755 "$work" && mkdir -m 1777 "$work/reports" "$work/contract" || exit 1
export CONTRACT_SEEN="$work/contract" # what of the API's contract was exercised: tests/node/openapi_seen.test.mjs looks
export ASAN_OPTIONS="log_path=$work/reports/asan:detect_stack_use_after_return=1:verify_asan_link_order=0"
export UBSAN_OPTIONS="log_path=$work/reports/ubsan:print_stacktrace=1"
export LSAN_OPTIONS="suppressions=$PWD/tests/leaks.txt:print_suppressions=0"
export TSAN_OPTIONS="log_path=$work/reports/tsan:suppressions=$PWD/tests/races.txt:print_suppressions=0"
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
    if [ -n "$(ls -A "$work/reports")" ]; then
        cat "$work/reports"/* >>"$output"
        rm -f "$work/reports"/*
        bad=$((bad + 1))
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
