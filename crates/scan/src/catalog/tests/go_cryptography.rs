// SPDX-License-Identifier: Apache-2.0
//! The cryptography of Go's standard library: in programs made here, in large ones, and in real ones.

#![allow(clippy::print_stdout, reason = "what is skipped says so")]

use std::path::PathBuf;

use hardpan_testkit::elf::elf;

use super::programs::go_info;
use super::*;

const NAMES: &[u8] = b"\0main.main\0crypto/tls.Dial\0crypto/internal/fips140/sha256.Sum\0";

fn of(bytes: &[u8]) -> Option<GoCryptography> {
    let catalog = catalog(&[tar(&[("bin/app", bytes)])]);
    catalog.go_cryptography.get(&TreePath::literal("bin/app")).cloned()
}

#[test]
fn programs_of_go_say_what_they_link() {
    let lines = "path\tx\nbuild\tGOFIPS140=v1.0.0-c2097c7c\n";
    let info = go_info("go1.24.1", lines);
    let program = |names: &[u8]| elf().data(".go.buildinfo", &info).section(".gopclntab", names);
    let found = of(&program(NAMES).build()).unwrap();
    assert_eq!(found.go_version, "1.24.1");
    assert_eq!(found.packages.into_iter().collect::<Vec<_>>(), ["sha256", "tls"]);
    assert_eq!(found.settings.into_iter().collect::<Vec<_>>(), ["GOFIPS140=v1.0.0-c2097c7c"]);
    // Nothing is linked, and nothing is said; or it is no program of Go.
    let plain = elf().data(".go.buildinfo", go_info("go1.24.1", "path\tx\n"));
    assert_eq!(of(&plain.section(".gopclntab", b"\0main.main\0").build()), None);
    assert_eq!(of(&elf().section(".gopclntab", NAMES).build()), None);
}

#[test]
fn names_far_behind_the_beginning_are_found() {
    let info = go_info("go1.24.1", "path\tx\n");
    // Nearly all of a file is not kept.
    for before in [(17 << 20) - 1, (16 << 20) - 40, 24 << 20] {
        let names = [vec![7; before], NAMES.to_vec(), vec![7; 5 << 20]].concat();
        let program = elf().data(".go.buildinfo", &info).section(".gopclntab", &names).build();
        let found = of(&program).unwrap();
        assert_eq!(found.packages.into_iter().collect::<Vec<_>>(), ["sha256", "tls"], "{before}");
    }
}

/// Debian's builds, without their symbols.
#[test]
fn real_programs() {
    let folder = std::env::var_os("HARDPAN_TEST_CLIENTS").map(PathBuf::from);
    let Some(folder) = folder.filter(|folder| folder.join("crane").exists()) else {
        println!("skipped: programs of Go are not there: HARDPAN_TEST_CLIENTS");
        return;
    };
    for name in ["crane", "oras", "cosign3"] {
        let found = of(&std::fs::read(folder.join(name)).unwrap()).unwrap();
        for package in ["aes", "ecdsa", "rsa", "sha256", "tls", "x509"] {
            assert!(found.packages.contains(package), "{name}: {found:?}");
        }
        assert!(found.go_version.starts_with("1."), "{name}: {found:?}");
        assert!(found.settings.is_empty(), "{name}: {found:?}");
    }
}
