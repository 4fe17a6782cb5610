// SPDX-License-Identifier: Apache-2.0
//! Indexes: `Packages.adb`, `APKINDEX.adb`.

use std::collections::BTreeSet;

use hardpan_tree::{Digest, TreePath};

use super::AdbError;
use super::container::{Container, Growth, Schema};
use super::package::hexadecimal;
use super::schema::{IndexRoot, Info};
use super::signature;
use super::value::{Adb, Slots};
use crate::apk::index::{Checksum, Index, PACKAGES_MAX, Package};
use crate::apk::key::Keys;
use crate::apk::signature::GoodSignature;
use crate::segment::Format;

/// The largest index that is read, unpacked. Offsets end at 256 MiB; Alpine's largest index has about 10 MB in format 2.
const INDEX_BYTES_MAX: u64 = 128 << 20;
/// How much larger than its file. Texts that repeat much are a tenth of their size.
const GROWTH: Growth = Growth { ratio_max: 400, floor_bytes: 1 << 20 };
/// Where packages are unless the index says otherwise: beside it.
const PATH_PATTERN: &str = "${name}-${version}.apk";

/// An index that somebody who is trusted has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIndex {
    /// The index.
    pub index: Index,
    /// The digest of the values, which were signed.
    pub signed_digest: Digest,
    /// The digest of the file.
    pub digest: Digest,
    /// The good signatures by trusted keys, sorted.
    pub signatures: Vec<GoodSignature>,
}

/// Reads an index and checks who signed it.
///
/// # Errors
/// If it is damaged, more than the limits allow, or not signed with one of the keys. Nothing in it is looked at before
/// its signature.
pub fn read(bytes: &[u8], keys: &Keys) -> Result<SignedIndex, AdbError> {
    let mut reader = bytes;
    let mut container = Container::open(&mut reader, Schema::INDEX, GROWTH)?;
    let values = container.values(INDEX_BYTES_MAX)?;
    if container.next_data()?.is_some() {
        return Err(AdbError::TrailingData);
    }
    let signatures = signature::verify(Schema::INDEX, &values, keys)?;
    let index = read_values(&values.bytes)?;
    let (signed_digest, digest) = (Digest::of(&values.bytes), Digest::of(bytes));
    Ok(SignedIndex { index, signed_digest, digest, signatures })
}

