//! All languages together: looked up by id, alias or file extension.

use std::path::{Path, PathBuf};

use crate::folder::{FolderError, ImageFolder};
use crate::language::{self, Language, LanguageError};

/// Names offered when a language is not known.
const SUGGESTIONS_MAX: usize = 3;
/// Least similarity (Jaro-Winkler, 0 to 1) of an offered name.
const SUGGESTION_SIMILARITY_MIN: f64 = 0.7;

/// Every image folder and every language.
#[derive(Clone, Debug)]
pub struct Catalogue {
    folders: Vec<ImageFolder>,
    languages: Vec<Language>,
}

/// Why there is no catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// A folder cannot be read.
    #[error("the images folder cannot be read")]
    Folder(#[from] FolderError),
    /// A `language.toml` is wrong.
    #[error("{}: {source}", file.display())]
    Language {
        /// Which file.
        file: PathBuf,
        /// What is wrong, and where.
        source: LanguageError,
    },
    /// Two languages answer to one name.
    #[error("'{name}' names both language '{first}' and language '{second}'")]
    Ambiguous {
        /// The id or alias.
        name: String,
        /// The one that had it.
        first: String,
        /// The other.
        second: String,
    },
}

impl Catalogue {
    /// The images that this build carries.
    ///
    /// # Errors
    /// Never for a build that passed its tests.
    pub fn embedded() -> Result<Self, CatalogueError> {
        Self::from_folders(ImageFolder::embedded(), Path::new("images"))
    }

    /// The images below `root`.
    ///
    /// # Errors
    /// [`CatalogueError`] names the file and line.
    pub fn load(root: &Path) -> Result<Self, CatalogueError> {
        Self::from_folders(ImageFolder::load_all(root)?, root)
    }

    /// The images below `root` if given, else those that this build carries.
    ///
    /// # Errors
    /// As [`Catalogue::load`].
    pub fn open(root: Option<&Path>) -> Result<Self, CatalogueError> {
        root.map_or_else(Self::embedded, Self::load)
    }

    fn from_folders(folders: Vec<ImageFolder>, root: &Path) -> Result<Self, CatalogueError> {
        let mut languages: Vec<Language> = Vec::new();
        for folder in &folders {
            let Some(text) = folder.file("language.toml") else { continue };
            let file = root.join(&folder.name).join("language.toml");
            let parsed = match std::str::from_utf8(text) {
                Ok(text) => language::parse(&folder.name, text),
                Err(e) => Err(LanguageError::Syntax(e.to_string())),
            };
            languages.extend(parsed.map_err(|source| CatalogueError::Language { file, source })?);
        }
        languages.sort_by(|a, b| a.id.cmp(&b.id));
        refuse_ambiguous(&languages)?;
        Ok(Self { folders, languages })
    }

    /// Every language, by id.
    #[must_use]
    pub fn languages(&self) -> &[Language] {
        &self.languages
    }

    /// Every image folder, the base among them.
    #[must_use]
    pub fn folders(&self) -> &[ImageFolder] {
        &self.folders
    }

    /// The folder with this name.
    #[must_use]
    pub fn folder(&self, name: &str) -> Option<&ImageFolder> {
        self.folders.iter().find(|f| f.name == name)
    }

    /// The language with this id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&Language> {
        self.languages.iter().find(|l| l.id == id)
    }

    /// The language with this id or alias, in any case of letters.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Language> {
        let name = name.to_ascii_lowercase();
        self.by_id(&name).or_else(|| self.languages.iter().find(|l| l.aliases.contains(&name)))
    }

    /// The first language whose sources have this extension.
    #[must_use]
    pub fn by_extension(&self, extension: &str) -> Option<&Language> {
        self.languages.iter().find(|l| l.extensions.iter().any(|e| e == extension))
    }

    /// Ids and aliases most like `name`, best first.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Vec<&str> {
        let name = name.to_ascii_lowercase();
        let names = self.languages.iter().flat_map(|l| l.aliases.iter().chain([&l.id]));
        let mut scored: Vec<(f64, &str)> = names
            .map(|known| (strsim::jaro_winkler(&name, known), known.as_str()))
            .filter(|(similarity, _)| *similarity >= SUGGESTION_SIMILARITY_MIN)
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        scored.into_iter().take(SUGGESTIONS_MAX).map(|(_, known)| known).collect()
    }
}

fn refuse_ambiguous(languages: &[Language]) -> Result<(), CatalogueError> {
    let mut seen = std::collections::BTreeMap::new();
    for language in languages {
        for name in language.aliases.iter().chain([&language.id]) {
            if let Some(first) = seen.insert(name.clone(), language.id.clone()) {
                return Err(CatalogueError::Ambiguous { name: name.clone(), first, second: language.id.clone() });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_languages_are_found_by_id_alias_and_extension() {
        let catalogue = Catalogue::embedded().unwrap();
        for id in ["c", "cpp", "java", "python"] {
            assert!(catalogue.by_id(id).is_some(), "{id}");
        }
        assert_eq!(catalogue.find("C++").unwrap().id, "cpp");
        assert_eq!(catalogue.find("py").unwrap().id, "python");
        assert_eq!(catalogue.by_extension("java").unwrap().id, "java");
        assert_eq!(catalogue.nearest("pyton")[0], "python");
        assert!(catalogue.nearest("zzzzz").is_empty());
    }

    #[test]
    fn an_agent_that_is_told_nothing_begins_with_the_core() {
        let catalogue = Catalogue::embedded().unwrap();
        let at_start = catalogue.languages().iter().filter(|l| l.at_start).map(|l| l.id.as_str());
        assert_eq!(at_start.collect::<Vec<_>>(), ["c", "cpp", "java", "python"]);
    }

    #[test]
    fn every_language_is_found_by_the_names_that_clients_of_piston_use() {
        const NAMES: &str = "py py3 python3 js node-js node-javascript ts tsc node-ts gcc c++ cpp g++ gdc f90 mono c# \
            cs golang rs ruby3 rb kt sc hs sh pl rscript r sqlite sql sqlite3 exs erl clj ml freepascal pp pas gvy \
            nasm64 asm64 plg cl sbcl matlab m cob cr";
        let catalogue = Catalogue::embedded().unwrap();
        for name in NAMES.split_whitespace() {
            assert!(catalogue.find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_wrong_file_is_named_with_its_line() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("x")).unwrap();
        std::fs::write(root.path().join("x/Dockerfile"), "FROM a").unwrap();
        std::fs::write(root.path().join("x/language.toml"), "\n[[language]]\nid = 3\n").unwrap();
        let message = Catalogue::load(root.path()).unwrap_err().to_string();
        assert!(message.contains("x/language.toml") && message.contains("line 3"), "{message}");
    }
}
