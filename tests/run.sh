#!/bin/bash
# Runs every program named, TEST_JOBS at once (one more than there are processors unless said), and counts. A program may print
# TAP ("ok 1 - …", "not ok 2 - …"); one that prints none counts as one test by its exit status. What a program printed is shown
# only if it failed. UNDER is put before each compiled test; after TEST_SECONDS (600) a program has failed.
#
# A program named postgres:PROGRAM finds MEISHI_TEST_STORE: the PostgreSQL cluster that is made here when the first is named, and
# taken away at the end whatever happens. The same program may be named once for each engine.
#
# Each program has a folder of its own for what sanitizers report, so that a report fails the program during which it was made,
# also when it came from a server that the program had started and whose end it did not look at. Whose source says in a line
# "Runs alone: why" measures time or takes the whole machine, and has it to itself after all others; "Runs last: why" reads what
# all others have left.
BUILD=${BUILD:-build}
jobs_max=${TEST_JOBS:-$(($(nproc) + 1))}
work=$(mktemp -d) || exit 1
declare -A running began
declare -a names good bad status took
passed=0 failed=0 skipped=0 shown=0 cluster=

end() {
    [ ${#running[@]} -eq 0 ] || kill "${!running[@]}" 2>/dev/null
    wait
    [ -z "$cluster" ] || cluster_drop
    rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT TERM HUP

chmod 755 "$work" && mkdir -m 1777 "$work/contract" || exit 1
export BUILD CMOCKA_MESSAGE_OUTPUT=TAP
export MEISHI="$PWD/$BUILD/meishi" MEISHI_VCARD_WRITER="$PWD/$BUILD/tests/cards/test_vcard"
export CONTRACT_SEEN="$work/contract" # what of the API's contract was exercised: tests/node/openapi_seen.test.mjs looks
export LSAN_OPTIONS="suppressions=$PWD/tests/leaks.txt:print_suppressions=0"

source_of() { # program
    local program=${1#postgres:}
    case $program in
    *.mjs | *.sh) echo "$program" ;;
    *) echo "${program#"$BUILD"/}.c" ;;
    esac
}

# The programs named, each behind its stage. What has a browser or a server of its own is first, mixed in proportion, since a
# browser computes and the others mostly wait; then the short ones fill the gaps; then who must be alone, then who must be last.
put_in_order() {
    local program stage
    for program in "$@"; do
        case $program in
        */browser/* | */faults/* | */journeys/*) stage=1 ;;
        *) stage=2 ;;
        esac
        if grep -qE '^( \*|//|#) Runs alone: ' "$(source_of "$program")"; then
            stage=3
        elif grep -qE '^( \*|//|#) Runs last: ' "$(source_of "$program")"; then
            stage=4
        fi
        echo "$stage $program"
    done | awk '{ kind[NR] = $1 ($2 ~ /\/browser\//); stage[NR] = $1; program[NR] = $2; count[kind[NR]]++ }
        END { for (i = 1; i <= NR; i++) print stage[i], (seen[kind[i]]++) / count[kind[i]], program[i] }' | sort -s -k1,1n -k2,2g
}

begin() { # number, program
    local number=$1 program=${2#postgres:} reports=$work/$1.reports store=()
    names[number]=${program#"$BUILD"/}
    if [ "$program" != "$2" ]; then
        names[number]+=" on PostgreSQL"
        store=("MEISHI_TEST_STORE=$CLUSTER_URL")
    fi
    case $program in
    *.mjs) set -- node --test-reporter=tap "$program" ;;
    *.sh) set -- bash "$program" ;;
    *) set -- $UNDER "$program" ;;
    esac
    mkdir -m 1777 "$reports"
    ASAN_OPTIONS="log_path=$reports/asan:detect_stack_use_after_return=1:verify_asan_link_order=0" \
        UBSAN_OPTIONS="log_path=$reports/ubsan:print_stacktrace=1" \
        TSAN_OPTIONS="log_path=$reports/tsan:suppressions=$PWD/tests/races.txt:print_suppressions=0" \
        env "${store[@]}" timeout -k 10 "${TEST_SECONDS:-600}" "$@" >"$work/$number.output" 2>&1 </dev/null &
    running[$!]=$number
    began[$!]=${EPOCHREALTIME/./}
}

wait_for_one() {
    local pid code tenths number output
    wait -n -p pid "${!running[@]}"
    code=$?
    tenths=$(((${EPOCHREALTIME/./} - began[$pid]) / 100000))
    number=${running[$pid]}
    output=$work/$number.output
    unset "running[$pid]"
    status[number]=$code
    took[number]="$((tenths / 10)).$((tenths % 10)) s"
    good[number]=$(grep '^ok ' "$output" | grep -cv '# SKIP')
    bad[number]=$(grep '^not ok ' "$output" | grep -cv '# SKIP')
    if [ "$code" -ne 0 ] && [ "${bad[number]}" -eq 0 ]; then
        bad[number]=1
    elif ! grep -qE '^(not )?ok |^1\.\.0' "$output"; then
        good[number]=1
    fi
    if [ -n "$(ls -A "$work/$number.reports")" ]; then
        cat "$work/$number.reports"/* >>"$output"
        bad[number]=$((bad[number] + 1))
    fi
    printf '%7s  %s\n' "${took[number]}" "${names[number]}" >>"$work/times"
    show
}

# Results come out in the order in which the programs were begun, as soon as those before them are there.
show() {
    local at left
    for (( ; shown < ${#names[@]}; shown++)); do
        at=$shown
        [ -n "${status[at]}" ] || return
        left=$(grep -cE '^(not )?ok .*# SKIP' "$work/$at.output") # cmocka says "not ok" of what it skips
        passed=$((passed + good[at])) failed=$((failed + bad[at])) skipped=$((skipped + left))
        if [ "${bad[at]}" -gt 0 ]; then
            sed -E "s|^((not )?ok [0-9]+ - )|\1${names[at]##*/}: |" "$work/$at.output"
            echo "FAILED ${names[at]}: ${good[at]} passed, ${bad[at]} failed, exit status ${status[at]}, ${took[at]}" |
                tee -a "$work/failures"
        else
            echo "${names[at]}: ${good[at]} passed, ${took[at]}"
            sed -nE 's/^(not )?ok [0-9]+ - (.*[^ ]) *# SKIP */    left out: \2  /p' "$work/$at.output"
        fi
        rm -rf "$work/$at.output" "$work/$at.reports"
    done
}

for program in "$@"; do
    case $program in
    postgres:*)
        . tests/support/cluster.sh
        cluster=made
        cluster_make || exit 1
        break
        ;;
    esac
done
number=0
while read -r stage _ program; do
    [ "$stage" -lt 3 ] && at_once=$jobs_max || at_once=1
    while [ ${#running[@]} -ge "$at_once" ]; do
        wait_for_one
    done
    begin $number "$program"
    number=$((number + 1))
done < <(put_in_order "$@")
while [ ${#running[@]} -gt 0 ]; do
    wait_for_one
done
echo "The slowest:"
sort -rn "$work/times" | head -8
[ ! -e "$work/failures" ] || cat "$work/failures"
echo "$passed passed, $failed failed, $skipped left out"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
