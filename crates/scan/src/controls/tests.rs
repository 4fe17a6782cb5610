// SPDX-License-Identifier: Apache-2.0
//! Every control, with what breaks it and what must not.

use hardpan_tree::{InlineContents, Origin, TreePath};

use super::testing::{Image, elf, library, static_elf};
use super::{
    ControlId, ControlPolicy, Exception, Finding, Severity, Variant, controls, measured_labels,
};

/// Checks the findings of images, given as lines.
fn check(cases: Vec<(&str, Image, &[&str])>) {
    for (summary, image, expected) in cases {
        assert_eq!(image.lines(), expected, "{summary}");
    }
}

const DASH_TEXTS: &[u8] = b"\x7fELF\0PS2=> \0PS4=+ \0x\0OPTIND=1\0";

#[test]
fn a_clean_image_has_no_findings() {
    let image = Image::new()
        .package("app")
        .elf("/usr/lib/ld-linux-x86-64.so.2", library("ld-linux-x86-64.so.2", &[]))
        .symlink("/usr/lib64/ld-linux-x86-64.so.2", "../lib/ld-linux-x86-64.so.2")
        .elf("/usr/lib/x86_64-linux-gnu/libc.so.6", library("libc.so.6", &["ld-linux-x86-64.so.2"]))
        .elf("/usr/bin/app", elf(&["libc.so.6"]))
        .entrypoint("/bin/app");
    check(vec![
        ("runtime", image.clone(), &[]),
        ("dev", image.dev(), &[]),
        ("nothing but accounts", Image::new(), &[]),
    ]);
}

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
                .elf("/usr/lib/bash/sh", library("sh.so", &[]))
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
                .text("/var/lib/dpkg/info/apt.list", ""),
            &[],
        ),
    ]);
}

#[test]
fn modes_and_capabilities() {
    let with = |path: &'static str, mode: u32| Image::new().file(path, mode, b"x");
    check(vec![
        ("setuid", with("/usr/bin/su", 0o4755), &["fail setuid-file: /usr/bin/su is setuid 0"]),
        ("setgid", with("/usr/bin/wall", 0o2755), &["fail setuid-file: /usr/bin/wall is setgid 0"]),
        (
            "setuid in dev",
            with("/usr/bin/su", 0o4755).dev(),
            &["warn setuid-file: /usr/bin/su is setuid 0"],
        ),
        ("a setgid directory gives no rights", Image::new().directory("/var/mail", 0o2775), &[]),
        (
            "capabilities",
            with("/usr/bin/ping", 0o755).metadata("/usr/bin/ping", |metadata| {
                metadata.xattrs.insert("security.capability".to_owned(), vec![1]);
            }),
            &["fail file-capability: /usr/bin/ping has file capabilities"],
        ),
        (
            "another attribute",
            with("/usr/bin/ping", 0o755).metadata("/usr/bin/ping", |metadata| {
                metadata.xattrs.insert("user.mime_type".to_owned(), vec![1]);
            }),
            &[],
        ),
        (
            "world-writable",
            with("/srv/a", 0o666).directory("/srv/b", 0o777),
            &[
                "fail world-writable-file: /srv/a can be written by everybody (0666)",
                "fail world-writable-directory: /srv/b can be written by everybody (0777)",
            ],
        ),
        (
            "world-writable, as the definition says itself",
            with("/srv/a", 0o666).request_path("/srv/a"),
            &["warn world-writable-file: /srv/a can be written by everybody (0666)"],
        ),
        (
            "sticky directories",
            Image::new().directory("/var/tmp", 0o1777).directory("/s", 0o1733),
            &[],
        ),
        ("links have no mode", Image::new().text("/a", "").symlink("/b", "a"), &[]),
        (
            "account files",
            Image::new()
                .metadata("/etc/passwd", |metadata| metadata.mode = 0o664)
                .metadata("/etc/group", |metadata| metadata.uid = 65532),
            &[
                "fail writable-system-file: /etc/group can be written by others than root (0644, 65532:0)",
                "fail writable-system-file: /etc/passwd can be written by others than root (0664, 0:0)",
            ],
        ),
        (
            "a program of the user",
            Image::new()
                .program("/app/run")
                .text("/app/data", "")
                .metadata("/app/run", |metadata| metadata.uid = 65532)
                .metadata("/app/data", |metadata| metadata.uid = 65532),
            &["warn writable-program: /app/run can be written by the image's user"],
        ),
    ]);
}

