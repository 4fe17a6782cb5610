// SPDX-License-Identifier: Apache-2.0
//! Modules that are linked into programs: the cryptography of Go's standard library, and libraries that programs of Go and
//! Rust say they were built from.

use std::collections::BTreeMap;

use hardpan_attest::sbom::purl::PackageUrl;
use hardpan_tree::TreePath;

use super::{CryptoModule, ModulePackage};
use crate::catalog::{Catalog, GoCryptography, Package, PackageKind};

/// What Go's cryptography is called where nothing was chosen when the program was built.
const GO: &str = "Go cryptography (crypto/*)";
/// What it calls itself where a version of it was chosen.
const GO_MODULE: &str = "Go Cryptographic Module";
const BORING: &str = "BoringCrypto in Go";

/// Libraries: where they are from, the package's name, what the module is called, and whether it is made for FIPS 140.
const LIBRARIES: [(PackageKind, &str, &str, bool); 7] = [
    (PackageKind::Golang, "golang.org/x/crypto", "golang.org/x/crypto", false),
    (PackageKind::Cargo, "aws-lc-fips-sys", "AWS-LC FIPS", true),
    (PackageKind::Cargo, "aws-lc-sys", "AWS-LC", false),
    (PackageKind::Cargo, "boring-sys", "BoringSSL", false),
    (PackageKind::Cargo, "openssl-src", "OpenSSL, linked into a program", false),
    (PackageKind::Cargo, "ring", "ring", false),
    (PackageKind::Cargo, "rustls", "rustls", false),
];

/// Finds modules in programs. `known` says how a package is called.
pub fn linked(
    catalog: &Catalog,
    known: &dyn Fn(&Package) -> Option<ModulePackage>,
) -> Vec<CryptoModule> {
    let mut found: BTreeMap<(&str, String, Vec<String>), CryptoModule> = BTreeMap::new();
    for (path, go) in &catalog.go_cryptography {
        let (name, settings) = (name_of(go), go.settings.iter().cloned().collect::<Vec<_>>());
        let module = found.entry((name, go.go_version.clone(), settings.clone()));
        let module = module.or_insert_with(|| CryptoModule {
            name,
            paths: Vec::new(),
            package: Some(of_go(&go.go_version)),
            details: settings,
            made_for_fips: name != GO,
            certificate: None,
        });
        module.paths.push(path.clone());
    }
    let packages = catalog.packages.iter().filter_map(|package| Some((package, library(package)?)));
    for (package, (name, made_for_fips)) in packages {
        let version = package.version.clone().unwrap_or_default();
        let module = found.entry((name, version, Vec::new())).or_insert_with(|| CryptoModule {
            name,
            paths: Vec::new(),
            package: known(package),
            details: Vec::new(),
            made_for_fips,
            certificate: None,
        });
        module.paths.extend(package.evidence.iter().cloned());
    }
    let mut modules: Vec<CryptoModule> = found.into_values().collect();
    for module in &mut modules {
        module.paths.sort();
        module.paths.dedup();
        let packages = used(catalog, &module.paths).filter(|_| is_of_go(module.name));
        module.details.extend(packages);
    }
    modules
}

fn name_of(go: &GoCryptography) -> &'static str {
    let has = |text: &str| go.settings.iter().any(|setting| setting.starts_with(text));
    if go.settings.contains("GOEXPERIMENT=boringcrypto") {
        BORING
    } else if has("GOFIPS140=") {
        GO_MODULE
    } else {
        GO
    }
}

fn is_of_go(name: &str) -> bool {
    [GO, GO_MODULE, BORING].contains(&name)
}

