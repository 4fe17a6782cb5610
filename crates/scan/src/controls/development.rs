// SPDX-License-Identifier: Apache-2.0
//! Files that serve only whoever compiles: known by what they are where that can be told, else by place and ending
//! together.

use hardpan_tree::{Facts, Kind, TreePath};

use super::ControlId;
use super::report::Report;
use super::view::View;

/// The type of ELF files that a linker still has to put together (`ET_REL`).
const ELF_TYPE_RELOCATABLE: u16 = 1;
/// Directories in which modules of languages stand, which bring sources and headers with them for themselves.
const MODULES: [&[u8]; 6] =
    [b"site-packages", b"dist-packages", b"node_modules", b"gems", b"extensions", b"vendor"];
/// Modules of the kernel and programs for it are relocatable, too.
const KERNEL_MODULES: [&[u8]; 2] = [b".ko", b".bpf.o"];

pub(super) fn check(view: &View<'_>, report: &mut Report<'_>) {
    for (path, node) in view.tree.walk() {
        let file = match &node.kind {
            Kind::File(file) => Some(file),
            Kind::HardLink(_) => None,
            Kind::Directory | Kind::Symlink(_) => continue,
        };
        let is_object = file.is_some_and(|file| {
            matches!(file.facts.as_deref(), Some(Facts::Elf(elf)) if elf.file_type == ELF_TYPE_RELOCATABLE)
        });
        let Some(text) = describe(path, is_object) else { continue };
        if !view.is_requested(path, node.origin) {
            report.path(ControlId::DevelopmentFile, path, text);
        }
    }
}

fn describe(path: &TreePath, is_object: bool) -> Option<&'static str> {
    let name = path.name();
    if path.components().any(|name| MODULES.contains(&name)) {
        return None;
    }
    let ends = |endings: &[&[u8]]| endings.iter().any(|ending| name.ends_with(ending));
    let is_below = |directory: &[u8]| path.components().any(|name| name == directory);
    if is_object && !ends(&KERNEL_MODULES) {
        return Some("is an object file that was not linked");
    }
    if ends(&[b".h", b".hh", b".hpp", b".hxx", b".inc"]) && is_below(b"include") {
        return Some("is a header");
    }
    if ends(&[b".a"]) && name.starts_with(b"lib") {
        return Some("is a static library");
    }
    if ends(&[b".la"]) && name.starts_with(b"lib") {
        return Some("is a description of a library for linkers");
    }
    // Many that describe data stand below /usr/share; they bring no library to link.
    if ends(&[b".pc"]) && is_below(b"pkgconfig") && !path.as_bytes().starts_with(b"usr/share/") {
        return Some("describes a library for compilers");
    }
    (ends(&[b".cmake"]) && is_below(b"lib") && is_below(b"cmake"))
        .then_some("describes a library for compilers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serves_compilers() {
        for (path, is_object, expected) in [
            ("/usr/include/stdio.h", false, true),
            ("/usr/include/c++/12/bits/x.hpp", false, true),
            ("/opt/openssl/include/openssl/ssl.h", false, true),
            ("/usr/lib/gcc/x86_64-linux-gnu/12/include/stddef.h", false, true),
            ("/usr/lib/x86_64-linux-gnu/libc.a", false, true),
            ("/opt/app/lib/libapp.a", false, true),
            ("/usr/lib/x86_64-linux-gnu/crt1.o", true, true),
            ("/opt/app/data.bin", true, true),
            ("/usr/lib/x86_64-linux-gnu/pkgconfig/zlib.pc", false, true),
            ("/usr/lib/x86_64-linux-gnu/cmake/zlib/zlib-config.cmake", false, true),
            ("/usr/lib/libltdl.la", false, true),
            ("/usr/share/pkgconfig/iso-codes.pc", false, false),
            ("/app/src/main.h", false, false),
            ("/app/data.a", false, false),
            ("/usr/lib/python3/dist-packages/numpy/core/include/numpy/arrayobject.h", false, false),
            ("/app/node_modules/x/build/Release/obj.target/x.o", true, false),
            ("/usr/lib/modules/6.1/kernel/fs/fuse.ko", true, false),
            ("/usr/include", false, false),
            ("/usr/lib/libz.so.1", false, false),
        ] {
            let found = describe(&TreePath::literal(path), is_object).is_some();
            assert_eq!(found, expected, "{path}");
        }
    }
}
