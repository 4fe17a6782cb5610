// SPDX-License-Identifier: Apache-2.0
//! Makes packages and indexes of Alpine's format 3 in memory, good ones and hostile ones.
//!
//! Values are written in the order in which `apk mkpkg` writes them and share what is alike as it does, so that the
//! bytes are the same as its.
//!
//! ```
//! let package = hardpan_testkit::apk_adb::package("libx", "1.0-r0")
//!     .depends("so:libc.musl-x86_64.so.1 y>=2")
//!     .file("usr/lib/libx.so.1", b"...")
//!     .mode(0o755)
//!     .symlink("usr/lib/libx.so", "libx.so.1")
//!     .script("post-install", "#!/bin/sh\n")
//!     .build();
//! ```

mod values;

use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};

pub use values::{Compression, Values, Word, block, container, large_block, signature};

use crate::apk::Key;

/// The time at which packages are made unless they say otherwise.
pub const BUILD_TIME: u64 = 1_700_000_000;

/// Starts a package.
pub fn package(name: &str, version: &str) -> Package {
    let mut fields = BTreeMap::new();
    fields.insert(1, name.to_owned());
    fields.insert(2, version.to_owned());
    fields.insert(4, "a test package".to_owned());
    fields.insert(5, "x86_64".to_owned());
    fields.insert(6, "MIT".to_owned());
    Package {
        texts: fields,
        numbers: BTreeMap::from([(11, BUILD_TIME)]),
        relations: BTreeMap::new(),
        commit: Vec::new(),
        replaces_priority: 0,
        directories: BTreeMap::new(),
        files: Vec::new(),
        scripts: BTreeMap::new(),
        triggers: Vec::new(),
        compression: Compression::Deflate,
        key: None,
    }
}

/// A package that is being made.
#[derive(Debug, Clone)]
pub struct Package {
    texts: BTreeMap<usize, String>,
    numbers: BTreeMap<usize, u64>,
    relations: BTreeMap<usize, String>,
    commit: Vec<u8>,
    replaces_priority: u64,
    directories: BTreeMap<String, Access>,
    files: Vec<File>,
    scripts: BTreeMap<usize, Vec<u8>>,
    triggers: Vec<String>,
    compression: Compression,
    key: Option<Key>,
}

/// Ownership and mode.
#[derive(Debug, Clone)]
pub struct Access {
    /// Permission bits.
    pub mode: u64,
    /// The user's name.
    pub user: String,
    /// The group's name.
    pub group: String,
    /// Extended attributes.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

impl Access {
    fn root(mode: u64) -> Self {
        Self { mode, user: "root".into(), group: "root".into(), xattrs: Vec::new() }
    }

    fn write(&self, values: &mut Values) -> Word {
        let mode = values.integer(self.mode);
        let (user, group) = (values.blob(&self.user), values.blob(&self.group));
        let xattrs: Vec<Word> = self
            .xattrs
            .iter()
            .map(|(name, value)| values.blob([name.as_bytes(), &[0], value].concat()))
            .collect();
        let xattrs = values.array(&xattrs);
        values.object(&[mode, user, group, xattrs])
    }
}

/// Anything in a directory that is none, however wrong it is.
#[derive(Debug, Clone)]
pub struct File {
    /// The directory.
    pub directory: String,
    /// The name in it.
    pub name: Vec<u8>,
    /// Ownership and mode.
    pub access: Access,
    /// Seconds since the epoch.
    pub mtime: u64,
    /// The type in two bytes and the target, of a link or device.
    pub target: Vec<u8>,
    /// The content.
    pub data: Vec<u8>,
    /// The length that the values say, if it is not the content's.
    pub size_bytes: Option<u64>,
    /// The hash that the values say, if it is not the content's.
    pub hash: Option<Vec<u8>>,
}

impl Package {
    /// Sets a text of the package's information by its number.
    pub fn text(mut self, number: usize, text: &str) -> Self {
        self.texts.insert(number, text.to_owned());
        self
    }

