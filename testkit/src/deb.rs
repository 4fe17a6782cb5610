// SPDX-License-Identifier: Apache-2.0
//! Makes `.deb` packages in memory, good ones and hostile ones.
//!
//! ```
//! let package = hardpan_testkit::deb("libx", "1.0-1")
//!     .architecture("amd64")
//!     .depends("libc6 (>= 2.36)")
//!     .file("/usr/lib/libx.so.1", b"...")
//!     .mode(0o755)
//!     .script("postinst", "#!/bin/sh\nldconfig\n")
//!     .build();
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

/// The time at which packages are made unless they say otherwise.
pub const TIMESTAMP: u64 = 1_700_000_000;

/// Starts a package for all architectures.
pub fn deb(name: &str, version: &str) -> Deb {
    Deb {
        fields: vec![
            ("Package".into(), name.into()),
            ("Version".into(), version.into()),
            ("Architecture".into(), "all".into()),
            ("Maintainer".into(), "Test <test@example.org>".into()),
            ("Description".into(), "a test package".into()),
        ],
        entries: Vec::new(),
        conffiles: Vec::new(),
        control_files: BTreeMap::new(),
        compression: Compression::Xz,
        timestamp: TIMESTAMP,
        has_directories: true,
    }
}

/// How `control.tar` and `data.tar` are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gz,
    /// xz.
    Xz,
    /// zstd.
    Zst,
}

impl Compression {
    /// Returns the suffix of member names.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gz => ".gz",
            Self::Xz => ".xz",
            Self::Zst => ".zst",
        }
    }

    /// Compresses bytes.
    pub fn compress(self, bytes: &[u8]) -> Vec<u8> {
        let done = match self {
            Self::None => return bytes.to_vec(),
            Self::Gz => {
                let level = flate2::Compression::fast();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).and_then(|()| encoder.finish())
            }
            Self::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
                encoder.write_all(bytes).and_then(|()| encoder.finish())
            }
            Self::Zst => zstd::stream::encode_all(bytes, 1),
        };
        done.expect("compressing in memory can't fail")
    }
}

/// A tar entry as it will be written, however wrong it is.
#[derive(Debug, Clone)]
pub struct RawEntry {
    /// The name, as in the header.
    pub name: Vec<u8>,
    /// The type flag.
    pub type_flag: u8,
    /// The link target.
    pub target: Vec<u8>,
    /// Mode.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Seconds since the epoch.
    pub mtime: u64,
    /// Extended attributes.
    pub xattrs: Vec<(String, Vec<u8>)>,
    /// Other PAX records.
    pub records: Vec<(String, Vec<u8>)>,
    /// The data.
    pub data: Vec<u8>,
    /// A size to write into the header in place of the data's.
    pub size_bytes: Option<u64>,
}

impl RawEntry {
    /// Makes an entry of root's without data.
    pub fn new(name: impl AsRef<[u8]>, type_flag: u8) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            type_flag,
            target: Vec::new(),
            mode: if type_flag == b'5' { 0o755 } else { 0o644 },
            owner: (0, 0),
            mtime: TIMESTAMP,
            xattrs: Vec::new(),
            records: Vec::new(),
            data: Vec::new(),
            size_bytes: None,
        }
    }

    /// Sets the link target.
    pub fn target(mut self, target: impl AsRef<[u8]>) -> Self {
        self.target = target.as_ref().to_vec();
        self
    }

    /// Sets the data.
    pub fn data(mut self, data: impl AsRef<[u8]>) -> Self {
        self.data = data.as_ref().to_vec();
        self
    }

    /// Sets the size in the header.
    pub fn size_bytes(mut self, size_bytes: u64) -> Self {
        self.size_bytes = Some(size_bytes);
        self
    }

    /// Appends the entry to an archive, as GNU tar would write it.
    pub fn write(&self, tar: &mut Vec<u8>) {
        let mut records = Vec::new();
        let xattrs =
            self.xattrs.iter().map(|(name, value)| (format!("SCHILY.xattr.{name}"), value));
        let others = self.records.iter().map(|(name, value)| (name.clone(), value));
        for (name, value) in xattrs.chain(others) {
            let rest = [format!(" {name}=").as_bytes(), value, b"\n"].concat();
            let length = (rest.len()..rest.len() + 20)
                .find(|length| length.to_string().len() + rest.len() == *length)
                .expect("some length fits");
            records.extend_from_slice(length.to_string().as_bytes());
            records.extend_from_slice(&rest);
        }
        if !records.is_empty() {
            raw_header(b"././@PaxHeader", b'x', b"", self, records.len() as u64, tar);
            raw_data(&records, tar);
        }
        for (type_flag, text) in [(b'K', &self.target), (b'L', &self.name)] {
            if text.len() > 100 {
                let text = [text.as_slice(), b"\0"].concat();
                raw_header(b"././@LongLink", type_flag, b"", self, text.len() as u64, tar);
                raw_data(&text, tar);
            }
        }
        let size_bytes = self.size_bytes.unwrap_or(self.data.len() as u64);
        raw_header(&self.name, self.type_flag, &self.target, self, size_bytes, tar);
        raw_data(&self.data, tar);
    }
}

