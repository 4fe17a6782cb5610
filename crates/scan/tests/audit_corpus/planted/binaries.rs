// SPDX-License-Identifier: Apache-2.0
//! How programs were built, and whether they can start.

use hardpan_scan::controls::ControlId;
use hardpan_scan::controls::ControlId::{
    EntrypointInterpreter, EntrypointLibrary, EntrypointMissing, EntrypointNotExecutable,
    ExecutableStack, FixedAddress, LibraryMissing, NoFortify, NoStackProtector, PartialRelro,
    UnsafeRunpath, WritableCode,
};
use hardpan_testkit::elf::{Elf, elf};

use crate::image::{Image, image};
use crate::programs::{dynamic, fixed, library};

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
/// `DT_TEXTREL`.
const TEXT_RELOCATIONS: u64 = 22;

pub(super) fn images() -> Vec<Image> {
    let tool = |name: &str, control: ControlId, program: &Elf| {
        image(name)
            .packaged("tool", "/usr/lib/tool/tool", 0o755, &program.build())
            .expect(control, "/usr/lib/tool/tool")
    };
    let plain = || elf().load(".text", 5, b"\xc3").interpreter(LOADER).needed("libc.so.6");
    let protected = || plain().stack(6);
    let run_path = |name: &str, path: &str| tool(name, UnsafeRunpath, &dynamic().runpath(path));
    vec![
        tool("stack: executable", ExecutableStack, &plain().stack(7)),
        tool("stack: nothing said", ExecutableStack, &plain()),
        tool("stack: of a library", ExecutableStack, &library("libx.so.1").stack(7)),
        tool("code: writable", WritableCode, &protected().load(".jit", 7, b"x")),
        tool("code: writable, not readable", WritableCode, &fixed().load(".jit", 3, b"x")),
        tool(
            "code: changed when it is loaded",
            WritableCode,
            &protected().tag(TEXT_RELOCATIONS, 0),
        ),
        run_path("run path: relative", "lib"),
        run_path("run path: an empty part", "/usr/lib::/opt/lib"),
        run_path("run path: at the end", "/usr/lib:"),
        run_path("run path: in /tmp", "/tmp/build/lib"),
        run_path("run path: through a link", "/opt/lib").symlink("/opt/lib", "/var/tmp"),
        run_path("run path: of the user", "/opt/app/lib")
            .owner(65532, 65532)
            .directory("/opt/app/lib", 0o755)
            .owner(0, 0),
        image("run path: $ORIGIN in a directory of the user")
            .owner(65532, 65532)
            .directory("/opt/app", 0o755)
            .owner(0, 0)
            .packaged("tool", "/opt/app/tool", 0o755, &dynamic().runpath("$ORIGIN").build())
            .expect(UnsafeRunpath, "/opt/app/tool"),
        tool("address: fixed", FixedAddress, &fixed()),
        tool("address: fixed, in Go", FixedAddress, &fixed().note(".note.go", note(*b"Go\0\0"))),
        tool("tables: writable", PartialRelro, &protected().symbol("__stack_chk_fail")),
        tool(
            "tables: some writable",
            PartialRelro,
            &protected().relro().symbol("__stack_chk_fail"),
        ),
        tool("stack: not checked", NoStackProtector, &protected().relro().tag(24, 0)),
        tool("functions: not checked", NoFortify, &protected().hardened().symbol("memcpy")),
        tool(
            "stack: not checked, by a name that is nearly right",
            NoStackProtector,
            &protected().relro().tag(24, 0).symbol("__stack_chk_failed"),
        ),
        tool(
            "functions: not checked, but for their names",
            NoFortify,
            &protected().hardened().symbol("strcpy").symbol("my_strcpy_chk"),
        ),
        image("address: fixed, and dynamic")
            .packaged("tool", "/usr/bin/tool", 0o755, &dynamic().file_type(2).build())
            .expect(FixedAddress, "/usr/bin/tool"),
        image("library: there for another machine alone")
            .packaged(
                "odd",
                "/usr/lib/libodd.so.1",
                0o644,
                &library("libodd.so.1").machine(183).build(),
            )
            .packaged("tool", "/usr/lib/tool/tool", 0o755, &dynamic().needed("libodd.so.1").build())
            .expect(LibraryMissing, "/usr/lib/tool/tool"),
        image("entrypoint: a library that needs another")
            .packaged(
                "odd",
                "/usr/lib/x86_64-linux-gnu/libodd.so.1",
                0o644,
                &library("libodd.so.1").needed("libgone.so.3").build(),
            )
            .packaged("odd", "/usr/bin/start", 0o755, &dynamic().needed("libodd.so.1").build())
            .entrypoint(&["start"])
            .expect(EntrypointLibrary, "/usr/lib/x86_64-linux-gnu/libodd.so.1"),
        image("entrypoint: below a closed directory")
            .directory("/opt/closed", 0o700)
            .packaged("odd", "/opt/closed/start", 0o755, &dynamic().build())
            .entrypoint(&["/opt/closed/start"])
            .expect(EntrypointNotExecutable, "/opt/closed/start"),
        image("entrypoint: one script too many")
            .file("/opt/a", 0o755, "#!/opt/b\n")
            .file("/opt/b", 0o755, "#!/opt/a\n")
            .entrypoint(&["/opt/a"])
            .expect(EntrypointInterpreter, "/opt/b"),
        tool("library: missing", LibraryMissing, &dynamic().needed("libgone.so.3")),
        image("entrypoint: missing").entrypoint(&["/usr/bin/gone"]).expect_image(EntrypointMissing),
        image("entrypoint: not in PATH")
            .entrypoint(&["app"])
            .environment("PATH=/opt/bin")
            .expect_image(EntrypointMissing),
        image("entrypoint: not executable")
            .file("/usr/bin/start", 0o644, "#!/usr/bin/app\n")
            .entrypoint(&["start"])
            .expect(EntrypointNotExecutable, "/usr/bin/start"),
        image("entrypoint: of root alone")
            .file("/usr/bin/start", 0o700, "#!/usr/bin/app\n")
            .entrypoint(&["start"])
            .expect(EntrypointNotExecutable, "/usr/bin/start"),
        image("entrypoint: a script without interpreter")
            .file("/usr/bin/start", 0o755, "#!/bin/bash\n")
            .entrypoint(&["start"])
            .expect(EntrypointInterpreter, "/usr/bin/start"),
        image("entrypoint: without its loader")
            .packaged(
                "odd",
                "/usr/bin/start",
                0o755,
                &elf().hardened().interpreter("/lib/ld-musl-x86_64.so.1").build(),
            )
            .entrypoint(&["start"])
            .expect(EntrypointInterpreter, "/usr/bin/start"),
        image("entrypoint: without a library")
            .packaged("odd", "/usr/bin/start", 0o755, &dynamic().needed("libgone.so.3").build())
            .entrypoint(&["start"])
            .expect(EntrypointLibrary, "/usr/bin/start"),
    ]
}

fn note(name: [u8; 4]) -> Vec<u8> {
    [&4_u32.to_le_bytes()[..], &4_u32.to_le_bytes(), &4_u32.to_le_bytes(), &name, b"idid"].concat()
}
