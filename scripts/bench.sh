#!/usr/bin/env bash
# Builds everything for speed and measures; the arguments go to the bench program.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh
cargo build --release --bins --workspace --exclude enclos-supervisor
"$target_dir/release/enclos-agent" images build
cargo run --release --quiet --package enclos-bench -- "$@"
