// SPDX-License-Identifier: Apache-2.0
//! The cryptography of Go's standard library in a program: which packages are linked into it, and what its build information
//! says of FIPS 140.

use std::collections::BTreeSet;

/// The packages below `crypto/` that do cryptography, in the order in which they are looked for.
const PACKAGES: [&str; 23] = [
    "aes", "cipher", "des", "dsa", "ecdh", "ecdsa", "ed25519", "elliptic", "hkdf", "hmac", "hpke",
    "md5", "mlkem", "pbkdf2", "rand", "rc4", "rsa", "sha1", "sha256", "sha3", "sha512", "tls",
    "x509",
];
/// What stands before the name of a function of such a package in the table of functions, which no stripping removes.
const BEFORE: &[u8] = b"\0crypto/";
/// Where the packages' code is since Go 1.24.
const INNER: &[u8] = b"internal/fips140/";
/// The longest value of a setting, in characters: they are words and versions.
const SETTING_CHARS_MAX: usize = 100;

/// What a Go program has of its standard library's cryptography.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GoCryptography {
    /// The toolchain's version, without `go` in front.
    pub go_version: String,
    /// The packages below `crypto/` that are linked into it.
    pub packages: BTreeSet<&'static str>,
    /// What it says that it was built with, as far as that is about FIPS 140: `GOFIPS140=v1.0.0`, `GOEXPERIMENT=boringcrypto`,
    /// `-tags=requirefips`, `DefaultGODEBUG=fips140=on`.
    pub settings: BTreeSet<String>,
}

/// Notes the packages whose functions are in some bytes. Bytes that come in pieces have to overlap.
pub(super) fn note_packages(bytes: &[u8], found: &mut BTreeSet<&'static str>) {
    for at in memchr::memmem::find_iter(bytes, BEFORE) {
        let rest = &bytes[at + BEFORE.len()..];
        let rest = rest.strip_prefix(INNER).unwrap_or(rest);
        let is = |name: &&&str| {
            let after = rest.strip_prefix(name.as_bytes()).and_then(|after| after.first());
            matches!(after, Some(b'.' | b'/'))
        };
        found.extend(PACKAGES.iter().find(is));
    }
}

/// Returns what lines of build information, and what stands behind the toolchain's version, say of FIPS 140.
pub(super) fn settings(version: &str, lines: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut note = |key: &str, value: &str| {
        let is_plain = !value.is_empty() && !value.contains(char::is_control);
        if is_plain && value.chars().count() <= SETTING_CHARS_MAX {
            found.insert(format!("{key}={value}"));
        }
    };
    for experiments in version.split_whitespace().filter_map(|word| word.strip_prefix("X:")) {
        let crypto = experiments.split(',').filter(|word| word.contains("crypto"));
        crypto.for_each(|word| note("GOEXPERIMENT", word));
    }
    for line in lines.lines().filter_map(|line| line.strip_prefix("build\t")) {
        let Some((key, value)) = line.split_once('=') else { continue };
        let value = value.trim_matches('"');
        let matters: fn(&str) -> bool = match key {
            "GOFIPS140" => |word| word != "off",
            "GOEXPERIMENT" => |word| word.contains("crypto"),
            "-tags" => |word| word.contains("fips"),
            "DefaultGODEBUG" => |word| word.starts_with("fips140="),
            _ => continue,
        };
        value.split(',').filter(|word| matters(word)).for_each(|word| note(key, word));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_known_by_the_names_of_their_functions() {
        for (bytes, expected) in [
            (&b"\0crypto/aes.NewCipher\0"[..], &["aes"][..]),
            (b"\0crypto/internal/fips140/aes/gcm.New\0", &["aes"]),
            (b"\0crypto/internal/fips140/sha256.(*Digest).Write\0", &["sha256"]),
            (b"\0crypto/tls.(*Conn).Read\0crypto/x509/pkix.Name.String\0", &["tls", "x509"]),
            (b"\0crypto/sha3.New256\0\0crypto/sha512.New\0", &["sha3", "sha512"]),
            // Of others, or no function's name.
            (b"\0golang.org/x/crypto/ssh.Dial\0", &[]),
            (b"\0vendor/golang.org/x/crypto/chacha20.New\0", &[]),
            (b"crypto/aes.NewCipher", &[]),
            (b"\0crypto/aes: invalid key size\0", &[]),
            (b"\0crypto/aesx.New\0", &[]),
            (b"\0crypto/subtle.XORBytes\0", &[]),
            (b"\0crypto/aes", &[]),
            (b"\0crypto/", &[]),
        ] {
            let mut found = BTreeSet::new();
            note_packages(bytes, &mut found);
            let found: Vec<&str> = found.into_iter().collect();
            assert_eq!(found, expected, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn settings_about_fips_are_kept() {
        let long = format!("build\tGOFIPS140={}\n", "v".repeat(200));
        for (version, lines, expected) in [
            ("go1.24.1", "build\t-compiler=gc\nbuild\tGOOS=linux\n", ""),
            ("go1.24.1", "build\tGOFIPS140=v1.0.0-c2097c7c\n", "GOFIPS140=v1.0.0-c2097c7c"),
            ("go1.24.1", "build\tGOFIPS140=off\n", ""),
            ("go1.22 X:boringcrypto", "", "GOEXPERIMENT=boringcrypto"),
            ("go1.22 X:rangefunc,boringcrypto", "", "GOEXPERIMENT=boringcrypto"),
            ("go1.22", "build\tGOEXPERIMENT=boringcrypto,x\n", "GOEXPERIMENT=boringcrypto"),
            ("go1.22", "build\t-tags=\"netgo,requirefips\"\n", "-tags=requirefips"),
            ("go1.22", "build\t-tags=netgo\n", ""),
            (
                "go1.24",
                "build\tDefaultGODEBUG=x509sha1=1,fips140=on\n",
                "DefaultGODEBUG=fips140=on",
            ),
            ("go1.24", "build\tDefaultGODEBUG=asynctimerchan=1\n", ""),
            ("go1.24", &long, ""),
            ("go1.24", "build\tGOFIPS140=\nbuild\tGOFIPS140\ndep\tGOFIPS140=v1\n", ""),
            ("go1.24", "build\tGOFIPS140=a\u{7}b\n", ""),
        ] {
            let found: Vec<String> = settings(version, lines).into_iter().collect();
            assert_eq!(found.join(" "), expected, "{version} {lines}");
        }
    }
}
