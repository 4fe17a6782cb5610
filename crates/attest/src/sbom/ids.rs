// SPDX-License-Identifier: Apache-2.0
//! Ids in SPDX documents: letters, digits, dots and hyphens, and each once.

use std::collections::BTreeSet;

use hardpan_tree::Digest;

/// The longest readable part, in characters.
const READABLE_CHARS_MAX: usize = 60;

/// The ids that a document has.
#[derive(Debug, Default)]
pub(super) struct Ids {
    taken: BTreeSet<String>,
}

impl Ids {
    /// Makes the id of something from its name: readable, and with the digest's beginning, so that it is the same
    /// in every build and different for names that only differ in other characters.
    pub(super) fn of(&mut self, what: &str, name: &str) -> String {
        let digest = Digest::of(name.as_bytes()).to_hex();
        // Of what there are many the digest must do.
        let is_short = matches!(what, "File" | "Relationship");
        let readable = if is_short { String::new() } else { format!("{}-", plain(name)) };
        let mut id = format!("SPDXRef-{what}-{readable}{}", &digest[..16]);
        // 64 bits can be made to collide by somebody who wants to. The document stays valid.
        while !self.taken.insert(id.clone()) {
            id.push_str("-2");
        }
        id
    }
}

/// Returns a text with hyphens for what ids can't have.
pub(super) fn plain(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    text.chars().take(READABLE_CHARS_MAX).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_and_different() {
        let mut ids = Ids::default();
        let id = ids.of("Package", "deb/libc6/amd64");
        assert_eq!(id, "SPDXRef-Package-deb-libc6-amd64-2b7d734289025b44");
        assert_ne!(ids.of("Package", "deb/libc6-amd64"), id);
        assert_eq!(ids.of("Package", "deb/libc6/amd64"), format!("{id}-2"));
        assert_eq!(ids.of("File", "usr/bin/ü").len(), "SPDXRef-File-".len() + 16);
    }
}
