#!/usr/bin/env bash
# Formatting, and clippy without a single warning.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

say "formatting"
cargo fmt --all --check
say "clippy"
cargo clippy --workspace --all-targets -- -D warnings
