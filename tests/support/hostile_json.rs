//! Submissions that are right but for one place, as text: what no JSON library would write is among them.
//!
//! Included by the tests of admission and by those of a real master.

use proptest::prelude::*;
use serde_json::{Value, json};

/// A submission with one thing changed.
#[derive(Clone, Debug)]
pub struct Mutated {
    /// Where, as a refusal names it; empty for the submission itself.
    pub at: String,
    /// The value there has a shape that no field has, so the refusal must be about it.
    pub misshapen: bool,
    /// The text.
    pub body: String,
}

/// What is done at one place.
#[derive(Clone, Debug)]
enum Change {
    Replace(String),
    Remove,
    /// One more member of an object.
    Add(String, String),
    /// A member of an object a second time.
    Repeat,
}

/// A submission that uses every field but those that exclude others.
pub fn valid() -> Value {
    let limits = json!({
        "cpu_ms": 1000, "wall_ms": 2000, "memory_bytes": 67_108_864, "pids": 16, "output_bytes": 65536,
        "report_bytes": 1024, "file_bytes": 65536, "stack_bytes": 8_388_608, "cpus": 0.5,
    });
    json!({
        "language": "c",
        "files": [
            { "path": "main.c", "content": "int main(void) { return 0; }" },
            { "path": "data/x.bin", "content_base64": "AAECAw==" },
        ],
        "entry": "main.c",
        "compile": { "args": ["-O2"] },
        "run": { "args": ["a", "b"], "env": { "NAME": "value" } },
        "stdin": "in",
        "on_output_limit": "kill",
        "merge_stderr": false,
        "limits": { "compile": limits, "run": limits },
        "isolation": "runc",
        "reuse": "tenant",
        "scope": "user-1",
        "labels": { "k": "v" },
    })
}

/// Values that are no field's, whatever it takes.
const MISSHAPEN: &[&str] = &["[[]]", "{\"a\":{}}", "[{\"b\":[]}]", "[null]", "[-1]"];

/// Values that some field takes, and that others must refuse.
const ODD: &[&str] = &[
    "null",
    "true",
    "0",
    "-0",
    "1",
    "-1",
    "1.0",
    "0.1",
    "1.5",
    "-0.5",
    "1e2",
    "1e-400",
    "1e400",
    "-1e400",
    "NaN",
    "-NaN",
    "Infinity",
    "nan",
    "0x10",
    "01",
    "+1",
    ".5",
    "1.",
    "1_000",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "[]",
    "{}",
    "\"\"",
    "\"0\"",
    "\"NaN\"",
    "\"-1\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\u{202e}txt.c\"",
    "\"\u{200b}\"",
    "\"\u{feff}main.c\"",
    "\"ＭＡＩＮ.c\"",
    "\"ﬁ.c\"",
    "\"e\u{301}.c\"",
    "\"\\n\"",
    "\"\\u001b[2J\"",
    "\"../main.c\"",
    "\"/main.c\"",
    "\"-o\"",
    "\"main.c\\u0000.py\"",
    "\"%s%n\"",
    "\"$(id)\"",
    "\"'; DROP TABLE jobs; --\"",
    "\"main.py\"",
    "\"java\"",
    "\"PYTHON\"",
    "\"c \"",
];

/// Names of members that no object has, or that another has.
const ODD_NAMES: &[&str] = &[
    "\"\"",
    "\"x\"",
    "\"__proto__\"",
    "\"Language\"",
    "\"language \"",
    "\"cpu_millis\"",
    "\"\\u006canguage\"",
    "\"cases\"",
    "\"\u{212a}\"",
    "\"a.b\"",
    "\"[0]\"",
    "\"\\u0000\"",
    "\"`x`\"",
    "\"duplicate field `y`\"",
    "\"more than 5 items\"",
];

