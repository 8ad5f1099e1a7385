//! Each rule of the policy, shown to fail on a manifest that breaks it and nothing else.

use serde_json::{Value, json};

use super::manifests::objects;
use super::policy::{RULES, violations};

const AGENT: (&str, &str) = ("StatefulSet", "enclos-agent");
const MASTER: (&str, &str) = ("StatefulSet", "enclos-master");
const SPEC: &str = "/spec/template/spec";

/// What breaks a rule: which object, where in it, and what stands there then.
struct Break {
    rule: &'static str,
    object: (&'static str, &'static str),
    at: String,
    to: Value,
}

fn breaks(rule: &'static str, object: (&'static str, &'static str), at: &str, to: Value) -> Break {
    Break { rule, object, at: at.to_owned(), to }
}

/// All of them.
fn all() -> Vec<Break> {
    [of_agents(), of_masters(), of_others()].into_iter().flatten().collect()
}

fn of_agents() -> Vec<Break> {
    let agent = |rule, at: &str, to| breaks(rule, AGENT, &format!("{SPEC}{at}"), to);
    vec![
        agent(
            "nothing of the node is in a pod",
            "/volumes/0",
            json!({"name": "x", "hostPath": {"path": "/var/run/docker.sock"}}),
        ),
        agent("nothing of the node is in a pod", "/hostPID", json!(true)),
        agent("no pod has a token of the API server", "/automountServiceAccountToken", json!(true)),
        agent("what is requested is what is allowed", "/containers/0/resources/limits/memory", json!("8Gi")),
        agent(
            "only the engine is privileged, among the workers",
            "/containers/0/securityContext/privileged",
            json!(true),
        ),
        agent("only the engine is privileged, among the workers", "/initContainers/0/restartPolicy", Value::Null),
        agent("every root is read-only", "/initContainers/0/securityContext/readOnlyRootFilesystem", json!(false)),
        agent("a pod has longer to leave than its longest job", "/terminationGracePeriodSeconds", json!(310)),
        agent("what a pod keeps on the node has a size", "/volumes/1/emptyDir/sizeLimit", Value::Null),
        agent("what a pod keeps on the node has a size", "/volumes/4/emptyDir/sizeLimit", json!("300Gi")),
        agent(
            "an engine is proved before its agent starts, and keeps its socket to its pod",
            "/initContainers/0/startupProbe",
            Value::Null,
        ),
        agent(
            "an engine is proved before its agent starts, and keeps its socket to its pod",
            "/shareProcessNamespace",
            json!(false),
        ),
        agent(
            "namespaces have their bounds and their Pod Security",
            "/priorityClassName",
            json!("system-node-critical"),
        ),
    ]
}

fn of_masters() -> Vec<Break> {
    let master = |rule, at: &str, to| breaks(rule, MASTER, &format!("{SPEC}{at}"), to);
    vec![
        master("what is requested is what is allowed", "/containers/0/resources/limits/cpu", Value::Null),
        master("an image is one image", "/containers/0/image", json!("enclos/master")),
        master("an image is one image", "/containers/0/image", json!("r.example.com:443/enclos/master:latest")),
        master("the system's pods are restricted", "/securityContext/runAsUser", json!(0)),
        master(
            "the system's pods are restricted",
            "/containers/0/securityContext/capabilities/add",
            json!(["SYS_ADMIN"]),
        ),
    ]
}

fn of_others() -> Vec<Break> {
    vec![
        breaks(
            "no pod has a token of the API server",
            ("ServiceAccount", "enclos-master"),
            "/automountServiceAccountToken",
            json!(true),
        ),
        breaks(
            "every pod is behind policies that deny what is not said",
            ("NetworkPolicy", "default-deny"),
            "/spec/policyTypes",
            json!(["Ingress"]),
        ),
        breaks(
            "every pod is behind policies that deny what is not said",
            ("NetworkPolicy", "agent"),
            "/spec/podSelector/matchLabels",
            json!({"app.kubernetes.io/name": "other"}),
        ),
        breaks(
            "no address of clusters or of the metadata service is reached",
            ("NetworkPolicy", "agent"),
            "/spec/egress/0",
            json!({}),
        ),
        breaks(
            "no address of clusters or of the metadata service is reached",
            ("NetworkPolicy", "agent"),
            "/spec/egress/0/to",
            json!([{"ipBlock": {"cidr": "0.0.0.0/0"}}]),
        ),
        breaks(
            "no address of clusters or of the metadata service is reached",
            ("NetworkPolicy", "agent"),
            "/spec/egress/0/to",
            json!([{"ipBlock": {"cidr": "169.254.169.254/32"}}]),
        ),
        breaks(
            "namespaces have their bounds and their Pod Security",
            ("Namespace", "enclos-system"),
            "/metadata/labels/pod-security.kubernetes.io~1enforce",
            json!("baseline"),
        ),
        breaks(
            "the admission policy holds the workers' namespace",
            ("ValidatingAdmissionPolicyBinding", "enclos-workers"),
            "/spec/validationActions",
            json!(["Audit"]),
        ),
        breaks(
            "the admission policy holds the workers' namespace",
            ("ValidatingAdmissionPolicy", "enclos-workers"),
            "/spec/validations",
            json!([]),
        ),
    ]
}

/// Puts `to` where `at` points, making its last key if need be.
fn put(object: &mut Value, at: &str, to: Value) {
    if let Some(place) = object.pointer_mut(at) {
        *place = to;
        return;
    }
    let (parent, key) = at.rsplit_once('/').expect("a pointer begins with a slash");
    let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("nothing is at {at}"));
    parent[key.replace("~1", "/")] = to;
}

#[test]
fn each_rule_is_broken_by_a_manifest_that_breaks_it_and_by_it_alone() {
    let good = objects("dev");
    let mut broken = 0;
    for Break { rule, object: (kind, name), at, to } in all() {
        let mut bad = good.clone();
        let object = bad.iter_mut().find(|o| o["kind"] == kind && o["metadata"]["name"] == name);
        put(object.unwrap_or_else(|| panic!("there is no {kind} {name}")), &at, to.clone());
        let found = violations("dev", &bad);
        assert!(!found.is_empty() && found.iter().all(|v| v.starts_with(rule)), "{rule}, {at} = {to}: {found:?}");
        broken += 1;
    }
    let named = all();
    for (name, _) in RULES {
        assert!(named.iter().any(|b| b.rule == name), "no manifest breaks the rule '{name}'");
    }
    assert!(broken >= RULES.len());
}

#[test]
fn a_tag_is_no_digest_where_images_come_from_a_registry() {
    assert!(violations("production", &objects("dev")).iter().all(|v| v.starts_with("an image is one image")));
    assert!(!violations("production", &objects("dev")).is_empty());
}
