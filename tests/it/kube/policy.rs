//! What must hold of every rendered manifest: one rule, one reason, one mutation that breaks it (`broken`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::manifests::{containers, items, of_kind, pods, text_of, thousandths, variable};

/// Longest job without cases, in milliseconds: a compile and a run step of the largest wall limit.
const LONGEST_JOB_MS: u64 = 240_000;
/// What an agent needs beyond its drain, in milliseconds: to hand back, to remove sandboxes, to say goodbye.
const LEAVING_MS: u64 = 40_000;
/// Where a workload may never reach: the metadata address and the ranges of clusters and companies.
const NEVER: [&str; 5] = ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"];
/// Overlays whose images come from elsewhere.
const BY_DIGEST: [&str; 3] = ["production", "gvisor", "keda"];

/// Finds what is wrong in an overlay of this name.
pub type Rule = fn(&str, &[Value]) -> Vec<String>;

/// Every rule by what it holds.
pub const RULES: [(&str, Rule); 14] = [
    ("nothing of the node is in a pod", nothing_of_the_node),
    ("no pod has a token of the API server", no_tokens),
    ("what is requested is what is allowed", limits_everywhere),
    ("an image is one image", images_are_pinned),
    ("only the engine is privileged, among the workers", only_the_engine),
    ("the system's pods are restricted", system_is_restricted),
    ("every root is read-only", read_only_roots),
    ("every pod is behind policies that deny what is not said", covered_by_policies),
    ("no address of clusters or of the metadata service is reached", no_private_ranges),
    ("a pod has longer to leave than its longest job", grace_is_longer),
    ("what a pod keeps on the node has a size", sizes_of_volumes),
    ("an engine is proved before its agent starts, and keeps its socket to its pod", engines_are_proved),
    ("namespaces have their bounds and their Pod Security", bounds_of_namespaces),
    ("the admission policy holds the workers' namespace", admission_is_bound),
];

/// All that is wrong.
pub fn violations(overlay: &str, objects: &[Value]) -> Vec<String> {
    RULES
        .iter()
        .flat_map(|(name, rule)| rule(overlay, objects).into_iter().map(move |v| format!("{name}: {v}")))
        .collect()
}

/// `what` of each pod for which `is_wrong`.
fn each_pod(objects: &[Value], is_wrong: impl Fn(&str, &Value) -> bool) -> Vec<String> {
    pods(objects).filter(|(_, space, template)| is_wrong(space, template)).map(|(name, ..)| name).collect()
}

/// The same of each container.
fn each_container(objects: &[Value], is_wrong: impl Fn(&str, &Value) -> bool) -> Vec<String> {
    let wrong = |(name, space, template): (String, &str, &Value)| {
        let wrong: Vec<String> =
            containers(template).filter(|c| is_wrong(space, c)).map(|c| format!("{name}, {}", c["name"])).collect();
        wrong
    };
    pods(objects).flat_map(wrong).collect()
}

fn nothing_of_the_node(_: &str, objects: &[Value]) -> Vec<String> {
    each_pod(objects, |_, template| {
        let spec = &template["spec"];
        let spaces = ["hostNetwork", "hostPID", "hostIPC"].iter().any(|key| spec[*key] == true);
        let ports = containers(template).flat_map(|c| items(c, "ports")).any(|p| !p["hostPort"].is_null());
        spaces || ports || items(spec, "volumes").any(|v| !v["hostPath"].is_null())
    })
}

fn no_tokens(_: &str, objects: &[Value]) -> Vec<String> {
    let projected = |v: &Value| items(&v["projected"], "sources").any(|s| !s["serviceAccountToken"].is_null());
    let mut wrong = each_pod(objects, |_, template| {
        let spec = &template["spec"];
        spec["automountServiceAccountToken"] != false || items(spec, "volumes").any(projected)
    });
    let accounts = of_kind(objects, "ServiceAccount").filter(|a| a["automountServiceAccountToken"] != false);
    wrong.extend(accounts.map(|a| text_of(&a["metadata"], "name").to_owned()));
    wrong
}

fn limits_everywhere(_: &str, objects: &[Value]) -> Vec<String> {
    each_container(objects, |_, container| {
        let resources = &container["resources"];
        let set = ["cpu", "memory", "ephemeral-storage"].iter().all(|name| !resources["limits"][*name].is_null());
        !set || resources["limits"] != resources["requests"]
    })
}

