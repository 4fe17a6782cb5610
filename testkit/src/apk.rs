// SPDX-License-Identifier: Apache-2.0
//! Makes `.apk` packages of format 2 in memory, good ones and hostile ones, and signed archives of them.
//!
//! ```
//! use hardpan_testkit::apk::{Key, apk};
//!
//! let package = apk("libx", "1.0-r0")
//!     .architecture("x86_64")
//!     .depends("so:libc.musl-x86_64.so.1")
//!     .provides("so:libx.so.1=1.0")
//!     .file("/usr/lib/libx.so.1", b"...")
//!     .mode(0o755)
//!     .script("post-install", "#!/bin/sh\nexit 0\n")
//!     .sign(&Key::new(1))
//!     .build();
//! ```

mod archive;
mod key;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hardpan_tree::Digest;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

pub use archive::{Archive, index_file};
pub use key::{Algorithm, Key, pem};

use crate::archive::gzip;
use crate::deb::{RawEntry, TIMESTAMP};

/// Starts a package for all architectures.
pub fn apk(name: &str, version: &str) -> Apk {
    Apk {
        name: name.into(),
        version: version.into(),
        architecture: "noarch".into(),
        build_time: Some(TIMESTAMP),
        fields: Vec::new(),
        entries: Vec::new(),
        control_files: BTreeMap::new(),
        signers: Vec::new(),
        data_hash: DataHash::Right,
        has_data: true,
        has_directories: true,
    }
}

/// What a package says of its data.
#[derive(Debug, Clone)]
enum DataHash {
    Right,
    Text(String),
    Missing,
}

/// A package in the making. Modifiers such as [`Apk::mode`] change the entry that was added last.
#[derive(Debug, Clone)]
pub struct Apk {
    name: String,
    version: String,
    architecture: String,
    build_time: Option<u64>,
    fields: Vec<(String, String)>,
    entries: Vec<RawEntry>,
    control_files: BTreeMap<String, Vec<u8>>,
    signers: Vec<(Key, Algorithm)>,
    data_hash: DataHash,
    has_data: bool,
    has_directories: bool,
}

impl Apk {
    /// Sets `arch`.
    pub fn architecture(mut self, architecture: &str) -> Self {
        architecture.clone_into(&mut self.architecture);
        self
    }

    /// Adds dependencies, separated by spaces.
    pub fn depends(self, names: &str) -> Self {
        self.each("depend", names)
    }

    /// Adds what it provides, separated by spaces.
    pub fn provides(self, names: &str) -> Self {
        self.each("provides", names)
    }

    /// Adds what it replaces, separated by spaces.
    pub fn replaces(self, names: &str) -> Self {
        self.each("replaces", names)
    }

    /// Sets `install_if`, separated by spaces.
    pub fn install_if(self, names: &str) -> Self {
        self.field("install_if", names)
    }

    /// Sets `provider_priority`.
    pub fn provider_priority(self, priority: u64) -> Self {
        self.field("provider_priority", &priority.to_string())
    }

    /// Sets `replaces_priority`.
    pub fn replaces_priority(self, priority: u64) -> Self {
        self.field("replaces_priority", &priority.to_string())
    }

    /// Sets the source package.
    pub fn origin(self, origin: &str) -> Self {
        self.field("origin", origin)
    }

    /// Sets the paths that its trigger is for, separated by spaces.
    pub fn triggers(self, paths: &str) -> Self {
        self.field("triggers", paths)
    }

    /// Sets `builddate`; without one there is none.
    pub fn build_time(mut self, seconds: Option<u64>) -> Self {
        self.build_time = seconds;
        self
    }

    /// Adds a line to `.PKGINFO`.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Adds a regular file.
    pub fn file(self, path: &str, data: impl AsRef<[u8]>) -> Self {
        let data = data.as_ref();
        self.raw_entry(checked(RawEntry::new(relative(path), b'0'), data).data(data))
    }

    /// Adds a directory. Those above other entries come by themselves.
    pub fn directory(self, path: &str) -> Self {
        self.raw_entry(RawEntry::new(format!("{}/", relative(path)), b'5'))
    }