fn replacement() -> impl Strategy<Value = (bool, String)> {
    let deep = |open: &'static str, close: &'static str| {
        (1usize..2000).prop_map(move |depth| format!("{}1{}", open.repeat(depth), close.repeat(depth)))
    };
    let text =
        prop_oneof![any::<String>(), "[a-z./-]{0,40}", prop::char::any().prop_map(|c| c.to_string().repeat(300))];
    let number = prop_oneof![
        any::<u64>().prop_map(|n| n.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| format!("{n:e}")),
        (0u32..64, -1i8..=1).prop_map(|(shift, beside)| { (1i128 << shift).saturating_add(beside.into()).to_string() })
    ];
    prop_oneof![
        4 => prop::sample::select(ODD).prop_map(|odd| (false, odd.to_owned())),
        2 => prop::sample::select(MISSHAPEN).prop_map(|odd| (true, odd.to_owned())),
        2 => text.prop_map(|text| (false, Value::from(text).to_string())),
        2 => number.prop_map(|number| (false, number)),
        1 => deep("[", "]").prop_map(|deep| (false, deep)),
        1 => deep("{\"a\":", "}").prop_map(|deep| (false, deep)),
        1 => (0usize..2000).prop_map(|count| (false, format!("[{}\"x\"]", "\"x\",".repeat(count)))),
    ]
}

/// One change at one place of [`valid`].
pub fn mutated() -> impl Strategy<Value = Mutated> {
    let root = valid();
    let mut places = Vec::new();
    list(&root, String::new(), &mut places);
    let objects: Vec<String> = places.iter().filter(|(_, is_object)| *is_object).map(|(at, _)| at.clone()).collect();
    let places: Vec<String> = places.into_iter().map(|(at, _)| at).collect();
    let names = prop::sample::select(ODD_NAMES);
    let change = prop_oneof![
        6 => (prop::sample::select(places.clone()), replacement())
            .prop_map(|(at, (misshapen, with))| (at, misshapen, Change::Replace(with))),
        1 => prop::sample::select(places.clone()).prop_map(|at| (at, false, Change::Remove)),
        1 => prop::sample::select(places).prop_map(|at| (at, false, Change::Repeat)),
        2 => (prop::sample::select(objects), names, replacement())
            .prop_map(|(at, name, (_, value))| (at, false, Change::Add(name.to_owned(), value))),
    ];
    change.prop_map(move |(at, misshapen, change)| {
        let mut body = String::new();
        write(&root, "", &at, &change, &mut body);
        Mutated { at, misshapen, body }
    })
}

fn member(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

/// Every place of a value, and whether an object stands there.
fn list(value: &Value, at: String, places: &mut Vec<(String, bool)>) {
    places.push((at.clone(), value.is_object()));
    match value {
        Value::Object(members) => members.iter().for_each(|(name, inner)| list(inner, member(&at, name), places)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, inner)| list(inner, format!("{at}[{n}]"), places));
        }
        _ => {}
    }
}

/// `value` as JSON, with the change made at its place.
fn write(value: &Value, here: &str, at: &str, change: &Change, out: &mut String) {
    if let (true, Change::Replace(with)) = (here == at, change) {
        out.push_str(with);
        return;
    }
    let mut parts = Vec::new();
    let (open, close) = match value {
        Value::Object(members) => {
            for (name, inner) in members {
                let place = member(here, name);
                let mut part = format!("{}:", Value::from(name.as_str()));
                write(inner, &place, at, change, &mut part);
                keep(part, place == at, change, &mut parts);
            }
            if let (true, Change::Add(name, value)) = (here == at, change) {
                parts.push(format!("{name}:{value}"));
            }
            ("{", "}")
        }
        Value::Array(items) => {
            for (n, inner) in items.iter().enumerate() {
                let (place, mut part) = (format!("{here}[{n}]"), String::new());
                write(inner, &place, at, change, &mut part);
                keep(part, place == at, change, &mut parts);
            }
            ("[", "]")
        }
        plain => return out.push_str(&plain.to_string()),
    };
    out.push_str(open);
    out.push_str(&parts.join(","));
    out.push_str(close);
}

fn keep(part: String, is_it: bool, change: &Change, parts: &mut Vec<String>) {
    match change {
        Change::Remove if is_it => {}
        Change::Repeat if is_it => parts.extend([part.clone(), part]),
        _ => parts.push(part),
    }
}
