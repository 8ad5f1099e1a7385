//! The manifests as `kubectl kustomize` renders them.

use std::process::Command;

use serde_json::{Map, Value};
use yaml_rust2::{Yaml, YamlLoader};

use crate::tidy::root;

/// Every overlay.
pub const OVERLAYS: [&str; 5] = ["dev", "production", "gvisor", "keda", "builder"];

/// The text of an overlay.
pub fn text(overlay: &str) -> String {
    let rendered = Command::new("kubectl").arg("kustomize").arg(root().join("k8s/overlays").join(overlay)).output();
    let rendered = rendered.expect("kubectl is needed to render manifests: 'make setup' says where it comes from");
    let said = String::from_utf8_lossy(&rendered.stderr);
    assert!(rendered.status.success() && said.is_empty(), "{overlay}: {said}");
    String::from_utf8(rendered.stdout).expect("manifests are text")
}

/// The objects of an overlay.
pub fn objects(overlay: &str) -> Vec<Value> {
    let documents = YamlLoader::load_from_str(&text(overlay)).expect("kubectl writes YAML");
    documents.iter().map(json).collect()
}

fn json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::String(text) => Value::String(text.clone()),
        Yaml::Integer(number) => Value::from(*number),
        Yaml::Boolean(truth) => Value::Bool(*truth),
        Yaml::Real(_) => Value::from(yaml.as_f64()),
        Yaml::Array(items) => items.iter().map(json).collect(),
        Yaml::Hash(entries) => {
            let entry = |(key, value): (&Yaml, &Yaml)| (key.as_str().expect("keys are texts").to_owned(), json(value));
            Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
        Yaml::Null | Yaml::Alias(_) | Yaml::BadValue => Value::Null,
    }
}

/// Objects of a kind.
pub fn of_kind<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

/// The object of a kind with this name.
pub fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = objects.iter().find(|o| o["kind"] == kind && o["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

/// The items of a list, none where there is no list.
pub fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

/// Pods that an overlay makes: who makes them, their namespace and template.
pub fn pods(objects: &[Value]) -> impl Iterator<Item = (String, &str, &Value)> {
    let makes = |o: &&Value| o["spec"]["template"]["spec"]["containers"].is_array();
    objects.iter().filter(makes).map(|o| {
        let name = format!("{} {}", text_of(o, "kind"), text_of(&o["metadata"], "name"));
        (name, text_of(&o["metadata"], "namespace"), &o["spec"]["template"])
    })
}

/// The containers of a pod, those that come before the others among them.
pub fn containers(template: &Value) -> impl Iterator<Item = &Value> {
    items(&template["spec"], "initContainers").chain(items(&template["spec"], "containers"))
}

/// A text, empty where there is none.
pub fn text_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// A quantity of Kubernetes in thousandths: `1500m`, `2`, `384Mi`, `1Gi`.
pub fn thousandths(quantity: &Value) -> u64 {
    let text = match quantity {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "m" => 1,
        "" => 1000,
        "Mi" => 1000 << 20,
        "Gi" => 1000 << 30,
        _ => panic!("'{text}' has a unit that no manifest of ours needs"),
    };
    number.parse::<u64>().unwrap_or_else(|_| panic!("'{text}' is no quantity")) * factor
}

/// The value of a container's variable.
pub fn variable<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    items(container, "env").find(|v| v["name"] == name).and_then(|v| v["value"].as_str())
}
