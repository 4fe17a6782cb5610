// SPDX-License-Identifier: Apache-2.0
//! What an intruder would use: shells, package managers, compilers, interpreters, rights of root.

use hardpan_scan::controls::ControlId::{
    Compiler, Debugger, DevelopmentFile, DynamicLoader, FileCapability, LanguagePackageManager,
    NetworkTool, PackageCache, PackageManager, SetuidFile, Shell, UnneededInterpreter,
};
use hardpan_scan::controls::Profile;

use crate::image::{Image, base, empty, image};
use crate::programs::{
    busybox, busybox_in_disguise, dash, dynamic, fixed, library, loader, with_text,
};
use hardpan_testkit::elf::{Elf, elf};
use serde_json::json;

pub(super) fn images() -> Vec<Image> {
    [shells(), tools(), rights(), interpreters()].concat()
}

fn shells() -> Vec<Image> {
    let by_text = |name: &str, text: &[u8]| {
        image(name)
            .packaged("runner", "/usr/libexec/runner", 0o755, &with_text(text))
            .expect(Shell, "/usr/libexec/runner")
    };
    let ash = b"\0PS2=> \0PS4=+ \0OPTIND=1\0";
    let by_bytes = |name: &str, program: Elf, text: &[u8]| {
        image(name)
            .packaged(
                "runner",
                "/usr/libexec/runner",
                0o755,
                &program.load(".rodata", 4, text).build(),
            )
            .expect(Shell, "/usr/libexec/runner")
    };
    // Larger than what is kept for its text.
    let odd = |places: &[usize]| {
        let mut bytes = with_text(&[&ash[..], &vec![b'x'; 100_000]].concat());
        for &at in places {
            bytes[at] = 9;
        }
        bytes
    };
    vec![
        image("shell: dash of a package")
            .packaged("dash", "/usr/bin/dash", 0o755, &dash())
            .packaged_link("dash", "/usr/bin/sh", "dash")
            .expect(Shell, "/usr/bin/dash"),
        image("shell: dash under another name")
            .packaged("runner", "/opt/runner/bin/start", 0o755, &dash())
            .expect(Shell, "/opt/runner/bin/start"),
        image("shell: dash that no package has")
            .unlisted("/usr/lib/x86_64-linux-gnu/helper", &dash())
            .expect(Shell, "/usr/lib/x86_64-linux-gnu/helper"),
        image("shell: busybox without links")
            .packaged("init", "/usr/sbin/initd", 0o755, &busybox())
            .expect(Shell, "/usr/sbin/initd"),
        image("shell: busybox without its name")
            .packaged("init", "/usr/sbin/initd", 0o755, &busybox_in_disguise())
            .expect(Shell, "/usr/sbin/initd"),
        image("shell: behind three links")
            .packaged("term", "/opt/term/run", 0o755, &with_text(b"none"))
            .packaged_link("term", "/etc/alternatives/sh", "/opt/term/current/run")
            .packaged_link("term", "/opt/term/current", ".")
            .packaged_link("term", "/usr/bin/sh", "/etc/alternatives/sh")
            .expect(Shell, "/opt/term/run"),
        image("shell: a hard link under its name")
            .packaged("term", "/opt/term/run", 0o755, &with_text(b"none"))
            .hard_link("/usr/local/bin/bash", "/opt/term/run")
            .expect(Shell, "/opt/term/run"),
        image("shell: a copy of one")
            .packaged("odd", "/usr/bin/mksh", 0o755, &with_text(b"odd"))
            .expect(Shell, "/usr/bin/mksh")
            .packaged("app-tools", "/usr/lib/app/tool", 0o755, &with_text(b"odd"))
            .expect(Shell, "/usr/lib/app/tool"),
        image("shell: outside of PATH")
            .packaged("klibc-utils", "/usr/lib/klibc/bin/sh", 0o755, &fixed().build())
            .expect(Shell, "/usr/lib/klibc/bin/sh"),
        image("shell: what runs .sh files")
            .packaged("runner", "/usr/bin/interp", 0o755, &with_text(b"none"))
            .expect(Shell, "/usr/bin/interp")
            .file("/opt/start.sh", 0o755, b"#!/usr/bin/interp\nstart\n"),
        // What the kernel starts, and what readers of ELF files take for something else.
        image("shell: with odd first bytes")
            .packaged("runner", "/usr/libexec/runner", 0o755, &odd(&[4, 5, 6, 7]))
            .expect(Shell, "/usr/libexec/runner"),
        image("shell: of an odd byte order, by its name")
            .packaged("runner", "/usr/bin/mksh", 0o755, &odd(&[5]))
            .expect(Shell, "/usr/bin/mksh"),
        by_bytes("shell: with a name to be linked by", dynamic().soname("libx.so.1"), ash),
        by_bytes(
            "shell: static, with a library that it does not need",
            library("libx.so.1").needed("libc.so.6"),
            ash,
        ),
        image("shell: by its name, with another to be linked by")
            .packaged(
                "mksh",
                "/usr/bin/mksh",
                0o755,
                &library("libx.so.1").needed("libc.so.6").build(),
            )
            .expect(Shell, "/usr/bin/mksh"),
        by_text("shell: bash", b"BASH_VERSINFO"),
        by_text("shell: zsh", b"ZSH_VERSION"),
        by_text("shell: ksh93", b"KSH_VERSION"),
        by_text(
            "shell: toybox",
            b"usage: Toybox %s multicall binary%s\0 https://landley.net/toybox/",
        ),
        by_text("shell: tcsh", b"Thus no job control in this shell.\0Not a login shell"),
        by_text("shell: sash", b"Stand-alone shell (version %s)"),
        by_text(
            "shell: fish",
            b"F\0\0\0I\0\0\0S\0\0\0H\0\0\0_\0\0\0V\0\0\0E\0\0\0R\0\0\0S\0\0\0I\0\0\0O\0\0\0N\0\0\0",
        ),
    ]
}

