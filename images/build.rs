//! Embeds every image folder beside this file, so that the programs need no files at run time.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut code = String::from("&[\n");
    for folder in sorted_entries(&root).into_iter().filter(|p| p.join("Dockerfile").is_file()) {
        println!("cargo::rerun-if-changed={}", folder.display());
        let image = name_of(&folder);
        for file in sorted_entries(&folder).into_iter().filter(|p| p.is_file()) {
            println!("cargo::rerun-if-changed={}", file.display());
            let name = name_of(&file);
            writeln!(code, "    ({image:?}, {name:?}, include_bytes!({file:?})),").expect("writing to a string");
        }
    }
    code.push_str("]\n");
    println!("cargo::rerun-if-changed={}", root.display());
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("embedded.rs");
    fs::write(out, code).expect("OUT_DIR can be written");
}

fn sorted_entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("the entry can be read").path()).collect();
    paths.sort();
    paths
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().expect("an entry has a name");
    name.to_str().expect("image files have UTF-8 names").to_owned()
}
