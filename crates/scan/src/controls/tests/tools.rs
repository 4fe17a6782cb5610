// SPDX-License-Identifier: Apache-2.0
//! Shells, package managers, compilers and what is none.

use hardpan_tree::Origin;

use super::check;
use crate::controls::testing::{Image, library, static_elf};

const DASH_TEXTS: &[u8] = b"\x7fELF\0PS2=> \0PS4=+ \0x\0OPTIND=1\0";

#[test]
fn shells() {
    let dash =
        || Image::new().package("dash").program("/usr/bin/dash").symlink("/usr/bin/sh", "dash");
    check(vec![
        ("a dependency", dash(), &["fail shell: /usr/bin/dash is a shell"]),
        ("named by the definition", dash().request("dash"), &[]),
        ("another package named", dash().request("git"), &["fail shell: /usr/bin/dash is a shell"]),
        ("its path named", dash().request_path("/usr/bin/sh"), &[]),
        ("dev", dash().dev(), &[]),
        (
            "a link under a plain name, through an absolute target",
            Image::new()
                .package("p")
                .program("/opt/p/runner")
                .symlink("/usr/bin/sh", "/opt/p/runner"),
            &["fail shell: /opt/p/runner is a shell: /usr/bin/sh leads to it"],
        ),
        (
            "outside of PATH",
            Image::new().package("klibc-utils").program("/usr/lib/klibc/bin/sh"),
            &["fail shell: /usr/lib/klibc/bin/sh is a shell"],
        ),
        (
            "two packages",
            dash().package("bash").program("/usr/bin/bash").symlink("/usr/bin/rbash", "bash"),
            &["fail shell: /usr/bin/bash is a shell", "fail shell: /usr/bin/dash is a shell"],
        ),
        (
            "a hard link is the same file",
            Image::new()
                .package("p")
                .program("/usr/bin/bash")
                .hard_link("/usr/bin/x", "/usr/bin/bash"),
            &["fail shell: /usr/bin/bash is a shell"],
        ),
        (
            "one package with several",
            Image::new().package("ksh").program("/usr/bin/ksh93").program("/usr/bin/rksh"),
            &["fail shell: /usr/bin/ksh93 is a shell (and 1 more: /usr/bin/rksh)"],
        ),
    ]);
}

#[test]
fn disguised_shells() {
    let stage = |bytes: &[u8]| {
        Image::new().origin(Origin::Stage(0)).elf_bytes("/opt/runner", static_elf(), bytes)
    };
    let copied = |image: Image| {
        image
            .package("dash")
            .elf_bytes("/usr/bin/dash", static_elf(), b"\x7fELFdash")
            .origin(Origin::Stage(0))
            .elf_bytes("/opt/runner", static_elf(), b"\x7fELFdash")
    };
    check(vec![
        (
            "dash under another name",
            stage(DASH_TEXTS),
            &["fail shell: /opt/runner is a shell by its content"],
        ),
        (
            "naming the path does not excuse the disguise",
            stage(DASH_TEXTS).request_path("/opt/runner"),
            &["fail shell: /opt/runner is a shell by its content"],
        ),
        (
            "busybox",
            stage(b"\x7fELF BusyBox v1.37.0 "),
            &["fail shell: /opt/runner is a shell by its content"],
        ),
        ("no shell", stage(b"\x7fELF $BASH_VERSINFO PS4"), &[]),
        (
            "packages vouch for their names",
            Image::new().package("p").elf_bytes("/usr/bin/p", static_elf(), DASH_TEXTS),
            &[],
        ),
        (
            "the same bytes as a shell",
            copied(Image::new()),
            &[
                "fail shell: /opt/runner is a shell: a copy of /usr/bin/dash",
                "fail shell: /usr/bin/dash is a shell",
            ],
        ),
        ("a copy of a shell that was asked for", copied(Image::new().request("dash")), &[]),
        (
            "what runs .sh files is a shell",
            Image::new()
                .package("p")
                .program("/usr/bin/runner")
                .script("/usr/bin/a.sh", "/bin/runner"),
            &["fail shell: /usr/bin/runner is a shell by its content"],
        ),
        (
            "known interpreters are not",
            Image::new()
                .package("p")
                .program("/usr/bin/python3.13")
                .symlink("/usr/bin/python3", "python3.13")
                .script("/usr/bin/a.sh", "/usr/bin/python3"),
            &[],
        ),
    ]);
}

#[test]
fn what_is_no_shell() {
    check(vec![
        (
            "libraries, modules, completions, directories, documents",
            Image::new()
                .package("p")
                .elf("/usr/lib/libsh.so", library("libsh.so", &[]))
                .elf("/usr/lib/bash/sh", library("sh.so", &["libsh.so"]))
                .text("/usr/lib/python3/dist-packages/sh.py", "")
                .text("/usr/lib/python3/dist-packages/bash/__init__.py", "")
                .file("/usr/lib/python3/dist-packages/sh/sh", 0o755, b"data")
                .text("/usr/share/bash-completion/completions/bash", "complete")
                .directory("/etc/dpkg", 0o755)
                .text("/var/lib/dpkg/status", "Package: bash\n"),
            &[],
        ),
        ("without execute permission", Image::new().file("/usr/bin/sh", 0o644, b"\x7fELF"), &[]),
        (
            "a link that leads nowhere",
            Image::new().package("p").symlink("/usr/bin/sh", "dash"),
            &["warn link-dangling: /usr/bin/sh is a link that leads nowhere"],
        ),
        (
            "scripts for a shell that is not there",
            Image::new()
                .package("git")
                .script("/usr/lib/git-core/git-submodule", "/bin/sh")
                .script("/usr/lib/git-core/git-sh-setup", " /bin/sh -e"),
            &["warn interpreter-missing: /usr/lib/git-core/git-sh-setup is a script for /bin/sh, \
               which is not in the image (and 1 more: /usr/lib/git-core/git-submodule)"],
        ),
        (
            "a wrapper script called sh",
            Image::new().package("p").program("/usr/bin/p").script("/opt/bin/sh", "/usr/bin/p"),
            &[],
        ),
    ]);
}