/// Reads the values of an index, whose signature is a matter of the caller's.
///
/// # Errors
/// If they are damaged, or more than the limits allow.
pub fn read_values(bytes: &[u8]) -> Result<Index, AdbError> {
    let adb = Adb::new(bytes)?;
    let root = IndexRoot(adb.root()?);
    let pattern = match root.path_pattern()? {
        "" => PATH_PATTERN,
        pattern => pattern,
    };
    let mut packages = Vec::new();
    if let Some(slots) = root.packages()? {
        if slots.len() > PACKAGES_MAX {
            let maximum = PACKAGES_MAX as u64;
            return Err(AdbError::Limit { what: "packages", maximum });
        }
        for slots in slots.objects("packages") {
            packages.push(package(slots?, pattern)?);
        }
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    refuse_duplicates(&packages)?;
    Ok(Index { description: root.description()?.to_owned(), packages })
}

fn refuse_duplicates(packages: &[Package]) -> Result<(), AdbError> {
    for same in packages.chunk_by(|left, right| left.name == right.name) {
        let mut versions = BTreeSet::new();
        if let Some(package) = same.iter().find(|package| !versions.insert(&package.version)) {
            let (name, version) = (package.name.clone(), package.version.clone());
            return Err(AdbError::Duplicate { name, version });
        }
    }
    Ok(())
}

fn package(slots: Slots<'_>, pattern: &str) -> Result<Package, AdbError> {
    let info = Info(slots);
    let (name, version, architecture) = (info.name()?, info.version()?, info.architecture()?);
    let hash = info.hashes()?.ok_or(AdbError::Missing("hashes"))?;
    Ok(Package {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: architecture.to_owned(),
        checksum: checksum(hash)?,
        size_bytes: info.file_size_bytes()?,
        installed_size_bytes: info.installed_size_bytes()?,
        origin: info.origin()?.map(str::to_owned),
        license: info.license()?.to_owned(),
        build_time: info.build_time()?,
        depends: info.depends()?.join(" "),
        provides: info.provides()?.join(" "),
        install_if: info.install_if()?.join(" "),
        provider_priority: info.provider_priority()?,
        path: path(pattern, name, version, architecture, hash)?,
    })
}

/// An index does not name the function of a hash, only its length does. 20 bytes are either SHA-1 or the beginning of SHA-256.
fn checksum(hash: &[u8]) -> Result<Checksum, AdbError> {
    if let Ok(hash) = hash.try_into() {
        return Ok(Checksum::Sha256(hash));
    }
    let problem = "neither 20 nor 32 bytes";
    let hash = hash.try_into().map_err(|_| AdbError::Value { field: "hashes", problem })?;
    Ok(Checksum::Sha1(hash))
}

/// Fills a pattern in: `${name}`, `${version}`, `${arch}`, `${hash}`, each with `:` and how many characters of it to take
/// at most if not all.
fn path(
    pattern: &str,
    name: &str,
    version: &str,
    architecture: &str,
    hash: &[u8],
) -> Result<String, AdbError> {
    let bad = |problem| AdbError::Value { field: "pkgname-spec", problem };
    if pattern.contains("://") {
        return Err(bad("an absolute URL, which mirrors can't follow"));
    }
    let mut path = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        let (variable, after) = after.split_once('}').ok_or(bad("a variable without an end"))?;
        let (variable, characters) = match variable.split_once(':') {
            Some((variable, digits)) => {
                let count = digits.parse().map_err(|_| bad("a bad number of characters"))?;
                (variable, count)
            }
            None => (variable, usize::MAX),
        };
        path.push_str(before);
        match variable {
            "name" => path.extend(name.chars().take(characters)),
            "version" => path.extend(version.chars().take(characters)),
            "arch" => path.extend(architecture.chars().take(characters)),
            "hash" => path.extend(hexadecimal(hash).chars().take(characters)),
            _ => return Err(bad("an unknown variable")),
        }
        rest = after;
    }
    path.push_str(rest);
    if Format::of_path(&path) != Some(Format::Apk) {
        return Err(bad("a name that is not that of a package"));
    }
    let checked = TreePath::parse(&path)?;
    if checked.is_root() || checked.as_bytes() != path.as_bytes() {
        return Err(bad("no path below the archive"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_filled_in() {
        let path = |pattern| path(pattern, "musl-dev", "1.2.5-r9", "x86_64", &[0xab, 0x01]);
        for (pattern, expected) in [
            (PATH_PATTERN, "musl-dev-1.2.5-r9.apk"),
            ("${arch}/${name}-${version}.apk", "x86_64/musl-dev-1.2.5-r9.apk"),
            ("${name:3}/${name}-${version}.${hash:3}.apk", "mus/musl-dev-1.2.5-r9.ab0.apk"),
            ("${hash:99}/${version:0}x.apk", "ab01/x.apk"),
            ("a/$name}.apk", "a/$name}.apk"),
        ] {
            assert_eq!(path(pattern).unwrap(), expected, "{pattern}");
        }
        for pattern in [
            "https://mirror/${name}.apk",
            "../${name}.apk",
            "a/../${name}.apk",
            "/${name}.apk",
            "./${name}.apk",
            "${name}.apk/",
            "a//${name}.apk",
            "${name}",
            "${name}-${version}.deb",
            "${nam}",
            "${name",
            "${name:}",
            "${name:-1}",
            "${name:x}",
            "${name:0}",
            "a\0b",
        ] {
            assert!(path(pattern).is_err(), "{pattern:?}");
        }
    }

    #[test]
    fn hashes_are_told_by_length() {
        assert_eq!(checksum(&[7; 32]).unwrap(), Checksum::Sha256([7; 32]));
        assert_eq!(checksum(&[7; 20]).unwrap(), Checksum::Sha1([7; 20]));
        for length in [0, 1, 16, 19, 21, 31, 33, 64] {
            assert!(checksum(&vec![7; length]).is_err(), "{length}");
        }
    }
}