    /// Sets the architecture.
    pub fn architecture(self, architecture: &str) -> Self {
        self.text(5, architecture)
    }

    /// Sets the source package.
    pub fn origin(self, origin: &str) -> Self {
        self.text(7, origin)
    }

    /// Sets a number of the package's information by its number.
    pub fn number(mut self, number: usize, value: u64) -> Self {
        self.numbers.insert(number, value);
        self
    }

    /// Leaves out when it was made.
    pub fn without_build_time(mut self) -> Self {
        self.numbers.remove(&11);
        self
    }

    /// Sets the commit.
    pub fn commit(mut self, bytes: &[u8]) -> Self {
        self.commit = bytes.to_vec();
        self
    }

    /// Sets relations by the number of their field.
    pub fn relation(mut self, number: usize, text: &str) -> Self {
        self.relations.insert(number, text.to_owned());
        self
    }

    /// Sets what it depends on.
    pub fn depends(self, text: &str) -> Self {
        self.relation(15, text)
    }

    /// Sets what it provides.
    pub fn provides(self, text: &str) -> Self {
        self.relation(16, text)
    }

    /// Sets its rank among those that replace files.
    pub fn replaces_priority(mut self, priority: u64) -> Self {
        self.replaces_priority = priority;
        self
    }

    /// Adds a directory.
    pub fn directory(mut self, path: &str) -> Self {
        self.directories.insert(path.to_owned(), Access::root(0o755));
        self
    }

    /// Sets ownership and mode of a directory.
    pub fn directory_access(mut self, path: &str, mode: u64, user: &str, group: &str) -> Self {
        let access = Access { user: user.into(), group: group.into(), ..Access::root(mode) };
        self.directories.insert(path.to_owned(), access);
        self
    }

