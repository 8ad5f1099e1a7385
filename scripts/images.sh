#!/usr/bin/env bash
# Makes the language images that are missing; the arguments go to `enclos-agent images build`.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh
cargo build --release --package enclos-agent
"$target_dir/release/enclos-agent" images build "$@"
