#!/usr/bin/env bash
# Sets up, builds both programs and starts a cluster; the arguments go to `enclos up`.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh
say "build (the first takes minutes, later ones seconds)"
cargo build --release --bins --package enclos --package enclos-agent
load_apparmor_profile "$target_dir/release/enclos-agent"
exec "$target_dir/release/enclos" up "$@"
