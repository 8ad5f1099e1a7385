//! The language images: their folders, and what each `language.toml` says.
//!
//! Master and agent read the same catalogue: the master to check submissions,
//! the agent to build images and to turn a job into commands. A language is
//! data alone; nothing in this repository names one in code.
//!
//! Modules in the order of use: folders are read (`folder`), their
//! `language.toml` is parsed strictly (`language`), the limits of each language
//! are worked out (`bounds`), how its packages are installed is checked
//! (`dependencies`), all are held together (`catalogue`), and a job's words are put
//! into a language's commands (`command`) or known again (`compile_key`).

pub mod bounds;
pub mod catalogue;
pub mod command;
pub mod compile_key;
pub mod dependencies;
pub mod folder;
pub mod language;

pub use catalogue::{Catalogue, CatalogueError};
pub use dependencies::Installer;
pub use folder::ImageFolder;
pub use language::Language;
