// SPDX-License-Identifier: Apache-2.0
//! Scripts of Alpine's packages, read.

#![allow(clippy::unwrap_used, reason = "test code: panics are for the one who runs it")]

use std::collections::BTreeMap;

use hardpan_package::scripts::{
    Effect, FileTests, Look, NewAccount, Operation, ScriptInput, ScriptReport, Treatment, classify,
};
use hardpan_package::segment::Format;

/// Files of a made-up image; a path that ends with a slash is a directory.
struct Files(&'static [&'static str]);

impl FileTests for Files {
    fn look(&self, path: &str, _follow: bool) -> Look {
        let path = format!("/{}", path.trim_start_matches('/').trim_end_matches('/'));
        for known in self.0 {
            if known.trim_end_matches('/') == path {
                return if known.ends_with('/') {
                    Look::Directory { is_empty: false }
                } else {
                    Look::File { is_executable: true, is_empty: false }
                };
            }
        }
        Look::Missing
    }
}

const FILES: Files = Files(&[
    "/etc/shadow",
    "/etc/shells",
    "/usr/share/ca-certificates/",
    "/usr/bin/app",
    "/bin/ls",
]);

fn read(script: &str, text: &str, triggers: &str) -> ScriptReport {
    let scripts = BTreeMap::from([(script.to_owned(), text.to_owned())]);
    let input = ScriptInput {
        format: Format::Apk,
        package: "demo",
        version: "1.2.3-r4",
        architecture: "amd64",
        scripts: &scripts,
        triggers,
        templates: "",
    };
    classify(&input, &FILES)
}

fn kind(treatment: &Treatment) -> &str {
    match treatment {
        Treatment::Ignored { .. } => "ignored",
        Treatment::Handled { finisher } => finisher,
        Treatment::Denied { .. } => "denied",
        Treatment::Unhandled { .. } => "unhandled",
        _ => "new",
    }
}

/// Reads a script with this body; returns what becomes of its lines and what it would do.
fn body(text: &str) -> (Vec<String>, Vec<Operation>) {
    let report = read("post-install", &format!("#!/bin/sh\n{text}\n"), "");
    let kinds = report.actions.iter().map(|action| kind(&action.treatment).to_owned()).collect();
    (kinds, report.effects.into_iter().map(|effect| effect.operation).collect())
}

fn user(name: &str) -> NewAccount {
    NewAccount {
        name: name.to_owned(),
        group: Some("nogroup".to_owned()),
        home: Some(format!("/home/{name}")),
        makes_home: true,
        shell: Some("/sbin/nologin".to_owned()),
        comment: Some("Linux User,,,".to_owned()),
        ..NewAccount::default()
    }
}

#[test]
fn accounts_in_busybox_words() {
    let text = |text: &str| Some(text.to_owned());
    for (command, expected) in [
        (
            "adduser -S -D -H -h /var/lib/nginx -s /sbin/nologin -G nginx -g nginx nginx 2>/dev/null",
            Operation::User(NewAccount {
                group: text("nginx"),
                home: text("/var/lib/nginx"),
                makes_home: false,
                comment: text("nginx"),
                ..user("nginx")
            }),
        ),
        (
            "adduser -SDH app || true",
            Operation::User(NewAccount { makes_home: false, ..user("app") }),
        ),
        ("adduser -S app", Operation::User(user("app"))),
        (
            "adduser -u 500 -s /bin/ash -D app",
            Operation::User(NewAccount {
                id: Some(500),
                group: None,
                has_own_group: true,
                shell: text("/bin/ash"),
                ..user("app")
            }),
        ),
        (
            "addgroup -S -g 42 shadow 2>/dev/null",
            Operation::Group(NewAccount {
                name: "shadow".to_owned(),
                id: Some(42),
                ..NewAccount::default()
            }),
        ),
        (
            "addgroup -S app",
            Operation::Group(NewAccount { name: "app".to_owned(), ..NewAccount::default() }),
        ),
        (
            "addgroup nginx www-data",
            Operation::Member { user: "nginx".to_owned(), group: "www-data".to_owned() },
        ),
        (
            "adduser nginx www-data",
            Operation::Member { user: "nginx".to_owned(), group: "www-data".to_owned() },
        ),
        ("/usr/sbin/adduser -S app", Operation::User(user("app"))),
        ("busybox adduser -S app", Operation::User(user("app"))),
    ] {
        let (kinds, operations) = body(command);
        assert_eq!(
            (kinds.as_slice(), operations),
            (&["accounts".to_owned()][..], vec![expected]),
            "{command}"
        );
    }
    for command in [
        "adduser",
        "adduser -u x app",
        "adduser -S a b c",
        "adduser -S \"$(cat /name)\"",
        "addgroup",
        "addgroup -g none app",
        "addgroup a b c",
    ] {
        let (kinds, operations) = body(command);
        assert_eq!(
            (kinds.as_slice(), operations),
            (&["unhandled".to_owned()][..], Vec::new()),
            "{command}"
        );
    }
}

