//! What a client would send for a program.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::{Program, sorted_entries};

impl Program {
    /// The submission; `extra` replaces what the program's file says.
    pub fn submission(&self, extra: &Value) -> Value {
        let says = &self.description;
        let mut files = Vec::new();
        let root = self.folder.join("files");
        if root.is_dir() {
            collect_files(&root, &root, &mut files);
        }
        files.extend(says.files_generated.iter().map(|f| json!({ "path": f.path, "content": f.expand() })));
        let mut submission = json!({
            "language": says.language,
            "entry": says.entry,
            "files": files,
            "run": { "args": says.args },
        });
        if !says.compile_args.is_empty() {
            submission["compile"] = json!({ "args": says.compile_args });
        }
        if let Some(environment) = &says.run_env {
            submission["run"]["env"] = json!(environment);
        }
        if let Some(repeated) = &says.stdin_repeat {
            submission["stdin"] = json!(repeated.expand());
        } else if let Ok(stdin) = std::fs::read(self.folder.join("stdin")) {
            submission["stdin_base64"] = json!(BASE64.encode(stdin));
        }
        if let Some(limits) = &says.limits {
            submission["limits"] = limits.clone();
        }
        merge(&mut submission, says.submission.as_ref().unwrap_or(&Value::Null));
        merge(&mut submission, extra);
        submission
    }
}

/// Puts `changes` over `base`, object by object.
pub fn merge(base: &mut Value, changes: &Value) {
    match (base, changes) {
        (_, Value::Null) => {}
        (Value::Object(base), Value::Object(changes)) => {
            for (key, value) in changes {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, changes) => *base = changes.clone(),
    }
}

fn collect_files(root: &Path, folder: &Path, files: &mut Vec<Value>) {
    for path in sorted_entries(folder) {
        if path.is_dir() {
            collect_files(root, &path, files);
        } else {
            let name = path.strip_prefix(root).expect("it is below").to_str().expect("names are UTF-8");
            let content = std::fs::read(&path).expect("it can be read");
            files.push(json!({ "path": name, "content_base64": BASE64.encode(content) }));
        }
    }
}