#[test]
fn leftovers() {
    let locale = || Image::new().package("locales").text("/usr/lib/locale/de_DE.utf8/LC_ALL", "");
    check(vec![
        (
            "docs",
            Image::new()
                .package("p")
                .text("/usr/share/man/man1/a.1", "")
                .text("/usr/share/doc/p/copyright", ""),
            &["fail documentation: /usr/share/man/man1/a.1 is a manual page"],
        ),
        ("empty directories are nothing", Image::new().directory("/usr/share/man", 0o755), &[]),
        ("locale", locale(), &["fail locale: /usr/lib/locale/de_DE.utf8/LC_ALL is a locale"]),
        ("the package was named", locale().request("locales"), &[]),
        ("C.UTF-8", Image::new().text("/usr/lib/locale/C.utf8/LC_CTYPE", ""), &[]),
        (
            "caches",
            Image::new().text("/var/lib/apt/lists/x_Packages", "x"),
            &["fail package-cache: /var/lib/apt/lists/x_Packages is a cache of a package manager"],
        ),
        (
            "machine id",
            Image::new().text("/etc/machine-id", "5c"),
            &["fail machine-id: /etc/machine-id is the identity of one machine"],
        ),
        ("an empty one", Image::new().text("/etc/machine-id", ""), &[]),
    ]);
}

#[test]
fn secrets_and_passwords() {
    let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n";
    check(vec![
        (
            "by name",
            Image::new().package("ssl-cert").text("/etc/ssl/private/a.key", "x"),
            &["fail secret: /etc/ssl/private/a.key is a private key by its directory"],
        ),
        (
            "by content",
            Image::new().origin(Origin::Stage(0)).text("/app/server.pem", key),
            &["fail secret: /app/server.pem holds a private key"],
        ),
        (
            "samples in packages",
            Image::new().package("p").text("/usr/lib/p/test/key.pem", key),
            &[],
        ),
        ("an empty file", Image::new().text("/root/.netrc", ""), &[]),
        (
            "password hash",
            Image::new().text("/etc/shadow", "root:$y$x:1::::::\nnonroot:*:1::::::\n"),
            &["fail password: /etc/shadow has a password for root"],
        ),
        ("locked", Image::new().text("/etc/shadow", "root:*:1::::::\nnonroot:!:1::::::\n"), &[]),
    ]);
}

#[test]
fn users() {
    let root_allowed = |user: &str| {
        let mut image = Image::new().user(user);
        image.root_allowed = true;
        image
    };
    check(vec![
        ("number", Image::new().user("65532"), &[]),
        (
            "none",
            Image::new().user(""),
            &["fail user-root: the image sets no user, so it runs as root"],
        ),
        ("zero", Image::new().user("0:0"), &["fail user-root: the image's user 0:0 is root"]),
        ("zero, allowed", root_allowed("0:0"), &[]),
        ("root, allowed", root_allowed("root"), &[]),
        ("none, in dev", Image::new().user("").dev(), &[]),
        (
            "root",
            Image::new().user("root"),
            &[
                "fail user-root: the image's user root is root",
                "fail user-not-numeric: the image's user is given by its name root, its number is 0",
            ],
        ),
        (
            "a name",
            Image::new().user("nonroot"),
            &[
                "fail user-not-numeric: the image's user is given by its name nonroot, its number is 65532",
            ],
        ),
        (
            "a name that nobody has",
            Image::new().user("www:65532"),
            &[
                "fail user-not-numeric: the image's user is given by its name www",
                "fail user-unknown: the image's user www is not in /etc/passwd",
            ],
        ),
        (
            "a group that is not there",
            Image::new().user("65532:www"),
            &["fail user-unknown: the image's group www is not in /etc/group"],
        ),
        (
            "a number without an account gets root's group",
            Image::new().user("1000"),
            &["warn group-root: the image's user has the group 0"],
        ),
        (
            "a second root",
            Image::new().text("/etc/passwd", "root:x:0:0::/:/x\ntoor:x:0:0::/:/x\n").user("1:1"),
            &["fail duplicate-root: /etc/passwd gives toor the user number 0"],
        ),
        ("lines that are no accounts", Image::new().text("/etc/passwd", "+\n:::\nx\n"), &[]),
    ]);
}

