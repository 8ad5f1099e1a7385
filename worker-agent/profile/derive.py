#!/usr/bin/env python3
"""Derives seccomp.json (filter 1) from a Docker engine's default profile.

    derive.py DEFAULT.json > seccomp.json      make it anew
    derive.py --check DEFAULT.json             exit 1 if seccomp.json is not what this makes

What is changed, and why, stands in README.md beside this file.
"""

import json
import pathlib
import sys

# Enclos runs on these; rules of other architectures are dead weight in the filter.
ARCHITECTURES = {"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"}
ARCHES = {"amd64", "x86", "x32", "arm", "arm64"}

# What the supervisor does to make a cell: it clones into new namespaces and
# mounts there. Outside of a user namespace the kernel refuses the mounts, for
# want of CAP_SYS_ADMIN.
FOR_CELLS = ["clone", "mount"]

# Answered "not there" instead of "not allowed": a C library or runtime that
# finds ENOSYS takes its other way, one that finds EPERM gives up. clone3 is
# here because its flags lie in memory, where no filter can read them.
ABSENT = [
    "add_key", "bpf", "clone3", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "io_uring_enter",
    "io_uring_register", "io_uring_setup", "kcmp", "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie",
    "mount_setattr", "move_mount", "name_to_handle_at", "open_by_handle_at", "open_tree", "perf_event_open",
    "pidfd_getfd", "process_madvise", "process_vm_readv", "process_vm_writev", "quotactl", "quotactl_fd",
    "request_key", "setns", "syslog", "userfaultfd",
]
ENOSYS = 38


def kept(rule):
    """Whether a rule of the default can ever apply to a sandbox."""
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    # A rule for a capability: no sandbox has any of those that rules name.
    if includes.get("caps"):
        return False
    if includes.get("arches") and not ARCHES & set(includes["arches"]):
        return False
    # The default's rules for clone and clone3 without CAP_SYS_ADMIN; ours take their place.
    return not excludes.get("caps")


def derive(default):
    rules = []
    for rule in filter(kept, default["syscalls"]):
        names = [name for name in rule["names"] if name not in ABSENT and name not in FOR_CELLS]
        if names:
            rules.append({**rule, "names": names})
    rules.append({"names": FOR_CELLS, "action": "SCMP_ACT_ALLOW", "args": [],
                  "comment": "the supervisor makes each cell's namespaces and mounts", "includes": {}, "excludes": {}})
    rules.append({"names": ABSENT, "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS, "args": [],
                  "comment": "answered as if the kernel had none of them", "includes": {}, "excludes": {}})
    return {
        "defaultAction": default["defaultAction"],
        "archMap": [entry for entry in default["archMap"] if entry["architecture"] in ARCHITECTURES],
        "syscalls": rules,
    }


def main():
    arguments = sys.argv[1:]
    check = arguments[:1] == ["--check"]
    if len(arguments) != 1 + check:
        sys.exit(__doc__)
    with open(arguments[-1], encoding="utf-8") as file:
        text = json.dumps(derive(json.load(file)), indent=1) + "\n"
    if not check:
        sys.stdout.write(text)
    elif text != pathlib.Path(__file__).with_name("seccomp.json").read_text(encoding="utf-8"):
        sys.exit("seccomp.json is not what derive.py makes of this default")


main()
