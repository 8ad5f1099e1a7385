#!/bin/sh
# Starts the engine of a pod. Whatever it runs must be beneath this container's cgroup, and so beneath the pod's.
#
#   enclos-engine [arguments of dockerd]
set -eu

cgroups=/sys/fs/cgroup

if [ -f "$cgroups/cgroup.controllers" ]; then
    # Version 2: a privileged container sees the whole host, and what the engine makes would be beside all pods.
    # In a namespace of its own the root is this container's cgroup.
    if [ "${ENCLOS_ENGINE_NAMESPACE:-}" != own ]; then
        ENCLOS_ENGINE_NAMESPACE=own exec unshare --cgroup --mount /bin/sh "$0" "$@"
    fi
    umount "$cgroups"
    mount -t cgroup2 cgroup2 "$cgroups"
    # A group with processes hands nothing down.
    mkdir -p "$cgroups/init"
    while read -r process; do
        echo "$process" >"$cgroups/init/cgroup.procs" 2>/dev/null || true
    done <"$cgroups/cgroup.procs"
    for controller in $(cat "$cgroups/cgroup.controllers"); do
        echo "+$controller" >"$cgroups/cgroup.subtree_control" 2>/dev/null || true
    done
else
    # Version 1: every hierarchy begins at this container's cgroup already; some runtimes leave them read-only.
    while read -r _ _ _ _ place options _; do
        case $place,$options in
            "$cgroups"/*,ro,* | "$cgroups"/*,ro) mount -o remount,bind,rw "$place" ;;
        esac
    done </proc/self/mountinfo
fi

# /run outlives this container, and the ids in it mean other processes by now.
rm -rf /run/docker /run/docker.pid /run/containerd

# No network: sandboxes have none, and what an image build needs is the pod's own (--build-network host).
exec dockerd --host "unix://${ENCLOS_ENGINE_SOCKET:-/run/enclos/docker.sock}" --group root \
    --data-root /var/lib/docker --exec-opt native.cgroupdriver=cgroupfs \
    --bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
    --userland-proxy=false --log-level warn "$@"