#[test]
fn environment() {
    let own = || {
        Image::new()
            .directory("/app/bin", 0o755)
            .metadata("/app/bin", |metadata| metadata.uid = 65532)
            .environment("PATH", "/app/bin:/usr/bin")
    };
    check(vec![
        ("absolute", Image::new().environment("PATH", "/usr/bin:/nowhere"), &[]),
        (
            "relative",
            Image::new().environment("PATH", "/usr/bin::bin"),
            &[
                "warn unsafe-path: PATH has the relative directory \"\"",
                "warn unsafe-path: PATH has the relative directory \"bin\"",
            ],
        ),
        (
            "writable",
            own(),
            &["warn unsafe-path: /app/bin is in PATH and can be written by the image's user"],
        ),
        ("another's", own().user("1:1"), &[]),
        (
            "preload",
            Image::new().environment("LD_PRELOAD", "/x.so").text("/etc/ld.so.preload", "/x.so"),
            &[
                "warn loader-preload: the environment sets LD_PRELOAD",
                "warn loader-preload: /etc/ld.so.preload loads a library into every program",
            ],
        ),
        (
            "empty preload",
            Image::new().environment("LD_PRELOAD", "").text("/etc/ld.so.preload", ""),
            &[],
        ),
    ]);
}

#[test]
fn entrypoints() {
    let app = |image: Image| image.package("app").program("/usr/bin/app");
    check(vec![
        ("in PATH", app(Image::new()).entrypoint("app"), &[]),
        ("through /bin", app(Image::new()).entrypoint("/bin/app"), &[]),
        ("relative to the working directory", app(Image::new()).entrypoint("./usr/bin/app"), &[]),
        (
            "missing",
            app(Image::new()).entrypoint("ap"),
            &["fail entrypoint-missing: the entrypoint ap is not in the image"],
        ),
        (
            "not in this PATH",
            app(Image::new()).entrypoint("app").environment("PATH", "/opt/bin"),
            &["fail entrypoint-missing: the entrypoint app is not in the image"],
        ),
        (
            "a directory",
            Image::new().entrypoint("/usr/bin"),
            &["fail entrypoint-not-executable: /usr/bin is a directory and no program"],
        ),
        (
            "not executable",
            Image::new().text("/app", "").entrypoint("/app"),
            &["fail entrypoint-not-executable: /app can't be executed by the image's user (0644)"],
        ),
        (
            "only for root",
            app(Image::new())
                .metadata("/usr/bin/app", |metadata| metadata.mode = 0o700)
                .entrypoint("app"),
            &[
                "fail entrypoint-not-executable: /usr/bin/app can't be executed by the image's user (0700)",
            ],
        ),
        (
            "below a closed directory",
            Image::new().directory("/root", 0o700).program("/root/app").entrypoint("/root/app"),
            &[
                "fail entrypoint-not-executable: /root/app is below /root, which the image's user can't enter",
            ],
        ),
    ]);
}

#[test]
fn entrypoint_interpreters() {
    let app = |image: Image| image.package("app").program("/usr/bin/app");
    check(vec![
        (
            "a script",
            app(Image::new()).script("/run.py", "/usr/bin/app").entrypoint("/run.py"),
            &[],
        ),
        (
            "a script through env",
            app(Image::new())
                .program("/usr/bin/env")
                .script("/run.py", "/usr/bin/env -S app -x")
                .entrypoint("/run.py"),
            &[],
        ),
        (
            "a script without its interpreter",
            app(Image::new()).script("/run.sh", "/bin/sh").entrypoint("/run.sh"),
            &[
                "fail entrypoint-interpreter: /run.sh is a script for /bin/sh, which is not in the image",
            ],
        ),
        (
            "env without what it looks up",
            Image::new()
                .program("/usr/bin/env")
                .script("/run.py", "/usr/bin/env python3")
                .entrypoint("/run.py"),
            &[
                "fail entrypoint-interpreter: /run.py is a script for python3, which is not in the image",
            ],
        ),
        (
            "scripts in a circle",
            Image::new().script("/a", "/b").script("/b", "/a").entrypoint("/a"),
            &["fail entrypoint-interpreter: /b is one script too many for the kernel"],
        ),
        (
            "without its loader",
            Image::new().package("p").elf("/usr/bin/p", elf(&[])).entrypoint("p"),
            &[
                "fail entrypoint-interpreter: /usr/bin/p needs the loader /lib64/ld-linux-x86-64.so.2, \
               which is not in the image",
            ],
        ),
    ]);
}

