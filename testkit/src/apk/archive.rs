// SPDX-License-Identifier: Apache-2.0
//! Signed archives of `.apk` packages.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Algorithm, Apk, Key, end, signature_member};
use crate::archive::{Files, gzip};
use crate::deb::RawEntry;

/// An archive: an index and packages for each architecture.
#[derive(Debug, Clone)]
pub struct Archive {
    description: String,
    /// Packages by architecture.
    packages: BTreeMap<String, Vec<Apk>>,
}

impl Default for Archive {
    fn default() -> Self {
        Self::new()
    }
}

impl Archive {
    /// Makes an empty archive for `x86_64` and `aarch64`.
    pub fn new() -> Self {
        Self::for_architectures(&["x86_64", "aarch64"])
    }

    /// Makes an empty archive.
    pub fn for_architectures(names: &[&str]) -> Self {
        let packages = names.iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
        Self { description: "v3.99.0-1-gtest".into(), packages }
    }

    /// Sets what the indexes say of themselves.
    pub fn description(mut self, text: &str) -> Self {
        text.clone_into(&mut self.description);
        self
    }

    /// Adds a package to its architecture; one for `noarch` to all.
    pub fn package(mut self, apk: &Apk) -> Self {
        let of = &apk.architecture;
        let mut is_added = false;
        for (architecture, packages) in &mut self.packages {
            if of == "noarch" || of == architecture {
                packages.push(apk.clone());
                is_added = true;
            }
        }
        assert!(is_added, "the archive has no architecture {of}");
        self
    }

    /// Returns the text of an architecture's index.
    pub fn index(&self, architecture: &str) -> String {
        let packages = self.packages.get(architecture).expect("the archive has the architecture");
        packages.iter().map(|apk| apk.index_entry() + "\n").collect()
    }

    /// Returns all files, signed by several keys as Alpine does: `x86_64/APKINDEX.tar.gz`,
    /// `x86_64/a-1-r0.apk` and so on.
    pub fn build(&self, keys: &[&Key]) -> Files {
        self.build_with(&keys.iter().map(|key| (*key, Algorithm::Rsa)).collect::<Vec<_>>())
    }

    /// Returns all files, signed in any way.
    pub fn build_with(&self, signers: &[(&Key, Algorithm)]) -> Files {
        let mut files = Files::new();
        for (architecture, packages) in &self.packages {
            let index = index_file(&self.description, &self.index(architecture), signers);
            files.insert(format!("{architecture}/APKINDEX.tar.gz"), index);
            for apk in packages {
                files.insert(format!("{architecture}/{}", apk.file_name()), apk.build());
            }
        }
        files
    }

    /// Writes all files below a folder, signed by several keys.
    pub fn write(&self, folder: &Path, keys: &[&Key]) {
        for (path, bytes) in self.build(keys) {
            let path = folder.join(path);
            let parent = path.parent().expect("a file has a folder");
            fs::create_dir_all(parent)
                .and_then(|()| fs::write(&path, bytes))
                .expect("a disk with space");
        }
    }
}

/// Returns an `APKINDEX.tar.gz`; without signers it is not signed.
pub fn index_file(description: &str, index: &str, signers: &[(&Key, Algorithm)]) -> Vec<u8> {
    let mut tar = Vec::new();
    RawEntry::new("DESCRIPTION", b'0').data(description).write(&mut tar);
    RawEntry::new("APKINDEX", b'0').data(index).write(&mut tar);
    let signed = gzip(&end(tar));
    let mut file = if signers.is_empty() { Vec::new() } else { signature_member(signers, &signed) };
    file.extend(signed);
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apk::apk;

    #[test]
    fn an_archive_has_its_files_and_they_are_always_the_same() {
        let archive = Archive::new()
            .package(&apk("a", "1-r0").depends("b so:c").provides("cmd:a=1-r0"))
            .package(&apk("b", "2-r1").architecture("aarch64").file("/usr/bin/b", "b"));
        let files = archive.build(&[&Key::new(1)]);
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "aarch64/APKINDEX.tar.gz",
                "aarch64/a-1-r0.apk",
                "aarch64/b-2-r1.apk",
                "x86_64/APKINDEX.tar.gz",
                "x86_64/a-1-r0.apk",
            ]
        );
        assert_eq!(files, archive.build(&[&Key::new(1)]));
        let index = archive.index("x86_64");
        assert!(index.starts_with("C:Q1") && index.ends_with("D:b so:c\np:cmd:a=1-r0\n\n"));
    }
}