fn images_are_pinned(overlay: &str, objects: &[Value]) -> Vec<String> {
    each_container(objects, |_, container| {
        let image = text_of(container, "image");
        let by_digest = image.contains("@sha256:");
        let tag = image.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
        !by_digest && (BY_DIGEST.contains(&overlay) || tag.is_none_or(|tag| tag.is_empty() || tag == "latest"))
    })
}

fn only_the_engine(_: &str, objects: &[Value]) -> Vec<String> {
    each_container(objects, |space, container| {
        let is_engine =
            space == "enclos-workers" && container["name"] == "engine" && container["restartPolicy"] == "Always";
        let security = &container["securityContext"];
        let escalates = security["allowPrivilegeEscalation"] != false;
        !is_engine && (security["privileged"] == true || escalates)
    })
}

fn system_is_restricted(_: &str, objects: &[Value]) -> Vec<String> {
    let mut wrong = each_pod(objects, |space, template| {
        let security = &template["spec"]["securityContext"];
        let user = security["runAsUser"].as_u64().unwrap_or(0);
        let is_restricted =
            security["runAsNonRoot"] == true && user > 0 && security["seccompProfile"]["type"] == "RuntimeDefault";
        space == "enclos-system" && !is_restricted
    });
    wrong.extend(each_container(objects, |space, container| {
        let dropped = items(&container["securityContext"]["capabilities"], "drop").any(|c| c == "ALL");
        let added = items(&container["securityContext"]["capabilities"], "add").count();
        space == "enclos-system" && (!dropped || added > 0)
    }));
    wrong
}

fn read_only_roots(_: &str, objects: &[Value]) -> Vec<String> {
    each_container(objects, |_, container| container["securityContext"]["readOnlyRootFilesystem"] != true)
}

fn selects(policy: &Value, template: &Value) -> bool {
    let labels = &template["metadata"]["labels"];
    let wanted = policy["spec"]["podSelector"]["matchLabels"].as_object();
    wanted.is_some_and(|wanted| wanted.iter().all(|(key, value)| labels[key] == *value))
}

fn covered_by_policies(_: &str, objects: &[Value]) -> Vec<String> {
    let both =
        |policy: &Value| ["Ingress", "Egress"].iter().all(|t| items(&policy["spec"], "policyTypes").any(|p| p == t));
    let in_space = |policy: &Value, space: &str| policy["metadata"]["namespace"] == space;
    each_pod(objects, |space, template| {
        let policies: Vec<&Value> =
            of_kind(objects, "NetworkPolicy").filter(|p| in_space(p, space) && both(p)).collect();
        let denied = policies.iter().any(|p| {
            p["spec"]["podSelector"].as_object().is_some_and(serde_json::Map::is_empty)
                && items(&p["spec"], "ingress").count() + items(&p["spec"], "egress").count() == 0
        });
        !denied || !policies.iter().any(|p| selects(p, template))
    })
}

fn no_private_ranges(_: &str, objects: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    for policy in of_kind(objects, "NetworkPolicy") {
        for rule in items(&policy["spec"], "egress") {
            // A rule without destinations or ports is one to everywhere, or for everything.
            let mut open = items(rule, "to").count() == 0 || items(rule, "ports").count() == 0;
            for block in items(rule, "to").map(|to| &to["ipBlock"]).filter(|b| !b.is_null()) {
                let excepted: BTreeSet<&str> = items(block, "except").filter_map(Value::as_str).collect();
                let one = text_of(block, "cidr").ends_with("/32");
                open |= if one {
                    reaches_private(text_of(block, "cidr"))
                } else {
                    NEVER.iter().any(|r| !excepted.contains(r))
                };
            }
            open |= items(rule, "to").any(|to| to.as_object().is_none_or(serde_json::Map::is_empty));
            if open {
                wrong.push(text_of(&policy["metadata"], "name").to_owned());
            }
        }
    }
    wrong
}

/// Whether a single address is of the metadata service or of this machine; a registry may be in a private range.
fn reaches_private(cidr: &str) -> bool {
    cidr.starts_with("169.254.") || cidr.starts_with("127.")
}

