// SPDX-License-Identifier: Apache-2.0
//! Scripts that are too tangled to follow but known word for word.
//!
//! The key is a digest of the script without comments, blank lines and what debhelper adds, so a
//! new upload with the same logic is still known and a changed script is not.

use hardpan_tree::Digest;

use super::Treatment;

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

const KNOWN: &[KnownScript] = &[
    KnownScript {
        package: "ca-certificates",
        script: "postinst",
        digest: "7ea46991fdb08f83a3533d41362b9e42e756413a76db659d94cc4f67d50a047c",
        finisher: "ca-bundle",
        reason: "writes /etc/ca-certificates.conf and /etc/ssl/certs",
    },
    KnownScript {
        package: "ca-certificates-java",
        script: "postinst",
        digest: "c90a7b45e2aecae0fb4c05a77f5b560f6fd73b4ad146c8bc54b6c7cefc8b7b75",
        finisher: "java-store",
        reason: "fills /etc/ssl/certs/java/cacerts",
    },
    KnownScript {
        package: "locales",
        script: "postinst",
        digest: "a6f10538d39f2de28e891ce5efbabe690baf9edce99c9f6a46bab361ac5d1b1e",
        finisher: "",
        reason: "no locale is chosen by default; C.UTF-8 comes with libc-bin",
    },
];

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

/// Returns only what debhelper added to a script, on the same lines.
pub(super) fn generated_part(text: &str) -> String {
    let mut is_generated = false;
    let mut part = String::new();
    for line in text.lines() {
        is_generated |= line.trim().starts_with("# Automatically added by");
        if is_generated {
            part.push_str(line);
        }
        is_generated &= !line.trim().starts_with("# End automatically added section");
        part.push('\n');
    }
    part
}

/// Says what becomes of a known script.
pub(super) fn known(package: &str, script: &str, text: &str) -> Option<Treatment> {
    let candidates =
        || KNOWN.iter().filter(|known| known.package == package && known.script == script);
    candidates().next()?;
    let digest = normalised_digest(text).to_hex();
    let known = candidates().find(|known| known.digest == digest)?;
    Some(if known.finisher.is_empty() {
        Treatment::Ignored { reason: known.reason.to_owned() }
    } else {
        Treatment::Handled { finisher: known.finisher.to_owned() }
    })
}