#[test]
fn busybox_and_its_applets() {
    let busybox = || {
        Image::new()
            .package("busybox")
            .program("/usr/bin/busybox")
            .origin(Origin::Stage(0))
            .symlink("/usr/bin/ls", "busybox")
            .symlink("/usr/bin/sh", "/bin/busybox")
    };
    check(vec![
        ("applets are one program", busybox(), &["fail shell: /usr/bin/busybox is a shell"]),
        ("named", busybox().request("busybox"), &[]),
        (
            "an applet that is another kind of tool",
            busybox().symlink("/usr/bin/dpkg", "busybox").symlink("/usr/bin/wget", "busybox"),
            &[
                "fail shell: /usr/bin/busybox is a shell",
                "fail package-manager: /usr/bin/busybox is a package manager: /usr/bin/dpkg leads to it",
                "warn network-tool: /usr/bin/busybox is a network client or scanner: /usr/bin/wget leads to it",
            ],
        ),
        (
            "named, with such an applet",
            busybox().symlink("/usr/bin/dpkg", "busybox").request("busybox"),
            &[],
        ),
    ]);
}

#[test]
fn alpine() {
    let alpine = || {
        Image::new()
            .text("/usr/lib/apk/db/installed", "P:busybox\nP:apk-tools\n")
            .text("/etc/apk/world", "busybox\n")
            .package("busybox")
            .program("/usr/bin/busybox")
            .package("busybox-binsh")
            .symlink("/usr/bin/sh", "/bin/busybox")
            .package("libapk2")
            .program("/usr/lib/libapk.so.2.14.9")
    };
    check(vec![
        ("a database is no package manager", alpine().request("busybox"), &[]),
        ("a shell", alpine(), &["fail shell: /usr/bin/busybox is a shell"]),
        (
            "apk",
            alpine().request("busybox").package("apk-tools").program("/usr/sbin/apk"),
            &["fail package-manager: /usr/sbin/apk is a package manager"],
        ),
        (
            "apk, named",
            alpine()
                .request("busybox")
                .request("apk-tools")
                .package("apk-tools")
                .program("/usr/sbin/apk"),
            &[],
        ),
        (
            "links that a finisher made",
            alpine()
                .request("busybox")
                .origin(Origin::Finisher("busybox"))
                .symlink("/usr/bin/wget", "/bin/busybox"),
            &[],
        ),
        (
            "a static one beside it",
            alpine().request("busybox").package("other").program("/usr/sbin/apk.static"),
            &["fail package-manager: /usr/sbin/apk.static is a package manager"],
        ),
    ]);
}

#[test]
fn other_tools() {
    let gcc = || {
        Image::new()
            .package("gcc-14-x86-64-linux-gnu")
            .program("/usr/bin/x86_64-linux-gnu-gcc-14")
            .program("/usr/libexec/gcc/x86_64-linux-gnu/14/cc1")
            .package("gcc")
            .symlink("/usr/bin/gcc", "x86_64-linux-gnu-gcc-14")
            .package("binutils")
            .program("/usr/bin/x86_64-linux-gnu-ld.bfd")
    };
    check(vec![
        (
            "a compiler",
            gcc(),
            &[
                "fail compiler: /usr/bin/x86_64-linux-gnu-gcc-14 is a compiler, assembler or linker \
                 (and 1 more: /usr/libexec/gcc/x86_64-linux-gnu/14/cc1)",
                "fail compiler: /usr/bin/x86_64-linux-gnu-ld.bfd is a compiler, assembler or linker",
            ],
        ),
        ("naming gcc asks for all of it", gcc().request("gcc"), &[]),
        (
            "package managers, as programs and scripts",
            Image::new()
                .package("apt")
                .program("/usr/bin/apt-get")
                .package("rpm")
                .program("/usr/bin/rpm")
                .package("python3")
                .program("/usr/bin/python3")
                .package("dnf")
                .script("/usr/bin/dnf-3", "/usr/bin/python3")
                .program("/usr/bin/env")
                .package("pip")
                .script("/usr/bin/pip3", "/usr/bin/env python3"),
            &[
                "fail package-manager: /usr/bin/apt-get is a package manager",
                "fail package-manager: /usr/bin/dnf-3 is a package manager",
                "fail package-manager: /usr/bin/rpm is a package manager",
                "warn language-package-manager: /usr/bin/pip3 is a package manager of a language",
            ],
        ),
        (
            "a debugger and a client",
            Image::new().package("p").program("/usr/bin/strace").program("/usr/bin/curl"),
            &[
                "fail debugger: /usr/bin/strace is a debugger or tracer",
                "warn network-tool: /usr/bin/curl is a network client or scanner",
            ],
        ),
        (
            "a module called pip, a loader called ld.so, a package database",
            Image::new()
                .package("p")
                .text("/usr/lib/python3/dist-packages/pip/__main__.py", "")
                .elf("/usr/lib/ld-2.41.so", library("ld-linux-x86-64.so.2", &[]))
                .symlink("/usr/bin/ld.so", "../lib/ld-2.41.so")
                .program("/usr/lib/apt/methods/ftp")
                .text("/var/lib/dpkg/info/apt.list", ""),
            &[],
        ),
    ]);
}