fn grace_is_longer(_: &str, objects: &[Value]) -> Vec<String> {
    let mut wrong =
        each_pod(objects, |_, template| template["spec"]["terminationGracePeriodSeconds"].as_u64().is_none());
    wrong.extend(each_pod(objects, |_, template| {
        let agent = items(&template["spec"], "containers").find(|c| c["name"] == "agent");
        agent.is_some_and(|agent| {
            let drain = variable(agent, "ENCLOS_DRAIN_MS").and_then(|text| text.parse().ok()).unwrap_or(0);
            let grace = template["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap_or(0) * 1000;
            drain <= LONGEST_JOB_MS || grace < drain + LEAVING_MS
        })
    }));
    wrong
}

fn sizes_of_volumes(_: &str, objects: &[Value]) -> Vec<String> {
    each_pod(objects, |_, template| {
        let volumes = || items(&template["spec"], "volumes").map(|v| &v["emptyDir"]).filter(|dir| dir.is_object());
        // The kubelet evicts a pod whose volumes on disk and containers together pass what its containers may have.
        let on_disk = volumes().filter(|dir| dir["medium"] != "Memory").map(|dir| thousandths(&dir["sizeLimit"]));
        let may_have = containers(template).map(|c| thousandths(&c["resources"]["limits"]["ephemeral-storage"]));
        volumes().any(|dir| dir["sizeLimit"].is_null()) || on_disk.sum::<u64>() > may_have.sum()
    })
}

fn engines_are_proved(_: &str, objects: &[Value]) -> Vec<String> {
    each_pod(objects, |_, template| {
        let Some(engine) = items(&template["spec"], "initContainers").find(|c| c["name"] == "engine") else {
            return false;
        };
        let probe: Vec<&str> = items(&engine["startupProbe"]["exec"], "command").filter_map(Value::as_str).collect();
        let is_proved = probe.first() == Some(&"docker") && probe.last() == Some(&"info");
        let socket = items(&template["spec"], "volumes").find(|v| v["name"] == "socket");
        let is_kept = socket.is_some_and(|v| v["emptyDir"]["medium"] == "Memory");
        let needs_processes = items(&template["spec"], "containers").any(|c| c["name"] == "agent");
        !is_proved || !is_kept || (needs_processes && template["spec"]["shareProcessNamespace"] != true)
    })
}

fn bounds_of_namespaces(_: &str, objects: &[Value]) -> Vec<String> {
    let has = |kind: &str, space: &str| of_kind(objects, kind).any(|o| o["metadata"]["namespace"] == space);
    let mut wrong = Vec::new();
    for (space, level) in [("enclos-system", "restricted"), ("enclos-workers", "privileged")] {
        let found = of_kind(objects, "Namespace").find(|n| n["metadata"]["name"] == space);
        let enforced = found.map(|n| &n["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]);
        if enforced.is_none_or(|e| e != level) || !has("ResourceQuota", space) || !has("LimitRange", space) {
            wrong.push(space.to_owned());
        }
    }
    let classes: BTreeSet<&str> = of_kind(objects, "PriorityClass").map(|c| text_of(&c["metadata"], "name")).collect();
    wrong.extend(each_pod(objects, |_, t| !classes.contains(text_of(&t["spec"], "priorityClassName"))));
    wrong
}

fn admission_is_bound(_: &str, objects: &[Value]) -> Vec<String> {
    let policy = of_kind(objects, "ValidatingAdmissionPolicy").find(|p| p["spec"]["failurePolicy"] == "Fail");
    let name = policy.map(|p| text_of(&p["metadata"], "name")).unwrap_or_default();
    let says = |part: &str| {
        policy.is_some_and(|p| items(&p["spec"], "validations").any(|v| text_of(v, "expression").contains(part)))
    };
    let bound = of_kind(objects, "ValidatingAdmissionPolicyBinding").any(|b| {
        let selector = &b["spec"]["matchResources"]["namespaceSelector"]["matchLabels"];
        b["spec"]["policyName"] == name
            && items(&b["spec"], "validationActions").any(|a| a == "Deny")
            && selector["kubernetes.io/metadata.name"] == "enclos-workers"
    });
    let holds = bound && ["hostPath", "hostPID", "privileged", "automountServiceAccountToken"].iter().all(|p| says(p));
    if holds { Vec::new() } else { vec!["enclos-workers".to_owned()] }
}
