// SPDX-License-Identifier: Apache-2.0
//! Programs for images: those of this machine where it has them, and small ones that are made here.

use std::path::Path;

use hardpan_testkit::elf::{Elf, elf};

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// A program as Debian's compilers make it.
pub(crate) fn dynamic() -> Elf {
    elf()
        .load(".text", 5, b"\x48\x31\xff\xb8\x3c\0\0\0\x0f\x05")
        .hardened()
        .interpreter(LOADER)
        .needed("libc.so.6")
        .symbol("__printf_chk")
}

/// A program that needs nothing, at a fixed address.
pub(crate) fn fixed() -> Elf {
    elf().load(".text", 5, b"\x48\x31\xff\xb8\x3c\0\0\0\x0f\x05").stack(6).file_type(2)
}

/// A shared library.
pub(crate) fn library(soname: &str) -> Elf {
    elf().load(".text", 5, b"\xc3").hardened().soname(soname)
}

pub(crate) fn loader() -> Vec<u8> {
    library("ld-linux-x86-64.so.2").build()
}

/// A program with a text in it.
pub(crate) fn with_text(text: &[u8]) -> Vec<u8> {
    dynamic().load(".rodata", 4, [b"\0", text, b"\0"].concat()).build()
}

/// A program of this machine, if it has it and is one for x86-64; else what is like it. It has to need no library but the
/// C library, or none.
fn real(paths: &[&str], stand_in: &[u8]) -> Vec<u8> {
    let found = paths.iter().filter(|path| Path::new(path).is_file()).find_map(|path| {
        let bytes = std::fs::read(path).ok()?;
        (bytes.starts_with(b"\x7fELF\x02") && bytes.get(18) == Some(&62)).then_some(bytes)
    });
    found.unwrap_or_else(|| with_text(stand_in))
}

pub(crate) fn dash() -> Vec<u8> {
    real(&["/bin/dash"], b"PS2=> \0PS4=+ \0OPTIND=1")
}

pub(crate) fn busybox() -> Vec<u8> {
    real(
        &["/bin/busybox"],
        b"BusyBox v1.36.1 (Debian) multi-call binary.\0[\0[[\0acpid\0ash\0PS2=> \0PS4=+ ",
    )
}

/// busybox without its name and without the texts of its shell.
pub(crate) fn busybox_in_disguise() -> Vec<u8> {
    let mut bytes = busybox();
    for text in [&b"BusyBox v"[..], b"PS2=> ", b"PS4=+ ", b"multi-call"] {
        let places: Vec<usize> = bytes
            .windows(text.len())
            .enumerate()
            .filter(|(_, part)| *part == text)
            .map(|(at, _)| at)
            .collect();
        for at in places {
            bytes[at] = b'x';
        }
    }
    bytes
}