fn raw_header(
    name: &[u8],
    type_flag: u8,
    target: &[u8],
    entry: &RawEntry,
    size_bytes: u64,
    tar: &mut Vec<u8>,
) {
    let mut header = [0; 512];
    let mut put = |offset: usize, bytes: &[u8]| {
        header[offset..offset + bytes.len()].copy_from_slice(bytes);
    };
    put(0, &name[..name.len().min(100)]);
    put(100, format!("{:07o}", entry.mode).as_bytes());
    put(108, format!("{:07o}", entry.owner.0).as_bytes());
    put(116, format!("{:07o}", entry.owner.1).as_bytes());
    put(124, format!("{size_bytes:011o}").as_bytes());
    put(136, format!("{:011o}", entry.mtime).as_bytes());
    put(148, b"        ");
    put(156, &[type_flag]);
    put(157, &target[..target.len().min(100)]);
    put(257, b"ustar  \0");
    // Names of others are told by records.
    for (at, number) in [(265, entry.owner.0), (297, entry.owner.1)] {
        if number == 0 {
            put(at, b"root");
        }
    }
    let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend_from_slice(&header);
}

fn raw_data(data: &[u8], tar: &mut Vec<u8>) {
    tar.extend_from_slice(data);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

/// A package in the making. Modifiers such as [`Deb::mode`] change the entry that was added last.
#[derive(Debug, Clone)]
pub struct Deb {
    fields: Vec<(String, String)>,
    entries: Vec<RawEntry>,
    conffiles: Vec<String>,
    control_files: BTreeMap<String, Vec<u8>>,
    compression: Compression,
    timestamp: u64,
    has_directories: bool,
}

impl Deb {
    /// Sets `Architecture`.
    pub fn architecture(self, architecture: &str) -> Self {
        self.field("Architecture", architecture)
    }

    /// Sets `Depends`.
    pub fn depends(self, text: &str) -> Self {
        self.field("Depends", text)
    }

    /// Sets a field of the control stanza; an empty value removes it.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        let old = self.fields.iter().position(|(field, _)| field == name);
        match old {
            Some(at) if value.is_empty() => drop(self.fields.remove(at)),
            Some(at) => self.fields[at].1 = value.into(),
            None => self.fields.push((name.into(), value.into())),
        }
        self
    }

    /// Adds a regular file.
    pub fn file(self, path: &str, data: impl AsRef<[u8]>) -> Self {
        self.raw_entry(RawEntry::new(dotted(path), b'0').data(data))
    }

    /// Adds a directory. Those above other entries come by themselves.
    pub fn directory(self, path: &str) -> Self {
        self.raw_entry(RawEntry::new(format!("{}/", dotted(path)), b'5'))
    }

    /// Adds a symbolic link.
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.raw_entry(RawEntry::new(dotted(path), b'2').target(target)).mode(0o777)
    }

    /// Adds a hard link to an earlier file of the package.
    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.raw_entry(RawEntry::new(dotted(path), b'1').target(dotted(target)))
    }

    /// Adds an entry as it is.
    pub fn raw_entry(mut self, entry: RawEntry) -> Self {
        self.entries.push(entry);
        self
    }

    /// Sets the mode of the last entry.
    pub fn mode(self, mode: u32) -> Self {
        self.last(|entry| entry.mode = mode)
    }

    /// Sets the numeric owner and group of the last entry.
    pub fn owner(self, uid: u32, gid: u32) -> Self {
        self.last(|entry| entry.owner = (uid, gid))
    }

    /// Sets the time of the last entry.
    pub fn mtime(self, mtime: u64) -> Self {
        self.last(|entry| entry.mtime = mtime)
    }

    /// Adds an extended attribute to the last entry.
    pub fn xattr(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.last(|entry| entry.xattrs.push((name.into(), value.as_ref().to_vec())))
    }

    /// Makes the last entry a conffile.
    pub fn conffile(mut self) -> Self {
        let name = self.entries.last().map(|entry| entry.name.clone()).unwrap_or_default();
        let name = String::from_utf8_lossy(&name).into_owned();
        self.conffiles.push(name.trim_start_matches('.').to_owned());
        self
    }

    /// Adds a maintainer script.
    pub fn script(self, name: &str, text: &str) -> Self {
        self.control_file(name, text)
    }

    /// Adds a file to `control.tar`; `control` replaces the stanza.
    pub fn control_file(mut self, name: &str, data: impl AsRef<[u8]>) -> Self {
        self.control_files.insert(name.into(), data.as_ref().to_vec());
        self
    }

    /// Chooses the compression; without it, xz.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Sets when the package was made.
    pub fn timestamp(mut self, timestamp: u64) -> Self {
        self.timestamp = timestamp;
        self
    }

    /// Leaves out the directories that were not added by name.
    pub fn without_directories(mut self) -> Self {
        self.has_directories = false;
        self
    }

    /// Returns the control stanza.
    pub fn control(&self) -> String {
        let lines: Vec<String> =
            self.fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        lines.concat()
    }

    /// Returns `control.tar`, uncompressed.
    pub fn control_tar(&self) -> Vec<u8> {
        let mut files = BTreeMap::from([("control".to_owned(), self.control().into_bytes())]);
        if !self.conffiles.is_empty() {
            files.insert("conffiles".into(), (self.conffiles.join("\n") + "\n").into_bytes());
        }
        files.extend(self.control_files.clone());
        let mut tar = Vec::new();
        RawEntry::new("./", b'5').write(&mut tar);
        for (name, data) in files {
            let mut entry = RawEntry::new(format!("./{name}"), b'0').data(&data);
            entry.mode = if data.starts_with(b"#!") { 0o755 } else { 0o644 };
            entry.write(&mut tar);
        }
        end(tar)
    }

    /// Returns `data.tar`, uncompressed.
    pub fn data_tar(&self) -> Vec<u8> {
        let mut tar = Vec::new();
        let mut directories: BTreeSet<Vec<u8>> = BTreeSet::new();
        for entry in &self.entries {
            let parents = entry.name.iter().enumerate().filter(|(_, byte)| **byte == b'/');
            for (slash, _) in parents.filter(|_| entry.name.starts_with(b"./")) {
                let directory = &entry.name[..=slash];
                let is_new = directory != entry.name && directories.insert(directory.to_vec());
                if self.has_directories && is_new {
                    RawEntry::new(directory, b'5').write(&mut tar);
                }
            }
            if entry.type_flag == b'5' {
                directories.insert(entry.name.clone());
            }
            entry.write(&mut tar);
        }
        end(tar)
    }

    /// Returns the package.
    pub fn build(&self) -> Vec<u8> {
        let suffix = self.compression.suffix();
        let control = self.compression.compress(&self.control_tar());
        let data = self.compression.compress(&self.data_tar());
        ar(
            self.timestamp,
            &[
                ("debian-binary", b"2.0\n"),
                (&format!("control.tar{suffix}"), &control),
                (&format!("data.tar{suffix}"), &data),
            ],
        )
    }

    fn last(mut self, change: impl FnOnce(&mut RawEntry)) -> Self {
        change(self.entries.last_mut().expect("there is an entry to change"));
        self
    }
}

/// Returns an `ar` archive.
pub fn ar(timestamp: u64, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, data) in members {
        let size = data.len();
        let header =
            format!("{name:<16}{timestamp:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 100_644);
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(data);
        if size % 2 == 1 {
            archive.push(b'\n');
        }
    }
    archive
}

fn dotted(path: &str) -> String {
    format!("./{}", path.trim_start_matches('/'))
}

fn end(mut tar: Vec<u8>) -> Vec<u8> {
    tar.resize((tar.len() + 1024).next_multiple_of(10_240), 0);
    tar
}
