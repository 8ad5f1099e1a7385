#!/usr/bin/env bash
# Runs a cluster under faults: a master and three agents, each in a network namespace of
# its own, with the real engine, on a small disk; every job must end once and right, and
# nothing may be left.
#
#   scripts/faults.sh [--built] [arguments of `enclos-bench faults`]
#
# Without arguments: a minute, 100 jobs. docs/FAULTS.md has the long run. --built: the
# programs and images are there. Where namespaces or mounts are not permitted it says so,
# and the links are cut by a relay, or the disk is not filled.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

if [ "${1:-}" = --built ]; then
    shift
else
    scripts/setup.sh
    cargo build --workspace --bins
    "$target_dir/debug/enclos-agent" images build python </dev/null
fi

work=$(mktemp -d)
mkdir "$work/data"
id=enclos-f$$
arguments=(--directory "$work")
made=()
here=()

end() {
    status=$?
    for name in "${made[@]}"; do ip netns del "$name" 2>/dev/null || true; done
    umount "$work/data" 2>/dev/null || true
    if [ "$status" -eq 0 ]; then rm -rf "$work"; else note "logs are in $work/logs"; fi
}
trap end EXIT

# One cable for each agent, between its namespace and the master's.
connect() {
    ip netns add "$id" && made+=("$id") && ip -n "$id" link set lo up || return 1
    for n in 1 2 3; do
        ip netns add "$id-$n" && made+=("$id-$n") || return 1
        ip -n "$id" link add "agent$n" type veth peer name cable netns "$id-$n" || return 1
        ip -n "$id" addr add "10.213.$n.1/30" dev "agent$n" || return 1
        ip -n "$id-$n" addr add "10.213.$n.2/30" dev cable || return 1
        ip -n "$id" link set "agent$n" up || return 1
        ip -n "$id-$n" link set lo up && ip -n "$id-$n" link set cable up || return 1
        arguments+=(--namespace "$id-$n")
    done
}

if mount -t tmpfs -o size=64m "$id" "$work/data" 2>/dev/null; then
    arguments+=(--small-disk)
else
    note "no mounts are permitted: the disk is NOT filled"
fi
if connect 2>"$work/connect.log"; then
    here=(nsenter "--net=/run/netns/$id")
else
    note "no network namespaces are permitted ($(grep -m 1 . "$work/connect.log")): links are cut by a relay, and no packet is lost"
    kept=()
    for argument in "${arguments[@]}"; do
        case "$argument" in --namespace | "$id"-*) ;; *) kept+=("$argument") ;; esac
    done
    arguments=("${kept[@]}")
fi

say "a cluster under faults"
"${here[@]}" "$target_dir/debug/enclos-bench" faults "${arguments[@]}" "$@"

# The program looked for containers, cgroups and files; the kernel knows what runs in a namespace.
for name in "${made[@]}"; do
    deadline=$((SECONDS + 5))
    while [ -n "$(ip netns pids "$name")" ]; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            printf 'error: processes are left in %s: %s\n' "$name" "$(ip netns pids "$name" | tr '\n' ' ')" >&2
            exit 1
        fi
        sleep 0.1
    done
done
