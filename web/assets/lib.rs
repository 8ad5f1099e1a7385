//! The page as the master serves it: each file with its type, its hash and two compressed forms.
//!
//! ```text
//! web/ ─ build.rs: npm ci, npm run build ─▶ dist/ ─ precompress.mjs ─▶ packed/ ─ include_bytes! ─▶ FILES
//!                     └── not to be had ─▶ unbuilt.html alone, and a warning of the build
//! ```

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Where it is served, `/` for the document.
    pub path: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Its name holds a hash of it, so what was once read never changes.
    pub is_immutable: bool,
    /// The beginning of its SHA-256, in hex digits.
    pub hash: &'static str,
    /// Its bytes.
    pub plain: &'static [u8],
    /// The same in brotli, where that is shorter.
    pub brotli: Option<&'static [u8]>,
    /// The same in gzip, where that is shorter.
    pub gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/files.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_document_and_nothing_is_there_twice() {
        let mut paths: Vec<&str> = FILES.iter().map(|file| file.path).collect();
        paths.sort_unstable();
        assert!(paths.windows(2).all(|pair| pair[0] != pair[1]), "{paths:?}");
        let document = FILES.iter().find(|file| file.path == "/").unwrap();
        assert!(!document.is_immutable && document.media_type.starts_with("text/html"));
    }

    #[test]
    fn compressed_forms_are_of_their_kind_and_shorter() {
        for file in FILES {
            assert!(file.gzip.is_none_or(|gzip| gzip.starts_with(&[0x1f, 0x8b]) && gzip.len() < file.plain.len()));
            assert!(file.brotli.is_none_or(|brotli| brotli.len() < file.plain.len()), "{}", file.path);
        }
    }

    #[test]
    fn what_the_document_names_is_there() {
        let document = FILES.iter().find(|file| file.path == "/").unwrap();
        let text = std::str::from_utf8(document.plain).unwrap();
        for link in text.split(['"', '\'']).filter(|part| part.starts_with("/assets/")) {
            assert!(FILES.iter().any(|file| file.path == link && file.is_immutable), "{link}");
        }
    }

    #[test]
    fn nothing_of_the_document_is_inline_or_from_elsewhere() {
        let document = FILES.iter().find(|file| file.path == "/").unwrap();
        let text = std::str::from_utf8(document.plain).unwrap();
        for inline in ["<style", "style=", "onclick", "onload", "javascript:", "src=\"http", "href=\"http", "src=\"//"]
        {
            assert!(!text.contains(inline), "{inline}");
        }
        for script in text.split("<script").skip(1) {
            let (tag, rest) = script.split_once('>').unwrap();
            assert!(tag.contains("src=") && rest.starts_with("</script>"), "a script by its address alone: {tag}");
        }
    }
}