#[test]
fn entrypoint_libraries() {
    let with = |place: &str, runpath: Option<&str>| {
        let app = hardpan_tree::Elf { runpath: runpath.map(str::to_owned), ..elf(&["liba.so.1"]) };
        Image::new()
            .package("libc6")
            .elf("/usr/lib64/ld-linux-x86-64.so.2", library("ld-linux-x86-64.so.2", &[]))
            .package("app")
            .elf("/opt/app/bin/app", app)
            .elf(&format!("{place}/liba.so.1.2"), library("liba.so.1", &["libb.so.1"]))
            .symlink(&format!("{place}/liba.so.1"), "liba.so.1.2")
            .elf(&format!("{place}/libb.so.1"), library("libb.so.1", &[]))
            .entrypoint("/opt/app/bin/app")
    };
    let lost: &[&str] =
        &["fail entrypoint-library: /opt/app/bin/app needs liba.so.1, which is not found"];
    check(vec![
        ("default directory", with("/usr/lib/x86_64-linux-gnu", None), &[]),
        ("another machine's", with("/usr/lib/aarch64-linux-gnu", None), lost),
        ("elsewhere", with("/opt/app/lib", None), lost),
        ("$ORIGIN", with("/opt/app/lib", Some("$ORIGIN/../lib")), &[]),
        ("${ORIGIN} and others", with("/opt/app/lib", Some("/x:${ORIGIN}/../lib")), &[]),
        ("$LIB", with("/opt/app/lib/x86_64-linux-gnu", Some("/opt/app/$LIB")), &[]),
        ("LD_LIBRARY_PATH", with("/opt/l", None).environment("LD_LIBRARY_PATH", "/opt/l"), &[]),
        (
            "ld.so.conf",
            with("/opt/l", None)
                .text("/etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n")
                .text("/etc/ld.so.conf.d/l.conf", "# l\n/opt/l\n"),
            &[],
        ),
        (
            "ld.so.conf that includes itself",
            with("/opt/l", None).text("/etc/ld.so.conf", "include ld.so.conf\n"),
            lost,
        ),
        (
            "a library of a library",
            Image::new()
                .elf("/usr/lib64/ld-linux-x86-64.so.2", library("ld-linux-x86-64.so.2", &[]))
                .elf("/usr/bin/app", elf(&["liba.so.1"]))
                .elf("/usr/lib/liba.so.1", library("liba.so.1", &["libb.so.1"]))
                .entrypoint("app"),
            &["fail entrypoint-library: /usr/lib/liba.so.1 needs libb.so.1, which is not found"],
        ),
    ]);
}

#[test]
fn other_programs() {
    check(vec![
        (
            "a library that is nowhere",
            Image::new()
                .package("p")
                .elf("/usr/lib/p/plugin.so", library("plugin.so", &["libx.so.1"])),
            &[
                "warn library-missing: /usr/lib/p/plugin.so needs libx.so.1, which is not in the image",
            ],
        ),
        (
            "private libraries that a program loads from where it likes",
            Image::new()
                .package("jre")
                .elf("/opt/jre/lib/libjava.so", library("libjava.so", &["libjvm.so"]))
                .elf("/opt/jre/lib/server/libjvm.so", library("libjvm.so", &[])),
            &[],
        ),
        (
            "musl is loader and library in one",
            Image::new()
                .package("musl")
                .elf("/usr/lib/ld-musl-x86_64.so.1", library("libc.musl-x86_64.so.1", &[]))
                .package("p")
                .elf(
                    "/usr/bin/p",
                    hardpan_tree::Elf {
                        interpreter: Some("/lib/ld-musl-x86_64.so.1".to_owned()),
                        ..elf(&["libc.so", "libc.musl-x86_64.so.1"])
                    },
                ),
            &[],
        ),
        (
            "a text with #! that nobody executes",
            Image::new().text("/usr/lib/a.py", "#!/usr/bin/python3\n"),
            &[],
        ),
        (
            "links",
            Image::new()
                .package("p")
                .symlink("/etc/mtab", "../proc/self/mounts")
                .symlink("/usr/share/doc/p/README", "../gone")
                .symlink("/usr/bin/a", "b")
                .symlink("/usr/bin/b", "a")
                .symlink("/usr/lib/x", "gone/y"),
            &[
                "warn link-dangling: /usr/bin/a is a link that never ends (and 1 more: /usr/bin/b)",
                "warn link-dangling: /usr/lib/x is a link that leads nowhere",
            ],
        ),
    ]);
}