/// Says which packages some programs have.
fn used(catalog: &Catalog, paths: &[TreePath]) -> Option<String> {
    let of = paths.iter().filter_map(|path| catalog.go_cryptography.get(path));
    let all: std::collections::BTreeSet<&str> =
        of.flat_map(|go| go.packages.iter().copied()).collect();
    let all: Vec<String> = all.into_iter().map(|name| format!("crypto/{name}")).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn of_go(version: &str) -> ModulePackage {
    let purl = PackageUrl::golang("stdlib", version).ok();
    ModulePackage {
        name: "Go".to_owned(),
        version: version.to_owned(),
        purl: purl.map(|purl| purl.to_string()),
    }
}

fn library(package: &Package) -> Option<(&'static str, bool)> {
    let is = |(kind, name, ..): &&(PackageKind, &str, &str, bool)| {
        *kind == package.kind && *name == package.name
    };
    LIBRARIES.iter().find(is).map(|&(_, _, name, made_for_fips)| (name, made_for_fips))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{certify, predicate};
    use super::*;

    fn go(version: &str, packages: &[&'static str], settings: &[&str]) -> GoCryptography {
        GoCryptography {
            go_version: version.to_owned(),
            packages: packages.iter().copied().collect(),
            settings: settings.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    fn catalog(programs: &[(&'static str, GoCryptography)]) -> Catalog {
        let program =
            |(path, go): &(&'static str, GoCryptography)| (TreePath::literal(path), go.clone());
        Catalog { go_cryptography: programs.iter().map(program).collect(), ..Catalog::default() }
    }

    fn of(programs: &[(&'static str, GoCryptography)]) -> Vec<CryptoModule> {
        linked(&catalog(programs), &|_| None)
    }

    #[test]
    fn programs_with_the_same_are_one_module_and_others_are_not() {
        let all = of(&[
            ("bin/a", go("1.24.1", &["aes"], &[])),
            ("bin/b", go("1.24.1", &["tls", "aes"], &[])),
            ("bin/c", go("1.22.3", &["md5"], &[])),
        ]);
        let told: Vec<(&str, usize, &[String])> = all
            .iter()
            .map(|module| (module.name, module.paths.len(), module.details.as_slice()))
            .collect();
        assert_eq!(
            told,
            [
                (GO, 1, &["crypto/md5".to_owned()][..]),
                (GO, 2, &["crypto/aes, crypto/tls".to_owned()]),
            ]
        );
        let package = all[1].package.as_ref().unwrap();
        assert_eq!((package.name.as_str(), package.version.as_str()), ("Go", "1.24.1"));
        assert_eq!(package.purl.as_deref(), Some("pkg:golang/stdlib@1.24.1"));
    }

    #[test]
    fn what_was_chosen_is_said_and_validates_nothing() {
        for (settings, name, made_for_fips) in [
            (&[][..], GO, false),
            (&["GOFIPS140=v1.0.0-c2097c7c"], GO_MODULE, true),
            (&["GOEXPERIMENT=boringcrypto", "-tags=requirefips"], BORING, true),
            (&["DefaultGODEBUG=fips140=on"], GO, false),
            (&["-tags=requirefips"], GO, false),
        ] {
            let mut all = of(&[("bin/a", go("1.24.1", &["aes"], settings))]);
            let module = &all[0];
            assert_eq!((module.name, module.made_for_fips), (name, made_for_fips));
            assert_eq!(module.status(), "not validated");
            let told = predicate(&all);
            assert_eq!(told[0]["status"], "not validated", "{told}");
            for setting in settings {
                assert!(told[0]["details"].to_string().contains(setting), "{told}");
            }
            certify(&mut all, &["5247".parse().unwrap()]).unwrap();
            assert_eq!(all[0].certificate, Some(5247));
        }
    }

    #[test]
    fn a_certificate_is_for_all_of_a_name() {
        let mut all = of(&[
            ("bin/a", go("1.24.1", &["aes"], &["GOFIPS140=v1.0.0"])),
            ("bin/b", go("1.24.2", &["aes"], &["GOFIPS140=v1.0.0"])),
            ("bin/c", go("1.24.2", &["aes"], &[])),
        ]);
        certify(&mut all, &["go cryptographic module=5247".parse().unwrap()]).unwrap();
        let numbers: Vec<Option<u32>> = all.iter().map(|module| module.certificate).collect();
        assert_eq!(numbers, [Some(5247), Some(5247), None]);
        assert!(certify(&mut all, &["1".parse().unwrap()]).is_err(), "which one?");
    }

    #[test]
    fn libraries_of_rust_and_go_are_named() {
        let at = TreePath::literal("bin/app");
        let package = |kind, name: &str| Package::found_at(kind, name, Some("1.2.3"), &at, None);
        let packages = [
            package(PackageKind::Cargo, "ring"),
            package(PackageKind::Cargo, "aws-lc-fips-sys"),
            package(PackageKind::Golang, "golang.org/x/crypto"),
            package(PackageKind::Golang, "ring"),
            package(PackageKind::Npm, "ring"),
            package(PackageKind::Cargo, "serde"),
        ];
        let catalog = Catalog { packages: packages.to_vec(), ..Catalog::default() };
        let known = |package: &Package| {
            let version = package.version.clone()?;
            Some(ModulePackage { name: package.name.clone(), version, purl: None })
        };
        let all = linked(&catalog, &known);
        let told: BTreeSet<(&str, bool)> =
            all.iter().map(|module| (module.name, module.made_for_fips)).collect();
        let expected = [("AWS-LC FIPS", true), ("golang.org/x/crypto", false), ("ring", false)];
        assert_eq!(told, BTreeSet::from(expected));
        assert!(all.iter().all(|module| module.paths == [at.clone()]));
    }
}
