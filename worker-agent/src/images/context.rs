//! Build contexts: tars made from our own bytes. Pure.

use std::io;

use enclos_images::ImageFolder;

/// Where the extra authorities stand in an image built with `--build-ca`.
const CA_PATH: &str = "/usr/local/share/enclos/build-ca.pem";

/// Dockerfile of the sandbox layer. `COPY` of a tree needs no container, so the layer costs no start.
const SANDBOX_DOCKERFILE: &str = "ARG BASE\nFROM ${BASE}\nCOPY root/ /\n";

/// The folder's files, without `language.toml`, which is no part of the image.
pub(super) fn of_folder(folder: &ImageFolder) -> io::Result<Vec<u8>> {
    let mut tar = Context::default();
    for file in folder.files.iter().filter(|f| f.name != "language.toml") {
        tar.file(&file.name, 0o644, &file.content)?;
    }
    tar.finish()
}

/// The layer that makes a language image a sandbox image.
pub(super) fn of_sandbox(supervisor: &[u8]) -> io::Result<Vec<u8>> {
    let mut tar = Context::default();
    tar.file("Dockerfile", 0o644, SANDBOX_DOCKERFILE.as_bytes())?;
    for folder in ["root/", "root/job/", "root/enclos/", "root/enclos/cgroup/"] {
        tar.folder(folder)?;
    }
    tar.file("root/enclos/supervisor", 0o555, supervisor)?;
    tar.finish()
}

/// A layer that makes the tools of later build steps trust `authorities`.
///
/// The classic builder mounts nothing into a build, so the file is part of the
/// image. It is public, and a sandbox has no network to use it on.
pub(super) fn of_build_ca(authorities: &[u8]) -> io::Result<Vec<u8>> {
    let variables = ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];
    let environment: Vec<String> = variables.iter().map(|name| format!("{name}={CA_PATH}")).collect();
    let apt = format!("Acquire::https::CaInfo \"{CA_PATH}\";\n");
    let dockerfile = format!("ARG BASE\nFROM ${{BASE}}\nCOPY root/ /\nENV {}\n", environment.join(" "));
    let mut tar = Context::default();
    tar.file("Dockerfile", 0o644, dockerfile.as_bytes())?;
    tar.file(&format!("root{CA_PATH}"), 0o644, authorities)?;
    tar.file("root/etc/apt/apt.conf.d/91enclos-build-ca", 0o644, apt.as_bytes())?;
    tar.finish()
}

struct Context(tar::Builder<Vec<u8>>);

impl Default for Context {
    fn default() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }
}

impl Context {
    fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        let mut header = header(tar::EntryType::Regular, mode);
        header.set_size(content.len() as u64);
        self.0.append_data(&mut header, path, content)
    }

    fn folder(&mut self, path: &str) -> io::Result<()> {
        let mut header = header(tar::EntryType::Directory, 0o755);
        header.set_size(0);
        self.0.append_data(&mut header, path, io::empty())
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        self.0.into_inner()
    }
}

/// Owner root and time zero: equal input gives equal bytes, and with it a cache hit.
fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

#[cfg(test)]
mod tests {
    use enclos_images::Catalogue;

    use super::*;

    fn names(context: &[u8]) -> Vec<(String, u32)> {
        let mut archive = tar::Archive::new(context);
        let entries = archive.entries().unwrap().map(Result::unwrap);
        entries.map(|e| (e.path().unwrap().to_string_lossy().into_owned(), e.header().mode().unwrap())).collect()
    }

    #[test]
    fn a_folders_context_holds_what_its_digest_covers() {
        let catalogue = Catalogue::embedded().unwrap();
        let context = of_folder(catalogue.folder("gcc").unwrap()).unwrap();
        assert_eq!(names(&context), ["Dockerfile", "enclos.specs", "link.c"].map(|name| (name.to_owned(), 0o644)));
    }

    #[test]
    fn the_supervisor_is_executable_and_nobody_can_write_it() {
        let context = of_sandbox(b"elf").unwrap();
        assert!(names(&context).contains(&("root/enclos/supervisor".to_owned(), 0o555)));
        assert_eq!(context, of_sandbox(b"elf").unwrap());
    }
}