    /// Adds a file or anything else that is not a directory.
    pub fn entry(mut self, file: File) -> Self {
        let mut directory = file.directory.as_str();
        loop {
            let access = Access::root(0o755);
            self.directories.entry(directory.to_owned()).or_insert(access);
            if directory.is_empty() {
                break;
            }
            directory = directory.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
        self.files.push(file);
        self
    }

    fn path(self, path: &str, mode: u64, target: Vec<u8>, data: &[u8]) -> Self {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.entry(File {
            directory: directory.to_owned(),
            name: name.into(),
            access: Access::root(mode),
            mtime: BUILD_TIME,
            target,
            data: data.to_vec(),
            size_bytes: None,
            hash: None,
        })
    }

    /// Adds a file.
    pub fn file(self, path: &str, data: &[u8]) -> Self {
        self.path(path, 0o644, Vec::new(), data)
    }

    /// Adds a symbolic link.
    pub fn symlink(self, path: &str, target: impl AsRef<[u8]>) -> Self {
        let target = [&0o120_000_u16.to_le_bytes(), target.as_ref()].concat();
        self.path(path, 0o777, target, b"")
    }

    /// Adds a hard link to a path without a leading slash.
    pub fn hard_link(self, path: &str, target: &str) -> Self {
        let target = [&0o100_000_u16.to_le_bytes(), target.as_bytes()].concat();
        self.path(path, 0o644, target, b"")
    }

    /// Adds a device or pipe by the type as in `st_mode`.
    pub fn device(self, path: &str, kind: u16) -> Self {
        let target = [&kind.to_le_bytes()[..], &0x0103_u64.to_le_bytes()].concat();
        self.path(path, 0o600, target, b"")
    }

    /// Changes the file that was added last.
    ///
    /// # Panics
    /// If there is none.
    pub fn last(mut self, change: impl FnOnce(&mut File)) -> Self {
        change(self.files.last_mut().expect("a file was added"));
        self
    }

    /// Sets the mode of the last file.
    pub fn mode(self, mode: u64) -> Self {
        self.last(|file| file.access.mode = mode)
    }

    /// Sets the owner of the last file.
    pub fn owner(self, user: &str, group: &str) -> Self {
        self.last(|file| (file.access.user, file.access.group) = (user.into(), group.into()))
    }

    /// Sets the time of the last file.
    pub fn mtime(self, mtime: u64) -> Self {
        self.last(|file| file.mtime = mtime)
    }

    /// Adds an extended attribute to the last file.
    pub fn xattr(self, name: &str, value: &[u8]) -> Self {
        self.last(|file| file.access.xattrs.push((name.into(), value.into())))
    }

    /// Adds a script by its name in packages of format 2.
    ///
    /// # Panics
    /// If there is no such script.
    pub fn script(mut self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let names = [
            "trigger",
            "pre-install",
            "post-install",
            "pre-deinstall",
            "post-deinstall",
            "pre-upgrade",
            "post-upgrade",
        ];
        let number = names.iter().position(|known| *known == name).expect("a script's name");
        self.scripts.insert(number, text.as_ref().to_vec());
        self
    }

    /// Adds a path that the trigger is for.
    pub fn trigger(mut self, path: &str) -> Self {
        self.triggers.push(path.to_owned());
        self
    }

    /// Sets the compression.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Signs the package.
    pub fn signed(mut self, key: &Key) -> Self {
        self.key = Some(key.clone());
        self
    }

    /// Returns the files in the order of the values, with the numbers of their directories and of themselves.
    fn ordered(&self) -> Vec<(u32, u32, &File)> {
        let mut ordered = Vec::new();
        for (directory, name) in (1..).zip(self.directories.keys()) {
            let mut files: Vec<&File> =
                self.files.iter().filter(|file| file.directory == *name).collect();
            files.sort_by_key(|file| &file.name);
            ordered.extend((1..).zip(files).map(|(number, file)| (directory, number, file)));
        }
        ordered
    }

    fn installed_size_bytes(&self) -> u64 {
        let size: u64 = self.files.iter().map(File::content_size_bytes).sum();
        let is_empty = self.directories.is_empty() && self.scripts.is_empty();
        if is_empty { 0 } else { size.max(1) }
    }

    /// Writes the package's information but for its hash and sizes.
    fn info(&self, values: &mut Values) -> [Word; 21] {
        let mut words = [0; 21];
        for number in 1..=21 {
            let word = &mut words[number - 1];
            if number == 10 {
                *word = values.blob(&self.commit);
            } else if let Some(text) = self.texts.get(&number) {
                *word = values.blob(text);
            } else if let Some(value) = self.numbers.get(&number) {
                *word = values.integer(*value);
            } else if let Some(text) = self.relations.get(&number) {
                *word = values.relations(text);
            }
        }
        words
    }

    /// Returns the values.
    pub fn values(&self) -> Vec<u8> {
        let mut values = Values::default();
        let mut info = self.info(&mut values);
        let priority = match self.replaces_priority {
            0 => 0,
            priority => values.integer(priority),
        };
        let ordered = self.ordered();
        let mut directories = Vec::new();
        for (number, (name, access)) in (1..).zip(&self.directories) {
            let files = ordered.iter().filter(|(directory, ..)| *directory == number);
            let files: Vec<Word> = files.map(|(_, _, file)| file.write(&mut values)).collect();
            let name = values.blob(name);
            let access = access.write(&mut values);
            let files = values.object(&files);
            directories.push(values.object(&[name, access, files]));
        }
        info[11] = values.integer(self.installed_size_bytes());
        // The place of the hash, which is computed with zeros there.
        let place = values.append(&[&[20], &[0; 20][..]].concat(), 1);
        info[2] = 0x8000_0000 | place;
        let info = values.object(&info);
        let directories = values.object(&directories);
        let scripts: Vec<Word> = (0..7)
            .map(|number| values.blob(self.scripts.get(&number).map_or(&[][..], |text| text)))
            .collect();
        let scripts = values.object(&scripts);
        let triggers: Vec<Word> = self.triggers.iter().map(|path| values.blob(path)).collect();
        let triggers = values.object(&triggers);
        let root = values.object(&[info, directories, scripts, triggers, priority]);
        let mut bytes = values.finish(root);
        let hash = digest(&SHA256, &bytes);
        let start = place as usize + 1;
        bytes[start..start + 20].copy_from_slice(&hash.as_ref()[..20]);
        bytes
    }

    /// Returns the blocks: the values, the signature if there is one, the contents.
    pub fn blocks(&self) -> Vec<Vec<u8>> {
        let values = self.values();
        let mut blocks = vec![block(0, &values)];
        if let Some(key) = &self.key {
            blocks.push(block(1, &signature(*b"pckg", &values, key)));
        }
        for (directory, number, file) in self.ordered() {
            if file.target.is_empty() && !file.data.is_empty() {
                let content =
                    [&directory.to_le_bytes(), &number.to_le_bytes(), &file.data[..]].concat();
                blocks.push(block(2, &content));
            }
        }
        blocks
    }

    /// Returns the file.
    pub fn build(&self) -> Vec<u8> {
        container(*b"pckg", &self.blocks(), self.compression)
    }
}

impl File {
    fn content_size_bytes(&self) -> u64 {
        if self.target.is_empty() { self.size_bytes.unwrap_or(self.data.len() as u64) } else { 0 }
    }