    /// Adds a symbolic link.
    pub fn symlink(self, path: &str, target: &str) -> Self {
        let entry = checked(RawEntry::new(relative(path), b'2'), target.as_bytes());
        self.raw_entry(entry.target(target)).mode(0o777)
    }

    /// Adds a hard link to an earlier file of the package.
    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.raw_entry(RawEntry::new(relative(path), b'1').target(relative(target)))
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

    /// Sets the names of the owner and group of the last entry.
    pub fn owner_names(self, user: &str, group: &str) -> Self {
        let records = [("uname", user), ("gname", group)];
        self.last(|entry| {
            let records = records.map(|(key, name)| (key.to_owned(), name.as_bytes().to_vec()));
            entry.records.extend(records);
        })
    }

    /// Sets the time of the last entry.
    pub fn mtime(self, mtime: u64) -> Self {
        self.last(|entry| entry.mtime = mtime)
    }

    /// Adds an extended attribute to the last entry.
    pub fn xattr(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.last(|entry| entry.xattrs.push((name.into(), value.as_ref().to_vec())))
    }

    /// Adds a maintainer script: `pre-install`, `trigger` and so on.
    pub fn script(self, name: &str, text: &str) -> Self {
        self.control_file(&format!(".{name}"), text)
    }

    /// Adds a file to the control member; `.PKGINFO` replaces what is made.
    pub fn control_file(mut self, name: &str, data: impl AsRef<[u8]>) -> Self {
        self.control_files.insert(name.into(), data.as_ref().to_vec());
        self
    }

    /// Says something else of the data than its digest.
    pub fn data_hash(mut self, text: &str) -> Self {
        self.data_hash = DataHash::Text(text.into());
        self
    }

    /// Says nothing of the data.
    pub fn without_data_hash(mut self) -> Self {
        self.data_hash = DataHash::Missing;
        self
    }

    /// Leaves out the data member, and its digest.
    pub fn without_data(mut self) -> Self {
        self.has_data = false;
        self.without_data_hash()
    }

    /// Leaves out the directories that were not added by name.
    pub fn without_directories(mut self) -> Self {
        self.has_directories = false;
        self
    }

    /// Signs as Alpine does; may be used more than once.
    pub fn sign(self, key: &Key) -> Self {
        self.sign_with(key, Algorithm::Rsa)
    }

    /// Signs in any way.
    pub fn sign_with(mut self, key: &Key, algorithm: Algorithm) -> Self {
        self.signers.push((key.clone(), algorithm));
        self
    }

    /// Returns `.PKGINFO`.
    pub fn info(&self) -> String {
        let mut text = format!(
            "# Generated by testkit.\npkgname = {}\npkgver = {}\npkgdesc = a test package\nurl = \
             https://example.org\n",
            self.name, self.version
        );
        let mut line = |name: &str, value: &str| {
            writeln!(text, "{name} = {value}").expect("text can be written to");
        };
        if let Some(seconds) = self.build_time {
            line("builddate", &seconds.to_string());
        }
        line("size", &self.installed_size_bytes().to_string());
        line("arch", &self.architecture);
        line("license", "MIT");
        for (name, value) in &self.fields {
            line(name, value);
        }
        match &self.data_hash {
            DataHash::Right => line("datahash", &Digest::of(&self.data()).to_hex()),
            DataHash::Text(text) => line("datahash", text),
            DataHash::Missing => {}
        }
        text
    }

    /// Returns the data member as it is in the package.
    pub fn data(&self) -> Vec<u8> {
        gzip(&end(self.data_tar()))
    }

    /// Returns the archive of the files, without its end.
    pub fn data_tar(&self) -> Vec<u8> {
        let mut tar = Vec::new();
        let mut directories: BTreeSet<Vec<u8>> = BTreeSet::new();
        for entry in &self.entries {
            let slashes = entry.name.iter().enumerate().filter(|(_, byte)| **byte == b'/');
            for (slash, _) in slashes {
                let directory = &entry.name[..=slash];
                // What is hostile stays as it is.
                let is_plain = !directory.starts_with(b"/") && !directory.starts_with(b".");
                let is_new = directory != entry.name && directories.insert(directory.to_vec());
                if self.has_directories && is_plain && is_new {
                    RawEntry::new(directory, b'5').write(&mut tar);
                }
            }
            if entry.type_flag == b'5' {
                directories.insert(entry.name.clone());
            }
            entry.write(&mut tar);
        }
        tar
    }

