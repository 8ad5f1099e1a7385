//! `language.toml`: refused with a sentence, or a language whose commands come to plain words.
#![no_main]

use enclos_images::command::{JobWords, expand};
use enclos_images::language::{self, Language};
use enclos_protocol::job::JobPath;
use libfuzzer_sys::fuzz_target;

fn check(language: &Language) {
    for bounds in [&language.compile_bounds, &language.run_bounds] {
        for (name, bound) in bounds.fields() {
            assert!(bound.min <= bound.default && bound.default <= bound.max, "{name}");
        }
    }
    let path = |text: &str| JobPath::try_from(text.to_owned()).unwrap();
    let (entry, files) = (path("a/Main.x"), [path("a/Main.x"), path("b.x"), path("data")]);
    let args = ["{entry}".to_owned(), "--flag".to_owned()];
    let words = JobWords {
        entry: &entry,
        entry_content: b"package a.b;\n",
        files: &files,
        args: &args,
        memory_bytes: 64 << 20,
    };
    for command in language.compile.iter().chain([&language.run]) {
        let argv = expand(language, &command.command, &words);
        // A client's own words are never taken for placeholders.
        let given = argv.iter().filter(|word| **word == args[0]).count();
        let places = command.command.iter().filter(|word| *word == "{args}").count();
        assert!(given >= places, "{argv:?}");
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match language::parse("image", text) {
        Ok(languages) => languages.iter().for_each(check),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
