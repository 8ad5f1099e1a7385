//! The whole profile as the engine gets it: a loosened line shows here.

use super::*;
use crate::engine::{CgroupMount, SandboxLimits};

fn spec() -> SandboxSpec {
    SandboxSpec {
        name: "enclos-a-1".into(),
        image: "enclos/sandbox-gcc:1".into(),
        purpose: Purpose::Jobs,
        labels: [("enclos".to_owned(), "sandbox".to_owned())].into(),
        limits: SandboxLimits { memory_bytes: 1 << 30, cpu_millis: 1500, pids: 520 },
        cells: CellKind::Namespaced,
        isolation: Isolation::Runc,
        apparmor: false,
        cgroup: Some(CgroupMount {
            parent: "/enclos-a/1".into(),
            binds: vec![("/sys/fs/cgroup/memory/enclos-a/1".into(), "/enclos/cgroup/memory".into())],
        }),
        wire: Some("/run/enclos/sandboxes/a/1".into()),
    }
}

fn json(spec: &SandboxSpec) -> String {
    // By way of a value, whose keys are in order.
    let value = serde_json::to_value(container(spec)).expect("the client's types can be written");
    let text = serde_json::to_string_pretty(&value).expect("a value can be written");
    let filter = serde_json::to_string(SECCOMP).expect("a string can be written");
    text.replace(filter.trim_matches('"'), "<filter 1>")
}

/// Lines of the one that the other has not, each way.
fn difference(one: &str, other: &str) -> String {
    let only = |mark: char, text: &str, other: &str| -> String {
        // The masked paths are all in the first snapshot.
        let differs = |line: &&str| !other.contains(line) && !line.contains("\"/proc/");
        text.lines()
            .map(|line| line.trim_end_matches(','))
            .filter(differs)
            .map(|line| format!("{mark}{line}\n"))
            .collect()
    };
    format!("{}{}", only('-', one, other), only('+', other, one))
}

#[test]
fn the_profile_is_this() {
    insta::assert_snapshot!(json(&spec()));
}

#[test]
fn gvisor_differs_in_this() {
    let binds = vec![("/sys/fs/cgroup/cpuacct/enclos-a/1".into(), "/enclos/cgroup/cpuacct".into())];
    let cgroup = spec().cgroup.map(|cgroup| CgroupMount { binds, ..cgroup });
    let spec = SandboxSpec { cells: CellKind::Plain, isolation: Isolation::Gvisor, cgroup, ..spec() };
    insta::assert_snapshot!(json(&spec));
}

#[test]
fn plain_cells_differ_in_this() {
    let namespaced = json(&spec());
    let plain = json(&SandboxSpec { cells: CellKind::Plain, ..spec() });
    insta::assert_snapshot!(difference(&namespaced, &plain), @r#"
    -    "MaskedPaths": []
    -    "ReadonlyPaths": []
    +      "KILL"
    +      "/sys/firmware"
    +      "/sys/devices/virtual/powercap"
    +      "/job": "rw,exec,nosuid,nodev,size=268435456,nr_inodes=32768,mode=1777,uid=0,gid=0"
    +      "/tmp": "rw,exec,nosuid,nodev,size=268435456,nr_inodes=32768,mode=1777,uid=0,gid=0"
    "#);
}

#[test]
fn a_builder_differs_from_a_plain_sandbox_in_this() {
    let plain = json(&SandboxSpec { cells: CellKind::Plain, ..spec() });
    let builder =
        json(&SandboxSpec { cells: CellKind::Plain, purpose: Purpose::Install { room_bytes: 1 << 29 }, ..spec() });
    insta::assert_snapshot!(difference(&plain, &builder), @r#"
    -  "Cmd": []
    -      "/job": "rw,exec,nosuid,nodev,size=268435456,nr_inodes=32768,mode=1777,uid=0,gid=0"
    -      "/tmp": "rw,exec,nosuid,nodev,size=268435456,nr_inodes=32768,mode=1777,uid=0,gid=0"
    +    "install"
    +    "CpuShares": 128
    +      "/job": "rw,noexec,nosuid,nodev,size=536870912,nr_inodes=65536,mode=1777"
    "#);
}

#[test]
fn apparmor_is_named_where_the_host_has_it() {
    let body = container(&SandboxSpec { apparmor: true, ..spec() });
    let options = body.host_config.and_then(|h| h.security_opt).unwrap_or_default();
    assert!(options.contains(&"apparmor=enclos-sandbox".to_owned()));
}

#[test]
fn bits_and_names_of_capabilities_agree() {
    assert_eq!(capability_bits(CellKind::Namespaced), 0xc0);
    assert_eq!(capability_bits(CellKind::Plain), 0xe0);
}

#[test]
fn the_filter_is_json() {
    assert!(serde_json::from_str::<serde_json::Value>(SECCOMP).is_ok());
}