#[test]
fn commands_of_alpine() {
    for (command, expected) in [
        ("/bin/busybox --install -s", "busybox"),
        ("busybox --install", "busybox"),
        ("/bin/busybox-extras --install -s", "busybox"),
        ("busybox depmod 6.1.0", "ignored"),
        ("busybox", "unhandled"),
        ("busybox frobnicate", "unhandled"),
        ("update-ca-certificates --fresh", "ca-bundle"),
        ("c_rehash /etc/ssl/certs", "ca-bundle"),
        ("add-shell /bin/bash", "shells"),
        ("remove-shell /bin/bash", "ignored"),
        ("rc-update -u", "ignored"),
        ("rc-service app restart", "ignored"),
        ("ldconfig", "ignored"),
        ("deluser app", "ignored"),
        ("setcap cap_net_raw+ep /usr/bin/app", "denied"),
        ("ssh-keygen -A", "denied"),
        ("update-mime-database /usr/share/mime", "unhandled"),
        ("apk add more", "unhandled"),
        ("exit 0", "ignored"),
        ("[ -x /sbin/rc ] && /sbin/unknown", "ignored"),
        ("command -v adduser && command -v ls || /sbin/unknown", "ignored"),
        ("[ -x /usr/bin/app ] && unknown", "unhandled"),
    ] {
        assert_eq!(body(command).0, [expected], "{command}");
    }
}

#[test]
fn paths_begin_at_the_root() {
    let owner = |path: &str| Operation::Owner {
        path: path.to_owned(),
        owner: hardpan_package::scripts::OwnerChange {
            user: Some("root".to_owned()),
            group: Some("shadow".to_owned()),
        },
        recursive: false,
        no_dereference: false,
    };
    for (command, kinds, operations) in [
        ("chown root:shadow etc/shadow", "scripts", vec![owner("/etc/shadow")]),
        ("chown root:shadow ./etc/shadow", "scripts", vec![owner("/etc/shadow")]),
        // Nothing but an error message, and scripts go on.
        ("chown root:shadow etc/shadow-", "ignored", vec![]),
        ("chmod 640 /no/such/file", "ignored", vec![]),
        (
            "echo hello > etc/hello",
            "scripts",
            vec![Operation::Write {
                path: "/etc/hello".to_owned(),
                content: "hello\n".to_owned(),
                appends: false,
                mode: 0o644,
            }],
        ),
        (
            "ln -sf ../app etc/link",
            "scripts",
            vec![Operation::Symlink {
                target: "../app".to_owned(),
                path: "/etc/link".to_owned(),
                replaces: true,
                no_dereference: false,
            }],
        ),
    ] {
        let (found, made) = body(command);
        assert_eq!((found.as_slice(), made), (&[kinds.to_owned()][..], operations), "{command}");
    }
    // Where it is after `cd` is not followed.
    let (found, made) = body("cd /etc\nmkdir -p app");
    assert_eq!((found, made), (vec!["ignored".to_owned(), "unhandled".to_owned()], vec![]));
}

