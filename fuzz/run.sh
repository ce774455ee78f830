#!/usr/bin/env bash
# Fuzzes rattle with libFuzzer on the pinned stable toolchain.
#
#   fuzz/run.sh [SECONDS | runs=N] [TARGET...]
#
# Each target runs that long, or that often; without a limit for 60 seconds, without names
# all targets. Exit status: 0 nothing was found, 1 a finding, 2 a fault of the run itself,
# 77 there is no C++ compiler.
set -euo pipefail

folder=$(cd "$(dirname "$0")" && pwd)
targets=(record message envelope replay deliveries files item alert)

limit=60
if [[ ${1-} =~ ^(runs=)?[0-9]+$ ]]; then
    limit=$1
    shift
fi
case $limit in
    runs=*) limit_option="-runs=${limit#runs=}" ;;
    *) limit_option="-max_total_time=$limit" ;;
esac
if (($#)); then
    for name in "$@"; do
        if [[ " ${targets[*]} " != *" $name "* ]]; then
            echo "fuzz: \"$name\" is no target; there are ${targets[*]}" >&2
            exit 2
        fi
    done
    targets=("$@")
fi

if ! command -v "${CXX:-c++}" >/dev/null; then
    echo "skipped: needs a C++ compiler (libFuzzer is built from source; set CXX or install g++)"
    exit 77
fi

# What cargo-fuzz passes, without a sanitizer, since those need nightly: the library has no
# unsafe code for one to watch. The host is named as the target so that build scripts and
# macros are compiled without the instrumentation. Comparisons are not traced: that takes half
# the speed, and json.dict has the words that matter.
flags=(
    --cfg fuzzing
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0
)
cd "$folder"
host=$(rustc -vV | sed -n 's/^host: //p')
build=${CARGO_TARGET_DIR:-$folder/target}
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && echo "${flags[*]}") \
    cargo build --locked --release --quiet "${targets[@]/#/--bin=}" \
    --target "$host" --target-dir "$build" || exit 2

# seed TARGET: the start of its corpus, from the events of this repository.
seed() {
    local corpus=corpus/$1 file small n
    mkdir -p "$corpus"
    case $1 in
        deliveries)
            # Two steps of a script: a policy, then who, when, how often, which secrets.
            for n in 0 1 2 3; do
                printf "\\x0$n"'\x00\x00\x09\x01\x11\x00\x0c\x05\x40\x01\x13\x01' \
                    >"$corpus/seed-policy-$n"
            done
            return
            ;;
        item | alert)
            # Choices, one byte or more each: enough of them for something whole.
            for n in 1 2 3 4; do
                head -c $((n * 500)) /dev/urandom >"$corpus/seed-$n"
            done
            return
            ;;
        message)
            for file in ../events/*.json; do
                sed -n 's/^.*"errorMessage": "\(.*\)",\{0,1\}$/\1/p' "$file" \
                    >"$corpus/seed-$(basename "$file")"
            done
            return
            ;;
        record | envelope)
            for file in ../events/*.json; do
                cp "$file" "$corpus/seed-$(basename "$file")"
            done
            for file in ../events/traces/*.jsonl; do
                head -n 1 "$file" >"$corpus/seed-$(basename "$file")"
            done
            return
            ;;
    esac
    for file in ../events/*.json; do
        tr -s ' \n' ' ' <"$file" >"$corpus/seed-$(basename "$file")"
    done
    for file in ../events/traces/*.jsonl; do
        head -n 2 "$file" >"$corpus/seed-$(basename "$file")"
    done
    # Enough small denials for a finding: long inputs are mutated slowly.
    small=$(for n in 1 2 3 4 5 6; do
        echo '{"eventID":"'$n'","eventTime":"2026-01-01T00:00:0'$n'Z",' \
            '"eventSource":"secretsmanager.amazonaws.com","eventName":"GetSecretValue",' \
            '"errorCode":"AccessDenied","requestParameters":{"secretId":"s'$n'"}}'
    done)
    echo "$small" >"$corpus/seed-lines"
    echo "{\"Records\":[$(paste -sd, <<<"$small")]}" >"$corpus/seed-records"
    echo "[$(paste -sd, <<<"$small")]" >"$corpus/seed-array"
    echo "{\"NextToken\":\"x\",\"Events\":[{\"CloudTrailEvent\":\"$(head -n 1 <<<"$small" |
        sed 's/"/\\"/g')\"}]}" >"$corpus/seed-lookup-events"
    echo '[]' >"$corpus/seed-empty"
    echo '{"Records":[[null],{}]}' >"$corpus/seed-no-records"
    if [[ $1 == files ]]; then
        gzip -nc "$corpus/seed-lines" >"$corpus/seed-lines.gz"
    fi
}

status=0
for target in "${targets[@]}"; do
    seed "$target"
    artifacts=artifacts/$target
    mkdir -p "$artifacts"
    binary=$build/$host/release/$target
    log=$artifacts/log
    echo "fuzz: $target, $limit$([[ $limit == runs=* ]] || echo ' seconds')"
    if "$binary" "$limit_option" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -dict=json.dict \
        -artifact_prefix="$artifacts/" -print_final_stats=1 "corpus/$target" >"$log" 2>&1; then
        sed -n 's/^stat::number_of_executed_units: */  executions: /p' "$log"
        sed -n 's/^stat::average_exec_per_sec: */  a second:   /p' "$log"
    else
        status=1
        grep -A 3 'panicked at' "$log" | cut -c 1-2000 || tail -n 40 "$log"
        input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        echo "fuzz: $target FOUND SOMETHING; the whole log is fuzz/$log"
        if [[ -n $input ]]; then
            echo "  again:   (cd fuzz && $binary $input)"
            echo "  smaller: (cd fuzz && $binary -minimize_crash=1 -max_total_time=60 $input)"
        fi
    fi
done
exit "$status"
