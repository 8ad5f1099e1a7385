//! What makes two compile steps the same, as far as a job says.
//!
//! Master and agent come to the same key from the same job. An agent adds what
//! only it knows (its image, its processor) before it takes one result for
//! another; for the master the key is a hint where a result may be. Every part
//! goes in with its length, so that no two jobs have the same bytes.

use enclos_protocol::ids::Binding;
use enclos_protocol::job::{JobFile, JobPath};
use enclos_protocol::limits::StepLimits;
use sha2::{Digest, Sha256};

use crate::Language;
use crate::language::Command;

/// A file as a compile step finds it: known by its digest, so that the key of a large one needs none
/// of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source<'a> {
    /// Where it stands.
    pub path: &'a JobPath,
    /// SHA-256 of its content.
    pub digest: [u8; 32],
}

impl<'a> Source<'a> {
    /// A file whose bytes are at hand.
    #[must_use]
    pub fn of(file: &'a JobFile) -> Self {
        Self { path: &file.path, digest: Sha256::digest(&file.content).into() }
    }
}

/// A compile step.
#[derive(Clone, Copy, Debug)]
pub struct Compilation<'a> {
    /// Whose it is: results are never shared between tenants or scopes.
    pub binding: &'a Binding,
    /// Of which language.
    pub language: &'a Language,
    /// The file that is compiled first.
    pub entry: &'a JobPath,
    /// Arguments for the compiler.
    pub args: &'a [String],
    /// Limits of the step: a compiler can see them.
    pub limits: &'a StepLimits,
    /// Every file that it finds.
    pub files: &'a [Source<'a>],
}

/// Its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CompileKey(pub [u8; 32]);

impl CompileKey {
    /// The first bytes, as agents name what they remember.
    #[must_use]
    pub fn short(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl Compilation<'_> {
    /// The key; `None` where the language has no compile step.
    #[must_use]
    pub fn key(&self) -> Option<CompileKey> {
        let Self { binding, language, entry, args, limits, files } = *self;
        // What does the same earlier makes no other result.
        let Command { command, env, ahead: _ } = language.compile.as_ref()?;
        let mut parts = Parts::default();
        parts.text(&binding.tenant);
        parts.text(&binding.scope);
        parts.text(&language.id);
        parts.list(command.iter());
        parts.list(env.iter().flat_map(|(name, value)| [name, value]));
        parts.text(entry.as_str());
        parts.list(args.iter());
        let StepLimits {
            cpu_ms,
            wall_ms,
            memory_bytes,
            pids,
            output_bytes,
            report_bytes,
            file_bytes,
            stack_bytes,
            cpu_millis,
        } = *limits;
        let numbers = [cpu_ms, wall_ms, memory_bytes, output_bytes, report_bytes, file_bytes, stack_bytes];
        numbers.into_iter().chain([u64::from(pids), u64::from(cpu_millis)]).for_each(|n| parts.number(n));
        // In which order the files came makes no difference to a compiler's directory, but it does
        // to its command line.
        parts.number(files.len() as u64);
        for Source { path, digest } in files {
            parts.text(path.as_str());
            parts.bytes(digest);
        }
        Some(CompileKey(parts.hash.finalize().into()))
    }
}

#[derive(Default)]
struct Parts {
    hash: Sha256,
}

impl Parts {
    fn number(&mut self, number: u64) {
        self.hash.update(number.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.hash.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn list<'a>(&mut self, texts: impl Iterator<Item = &'a String> + Clone) {
        self.number(texts.clone().count() as u64);
        texts.for_each(|text| self.text(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Catalogue, bounds};

    fn path(text: &str) -> JobPath {
        JobPath::try_from(text.to_owned()).unwrap()
    }

    fn file(name: &str, content: &[u8]) -> JobFile {
        JobFile { path: path(name), content: content.to_vec().into() }
    }

    fn binding(tenant: &str, scope: &str) -> Binding {
        Binding { tenant: tenant.into(), scope: scope.into() }
    }

    #[test]
    fn every_part_of_a_compilation_changes_its_key() {
        let catalogue = Catalogue::embedded().unwrap();
        let c = catalogue.by_id("c").unwrap();
        let (owner, entry, limits) = (binding("t", "s"), path("main.c"), bounds::COMPILE.defaults());
        let [main, header, moved, emptied] =
            [file("main.c", b"a"), file("b.h", b"c"), file("main.c", b"ab"), file("b.h", b"")];
        let files = [Source::of(&main), Source::of(&header)];
        let args = ["-O2".to_owned(), "-g".to_owned()];
        let base =
            Compilation { binding: &owner, language: c, entry: &entry, args: &args, limits: &limits, files: &files };
        let mut longer = limits;
        longer.cpu_ms += 1;
        let joined = ["-O2-g".to_owned()];
        let others = [
            Compilation { binding: &binding("ts", ""), ..base },
            Compilation { binding: &binding("t", "u"), ..base },
            Compilation { language: catalogue.by_id("cpp").unwrap(), ..base },
            Compilation { entry: &path("b.h"), ..base },
            Compilation { args: &joined, ..base },
            Compilation { limits: &longer, ..base },
            Compilation { files: &[Source::of(&moved), Source::of(&emptied)], ..base },
            Compilation { files: &[Source::of(&header), Source::of(&main)], ..base },
        ];
        for other in others {
            assert_ne!(other.key(), base.key(), "{other:?}");
        }
        assert_eq!(base.key(), base.key());
        assert_eq!(Compilation { language: catalogue.by_id("python").unwrap(), ..base }.key(), None);
    }
}
