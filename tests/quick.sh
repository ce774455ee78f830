#!/usr/bin/env bash
# The checks to run after each edit; tests/run.sh has all of them.
#
#   tests/quick.sh            format, lints, layers, unit and integration tests
#   tests/quick.sh NAME...    of the tests only those whose name holds one of these
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --check
tests/architecture.py
cargo clippy --locked --all-targets --all-features -- -D warnings
tests/emulator/emulator.py install
INSTA_UPDATE=no cargo test --locked --all-features --tests -- "$@"
