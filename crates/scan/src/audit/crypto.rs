// SPDX-License-Identifier: Apache-2.0
//! Which cryptographic modules an image has, for statements about FIPS 140.
//!
//! That a file is there says that a module is there. Whether that module was validated, for this build on this machine, no
//! file can say: only the certificate of the validation programme does, so a module is "not validated" until somebody names
//! the number of its certificate and answers for it.

mod linked;

use std::collections::BTreeMap;

use hardpan_tree::{Facts, Kind, Node, Tree, TreePath};
use serde::Serialize;

pub use linked::linked;

/// A module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CryptoModule {
    /// What it is.
    pub name: &'static str,
    /// Its files, sorted.
    pub paths: Vec<TreePath>,
    /// The package that it is of, and its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<ModulePackage>,
    /// What is known of it beside: how it was built, which parts of it are used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// Whether it is a build that is made for FIPS 140, as the OpenSSL provider `fips.so` is.
    pub made_for_fips: bool,
    /// The number of the certificate that somebody names; without one it is not validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<u32>,
}

/// The package of a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModulePackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its package URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
}

/// How a module is recognised.
struct Known {
    name: &'static str,
    made_for_fips: bool,
    /// The beginning of the file's name, and of its `DT_SONAME` if it has one.
    begins: &'static [&'static str],
    /// What the name ends with or has in it.
    has: &'static str,
}

const fn known(
    name: &'static str,
    made_for_fips: bool,
    begins: &'static [&'static str],
    has: &'static str,
) -> Known {
    Known { name, made_for_fips, begins, has }
}

/// The modules that are known. Where two fit, the first is it.
const MODULES: &[Known] = &[
    known("OpenSSL FIPS provider", true, &["fips.so"], ".so"),
    known("OpenSSL libcrypto", false, &["libcrypto.so"], ".so"),
    known("Libgcrypt", false, &["libgcrypt.so"], ".so"),
    known("GnuTLS", false, &["libgnutls.so"], ".so"),
    known("Nettle", false, &["libnettle.so", "libhogweed.so"], ".so"),
    known("NSS softoken", false, &["libsoftokn3.so", "libfreebl3.so", "libfreeblpriv3.so"], ".so"),
    known("wolfSSL", false, &["libwolfssl.so"], ".so"),
    known("Mbed TLS", false, &["libmbedcrypto.so"], ".so"),
    known("libsodium", false, &["libsodium.so"], ".so"),
    known("Botan", false, &["libbotan-"], ".so"),
    known("Bouncy Castle FIPS", true, &["bc-fips"], ".jar"),
    known("Bouncy Castle", false, &["bcprov"], ".jar"),
];

/// Finds modules. `package` says which package a file is of.
pub fn modules(
    tree: &Tree,
    package: &dyn Fn(&TreePath, &Node) -> Option<ModulePackage>,
) -> Vec<CryptoModule> {
    let mut found: BTreeMap<usize, CryptoModule> = BTreeMap::new();
    for (path, node) in tree.walk() {
        let Kind::File(file) = &node.kind else { continue };
        let soname = match file.facts.as_deref() {
            Some(Facts::Elf(elf)) => elf.soname.as_deref(),
            _ => None,
        };
        let Some(number) = recognise(path, soname) else { continue };
        let module = found.entry(number).or_insert_with(|| CryptoModule {
            name: MODULES[number].name,
            paths: Vec::new(),
            package: None,
            details: Vec::new(),
            made_for_fips: MODULES[number].made_for_fips,
            certificate: None,
        });
        module.paths.push(path.clone());
        module.package = module.package.take().or_else(|| package(path, node));
    }
    found.into_values().collect()
}

fn recognise(path: &TreePath, soname: Option<&str>) -> Option<usize> {
    let name = std::str::from_utf8(path.name()).unwrap_or_default();
    let fits = |known: &Known, name: &str| {
        name.contains(known.has) && known.begins.iter().any(|begin| name.starts_with(begin))
    };
    // A renamed library still says which one it is.
    let mut all = MODULES.iter();
    all.position(|known| fits(known, name) || soname.is_some_and(|soname| fits(known, soname)))
}

/// A certificate that somebody names: `4985`, or `OpenSSL FIPS provider=4985` where there are several modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The module.
    pub module: Option<String>,
    /// The number.
    pub number: u32,
}

