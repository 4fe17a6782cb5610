// SPDX-License-Identifier: Apache-2.0
//! How an ELF file's memory is protected, by its program headers, its dynamic section and the names in its
//! dynamic strings.

use hardpan_tree::{ElfLanguage, ElfProtection};
use object::elf;

/// Functions of the C library of which it has a checked one, called `__…_chk`: those that programs call most.
const FORTIFIABLE: [&[u8]; 34] = [
    b"asprintf",
    b"dprintf",
    b"explicit_bzero",
    b"fdelt",
    b"fgets",
    b"fprintf",
    b"fread",
    b"getcwd",
    b"gethostname",
    b"longjmp",
    b"mbstowcs",
    b"memcpy",
    b"memmove",
    b"mempcpy",
    b"memset",
    b"poll",
    b"pread",
    b"printf",
    b"read",
    b"readlink",
    b"realpath",
    b"recv",
    b"recvfrom",
    b"snprintf",
    b"sprintf",
    b"stpcpy",
    b"strcat",
    b"strcpy",
    b"strncat",
    b"strncpy",
    b"syslog",
    b"vfprintf",
    b"vsnprintf",
    b"vsprintf",
];
/// What the paths of Rust's own library begin with, in the messages of panics.
const RUST_PATH: &[u8] = b"/rustc/";
/// The name in the note that holds Go's build id.
const GO_NOTE: &[u8] = b"Go";

/// Takes a program header into account.
pub(super) fn read_segment(protection: &mut ElfProtection, kind: elf::ProgramType, flags: u32) {
    match kind {
        elf::PT_GNU_STACK => protection.stack_flags = Some(flags),
        elf::PT_GNU_RELRO => protection.has_relro = true,
        elf::PT_LOAD => {
            let both = elf::PF_X.0 | elf::PF_W.0;
            protection.has_writable_code |= flags & both == both;
        }
        _ => {}
    }
}

/// Takes an entry of the dynamic section into account.
pub(super) fn read_dynamic(protection: &mut ElfProtection, tag: elf::DynamicTag, value: u64) {
    let has = |flag: u64| value & flag != 0;
    match tag {
        elf::DT_BIND_NOW => protection.binds_now = true,
        elf::DT_TEXTREL => protection.has_text_relocations = true,
        elf::DT_FLAGS => {
            protection.binds_now |= has(elf::DF_BIND_NOW.0);
            protection.has_text_relocations |= has(elf::DF_TEXTREL.0);
        }
        elf::DT_FLAGS_1 => {
            protection.binds_now |= has(elf::DF_1_NOW.0);
            protection.is_pie |= has(elf::DF_1_PIE.0);
        }
        _ => {}
    }
}

/// Takes a note's name into account.
pub(super) fn read_note(protection: &mut ElfProtection, name: &[u8]) {
    if name == GO_NOTE {
        protection.language = Some(ElfLanguage::Go);
    }
}

/// Looks through the dynamic strings, which have the names of all functions that are asked of others.
pub(super) fn read_names(protection: &mut ElfProtection, strings: &[u8]) {
    for name in strings.split(|&byte| byte == 0) {
        if matches!(name, b"__stack_chk_fail" | b"__stack_chk_guard") {
            protection.has_stack_protector = true;
            continue;
        }
        let checked = name.strip_prefix(b"__").and_then(|name| name.strip_suffix(b"_chk"));
        let is_known = |name: &[u8]| FORTIFIABLE.binary_search(&name).is_ok();
        if checked.is_some_and(is_known) {
            protection.fortified = protection.fortified.saturating_add(1);
        } else if is_known(name) {
            protection.fortifiable = protection.fortifiable.saturating_add(1);
        }
    }
}

/// Looks for what a compiler leaves in the bytes of a program.
pub(super) fn read_bytes(protection: &mut ElfProtection, bytes: &[u8]) {
    if protection.language.is_none() && memchr::memmem::find(bytes, RUST_PATH).is_some() {
        protection.language = Some(ElfLanguage::Rust);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted() {
        assert!(FORTIFIABLE.is_sorted());
        for (strings, expected) in [
            (&b"\0memcpy\0__memcpy_chk\0__printf_chk\0"[..], (false, 2, 1)),
            (b"\0__stack_chk_fail\0read\0", (true, 0, 1)),
            (b"\0__stack_chk_guard", (true, 0, 0)),
            (b"\0__stack_chk_fail2\0__memcpy_chks\0xmemcpy\0__x_chk\0_chk\0__\0", (false, 0, 0)),
            (b"", (false, 0, 0)),
        ] {
            let mut found = ElfProtection::default();
            read_names(&mut found, strings);
            assert_eq!(
                (found.has_stack_protector, found.fortified, found.fortifiable),
                expected,
                "{strings:?}"
            );
        }
    }

    #[test]
    fn flags_are_read() {
        let segments = |segments: &[(elf::ProgramType, u32)]| {
            let mut found = ElfProtection::default();
            for (kind, flags) in segments {
                read_segment(&mut found, *kind, *flags);
            }
            found
        };
        let none = ElfProtection::default();
        let code = ElfProtection { has_writable_code: true, ..none };
        assert_eq!(segments(&[(elf::PT_LOAD, 5), (elf::PT_LOAD, 6), (elf::PT_NOTE, 7)]), none);
        assert_eq!(segments(&[(elf::PT_LOAD, 7)]), code);
        assert_eq!(segments(&[(elf::PT_LOAD, 3)]), code);
        assert_eq!(
            segments(&[(elf::PT_GNU_STACK, 7), (elf::PT_GNU_RELRO, 4)]),
            ElfProtection { stack_flags: Some(7), has_relro: true, ..none }
        );
        let dynamic = |tag, value| {
            let mut found = ElfProtection::default();
            read_dynamic(&mut found, tag, value);
            found
        };
        let now = ElfProtection { binds_now: true, ..none };
        assert_eq!(dynamic(elf::DT_BIND_NOW, 0), now);
        assert_eq!(dynamic(elf::DT_FLAGS, 8), now);
        assert_eq!(dynamic(elf::DT_FLAGS_1, 1), now);
        assert_eq!(dynamic(elf::DT_FLAGS_1, 0x0800_0000), ElfProtection { is_pie: true, ..none });
        assert_eq!(dynamic(elf::DT_FLAGS, 4), ElfProtection { has_text_relocations: true, ..none });
        assert_eq!(dynamic(elf::DT_NEEDED, 8), none);
    }

    #[test]
    fn compilers_leave_traces() {
        let mut found = ElfProtection::default();
        read_bytes(&mut found, b"\0/rust/library");
        assert_eq!(found.language, None);
        read_bytes(&mut found, b"\0/rustc/90b35a6239c3d8bdabc530a6a0816f7ff89a0aaf/library/");
        assert_eq!(found.language, Some(ElfLanguage::Rust));
        read_note(&mut found, b"GNU");
        assert_eq!(found.language, Some(ElfLanguage::Rust));
        read_note(&mut found, b"Go");
        assert_eq!(found.language, Some(ElfLanguage::Go));
    }
}