#[test]
fn help_says_where_from_and_what_to_do() {
    let bash = || Image::new().package("bash").program("/usr/bin/bash");
    let help = |image: &Image| image.inspect().remove(0).help;
    assert_eq!(
        help(&bash()),
        "from package bash, pulled in by app → bash; add \"!bash\" to contents.packages to cut it"
    );
    assert_eq!(
        help(&Image::new().package("su").file("/usr/bin/su", 0o4755, b"x").request("su")),
        "from package su, which the definition names; \
         leave the strip rule for setuid bits on, or give the file another mode in paths"
    );
    assert_eq!(
        help(&Image::new().origin(Origin::Stage(2)).file("/a", 0o666, b"x")),
        "copied from build stage 2; give the file a mode without write permission for others in paths"
    );
    let finding = bash().inspect().remove(0);
    assert_eq!(finding.package, Some(0));
    assert_eq!(finding.path, Some(TreePath::literal("/usr/bin/bash")));
}

#[test]
fn many_paths_become_one_finding() {
    let mut image = Image::new().package("p");
    for number in 0..6 {
        image = image.text(&format!("/usr/share/man/man1/{number}.1"), "");
    }
    let findings = image.inspect();
    let [Finding { message, more_paths, .. }] = findings.as_slice() else {
        panic!("one finding: {findings:?}")
    };
    assert_eq!(more_paths.len(), 5);
    assert_eq!(
        message,
        "/usr/share/man/man1/0.1 is a manual page (and 5 more: /usr/share/man/man1/1.1, \
         /usr/share/man/man1/2.1, /usr/share/man/man1/3.1, …)"
    );
}

#[test]
fn policies_change_severities_and_accept_findings() {
    let mut image = Image::new().package("bash").program("/usr/bin/bash");
    image.policy.severities.insert(ControlId::Shell, Some(Severity::Warn));
    assert_eq!(image.lines(), ["warn shell: /usr/bin/bash is a shell"]);
    image.policy.severities.insert(ControlId::Shell, None);
    assert!(image.lines().is_empty());

    let accept = |path: Option<&'static str>| Exception {
        control: ControlId::Shell,
        path: path.map(TreePath::literal),
        reason: "the entrypoint is a script".to_owned(),
    };
    for (path, severity) in
        [(None, Severity::Info), (Some("/usr"), Severity::Info), (Some("/opt"), Severity::Fail)]
    {
        image.policy = ControlPolicy { exceptions: vec![accept(path)], ..ControlPolicy::default() };
        let finding = image.inspect().remove(0);
        assert_eq!(finding.severity, severity, "{path:?}");
        let is_accepted = finding.help == "accepted: the entrypoint is a script";
        assert_eq!(is_accepted, severity == Severity::Info, "{path:?}");
    }
}

#[test]
fn worst_comes_first() {
    let image = Image::new()
        .user("")
        .package("p")
        .symlink("/usr/bin/x", "gone")
        .program("/usr/bin/bash")
        .file("/usr/bin/su", 0o4755, b"x");
    let expected =
        [ControlId::Shell, ControlId::SetuidFile, ControlId::UserRoot, ControlId::LinkDangling];
    assert_eq!(image.controls(), expected);
}

#[test]
fn labels_are_measured() {
    let image = Image::new()
        .package("bash")
        .request("bash")
        .program("/usr/bin/bash")
        .symlink("/usr/bin/sh", "bash")
        .package("dpkg")
        .program("/usr/bin/dpkg")
        .file("/usr/bin/su", 0o4755, b"xx");
    let labels = measured_labels(&image.tree, &InlineContents);
    for (key, value) in [
        ("shell", "/usr/bin/bash"),
        ("package-manager", "/usr/bin/dpkg"),
        ("compiler", ""),
        ("debugger", ""),
        ("setuid-files", "1"),
        ("capability-files", "0"),
        ("world-writable", "0"),
        ("files", "5"),
    ] {
        assert_eq!(labels.get(key).map(String::as_str), Some(value), "{key}");
    }
}

#[test]
fn the_table_is_complete() {
    for (index, control) in controls().iter().enumerate() {
        assert_eq!(control.id as usize, index);
        assert_eq!(control.id.name().parse(), Ok(control.id));
        assert_eq!(control.id.control().id, control.id);
        let is_kebab =
            control.id.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(is_kebab, "{}", control.id);
        for text in [control.title, control.why, control.fix] {
            assert!(!text.is_empty(), "{}", control.id);
        }
        assert!(control.severity(Variant::Dev) <= control.severity(Variant::Runtime));
    }
    assert!("no-such-control".parse::<ControlId>().is_err());
    assert!("Shell".parse::<ControlId>().is_err());
}