fn tools() -> Vec<Image> {
    let program = fixed().build();
    let packaged = |name: &str, package: &str, path: &str, control| {
        image(name).packaged(package, path, 0o755, &program).expect(control, path)
    };
    let disguised = |name: &str, text: &[u8], control| {
        image(name)
            .packaged("odd", "/usr/libexec/odd", 0o755, &with_text(text))
            .expect(control, "/usr/libexec/odd")
    };
    let cache = |name: &str, path: &str| image(name).text(path, "x").expect(PackageCache, path);
    vec![
        packaged("package manager: apt", "apt", "/usr/bin/apt-get", PackageManager),
        packaged(
            "package manager: apk.static",
            "tools",
            "/usr/local/bin/apk.static",
            PackageManager,
        ),
        image("package manager: a copy of rpm")
            .packaged("rpm", "/usr/bin/rpm", 0o755, &with_text(b"rpm"))
            .expect(PackageManager, "/usr/bin/rpm")
            .packaged("hidden", "/usr/libexec/unpack", 0o755, &with_text(b"rpm"))
            .expect(PackageManager, "/usr/libexec/unpack"),
        image("package manager: a script")
            .packaged("python3", "/usr/bin/python3.11", 0o755, &with_text(b"x"))
            .packaged("dnf", "/usr/bin/dnf-3", 0o755, b"#!/usr/bin/python3.11\n")
            .config("Cmd", json!(["python3.11"]))
            .expect(PackageManager, "/usr/bin/dnf-3"),
        image("package manager: an applet of busybox")
            .packaged("busybox", "/usr/bin/busybox", 0o755, &busybox())
            .expect(Shell, "/usr/bin/busybox")
            .symlink("/usr/bin/dpkg", "busybox")
            .expect(PackageManager, "/usr/bin/busybox"),
        packaged(
            "language package manager: gem",
            "ruby",
            "/usr/bin/gem3.1",
            LanguagePackageManager,
        ),
        packaged(
            "language package manager: uv",
            "uv",
            "/root/.local/bin/uv",
            LanguagePackageManager,
        ),
        image("language package manager: a script")
            .packaged("python3", "/usr/bin/python3.11", 0o755, &with_text(b"x"))
            .config("Cmd", json!(["python3.11"]))
            .file("/usr/local/bin/pip3", 0o755, b"#!/usr/bin/python3.11\nimport pip\n")
            .expect(LanguagePackageManager, "/usr/local/bin/pip3"),
        packaged("compiler: cc1", "cpp-12", "/usr/lib/gcc/x86_64-linux-gnu/12/cc1", Compiler),
        packaged(
            "compiler: a linker for a machine",
            "binutils",
            "/usr/bin/x86_64-linux-gnu-ld.bfd",
            Compiler,
        ),
        packaged("compiler: go", "golang", "/opt/go/bin/go", Compiler),
        disguised(
            "package manager: apt under another name",
            b"Usage: apt-get [options] command\n",
            PackageManager,
        ),
        disguised(
            "package manager: apk under another name",
            b"apk-tools 2.14.4, compiled for x86_64.\n",
            PackageManager,
        ),
        disguised("compiler: an assembler under another name", b"GNU assembler %s\n", Compiler),
        disguised("debugger: strace under another name", b"Usage: strace [-ACdffhi", Debugger),
        disguised(
            "network tool: curl under another name",
            b"Usage: curl [options...] <url>\n",
            NetworkTool,
        ),
        disguised(
            "network tool: nc under another name",
            b"usage: nc [-46CDdFhklNnrStUuvZz]",
            NetworkTool,
        ),
        packaged(
            "compiler: a static one under its version",
            "tcc",
            "/usr/local/bin/tcc-0.9.27",
            Compiler,
        ),
        image("compiler: a copy under another name")
            .packaged("nasm", "/usr/bin/nasm", 0o755, &with_text(b"nasm"))
            .expect(Compiler, "/usr/bin/nasm")
            .unlisted("/opt/app/codec", &with_text(b"nasm"))
            .expect(Compiler, "/opt/app/codec"),
        image("debugger: a link in PATH")
            .packaged("odd", "/opt/odd/inspect", 0o755, &program)
            .symlink("/usr/local/bin/gdb", "/opt/odd/inspect")
            .expect(Debugger, "/opt/odd/inspect"),
        packaged("debugger: strace", "strace", "/usr/bin/strace", Debugger),
        packaged("debugger: outside of PATH", "tools", "/opt/tools/gdbserver", Debugger),
        packaged("network tool: curl", "curl", "/usr/bin/curl", NetworkTool),
        image("network tool: by a link")
            .packaged("netcat", "/usr/lib/netcat/nc-real", 0o755, &program)
            .packaged_link("netcat", "/usr/bin/nc", "/usr/lib/netcat/nc-real")
            .expect(NetworkTool, "/usr/lib/netcat/nc-real"),
        packaged("network tool: in a directory of PATH", "tools", "/opt/tools/wget", NetworkTool)
            .environment("PATH=/usr/bin:/opt/tools"),
        cache("package cache: apt", "/var/lib/apt/lists/deb.example_InRelease"),
        cache("package cache: apk", "/etc/apk/cache/musl-1.2.5-r0.apk"),
        cache("package cache: pip", "/root/.cache/pip/http/1/2"),
        cache("package cache: npm", "/home/node/.npm/_cacache/index-v5/aa"),
        cache("package cache: a package that was left", "/opt/install/app_1.0_amd64.deb"),
        image("development: a header")
            .packaged("libc6-dev", "/usr/include/stdio.h", 0o644, b"int puts();")
            .expect(DevelopmentFile, "/usr/include/stdio.h"),
        image("development: a static library")
            .text("/opt/app/lib/libapp.a", "!<arch>\n")
            .expect(DevelopmentFile, "/opt/app/lib/libapp.a"),
        image("development: an object file under another name")
            .packaged(
                "odd",
                "/opt/app/data.bin",
                0o644,
                &elf().section(".text", b"x").file_type(1).build(),
            )
            .expect(DevelopmentFile, "/opt/app/data.bin"),
        image("development: pkg-config")
            .packaged(
                "zlib1g-dev",
                "/usr/lib/x86_64-linux-gnu/pkgconfig/zlib.pc",
                0o644,
                b"Libs: -lz",
            )
            .expect(DevelopmentFile, "/usr/lib/x86_64-linux-gnu/pkgconfig/zlib.pc"),
    ]
}

