// SPDX-License-Identifier: Apache-2.0
//! Scripts that are too tangled to follow but known word for word.
//!
//! The key is a digest of the script without comments, blank lines and what debhelper adds, so a
//! new upload with the same logic is still known and a changed script is not.

use hardpan_tree::Digest;

use super::{Effect, Treatment};

/// A script that was read by a person.
#[derive(Debug, Clone, Copy)]
pub struct KnownScript {
    /// The package.
    pub package: &'static str,
    /// `preinst` or `postinst`.
    pub script: &'static str,
    /// [`normalised_digest`] in hexadecimal digits.
    pub digest: &'static str,
    /// The finisher that does what it does; empty if it does nothing in an image.
    pub finisher: &'static str,
    /// What it does, or why that is nothing.
    pub reason: &'static str,
}

const KNOWN: &[KnownScript] = &[];

/// Returns all scripts that are known word for word.
pub fn known_scripts() -> &'static [KnownScript] {
    KNOWN
}

/// Returns the digest of a script without comments, blank lines, indentation and debhelper's sections.
pub fn normalised_digest(text: &str) -> Digest {
    let mut normal = String::new();
    let mut is_generated = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("# Automatically added by") {
            is_generated = true;
        } else if line.starts_with("# End automatically added section") {
            is_generated = false;
        } else if !is_generated && !line.is_empty() && !line.starts_with('#') {
            normal.push_str(line);
            normal.push('\n');
        }
    }
    Digest::of(normal.as_bytes())
}

/// Says what becomes of a known script.
pub(super) fn known(package: &str, script: &str, text: &str) -> Option<(Treatment, Vec<Effect>)> {
    let candidates = || KNOWN.iter().filter(|known| known.package == package && known.script == script);
    candidates().next()?;
    let digest = normalised_digest(text).to_hex();
    let known = candidates().find(|known| known.digest == digest)?;
    let treatment = if known.finisher.is_empty() {
        Treatment::Ignored { reason: known.reason.to_owned() }
    } else {
        Treatment::Handled { finisher: known.finisher.to_owned() }
    };
    Some((treatment, Vec::new()))
}
