// SPDX-License-Identifier: Apache-2.0
//! Every control, with what breaks it and what must not.

mod image;
mod programs;
mod tools;

use hardpan_tree::{Content, File, InlineContents, Kind, Metadata, Node, Origin, TreePath};

use super::testing::{Image, elf, library};
use super::{
    ControlId, ControlPolicy, Exception, Finding, Profile, Severity, controls, measured_labels,
};

/// Checks the findings of images, given as lines.
fn check(cases: Vec<(&str, Image, &[&str])>) {
    for (summary, image, expected) in cases {
        assert_eq!(image.lines(), expected, "{summary}");
    }
}

#[test]
fn a_file_that_is_not_read_lets_nothing_pass() {
    let mut image = Image::new();
    let path = TreePath::literal("/etc/passwd");
    let lost = File { content: Content::Blob, ..File::inline(&b"toor:x:0:0::/:/bin/sh\n"[..]) };
    image.tree.remove(&path);
    let node = Node {
        metadata: Metadata::root(0o644, 0),
        kind: Kind::File(lost),
        origin: Origin::Definition,
    };
    image.tree.insert(path, node.clone()).unwrap();
    image.tree.insert(TreePath::literal("/usr/lib/key"), node).unwrap();
    let unmeasured = image.measure().unmeasured;
    for control in [ControlId::DuplicateRoot, ControlId::LoginShell, ControlId::Password] {
        assert_eq!(unmeasured[&control], "the bytes of /etc/passwd were not kept");
    }
    assert_eq!(unmeasured[&ControlId::Secret], "/usr/lib/key can't be read");
    assert!(Image::new().measure().unmeasured.keys().all(|id| *id != ControlId::DuplicateRoot));
}

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
            Image::new().file("/etc/shadow", 0o640, b"root:$y$x:1::::::\nnonroot:*:1::::::\n"),
            &["fail password: /etc/shadow has a password for root"],
        ),
        (
            "locked",
            Image::new().file("/etc/shadow", 0o640, b"root:*:1::::::\nnonroot:!:1::::::\n"),
            &[],
        ),
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
    // Dockerfiles are for images of others.
    let setuid = ControlId::SetuidFile.control();
    assert!(
        setuid
            .fix
            .ends_with("in paths; in a Dockerfile: RUN chmod a-s FILE, in the RUN that brings it")
    );
    assert!(setuid.fix_in_definition().ends_with("in paths"));
    assert_eq!(ControlId::ImageAge.control().fix_in_definition(), "build it again");
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
        message: None,
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
        assert!(control.severity(Profile::Dev) <= control.severity(Profile::Runtime));
    }
    assert!("no-such-control".parse::<ControlId>().is_err());
    assert!("Shell".parse::<ControlId>().is_err());
}