    /// Returns the control member as it is in the package: the bytes that are signed and identify it.
    pub fn control(&self) -> Vec<u8> {
        let mut tar = Vec::new();
        let mut files = self.control_files.clone();
        let info = files.remove(".PKGINFO").unwrap_or_else(|| self.info().into_bytes());
        for (name, data) in [(".PKGINFO".to_owned(), info)].into_iter().chain(files) {
            let mut entry = checked(RawEntry::new(name, b'0'), &data).data(&data);
            entry.mode = if data.starts_with(b"#!") { 0o755 } else { 0o644 };
            entry.write(&mut tar);
        }
        gzip(&tar)
    }

    /// Returns the package.
    pub fn build(&self) -> Vec<u8> {
        let control = self.control();
        let mut package = Vec::new();
        if !self.signers.is_empty() {
            let signers: Vec<(&Key, Algorithm)> =
                self.signers.iter().map(|(key, algorithm)| (key, *algorithm)).collect();
            package = signature_member(&signers, &control);
        }
        package.extend(control);
        if self.has_data {
            package.extend(self.data());
        }
        package
    }

    /// Returns what an index says of the package's control member: `Q1…`.
    pub fn checksum(&self) -> String {
        let sum = digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.control());
        format!("Q1{}", STANDARD.encode(sum.as_ref()))
    }

    /// Returns the package's file name.
    pub fn file_name(&self) -> String {
        format!("{}-{}.apk", self.name, self.version)
    }

    /// Returns the package's stanza of an index, without the empty line after it.
    pub fn index_entry(&self) -> String {
        let mut text = format!(
            "C:{}\nP:{}\nV:{}\nA:{}\nS:{}\nI:{}\nT:a test package\nU:https://example.org\nL:MIT\n",
            self.checksum(),
            self.name,
            self.version,
            self.architecture,
            self.build().len(),
            self.installed_size_bytes(),
        );
        let build_time = self.build_time.map(|seconds| seconds.to_string());
        for (letter, field) in [
            ("o", "origin"),
            ("t", "builddate"),
            ("k", "provider_priority"),
            ("D", "depend"),
            ("p", "provides"),
            ("i", "install_if"),
        ] {
            let values = self.fields.iter().filter(|(name, _)| name == field);
            let mut values: Vec<&str> = values.map(|(_, value)| value.as_str()).collect();
            if field == "builddate" {
                values.extend(build_time.as_deref());
            }
            if !values.is_empty() {
                writeln!(text, "{letter}:{}", values.join(" ")).expect("text can be written to");
            }
        }
        text
    }

    fn installed_size_bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.data.len()).sum()
    }

    fn each(mut self, field: &str, names: &str) -> Self {
        for name in names.split_whitespace() {
            self.fields.push((field.into(), name.into()));
        }
        self
    }

    fn last(mut self, change: impl FnOnce(&mut RawEntry)) -> Self {
        change(self.entries.last_mut().expect("there is an entry to change"));
        self
    }
}

/// Returns a member with signatures of bytes.
pub fn signature_member(signers: &[(&Key, Algorithm)], signed: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (key, algorithm) in signers {
        let name = format!(".SIGN.{}.{}", algorithm.as_str(), key.name());
        RawEntry::new(name, b'0').data(key.sign(*algorithm, signed)).write(&mut tar);
    }
    gzip(&tar)
}

/// Adds the checksum that Alpine's tools put beside each file and link.
fn checked(mut entry: RawEntry, content: &[u8]) -> RawEntry {
    let mut sum = String::new();
    for byte in digest(&SHA1_FOR_LEGACY_USE_ONLY, content).as_ref() {
        write!(sum, "{byte:02x}").expect("text can be written to");
    }
    entry.records.push(("APK-TOOLS.checksum.SHA1".into(), sum.into_bytes()));
    entry
}

fn relative(path: &str) -> String {
    path.trim_start_matches('/').to_owned()
}

fn end(mut tar: Vec<u8>) -> Vec<u8> {
    tar.resize(tar.len() + 1024, 0);
    tar
}
