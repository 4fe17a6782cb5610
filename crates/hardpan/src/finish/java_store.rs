// SPDX-License-Identifier: Apache-2.0
//! Java's store of trusted certificates, as `ca-certificates-java` fills it.
//!
//! `/etc/ssl/certs/java/cacerts` is a JKS file of version 2 with the certificates of the bundle. Its
//! password is the usual one; it protects nothing. Times and order are fixed, so the same
//! certificates give the same bytes.

#![expect(
    clippy::cast_possible_truncation,
    reason = "aliases are at most 65,535 bytes long, certificates and their number far below 4 GiB"
)]

use std::collections::BTreeMap;

use hardpan_tree::{Contents, Kind, Tree, TreePath};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

use super::ca_bundle::{LinkNames, is_definitions_own, is_directory, trusted};
use super::{Editor, FinishError, Report};

/// The name of this finisher.
pub const FINISHER: &str = "java-store";

/// Where Debian's Java runtimes have their store.
const STORE: &str = "/etc/ssl/certs/java/cacerts";
/// The password that every Java runtime tries.
const PASSWORD: &str = "changeit";
/// What the digest at the end is made with, beside the password (`JavaKeyStore.getPreKeyedHash`).
const WHITENER: &[u8] = b"Mighty Aphrodite";
const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
const TRUSTED_CERTIFICATE: u32 = 2;
/// The longest alias, in bytes: its length is stored in two.
const ALIAS_BYTES_MAX: usize = 0xffff;

/// Makes the store, if there is a Java runtime that uses it and `/usr/share/ca-certificates`.
///
/// A store of the definition's own is kept.
///
/// # Errors
/// If a trusted file is not a PEM file of certificates, or can't be read.
pub fn apply(
    tree: &mut Tree,
    contents: &dyn Contents,
    epoch: i64,
    report: &mut Report,
) -> Result<(), FinishError> {
    let path = TreePath::literal(STORE);
    if !is_needed(tree) || is_definitions_own(tree, &path) {
        return Ok(());
    }
    let Some(trusted) = trusted(tree, contents, LinkNames::Plain)? else { return Ok(()) };
    let mut entries: BTreeMap<String, &[u8]> = BTreeMap::new();
    for authority in &trusted.authorities {
        let name = String::from_utf8_lossy(&authority.link_name).to_lowercase();
        // The tool takes only the first certificate of a file.
        if let Some(certificate) = authority.certificates.first() {
            entries.insert(format!("debian:{name}"), &certificate.der);
        }
    }
    let mut editor = Editor::new(tree, FINISHER, epoch);
    let metadata = editor.metadata(0o644);
    editor.file(&path, store(&entries, epoch), metadata)?;
    report.actions.extend(editor.finish(None));
    Ok(())
}

/// Returns whether a Java runtime is there that has no store of its own.
fn is_needed(tree: &Tree) -> bool {
    let child = |directory: &TreePath, name: &str| directory.join(name).ok();
    let machines = tree.resolve(&TreePath::literal("/usr/lib/jvm"));
    let machines = machines.iter().flat_map(|directory| tree.children(directory));
    let mut directories: Vec<TreePath> = machines
        .flat_map(|(path, _)| ["lib/security", "jre/lib/security"].map(|name| child(path, name)))
        .flatten()
        .collect();
    let etc = tree.children(&TreePath::literal("/etc")).map(|(path, _)| path);
    let is_java =
        |path: &&TreePath| path.name().starts_with(b"java-") && path.name().ends_with(b"-openjdk");
    directories.extend(etc.filter(is_java).filter_map(|path| child(path, "security")));
    let has_own = |directory: &TreePath| {
        let store = child(directory, "cacerts").and_then(|path| tree.resolve_parent(&path).ok());
        store
            .and_then(|path| tree.get(&path))
            .is_some_and(|node| matches!(node.kind, Kind::File(_) | Kind::HardLink(_)))
    };
    directories.iter().any(|directory| is_directory(tree, directory) && !has_own(directory))
}

/// Writes a store of trusted certificates (`sun.security.provider.JavaKeyStore`).
fn store(entries: &BTreeMap<String, &[u8]>, epoch: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let word = |bytes: &mut Vec<u8>, value: u32| bytes.extend(value.to_be_bytes());
    let entries: Vec<(Vec<u8>, &[u8])> = entries
        .iter()
        .map(|(alias, der)| (modified_utf8(alias), *der))
        .filter(|(alias, _)| alias.len() <= ALIAS_BYTES_MAX)
        .collect();
    word(&mut bytes, MAGIC);
    word(&mut bytes, VERSION);
    word(&mut bytes, entries.len() as u32);
    for (alias, der) in entries {
        word(&mut bytes, TRUSTED_CERTIFICATE);
        text(&mut bytes, &alias);
        bytes.extend(epoch.saturating_mul(1000).to_be_bytes());
        text(&mut bytes, b"X.509");
        word(&mut bytes, der.len() as u32);
        bytes.extend_from_slice(der);
    }
    let mut digest = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    let password: Vec<u8> = PASSWORD.encode_utf16().flat_map(u16::to_be_bytes).collect();
    digest.update(&password);
    digest.update(WHITENER);
    digest.update(&bytes);
    bytes.extend_from_slice(digest.finish().as_ref());
    bytes
}

/// Appends a text as `DataOutputStream.writeUTF` does: two bytes of length, then the text.
fn text(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.extend((text.len() as u16).to_be_bytes());
    bytes.extend_from_slice(text);
}

/// Encodes a text in Java's own form of UTF-8, in which characters beyond 16 bits are two.
fn modified_utf8(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let six = |shift: u16| (0x80 | (unit >> shift & 0x3f)) as u8;
        match unit {
            1..=0x7f => bytes.push(unit as u8),
            0 | 0x80..=0x7ff => bytes.extend([0xc0 | (unit >> 6) as u8, six(0)]),
            _ => bytes.extend([0xe0 | (unit >> 12) as u8, six(6), six(0)]),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_javas_utf8() {
        for (text, expected) in [
            ("a", &b"a"[..]),
            ("\0", &[0xc0, 0x80]),
            ("é", "é".as_bytes()),
            ("ő€", "ő€".as_bytes()),
            ("😀", &[0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]),
        ] {
            assert_eq!(modified_utf8(text), expected, "{text:?}");
        }
    }

    #[test]
    fn an_alias_that_is_too_long_is_left_out() {
        let long = "x".repeat(ALIAS_BYTES_MAX + 1);
        let store = store(&BTreeMap::from([(long, &b"x"[..])]), 0);
        assert_eq!(store[..12], [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 0]);
        assert_eq!(store.len(), 12 + 20);
    }
}