fn rights() -> Vec<Image> {
    let program = fixed().build();
    vec![
        image("setuid: su")
            .packaged("util-linux", "/usr/bin/su", 0o4755, &program)
            .expect(SetuidFile, "/usr/bin/su"),
        image("setuid: setgid")
            .packaged("bsdutils", "/usr/bin/wall", 0o2755, &program)
            .expect(SetuidFile, "/usr/bin/wall"),
        image("setuid: with another name, and no execute permission for others")
            .packaged("odd", "/opt/app/data", 0o4700, &program)
            .hard_link("/opt/app/data2", "/opt/app/data")
            .expect(SetuidFile, "/opt/app/data")
            .expect(SetuidFile, "/opt/app/data2"),
        base("setuid: in the lowest layer")
            .packaged("login", "/usr/bin/newgrp", 0o4755, &program)
            .expect(SetuidFile, "/usr/bin/newgrp")
            .layer()
            .packaged("app", "/usr/bin/app", 0o755, &program)
            .entrypoint(&["app"]),
        // Docker and containerd give it to the file.
        image("setuid: by the entry of a hard link")
            .text("/opt/a", "x")
            .hard_link_as("/opt/b", "/opt/a", 0o4755, false)
            .expect(SetuidFile, "/opt/a"),
        image("setuid: by the entry of a hard link that is gone")
            .text("/opt/a", "x")
            .hard_link_as("/opt/b", "/opt/a", 0o4755, false)
            .expect(SetuidFile, "/opt/a")
            .text("/opt/b", "y")
            .layer()
            .text("/opt/.wh.b", ""),
        image("capability: by the entry of a hard link")
            .text("/opt/a", "x")
            .hard_link_as("/opt/b", "/opt/a", 0o644, true)
            .expect(FileCapability, "/opt/a"),
        image("setuid: hidden by an upper layer")
            .packaged("login", "/usr/bin/chsh", 0o4755, &program)
            .layer()
            .packaged("login", "/usr/bin/chsh", 0o755, &program)
            .expect_in(SetuidFile, "/usr/bin/chsh", 2),
        image("capability: net_raw")
            .capable("/usr/bin/ping", 0o755, b"#!/usr/bin/app\n")
            .expect(FileCapability, "/usr/bin/ping"),
        base("capability: in the lowest layer")
            .capable("/opt/app/data", 0o700, b"x")
            .expect(FileCapability, "/opt/app/data")
            .layer()
            .packaged("app", "/usr/bin/app", 0o755, &program)
            .entrypoint(&["app"]),
    ]
}

