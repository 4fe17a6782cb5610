// SPDX-License-Identifier: Apache-2.0
//! Entrypoints, interpreters, libraries, links.

use super::{ControlId, check};
use crate::controls::testing::{Image, elf, library};

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
fn a_search_that_is_given_up_is_not_passed() {
    let run_path =
        |count: usize| (0..count).map(|at| format!("/r/{at}")).collect::<Vec<_>>().join(":");
    let with = |count: usize, chain: usize| {
        let program = |runpath: String, needed: &str| hardpan_tree::Elf {
            runpath: Some(runpath),
            ..elf(&[needed])
        };
        let mut image = Image::new()
            .elf("/usr/lib64/ld-linux-x86-64.so.2", library("ld-linux-x86-64.so.2", &[]))
            .elf("/usr/bin/app", program(run_path(count), "lib0.so"))
            .entrypoint("/usr/bin/app");
        for at in 0..count {
            image = image.directory(&format!("/r/{at}"), 0o755);
        }
        for at in 0..chain {
            let needed = format!("lib{}.so", at + 1);
            image = image.elf(
                &format!("/r/{}/lib{at}.so", count - 1),
                hardpan_tree::Elf {
                    runpath: Some(run_path(count)),
                    ..library(&format!("lib{at}.so"), &[&needed])
                },
            );
        }
        let last = library(&format!("lib{chain}.so"), &[]);
        image.elf(&format!("/r/{}/lib{chain}.so", count - 1), last)
    };
    for (count, chain, is_cut) in
        [(3, 5, false), (250, 100, false), (250, 1000, true), (300, 2, true)]
    {
        let measured = with(count, chain).measure();
        let is_unmeasured = measured.unmeasured.contains_key(&ControlId::EntrypointLibrary);
        assert_eq!(is_unmeasured, is_cut, "{count} {chain}");
        let found = measured.findings.iter().any(|one| one.control == ControlId::EntrypointLibrary);
        assert!(!found, "{count} {chain}");
    }
    let partial = hardpan_tree::Elf { is_partial: true, ..elf(&[]) };
    let measured = Image::new().elf("/usr/lib/x", partial).measure();
    let why = "/usr/lib/x has more headers, entries or names than are read";
    for control in [ControlId::ExecutableStack, ControlId::WritableCode, ControlId::LibraryMissing]
    {
        assert_eq!(measured.unmeasured[&control], why);
    }
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
        (
            "LD_LIBRARY_PATH",
            with("/opt/l", None).environment("LD_LIBRARY_PATH", "/opt/l"),
            &["info loader-path: the environment sets LD_LIBRARY_PATH"],
        ),
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
            "modules and examples that nobody starts",
            Image::new()
                .script("/usr/lib/python3.13/cgi.py", "/usr/local/bin/python")
                .script("/srv/app/x.js", "/usr/bin/env node"),
            &[],
        ),
        (
            "a program that is a script",
            Image::new().package("p").script("/usr/bin/x.py", "/usr/bin/python3"),
            &["warn interpreter-missing: /usr/bin/x.py is a script for /usr/bin/python3, \
               which is not in the image"],
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