#[test]
fn triggers_run_for_what_is_there() {
    let text = "#!/bin/sh\nfor i in \"$@\"; do\n\tcase \"$i\" in\n\t/lib/modules/*) busybox depmod;;\n\
        \t*) install=yes;;\n\tesac\ndone\nif [ -n \"$install\" ]; then\n\t/bin/busybox --install -s\nfi\n";
    let treatments = |triggers: &str| -> Vec<String> {
        let report = read("trigger", text, triggers);
        report.actions.iter().map(|action| kind(&action.treatment).to_owned()).collect()
    };
    assert_eq!(treatments("/usr/share/ca-certificates /lib/modules/*").last().unwrap(), "busybox");
    for nowhere in ["", "/lib/modules/*", "/nowhere", "+/nowhere"] {
        assert!(!treatments(nowhere).contains(&"busybox".to_owned()), "{nowhere}");
    }
    // Which directories a pattern stands for is not known.
    let write = "#!/bin/sh\ntouch \"$1/index\"\n";
    let kinds = |report: ScriptReport| kind(&report.actions[0].treatment).to_owned();
    assert_eq!(kinds(read("trigger", write, "/usr/share/*")), "ignored");
    assert_eq!(kinds(read("trigger", write, "/usr/share/ca-certificates/*")), "unhandled");
    assert_eq!(kinds(read("trigger", write, "/usr/share/ca-certificates")), "scripts");
}

#[test]
fn scripts_are_told_by_name_and_interpreter() {
    for (script, interpreter, expected) in [
        ("pre-install", "#!/bin/sh", Some("accounts")),
        ("post-install", "#!/bin/sh -e", Some("accounts")),
        ("post-install", "#!/bin/busybox sh", Some("accounts")),
        ("post-install", "#!/bin/ash", Some("accounts")),
        ("post-install", "#!/bin/busybox awk", Some("unhandled")),
        ("post-install", "#!/usr/bin/lua", Some("unhandled")),
        ("post-install", "# no interpreter", Some("unhandled")),
        ("post-install", "#!sh", Some("unhandled")),
        ("pre-upgrade", "#!/bin/sh", None),
        ("post-deinstall", "#!/bin/sh", None),
        ("postinst", "#!/bin/sh", None),
    ] {
        let report = read(script, &format!("{interpreter}\naddgroup -S app\n"), "");
        let found = report.actions.first().map(|action| kind(&action.treatment).to_owned());
        assert_eq!(found.as_deref(), expected, "{script} {interpreter}");
    }
}

#[test]
fn the_base_layout() {
    let text = "#!/bin/sh\n\n# comment\ncase \"$(readlink /etc/profile.d/color_prompt.sh 2>/dev/null || true)\" in\n\
        \tcolor_prompt) ln -sf color_prompt.sh.disabled /etc/profile.d/color_prompt.sh;;\nesac\n\n\
        chown root:shadow /etc/shadow\nchmod 640 /etc/shadow\nexit 0\n";
    let report = read("post-install", text, "");
    let unhandled: Vec<_> = report.unhandled().collect();
    assert!(unhandled.is_empty(), "{unhandled:?}");
    assert_eq!(report.effects.len(), 2);
    let Effect { script, line, may_fail, .. } = &report.effects[0];
    assert_eq!((script.as_str(), *line, *may_fail), ("post-install", 8, false));
}

#[test]
fn the_version_is_the_argument() {
    let report = read("post-install", "#!/bin/sh\necho \"$1 $2\" > /v\n", "");
    let Operation::Write { content, .. } = &report.effects[0].operation else { panic!() };
    assert_eq!(content, "1.2.3-r4 \n");
}