fn interpreters() -> Vec<Image> {
    let packaged = |name: &str, package: &str, path: &str, text: &[u8]| {
        image(name)
            .packaged(package, path, 0o755, &with_text(text))
            .expect(UnneededInterpreter, path)
    };
    let still = |name: &str| {
        empty(name)
            .file("/etc/passwd", 0o644, b"nonroot:x:65532:65532::/:/nologin\n")
            .file("/etc/group", 0o644, b"nonroot:x:65532:\n")
            .profile(Profile::RuntimeStatic)
            .packaged("app", "/app", 0o755, &fixed().build())
            .entrypoint(&["/app"])
    };
    vec![
        packaged("interpreter: perl-base", "perl-base", "/usr/bin/perl", b"x"),
        packaged(
            "interpreter: python under another name",
            "odd",
            "/opt/x/bin/engine",
            b"Py_BytesMain",
        ),
        packaged(
            "interpreter: perl under another name",
            "odd",
            "/usr/lib/engine",
            b"perl_parse\0boot_DynaLoader",
        ),
        packaged("interpreter: ruby under another name", "odd", "/usr/bin/rb", b"ruby_run_node"),
        packaged(
            "interpreter: node under another name",
            "odd",
            "/usr/bin/js",
            b"NODE_OPTIONS\0NODE_EXTRA_CA_CERTS",
        ),
        packaged("interpreter: lua", "lua5.4", "/usr/bin/lua5.4", b"LUA_INIT"),
        packaged("interpreter: tclsh under another name", "odd", "/opt/t", b"Tcl_MainEx"),
        packaged("interpreter: java under another name", "odd", "/opt/jre/launch", b"JLI_Launch"),
        packaged("interpreter: php", "php8.2-cli", "/usr/bin/php8.2", b"x"),
        image("interpreter: a link called python3")
            .packaged("odd", "/opt/odd/engine", 0o755, &with_text(b"x"))
            .packaged_link("odd", "/usr/bin/python3", "/opt/odd/engine")
            .expect(UnneededInterpreter, "/opt/odd/engine"),
        still("loader: glibc's")
            .packaged("libc6", "/lib64/ld-linux-x86-64.so.2", 0o755, &loader())
            .expect(DynamicLoader, "/lib64/ld-linux-x86-64.so.2"),
        still("loader: musl's under another name")
            .packaged(
                "odd",
                "/app.d/loader",
                0o755,
                &crate::programs::library("ld-musl-x86_64.so.1").build(),
            )
            .expect(DynamicLoader, "/app.d/loader"),
        still("loader: a library")
            .packaged(
                "odd",
                "/lib/libx.so.1",
                0o755,
                &crate::programs::library("libx.so.1").build(),
            )
            .expect(DynamicLoader, "/lib/libx.so.1"),
    ]
}