/// Why a certificate says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// It is no number.
    #[error("{0:?} is no number of a certificate; write 4985, or MODULE=4985")]
    Number(String),
    /// The image does not have the module.
    #[error("the image has no module {0:?}")]
    Module(String),
    /// Which module is meant can't be told.
    #[error("which of {0} modules the certificate {1} is for is not said; write MODULE={1}")]
    Several(usize, u32),
    /// There is nothing to certify.
    #[error("the image has no cryptographic module that the certificate {0} could be for")]
    None(u32),
}

impl std::str::FromStr for Certificate {
    type Err = CertificateError;

    fn from_str(text: &str) -> Result<Self, CertificateError> {
        let wrong = || CertificateError::Number(text.chars().take(100).collect());
        let (module, number) = match text.rsplit_once('=') {
            Some((module, number)) => (Some(module.trim()), number.trim()),
            None => (None, text.trim()),
        };
        let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|number| *number > 0 && is_plain);
        if module.is_some_and(str::is_empty) {
            return Err(wrong());
        }
        Ok(Self { module: module.map(str::to_owned), number: number.ok_or_else(wrong)? })
    }
}

/// Notes certificates that somebody answers for. One without a module is for the one that is made for FIPS 140, or for the
/// only one.
pub fn certify(
    modules: &mut [CryptoModule],
    certificates: &[Certificate],
) -> Result<(), CertificateError> {
    for certificate in certificates {
        let number = certificate.number;
        let at = if let Some(name) = &certificate.module {
            // Programs that have the same may be of several builds.
            let all: Vec<usize> = (0..modules.len())
                .filter(|at| modules[*at].name.eq_ignore_ascii_case(name))
                .collect();
            if all.is_empty() {
                return Err(CertificateError::Module(name.chars().take(100).collect()));
            }
            all
        } else {
            let made: Vec<usize> =
                (0..modules.len()).filter(|at| modules[*at].made_for_fips).collect();
            match (made.as_slice(), modules.len()) {
                ([one], _) => vec![*one],
                (_, 1) => vec![0],
                (_, 0) => return Err(CertificateError::None(number)),
                (_, several) => return Err(CertificateError::Several(several, number)),
            }
        };
        for at in at {
            modules[at].certificate = Some(number);
        }
    }
    Ok(())
}

impl CryptoModule {
    /// Returns what can be said of its validation.
    pub fn status(&self) -> String {
        match self.certificate {
            Some(number) => {
                format!("certificate {number}, as its user states; nothing here checks that")
            }
            None => "not validated".to_owned(),
        }
    }
}

/// Returns modules as DHI's attestations list them (`https://docker.com/dhi/fips/v0.1`), with the fields that are published
/// for it. `status` is ours: DHI's is that of the certificate, which nobody can ask here.
pub fn predicate(modules: &[CryptoModule]) -> serde_json::Value {
    let one = |module: &CryptoModule| {
        let mut value = serde_json::json!({
            "name": module.name,
            "paths": module.paths,
            "madeForFips": module.made_for_fips,
            "status": if module.certificate.is_some() { "stated" } else { "not validated" },
        });
        if let Some(package) = &module.package {
            value["version"] = package.version.clone().into();
            value["package"] = package.purl.as_ref().unwrap_or(&package.name).clone().into();
        }
        if !module.details.is_empty() {
            value["details"] = module.details.clone().into();
        }
        if let Some(number) = module.certificate {
            value["certification"] = format!("CMVP #{number}").into();
            value["certificationUrl"] = format!("{CERTIFICATES}/{number}").into();
        }
        value
    };
    modules.iter().map(one).collect()
}

