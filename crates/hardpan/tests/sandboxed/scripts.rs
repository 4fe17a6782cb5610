// SPDX-License-Identifier: Apache-2.0
//! Maintainer scripts that run, since the definition asks for it.

use hardpan::{Error, SandboxedError, Work};
use hardpan_testkit::deb::{Deb, deb};
use hardpan_tree::{Kind, TreePath};

use crate::support::{Done, How, World, file, skip};

const BUSYBOX: &str = "/bin/busybox";
const HEAD: &str = "variant: dev\nplatforms: [linux/amd64]\ncmd: [/usr/bin/sh]\n";
const SANDBOX: &str = "x-hardpan:\n  scripts: sandbox\n";

/// What nothing covers, between much that finishers or shims do.
const POSTINST: &str = "#!/bin/sh\nset -e\n\
    . /usr/share/debconf/confmodule\n\
    db_get demo/colour\n\
    colour=$RET\n\
    adduser --system --group --home /var/lib/demo demo\n\
    mkdir -p /var/lib/demo\n\
    chown demo:demo /var/lib/demo\n\
    make-index --colour \"$colour\" /var/lib/demo\n\
    chown 123:124 /var/lib/demo/index\n\
    chmod 0640 /var/lib/demo/index\n\
    rm -f /usr/share/demo/only-once\n\
    ln -sf demo.conf /etc/demo.link\n\
    ssh-keygen -t rsa -f /etc/demo.key\n\
    /usr/bin/openssl req -new -out /etc/demo.csr\n\
    deb-systemd-helper enable demo.service\n\
    update-rc.d demo defaults\n\
    make-index is lost /tmp\n\
    make-index is lost /var/log\n";

const TEMPLATES: &str =
    "Template: demo/colour\nType: string\nDefault: it's red\nDescription: Colour\n";

fn shell() -> Option<Deb> {
    let busybox = std::fs::read(BUSYBOX).ok()?;
    let applets = ["sh", "mkdir", "chown", "chmod", "rm", "ln", "sort"];
    let package =
        deb("shell", "1").architecture("amd64").file("/usr/bin/busybox", busybox).mode(0o755);
    let link = |deb: Deb, name: &&str| deb.symlink(&format!("/usr/bin/{name}"), "busybox");
    Some(applets.iter().fold(package, link))
}

fn demo(postinst: &str) -> Deb {
    deb("demo", "1.0-1")
        .depends("tool")
        .file("/etc/demo.conf", "x\n")
        .file("/usr/share/demo/only-once", "x\n")
        .file("/usr/share/demo/data", "x\n")
        .script("postinst", postinst)
        .control_file("templates", TEMPLATES)
}

/// The tool that only packages know.
fn tool() -> Deb {
    let index = "#!/bin/sh\nset -e\nprintf '%s\\n' \"$@\" >\"$3/index\"\nln \"$3/index\" \"$3/index-again\"\n";
    deb("tool", "1")
        .file("/usr/bin/make-index", index)
        .mode(0o755)
        .file("/usr/bin/openssl", "#!/bin/sh\necho real >/etc/demo.csr\n")
        .mode(0o755)
}

fn world(test: &str, head: &str, packages: &[&str], made: &[Deb]) -> Option<World> {
    if cfg!(not(target_arch = "x86_64")) {
        skip(test, "its packages are for amd64");
        return None;
    }
    let Some(shell) = shell() else {
        skip(test, "busybox-static is not installed");
        return None;
    };
    let mut all = vec![shell, tool(), deb("base-files", "13")];
    all.extend_from_slice(made);
    Some(World::new(&format!("{HEAD}{head}"), packages, &[], &all))
}

fn actions(done: &Done) -> usize {
    done.built.platforms[0].actions.get("sandbox").copied().unwrap_or_default()
}

