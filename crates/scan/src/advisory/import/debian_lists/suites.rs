// SPDX-License-Identifier: Apache-2.0
//! Which source packages a release has, and in which newest version.

use std::collections::BTreeMap;

use super::super::{ImportError, Input, part, text};
use crate::advisory::Order;
use crate::advisory::collected::is_less;

/// Versions by source package.
pub(super) type Versions = BTreeMap<String, String>;

/// Reads the `Sources` of all suites of a release, of which one has packages: without any nothing would be affected.
pub(super) fn versions(indexes: &[Input<'_>]) -> Result<Versions, ImportError> {
    let mut versions = Versions::new();
    for index in indexes {
        let index = part::text(index.bytes)?;
        let (mut package, mut version) = (None, None);
        // An empty line ends the last stanza, too.
        for line in index.lines().chain([""]) {
            if line.is_empty() {
                if let (Some(package), Some(version)) = (package.take(), version.take()) {
                    add(&mut versions, package, version);
                }
            } else if let Some(name) = line.strip_prefix("Package:") {
                package = Some(name.trim());
            } else if let Some(text) = line.strip_prefix("Version:") {
                version = Some(text.trim());
            }
        }
    }
    if versions.is_empty() {
        let reason = "no stanza has a package and a version".to_owned();
        return Err(ImportError::NotThat { expected: "the Sources of a release", reason });
    }
    Ok(versions)
}

fn add(versions: &mut Versions, package: &str, version: &str) {
    if !text::is_package(package) || !text::is_deb_version(version) {
        return;
    }
    match versions.get_mut(package) {
        Some(known) if is_less(Order::Deb, known, version) => version.clone_into(known),
        Some(_) => {}
        None => {
            versions.insert(package.to_owned(), version.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_of_all_suites() {
        let main = b"Package: openssl\nBinary: x\nVersion: 3.5.4-1~deb13u1\n\nPackage: glibc\nVersion: 2.41-12\n";
        let security = b"Package: openssl\nVersion: 3.5.4-1~deb13u2\n\nVersion: 1\n\nPackage: bad\nVersion: _\n";
        let versions = versions(&[main.into(), security.into()]).unwrap();
        let expected = [("glibc", "2.41-12"), ("openssl", "3.5.4-1~deb13u2")];
        assert_eq!(
            versions.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(),
            expected
        );
    }
}
