#!/usr/bin/env bash
# Runs a cluster under faults: a master and three agents, each in a network namespace of
# its own, with a real engine that is killed, too, on a small disk; every job must end once
# and right, and nothing may be left.
#
#   scripts/faults.sh [--built] [--keep-engine] [arguments of `enclos-bench faults`]
#
# Without arguments: a minute, 100 jobs. docs/FAULTS.md has the long run. --built: the
# programs and images are there. --keep-engine: the run's engine, beside the machine's own,
# keeps its images for the next run. Where namespaces, mounts or a second engine are not
# permitted it says so, and the links are cut by a relay, the disk is not filled, or no
# engine dies.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

built=
keep_engine=
while [ $# -gt 0 ]; do
    case "$1" in
        --built) built=yes ;;
        --keep-engine) keep_engine=yes ;;
        *) break ;;
    esac
    shift
done
if [ -z "$built" ]; then
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
engine=

# What is named by the engine's directory is the run's own.
engine_processes() {
    if [ -n "$engine" ]; then pgrep -f -- "$engine/" || true; fi
}

# What of it runs or is mounted, then the directory itself.
remove_engine() {
    local process place
    for process in $(engine_processes); do kill -KILL "$process" 2>/dev/null || true; done
    awk -v under="$engine/" 'index($2, under) == 1 { print $2 }' /proc/mounts | sort -r | while read -r place; do
        umount --lazy "$place" 2>/dev/null || true
    done
    if [ -z "$keep_engine" ]; then rm -rf "$engine"; fi
}

end() {
    status=$?
    for name in "${made[@]}"; do ip netns del "$name" 2>/dev/null || true; done
    umount "$work/data" 2>/dev/null || true
    if [ -n "$engine" ]; then remove_engine; fi
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
# On the disk of the machine's own engine, which has what an engine needs of one: beside its data where
# that is no disk of its own.
own=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null || true)
if [ "$(id -u)" -eq 0 ] && [ -d "$own" ] && command -v dockerd >/dev/null && command -v containerd >/dev/null; then
    engine=$own-faults
    if [ "$(stat -c %d "$own")" != "$(stat -c %d "$own/..")" ]; then engine=$own/enclos-faults; fi
    if [ -z "$keep_engine" ]; then engine=$engine-$$; fi
    arguments+=(--engine "$engine")
else
    note "no second engine can be had: it is NOT killed or restarted"
fi

say "a cluster under faults"
"${here[@]}" "$target_dir/debug/enclos-bench" faults "${arguments[@]}" "$@"

# Waits until nothing is told any more by the command given; fails with the words given.
gone() {
    local deadline=$((SECONDS + 5)) what=$1
    shift
    while [ -n "$("$@")" ]; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            printf 'error: processes are left in %s: %s\n' "$what" "$("$@" | tr '\n' ' ')" >&2
            exit 1
        fi
        sleep 0.1
    done
}

# A shim whose containerd was killed while its container was made is known to nobody, not even to the next
# containerd. It is the engine's, and holds nothing: what it held was in the cgroups.
forgotten=$(engine_processes)
if [ -n "$forgotten" ]; then
    note "the engine forgot $(wc -w <<<"$forgotten") of its own processes when it was killed; they are ended"
    for process in $forgotten; do kill -KILL "$process" 2>/dev/null || true; done
fi

# The program looked for containers, cgroups and files; the kernel knows what runs in a namespace.
for name in "${made[@]}"; do gone "$name" ip netns pids "$name"; done
