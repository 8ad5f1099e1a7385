# What the scripts share. Sourced, not run.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Exit code when the machine lacks something that only its owner can add.
EXIT_MISSING=3

# rustup's own place, for shells that never read its profile.
if ! command -v cargo >/dev/null && [ -f "${CARGO_HOME:-$HOME/.cargo}/env" ]; then
    # shellcheck disable=SC1091
    . "${CARGO_HOME:-$HOME/.cargo}/env"
fi

say() { printf '==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }
die() {
    printf 'error: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
    exit "$EXIT_MISSING"
}

# Where build results are, also when the caller moved them.
target_dir=${CARGO_TARGET_DIR:-$root/target}

# Ids of our containers, one a line, sorted.
our_containers() {
    if command -v docker >/dev/null; then
        docker ps --all --quiet --filter label=enclos | sort
    fi
}

# Our processes, one a line, sorted: master, agent, supervisor.
our_processes() {
    { pgrep -x 'enclos|enclos-agent|enclos-supervis' 2>/dev/null || true; } | sort
}

# Where AppArmor is on, sandboxes need our profile, and only root can load it.
load_apparmor_profile() {
    grep -qs Y /sys/module/apparmor/parameters/enabled || return 0
    if grep -qs '^enclos-sandbox ' /sys/kernel/security/apparmor/profiles; then return 0; fi
    if [ "$(id -u)" -eq 0 ]; then
        say "AppArmor"
        note "loads the profile enclos-sandbox, under which cells can be made"
        "$1" doctor --fix --brief </dev/null || true
    else
        note "AppArmor is on: if the start is refused for its profile, run once: sudo $1 doctor --fix"
    fi
}