#[test]
fn what_nothing_covers_is_done_and_the_rest_is_not_done_twice() {
    let test = "what_nothing_covers_is_done_and_the_rest_is_not_done_twice";
    let packages = ["shell", "demo"];
    let Some(world) = world(test, SANDBOX, &packages, &[demo(POSTINST)]) else { return };
    let Some(done) = world.try_build(test, &How::default()) else { return };
    let tree = &done.trees[0];
    let (node, bytes) = file(tree, "/var/lib/demo/index");
    assert_eq!(String::from_utf8_lossy(&bytes), "--colour\nit's red\n/var/lib/demo\n");
    assert_eq!((node.metadata.mode, node.metadata.uid, node.metadata.gid), (0o640, 123, 124));
    let at = |path: &str| tree.get(&TreePath::parse(path).unwrap());
    let again = at("/var/lib/demo/index-again").unwrap();
    assert_eq!(again.kind, Kind::HardLink(TreePath::literal("var/lib/demo/index")));
    assert_eq!(at("/etc/demo.link").unwrap().kind, Kind::Symlink(b"demo.conf".to_vec()));
    let directory = &at("/var/lib/demo").unwrap().metadata;
    assert_ne!(directory.uid, 0, "the finisher's user");
    for path in [
        "/usr/share/demo/only-once",
        "/etc/demo.key",
        "/etc/demo.csr",
        "/tmp/index",
        "/var/log/index",
        "/hardpan",
        "/.hardpan-log",
        "/usr/share/debconf",
    ] {
        assert!(at(path).is_none(), "{path}");
    }
    assert!(at("/usr/share/demo/data").is_some());
    let warnings = &done.built.platforms[0].warnings;
    assert_eq!(
        warnings,
        &[
            "demo: postinst: `ssh-keygen -t rsa -f /etc/demo.key` was not run: an image must have no keys or databases of its own",
            "demo: postinst: `openssl req -new -out /etc/demo.csr` was not run: an image must have no keys or databases of its own",
        ]
    );
    assert!(actions(&done) >= 2, "{:?}", done.built.platforms[0].actions);

    // Known results are not made again; on another machine they are the same.
    let warm = world.build(&How::default()).unwrap();
    assert_eq!((warm.runs, warm.built.digest), (0, done.built.digest));
    let other = world.build(&How { store: "other", threads: 1, ..How::default() }).unwrap();
    assert_eq!(other.built.digest, done.built.digest);
}

#[test]
fn scripts_run_in_order_and_see_what_came_before() {
    let test = "scripts_run_in_order_and_see_what_came_before";
    let first = deb("zz-first", "1").script(
        "postinst",
        "#!/bin/sh\nset -e\nmkdir -p /srv/list\nmake-index --from zz /srv/list\n",
    );
    let first = first.depends("tool");
    let second = deb("aa-second", "1").depends("zz-first").script(
        "postinst",
        "#!/bin/sh\nset -e\nsort /srv/list/index | make-index --from aa /etc\n",
    );
    let packages = ["shell", "aa-second"];
    let Some(world) = world(test, SANDBOX, &packages, &[first, second]) else { return };
    let Some(done) = world.try_build(test, &How::default()) else { return };
    assert_eq!(file(&done.trees[0], "/srv/list/index").1, b"--from\nzz\n/srv/list\n");
    assert_eq!(file(&done.trees[0], "/etc/index").1, b"--from\naa\n/etc\n");
}

#[test]
fn a_covered_script_does_not_run_and_neither_does_any_without_being_asked() {
    let test = "a_covered_script_does_not_run_and_neither_does_any_without_being_asked";
    let covered = "#!/bin/sh\nset -e\nmkdir -p /var/lib/demo\nldconfig\n";
    let packages = ["shell", "demo"];
    let Some(world) = world(test, SANDBOX, &packages, &[demo(covered)]) else { return };
    let done = world.build(&How::default()).unwrap();
    assert_eq!((done.runs, actions(&done)), (0, 0));

    let Some(world) = self::world(test, "", &packages, &[demo(POSTINST)]) else { return };
    let done = world.build(&How::default()).unwrap();
    assert_eq!((done.runs, actions(&done)), (0, 0));
    let warnings = done.built.platforms[0].warnings.join("\n");
    assert!(warnings.contains("make-index is not known"), "{warnings}");
}

#[test]
fn a_script_that_fails_ends_the_build_with_its_words() {
    let test = "a_script_that_fails_ends_the_build_with_its_words";
    let packages = ["shell", "demo"];
    for (script, how) in [
        ("#!/bin/sh\nset -e\nfrobnicate\n", "ended with exit code 127"),
        ("#!/bin/sh\necho 'can not do' >&2\nunknown-thing || exit 3\n", "ended with exit code 3"),
    ] {
        let Some(world) = world(test, SANDBOX, &packages, &[demo(script)]) else { return };
        let error = world.build(&How::default()).err().unwrap();
        match &error {
            Error::Sandboxed(SandboxedError::Sandbox { .. }) => {
                return skip(test, "there is no sandbox");
            }
            Error::Sandboxed(SandboxedError::Failed {
                work: Work::Scripts,
                program,
                how: end,
                ..
            }) => {
                assert_eq!((program.as_str(), end.as_str()), ("postinst of demo", how));
            }
            error => panic!("{error}"),
        }
        let hints = error.hints().join("\n");
        assert!(hints.contains("not found") && hints.contains("declarative"), "{hints}");
    }
}

#[test]
fn what_an_image_can_not_hold_ends_the_build() {
    let test = "what_an_image_can_not_hold_ends_the_build";
    let script = "#!/bin/sh\nbusybox mkfifo /etc/pipe\nunknown-thing || true\n";
    let packages = ["shell", "demo"];
    let Some(world) = world(test, SANDBOX, &packages, &[demo(script)]) else { return };
    let error = world.build(&How::default()).err().unwrap();
    match &error {
        Error::Sandboxed(SandboxedError::Sandbox { .. }) => skip(test, "there is no sandbox"),
        error => assert_eq!(
            error.to_string(),
            "a script of demo left /etc/pipe: an image can't hold sockets, pipes and devices"
        ),
    }
}