    fn write(&self, values: &mut Values) -> Word {
        let name = values.blob(&self.name);
        let hash = match &self.hash {
            Some(hash) => values.blob(hash),
            None if self.target.is_empty() => values.blob(digest(&SHA256, &self.data).as_ref()),
            None => 0,
        };
        let target = values.blob(&self.target);
        let mtime = values.integer(self.mtime);
        // A link's length is its target's.
        let length = self.data.len().max(self.target.len().saturating_sub(2)) as u64;
        let size = values.integer(self.size_bytes.unwrap_or(length));
        let access = self.access.write(values);
        values.object(&[name, access, size, mtime, hash, target])
    }
}

/// An index of packages, which names them by the hash of their values.
#[derive(Debug, Clone)]
pub struct Index {
    /// What it says of itself.
    pub description: String,
    /// Where packages are, if not in the usual places.
    pub path_pattern: String,
    /// The packages.
    pub packages: Vec<Package>,
    /// How much of the hashes it has: 32 bytes, or 20.
    pub hash_bytes: usize,
}

impl Index {
    /// Starts an index.
    pub fn new(packages: Vec<Package>) -> Self {
        let (description, path_pattern) = ("v3.99-test".to_owned(), String::new());
        Self { description, path_pattern, packages, hash_bytes: 32 }
    }

    /// Returns the values.
    pub fn values(&self) -> Vec<u8> {
        let mut values = Values::default();
        let mut packages = Vec::new();
        for package in &self.packages {
            let mut info = package.info(&mut values);
            info[11] = values.integer(package.installed_size_bytes());
            info[12] = values.integer(package.build().len() as u64);
            info[2] = values.blob(&digest(&SHA256, &package.values()).as_ref()[..self.hash_bytes]);
            packages.push(values.object(&info));
        }
        let description = values.blob(&self.description);
        let pattern = values.blob(&self.path_pattern);
        let packages = values.object(&packages);
        let root = values.object(&[description, packages, pattern]);
        values.finish(root)
    }

    /// Returns the file, signed with each of the keys.
    pub fn build(&self, keys: &[&Key], compression: Compression) -> Vec<u8> {
        let values = self.values();
        let mut blocks = vec![block(0, &values)];
        blocks.extend(keys.iter().map(|key| block(1, &signature(*b"indx", &values, key))));
        container(*b"indx", &blocks, compression)
    }
}
