// SPDX-License-Identifier: Apache-2.0
//! ELF files: what they say, where they say it, and what happens if they lie.

use std::io::Write;

use hardpan_testkit::elf::{BASE_ADDRESS, elf};

use super::*;

const GO_LINES: &str = "path\texample.test/app\nmod\texample.test/app\t(devel)\t\n\
    dep\texample.test/lib\tv1.2.3\th1:x=\ndep\texample.test/old\tv0.1.0\n=>\texample.test/new\tv0.2.0\th1:y=\n\
    build\t-compiler=gc\n";

/// Go's build information, in the format since 1.18.
pub(super) fn go_info(version: &str, lines: &str) -> Vec<u8> {
    let mut bytes = b"\xff Go buildinf:\x08\x02".to_vec();
    bytes.resize(32, 0);
    for text in [version.as_bytes(), &[&[0x30; 16], lines.as_bytes(), &[0xf9; 16]].concat()] {
        let mut length = text.len();
        while length >= 0x80 {
            bytes.push(u8::try_from(length & 0x7f | 0x80).unwrap());
            length >>= 7;
        }
        bytes.push(u8::try_from(length).unwrap());
        bytes.extend(text);
    }
    bytes
}

/// A list of crates.
pub(super) fn crates(json: &str) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(json.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

const CRATES: &str = r#"{"packages":[{"name":"app","version":"0.1.0","source":"local","dependencies":[1],"root":true},{"name":"serde","version":"1.0.200","source":"crates.io"}]}"#;

/// A note of a package.
pub(super) fn note(text: &str) -> Vec<u8> {
    let mut bytes =
        [4_u32, u32::try_from(text.len()).unwrap(), 0xcafe_1a7e].map(u32::to_le_bytes).concat();
    bytes.extend(b"FDO\0");
    bytes.extend(text.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn of_program(bytes: &[u8]) -> (Vec<String>, Vec<FormatError>) {
    let catalog = catalog(&[tar(&[("bin/app", bytes)])]);
    let errors = catalog.problems.iter().map(|problem| problem.error.clone()).collect();
    (catalog.packages.iter().map(|package| package.id.to_string()).collect(), errors)
}

const GO_IDS: [&str; 4] = [
    "golang/example.test/app:bin/app",
    "golang/example.test/lib@v1.2.3:bin/app",
    "golang/example.test/new@v0.2.0:bin/app",
    "golang/stdlib@1.22.3:bin/app",
];
const CRATE_IDS: [&str; 2] = ["cargo/app@0.1.0:bin/app", "cargo/serde@1.0.200:bin/app"];

/// The format before 1.18: pointers to texts.
fn old_go(version: &str, lines: &str) -> Vec<u8> {
    let lines = [&[0x30; 16], lines.as_bytes(), &[0xf9; 16]].concat();
    let base = BASE_ADDRESS + elf().next_offset_bytes(1) as u64;
    let mut bytes = b"\xff Go buildinf:\x08\0".to_vec();
    let text_at = base + 64;
    let lines_at = text_at + version.len() as u64;
    let numbers =
        [base + 32, base + 48, text_at, version.len() as u64, lines_at, lines.len() as u64];
    for number in numbers {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(version.as_bytes());
    bytes.extend(lines);
    bytes
}

#[test]
fn go_programs() {
    let info = go_info("go1.22.3 X:rangefunc", GO_LINES);
    let filler = vec![7; 100];
    for (summary, program) in [
        ("section", elf().data(".go.buildinfo", &info)),
        ("not loaded", elf().section(".go.buildinfo", &info)),
        ("after other data", elf().data(".data", [&[0; 160], info.as_slice()].concat())),
        ("without sections", elf().section("x", &filler).data("y", &info).without_sections()),
        ("old", elf().data(".go.buildinfo", old_go("go1.22.3", GO_LINES))),
    ] {
        let (ids, errors) = of_program(&program.build());
        assert_eq!(ids, GO_IDS, "{summary}");
        assert_eq!(errors, [], "{summary}");
    }
    let catalog = catalog(&[tar(&[("bin/app", &elf().data(".go.buildinfo", &info).build())])]);
    let app = &catalog.packages[0];
    assert_eq!(app.depends.len(), 3);
    let owner = catalog.files.values().next().and_then(|file| file.owner.as_ref());
    assert_eq!(owner, Some(&app.id));
}

#[test]
fn broken_go_programs() {
    let info = go_info("go1.22.3", GO_LINES);
    let change = |at: usize, byte: u8| {
        let mut info = info.clone();
        info[at] = byte;
        info
    };
    let mut far = old_go("go1.22.3", GO_LINES);
    far[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut long = old_go("go1.22.3", GO_LINES);
    long[40..48].copy_from_slice(&u64::MAX.to_le_bytes());
    for (summary, info) in [
        ("cut short", info[..40].to_vec()),
        ("in its header", info[..20].to_vec()),
        ("another magic", change(3, b'x')),
        ("an odd pointer", [&info[..14], &[3, 0], &info[16..]].concat()),
        ("a long version", change(32, 0xff)),
        ("no version", go_info("", GO_LINES)),
        ("a NUL in a name", go_info("go1.22.3", "mod\tx\0y\tv1.0.0\n")),
        ("not UTF-8", change(34, 0xff)),
        ("lines that are none", go_info("go1", &"=>\tx\tv1\n".repeat(3))),
        ("a pointer that leads out", far),
        ("a text that is too long", long),
        ("big-endian pointers in a little-endian file", change(15, 1)),
    ] {
        let (ids, errors) = of_program(&elf().data(".go.buildinfo", &info).build());
        assert_eq!((ids.len(), errors.len()), (0, 1), "{summary}: {ids:?} {errors:?}");
    }
    // Not on 16 bytes, it is a constant of some program that reads Go's.
    let shifted = [&[0; 8], info.as_slice()].concat();
    assert_eq!(of_program(&elf().data(".data", shifted).build()), (vec![], vec![]));
}

#[test]
fn rust_programs_and_notes() {
    let list = crates(CRATES);
    let text = r#"{"type":"rpm","name":"bash","version":"5.2-1","architecture":"x86_64"}"#;
    let (ids, errors) =
        of_program(&elf().section(".dep-v0", &list).note(".note.package", note(text)).build());
    assert_eq!(ids, [CRATE_IDS[0], CRATE_IDS[1], "elf/bash@5.2-1"]);
    assert_eq!(errors, []);
    for (summary, program, expected) in [
        ("only a segment", elf().note("x", note(text)).without_sections(), 1),
        ("only JSON", elf().section(".note.package", text), 1),
        ("another note", elf().note(".note.gnu", b"\x04\0\0\0\x04\0\0\0\x03\0\0\0GNU\0FDO\0"), 0),
        ("no sections", elf().section(".dep-v0", &list).without_sections(), 0),
        ("another section", elf().section(".dep-v1", &list), 0),
    ] {
        let (ids, errors) = of_program(&program.build());
        assert_eq!((ids.len(), errors.len()), (expected, 0), "{summary}");
    }
    for (summary, program) in [
        ("a list cut short", elf().section(".dep-v0", &list[..list.len() / 2])),
        ("no list", elf().section(".dep-v0", b"")),
        ("no JSON", elf().note(".note.package", note("{"))),
        ("no note", elf().section(".note.package", [0xff; 20])),
    ] {
        let (ids, errors) = of_program(&program.build());
        assert_eq!((ids.len(), errors.len()), (0, 1), "{summary}");
    }
    // Two files of one package are one package.
    let program = elf().note(".note.package", note(text)).build();
    let catalog = catalog(&[tar(&[("a", &program), ("b", &program)])]);
    assert_eq!(ids_and_evidence(&catalog), [("elf/bash@5.2-1", 2)]);
}

fn ids_and_evidence(catalog: &Catalog) -> Vec<(&str, usize)> {
    let packages = catalog.packages.iter();
    packages.map(|package| (package.id.as_str(), package.evidence.len())).collect()
}

#[test]
fn large_programs() {
    let list = crates(CRATES);
    let info = go_info("go1.22.3", GO_LINES);
    let padding = |megabytes: usize| vec![0x78; megabytes << 20];
    // What is sought is in what is kept, far behind it, across the border, and at the end.
    for megabytes in [15, 20] {
        for shift in [0, 48] {
            let filler = &padding(megabytes)[shift..];
            let both =
                elf().section("x", filler).section(".dep-v0", &list).data(".go.buildinfo", &info);
            let (ids, errors) = of_program(&both.section("y", padding(5)).build());
            assert_eq!(ids, [&CRATE_IDS[..], &GO_IDS[..]].concat(), "{megabytes} {shift}");
            assert_eq!(errors, []);
        }
    }
    let start = 16 * 1024 * 1024 - elf().next_offset_bytes(0) - list.len() / 2;
    let across = elf().section("x", vec![0; start]).section(".dep-v0", &list);
    assert_eq!(of_program(&across.section("y", padding(5)).build()).0, CRATE_IDS);
    // Lists that are no section are somebody's data.
    let data = [padding(20), list].concat();
    let (ids, errors) = of_program(&elf().section("x", data).build());
    assert_eq!((ids, errors), (vec![], vec![]));
}

#[test]
fn programs_with_odd_first_bytes_say_what_they_are() {
    let mut bytes = elf().section(".dep-v0", crates(CRATES)).build();
    let expected = of_program(&bytes);
    assert!(!expected.0.is_empty());
    for at in [4, 5, 6, 7] {
        bytes[at] = 9;
    }
    assert_eq!(of_program(&bytes), expected);
}

#[test]
fn more_headers_than_are_read_are_told() {
    let many = |count: usize, note: &[u8]| {
        let parts = (0..count).fold(elf(), |elf, _| elf.note(".note", note));
        parts.without_sections().build()
    };
    let plain = note("x");
    let other = [&plain[..12], b"GNU\0", &plain[16..]].concat();
    for (count, expected) in [
        (60, None),
        (65, Some("an ELF file with more than 64 segments of notes")),
        (2049, Some("an ELF file with more than 64 segments of notes")),
    ] {
        let (_, problems) = of_program(&many(count, &other));
        let first = problems.first().map(ToString::to_string);
        assert_eq!(first.as_deref(), expected, "{count}");
        let has_headers = problems.iter().any(|one| one.to_string().contains("program headers"));
        assert_eq!(has_headers, count > 2048);
    }
    let (_, problems) = of_program(&many(6, &vec![0; 1 << 20]));
    assert_eq!(problems[0].to_string(), "an ELF file with more than 4194304 bytes of notes");
}

#[test]
fn damaged_programs() {
    let good = elf()
        .section(".dep-v0", crates(CRATES))
        .data(".go.buildinfo", go_info("go1.22.3", GO_LINES))
        .note(".note.package", note(r#"{"name":"a","version":"1"}"#))
        .build();
    assert_eq!(of_program(&good).0.len(), 7);
    for length in 0..good.len() {
        of_program(&good[..length]);
    }
    for at in 0..good.len() {
        for byte in [0, 0x7f, 0xff, good[at].wrapping_add(1)] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            of_program(&bytes);
        }
    }
}
