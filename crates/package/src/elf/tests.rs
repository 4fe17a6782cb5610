// SPDX-License-Identifier: Apache-2.0

use super::*;

fn probe(bytes: &[u8], chunk: usize) -> Option<Facts> {
    let mut probe = Probe::new(bytes.len() as u64);
    bytes.chunks(chunk).for_each(|bytes| probe.feed(bytes));
    probe.finish()
}

/// Makes a 64-bit little-endian shared object. The dynamic section is at one offset, its
/// strings at another, and the first of two segments ends at a third; the rest is zeros.
fn object(
    dynamic_offset: usize,
    strings_offset: usize,
    first: usize,
    size_bytes: usize,
) -> Vec<u8> {
    let strings = b"\0libc.so.6\0libx.so.1\0/opt/lib\0";
    let dynamic: Vec<u8> = [(1, 1), (14, 11), (29, 21), (5, strings_offset), (10, 30), (0, 0)]
        .into_iter()
        .flat_map(|(tag, value): (u64, usize)| {
            [tag.to_le_bytes(), (value as u64).to_le_bytes()].concat()
        })
        .collect();
    let header = |kind: u32, offset: usize, size: usize| {
        let (offset, size) = (offset as u64, size as u64);
        let mut bytes = [kind.to_le_bytes(), 4_u32.to_le_bytes()].concat();
        for value in [offset, offset, offset, size, size, 8] {
            bytes.extend(value.to_le_bytes());
        }
        bytes
    };
    let mut bytes = vec![0; size_bytes];
    bytes[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    bytes[16..18].copy_from_slice(&3_u16.to_le_bytes());
    bytes[18..20].copy_from_slice(&183_u16.to_le_bytes());
    bytes[20] = 1;
    bytes[32] = 64;
    bytes[48..52].copy_from_slice(&5_u32.to_le_bytes());
    for (at, value) in [(52, 64_u16), (54, 56), (56, 3)] {
        bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    bytes[64..120].copy_from_slice(&header(1, 0, first));
    bytes[120..176].copy_from_slice(&header(1, first, size_bytes - first));
    bytes[176..232].copy_from_slice(&header(2, dynamic_offset, dynamic.len()));
    bytes[dynamic_offset..dynamic_offset + dynamic.len()].copy_from_slice(&dynamic);
    bytes[strings_offset..strings_offset + strings.len()].copy_from_slice(strings);
    bytes
}

#[test]
fn objects_are_read_wherever_their_parts_are() {
    let expected = Elf {
        is_64_bit: true,
        machine: 183,
        flags: 5,
        file_type: 3,
        soname: Some("libx.so.1".into()),
        needed: vec!["libc.so.6".into()],
        runpath: Some("/opt/lib".into()),
        is_dynamic: true,
        ..Elf::default()
    };
    let large = PREFIX_BYTES + 200_000;
    let huge = PREFIX_BYTES_MAX + 200_000;
    for (dynamic, strings, first, size) in [
        (400, 240, 500, 1000),
        (240, 600, 500, 1000),
        // Beyond what is kept of the start.
        (PREFIX_BYTES + 80_000, 400, 4096, large),
        (PREFIX_BYTES - 40, 400, 4096, large),
        (PREFIX_BYTES + 96, PREFIX_BYTES + 150_000, 4096, large),
        (400, PREFIX_BYTES + 150_000, 4096, large),
        // In a first segment that is large, and beyond.
        (PREFIX_BYTES_MAX + 80_000, PREFIX_BYTES + 1, PREFIX_BYTES_MAX, huge),
        (PREFIX_BYTES_MAX - 40, PREFIX_BYTES + 1, huge - 4096, huge),
        (PREFIX_BYTES_MAX + 96, PREFIX_BYTES_MAX + 150_000, PREFIX_BYTES * 2, huge),
    ] {
        for chunk in [7, 4096, 65_536] {
            if chunk == 7 && size > 1000 {
                continue;
            }
            let facts = probe(&object(dynamic, strings, first, size), chunk);
            let expected = expected.clone();
            assert_eq!(facts, Some(Facts::Elf(expected)), "{dynamic} {strings} {chunk}");
        }
    }
}

#[test]
fn this_program_is_read() {
    let Ok(bytes) = std::fs::read("/proc/self/exe") else {
        eprintln!("skipped: this_program_is_read because /proc is not mounted");
        return;
    };
    let Some(Facts::Elf(elf)) = probe(&bytes, 65_536) else { panic!("not an ELF file") };
    assert!(elf.is_dynamic && elf.needed.iter().any(|name| name.starts_with("libc.")), "{elf:?}");
    assert!(elf.interpreter.as_ref().is_some_and(|path| path.contains("ld-linux")));
    // What rustc makes for Linux, unless it is told otherwise.
    let protection = elf.protection;
    assert_eq!(protection.language, Some(hardpan_tree::ElfLanguage::Rust));
    assert_eq!(protection.stack_flags.map(|flags| flags & 1), Some(0));
    assert!(protection.has_relro && protection.binds_now && protection.is_pie);
    assert!(!protection.has_writable_code && !protection.has_text_relocations);
}

#[test]
fn scripts_are_recognised() {
    let long = format!("#!{}", "x".repeat(1000));
    for (text, expected) in [
        ("#!/bin/sh\nexit 0\n", Some("/bin/sh")),
        ("#! /usr/bin/env python3 \nx", Some("/usr/bin/env python3")),
        ("#!/bin/sh", Some("/bin/sh")),
        (&long, Some(&long[2..SCRIPT_BYTES_MAX])),
        ("#!\nx", None),
        ("# !x", None),
        ("#", None),
        ("", None),
    ] {
        let expected = expected.map(|line| Facts::Script(line.to_owned()));
        assert_eq!(probe(text.as_bytes(), 3), expected, "{text:?}");
    }
}

#[test]
fn a_program_is_what_linux_takes_it_for() {
    let whole = object(400, 240, 500, 1000);
    let expected = probe(&whole, 64);
    assert!(expected.is_some());
    // Class, byte order, version, system, its version, padding: Linux 6.18 starts a program with any of them.
    for (at, value) in [(4, 1), (4, 0), (5, 2), (5, 0), (6, 0), (6, 7), (7, 255), (8, 9), (15, 1)] {
        let mut bytes = whole.clone();
        bytes[at] = value;
        assert_eq!(probe(&bytes, 64), expected, "{at}: {value}");
        assert_eq!(probe(&bytes, 7), expected, "{at}: {value}");
    }
    // Another machine's is what its own bytes say, or nothing.
    for (machine, class, is_some) in [(4242, 2, true), (4242, 9, false)] {
        let mut bytes = whole.clone();
        bytes[4] = class;
        bytes[18..20].copy_from_slice(&u16::to_le_bytes(machine));
        assert_eq!(probe(&bytes, 64).is_some(), is_some, "{machine} {class}");
    }
}

#[test]
fn what_is_not_read_is_said() {
    let put = |bytes: &mut Vec<u8>, at: usize, value: &[u8]| {
        bytes[at..at + value.len()].copy_from_slice(value);
    };
    let elf_of = |bytes: &[u8]| match probe(bytes, 4096) {
        Some(Facts::Elf(elf)) => elf,
        other => panic!("{other:?}"),
    };
    let whole = object(400, 240, 500, 1000);
    assert!(!elf_of(&whole).is_partial);
    // Program headers behind the end, and where they can't be read in one piece.
    for offset in [1_000_u64, 900, u64::MAX] {
        let mut bytes = whole.clone();
        put(&mut bytes, 32, &offset.to_le_bytes());
        assert!(elf_of(&bytes).is_partial, "{offset}");
    }
    // More of them than Linux takes: all are notes, and all are the whole file.
    let size = 64 + 56 * 60_000;
    let mut bytes = vec![0; size];
    put(&mut bytes, 0, &whole[..64]);
    put(&mut bytes, 56, &60_000_u16.to_le_bytes());
    let mut header = [4_u32.to_le_bytes(), 4_u32.to_le_bytes()].concat();
    for value in [0, 0, 0, size as u64, size as u64, 4] {
        header.extend(value.to_le_bytes());
    }
    for number in 0..60_000 {
        put(&mut bytes, 64 + number * 56, &header);
    }
    let start = std::time::Instant::now();
    assert!(elf_of(&bytes).is_partial);
    // A hundredth of a second; without a limit, hours.
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    // The names of libraries are one text again and again: more entries than are read, so that none is the strings',
    // more than have room, and as many as may be.
    for (count, is_partial, kept) in
        [(70_000, true, 0), (3_000, true, NEEDED_BYTES_MAX / 4_000), (60, false, 60)]
    {
        let (dynamic_at, strings_at) = (400, 400 + (count + 4) * 16);
        let mut bytes = object(400, 240, 500, strings_at + 5_000);
        put(&mut bytes, 64 + 112 + 32, &((count as u64 + 3) * 16).to_le_bytes());
        for (number, (tag, value)) in std::iter::repeat_n((1, 1), count)
            .chain([(5, strings_at as u64), (10, 4_990)])
            .enumerate()
        {
            let entry = [u64::to_le_bytes(tag), value.to_le_bytes()].concat();
            put(&mut bytes, dynamic_at + number * 16, &entry);
        }
        put(&mut bytes, strings_at + 1, &[b'x'; 4_000]);
        let elf = elf_of(&bytes);
        assert_eq!((elf.is_partial, elf.needed.len()), (is_partial, kept), "{count}");
    }
}

#[test]
fn damaged_objects_are_no_errors() {
    let whole = object(400, 240, 500, 1000);
    for length in 0..whole.len() {
        probe(&whole[..length], 64);
    }
    for at in 0..400 {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        probe(&bytes, 64);
    }
}
