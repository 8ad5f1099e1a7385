//! Wheels as an index might serve them, good and bad, made byte by byte: a zip that no tool would refuse to write.

/// A wheel in the making.
pub struct Wheel {
    name: String,
    version: String,
    requires: Vec<String>,
    entries: Vec<Entry>,
}

struct Entry {
    path: String,
    /// Unix mode, type and all.
    mode: u32,
    method: u16,
    /// As they stand in the archive.
    bytes: Vec<u8>,
    /// CRC-32 and size of what they come to.
    sum: u32,
    size: u32,
}

const REGULAR: u32 = 0o100_644;
const SYMLINK: u32 = 0o120_777;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

impl Wheel {
    /// A pure wheel of this name with the module `<name>.py`.
    pub fn new(name: &str, version: &str, module: &str) -> Self {
        let (name, version) = (name.to_owned(), version.to_owned());
        let path = format!("{name}.py");
        Self { name, version, requires: Vec::new(), entries: Vec::new() }.file(&path, module)
    }

    /// With a file more.
    pub fn file(self, path: &str, content: &str) -> Self {
        self.with(stored(path, content, REGULAR))
    }

    /// With a file of these permissions.
    pub fn file_with_mode(self, path: &str, content: &str, mode: u32) -> Self {
        self.with(stored(path, content, 0o100_000 | mode))
    }

    /// With a symbolic link.
    pub fn link(self, path: &str, target: &str) -> Self {
        self.with(stored(path, target, SYMLINK))
    }

    /// With a file of `blocks` times 258 zeros and one, of which the wheel holds a hundredth.
    pub fn zeros(self, path: &str, blocks: usize) -> Self {
        let size = 258 * blocks + 1;
        self.with(Entry {
            path: path.to_owned(),
            mode: REGULAR,
            method: DEFLATED,
            bytes: deflated_zeros(blocks),
            sum: crc32(std::iter::repeat_n(0, size)),
            size: u32::try_from(size).expect("it fits a zip"),
        })
    }

    /// Requires another package.
    pub fn requires(mut self, requirement: &str) -> Self {
        self.requires.push(requirement.to_owned());
        self
    }

    fn with(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// Its file name.
    pub fn file_name(&self) -> String {
        format!("{}-{}-py3-none-any.whl", self.name, self.version)
    }

    /// What an index calls it.
    pub fn project(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let Self { name, version, requires, entries } = self;
        let info = format!("{name}-{version}.dist-info");
        let requires: String = requires.iter().map(|r| format!("Requires-Dist: {r}\n")).collect();
        let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}");
        let tags = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
        let own = ["METADATA", "WHEEL", "RECORD"].map(|file| format!("{info}/{file}"));
        let record: String = entries.iter().map(|e| &e.path).chain(&own).map(|path| format!("{path},,\n")).collect();
        let mut zip = Zip::default();
        entries.iter().for_each(|entry| zip.add(entry));
        for (path, content) in own.iter().zip([metadata.as_str(), tags, &record]) {
            zip.add(&stored(path, content, REGULAR));
        }
        zip.end()
    }
}

fn stored(path: &str, content: &str, mode: u32) -> Entry {
    let bytes = content.as_bytes().to_vec();
    let (sum, size) = (crc32(bytes.iter().copied()), u32::try_from(bytes.len()).expect("it fits a zip"));
    Entry { path: path.to_owned(), mode, method: STORED, bytes, sum, size }
}

/// One byte 0 and `blocks` copies of the 258 before each, in the fixed code of RFC 1951.
fn deflated_zeros(blocks: usize) -> Vec<u8> {
    let (mut bytes, mut used) = (vec![0_u8], 0);
    let mut bit = |bit: u32| {
        if used == 8 {
            bytes.push(0);
            used = 0;
        }
        *bytes.last_mut().expect("it is never empty") |= u8::from(bit & 1 == 1) << used;
        used += 1;
    };
    // The last block, in the fixed code; a literal 0 is 00110000.
    [1, 1, 0].into_iter().for_each(&mut bit);
    [0, 0, 1, 1, 0, 0, 0, 0].into_iter().for_each(&mut bit);
    for _ in 0..blocks {
        // Length 258 is 11000101, distance 1 is 00000.
        [1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0].into_iter().for_each(&mut bit);
    }
    [0; 7].into_iter().for_each(&mut bit);
    bytes
}

fn crc32(bytes: impl Iterator<Item = u8>) -> u32 {
    let table: Vec<u32> =
        (0..256_u32).map(|n| (0..8).fold(n, |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 })).collect();
    !bytes.fold(!0, |sum, byte| table[usize::from(sum.to_le_bytes()[0] ^ byte)] ^ (sum >> 8))
}

#[derive(Default)]
struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    entries: u16,
}

impl Zip {
    fn add(&mut self, entry: &Entry) {
        let Entry { path, mode, method, bytes, sum, size } = entry;
        let at = u32::try_from(self.bytes.len()).expect("a small archive");
        let packed = u32::try_from(bytes.len()).expect("a small file");
        let length = u16::try_from(path.len()).expect("a short path");
        let mut common = Vec::new();
        // Version, flags (names are UTF-8), method, time, date (1980-01-01).
        for word in [20, 0x800, *method, 0, 33] {
            common.extend_from_slice(&word.to_le_bytes());
        }
        for word in [*sum, packed, *size] {
            common.extend_from_slice(&word.to_le_bytes());
        }
        common.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(b"PK\x03\x04");
        self.bytes.extend_from_slice(&common);
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.extend_from_slice(bytes);
        self.directory.extend_from_slice(b"PK\x01\x02");
        // Made on Unix, so that the upper half of the attributes is a mode.
        self.directory.extend_from_slice(&[20, 3]);
        self.directory.extend_from_slice(&common);
        self.directory.extend_from_slice(&[0; 8]);
        self.directory.extend_from_slice(&(mode << 16).to_le_bytes());
        self.directory.extend_from_slice(&at.to_le_bytes());
        self.directory.extend_from_slice(path.as_bytes());
        self.entries += 1;
    }

    fn end(mut self) -> Vec<u8> {
        let at = u32::try_from(self.bytes.len()).expect("a small archive");
        let size = u32::try_from(self.directory.len()).expect("a small archive");
        self.bytes.append(&mut self.directory);
        self.bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        for _ in 0..2 {
            self.bytes.extend_from_slice(&self.entries.to_le_bytes());
        }
        self.bytes.extend_from_slice(&size.to_le_bytes());
        self.bytes.extend_from_slice(&at.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes
    }
}