/// Where certificates can be looked up.
const CERTIFICATES: &str =
    "https://csrc.nist.gov/projects/cryptographic-module-validation-program/certificate";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hardpan_tree::{Elf, File, Metadata, Origin};

    use super::*;

    fn tree(files: &[(&str, Option<&str>)]) -> Tree {
        let mut tree = Tree::new();
        for (path, soname) in files {
            let path = TreePath::parse(path).unwrap();
            tree.make_directories(
                &path.parent().unwrap(),
                &Metadata::root(0o755, 0),
                Origin::Definition,
            )
            .unwrap();
            let elf = Elf { soname: soname.map(str::to_owned), ..Elf::default() };
            let facts = soname.map(|_| Arc::new(Facts::Elf(elf)));
            let kind = Kind::File(File { facts, ..File::inline(*b"x") });
            let metadata = Metadata::root(0o644, 0);
            tree.insert(path, Node { metadata, kind, origin: Origin::Package(0) }).unwrap();
        }
        tree
    }

    fn found(files: &[(&str, Option<&str>)]) -> Vec<CryptoModule> {
        let package = |_: &TreePath, _: &Node| {
            Some(ModulePackage { name: "p".to_owned(), version: "3.5".to_owned(), purl: None })
        };
        modules(&tree(files), &package)
    }

    #[test]
    fn modules_are_recognised_by_name_and_by_soname() {
        for (file, expected) in [
            (
                ("/usr/lib/x86_64-linux-gnu/ossl-modules/fips.so", None),
                Some("OpenSSL FIPS provider"),
            ),
            (("/usr/lib/libcrypto.so.3", Some("libcrypto.so.3")), Some("OpenSSL libcrypto")),
            (
                ("/opt/app/lib/crypto-bundled.so", Some("libcrypto.so.1.1")),
                Some("OpenSSL libcrypto"),
            ),
            (("/usr/lib/libgcrypt.so.20.4.3", None), Some("Libgcrypt")),
            (("/usr/lib/libfreebl3.so", None), Some("NSS softoken")),
            (("/usr/lib/libbotan-3.so.7", None), Some("Botan")),
            (("/app/bc-fips-2.0.0.jar", None), Some("Bouncy Castle FIPS")),
            (("/app/bcprov-jdk18on-1.78.jar", None), Some("Bouncy Castle")),
            (("/usr/lib/libcryptsetup.so.12", None), None),
            (("/usr/lib/libcrypt.so.1", Some("libcrypt.so.1")), None),
            (("/usr/share/doc/fips", None), None),
            (("/app/bc-fips.txt", None), None),
        ] {
            let names: Vec<&str> = found(&[file]).iter().map(|module| module.name).collect();
            assert_eq!(names, expected.into_iter().collect::<Vec<_>>(), "{file:?}");
        }
    }

    #[test]
    fn nothing_is_validated_unless_somebody_says_so() {
        let files = [
            ("/usr/lib/ossl-modules/fips.so", None),
            ("/usr/lib/libcrypto.so.3", None),
            ("/usr/lib/libgcrypt.so.20", None),
        ];
        let mut all = found(&files);
        assert!(all.iter().all(|module| module.status() == "not validated"));
        let before = predicate(&all);
        assert_eq!(before[0]["status"], "not validated");
        assert!(before[0].get("certification").is_none());
        certify(&mut all, &["4985".parse().unwrap(), "libgcrypt=17".parse().unwrap()]).unwrap();
        let numbers: Vec<Option<u32>> = all.iter().map(|module| module.certificate).collect();
        assert_eq!(numbers, [Some(4985), None, Some(17)]);
        let after = predicate(&all);
        assert_eq!(after[0]["certification"], "CMVP #4985");
        assert_eq!(
            (&after[0]["status"], &after[1]["status"]),
            (&"stated".into(), &"not validated".into())
        );
        assert_eq!((&after[0]["version"], &after[0]["package"]), (&"3.5".into(), &"p".into()));
    }

    #[test]
    fn certificates_that_say_nothing() {
        for text in
            ["", "x", "0", "-1", "+1", "1.5", "=", "=5", "OpenSSL=", "OpenSSL=x", "99999999999"]
        {
            assert!(text.parse::<Certificate>().is_err(), "{text:?}");
        }
        let several = [("/l/libcrypto.so.3", None), ("/l/libgcrypt.so.20", None)];
        for (files, text, expected) in [
            (&several[..], "5", CertificateError::Several(2, 5)),
            (&several[..], "NSS=5", CertificateError::Module("NSS".to_owned())),
            (&[], "5", CertificateError::None(5)),
        ] {
            let mut all = found(files);
            assert_eq!(certify(&mut all, &[text.parse().unwrap()]), Err(expected));
            assert!(all.iter().all(|module| module.certificate.is_none()));
        }
        let mut one = found(&several[..1]);
        certify(&mut one, &["5".parse().unwrap()]).unwrap();
        assert_eq!(one[0].certificate, Some(5));
    }
}
