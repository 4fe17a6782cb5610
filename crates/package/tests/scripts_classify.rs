// SPDX-License-Identifier: Apache-2.0
//! Maintainer scripts, small ones: what becomes of each command, and what it would have done.

use std::collections::BTreeMap;

use hardpan_package::scripts::{
    FileTests, Look, NoFiles, Operation, ScriptInput, ScriptReport, Treatment, classify,
};
use hardpan_package::segment::Format;

/// Some files; nothing else exists.
struct Files(&'static [(&'static str, Look)]);

const FILE: Look = Look::File { is_executable: false, is_empty: false };
const DIRECTORY: Look = Look::Directory { is_empty: false };

impl FileTests for Files {
    fn look(&self, path: &str, _follow: bool) -> Look {
        self.0.iter().find(|(known, _)| *known == path).map_or(Look::Missing, |(_, look)| *look)
    }

    fn owner(&self, path: &str) -> Option<String> {
        Some(if path == "/etc/own" { "demo" } else { "other" }.to_owned())
    }

    fn list(&self, directory: &str) -> Option<Vec<String>> {
        let prefix = format!("{directory}/");
        let names = self.0.iter().filter_map(|(path, _)| path.strip_prefix(&prefix));
        Some(names.filter(|name| !name.contains('/')).map(str::to_owned).collect())
    }
}

fn read(script: &str, text: &str, files: &dyn FileTests, triggers: &str) -> ScriptReport {
    let scripts = BTreeMap::from([(script.to_owned(), text.to_owned())]);
    let templates = "Template: demo/level\nType: select\nDefault: high\nDescription: x\n\n\
                     Template: demo/open\nType: select\nDescription: x\n";
    let input = ScriptInput {
        format: Format::Deb,
        package: "demo",
        version: "1.0-1",
        architecture: "arm64",
        scripts: &scripts,
        triggers,
        templates,
    };
    classify(&input, files)
}

/// One letter for each action: Ignored, Handled, Denied, Unhandled.
fn letters(report: &ScriptReport) -> String {
    let letter = |treatment: &Treatment| match treatment {
        Treatment::Ignored { .. } => 'i',
        Treatment::Handled { .. } => 'h',
        Treatment::Denied { .. } => 'd',
        _ => 'u',
    };
    report.actions.iter().map(|action| letter(&action.treatment)).collect()
}

/// Reads a postinst and returns the letters and the effects in short.
fn short(body: &str) -> (String, Vec<String>) {
    let files = Files(&[
        ("/etc/there", FILE),
        ("/etc/dir", DIRECTORY),
        ("/etc/dir/a.conf", FILE),
        ("/etc/dir/b.conf", FILE),
        ("/etc/own", FILE),
    ]);
    let report = read("postinst", &format!("#!/bin/sh\n{body}\n"), &files, "");
    (letters(&report), report.effects.iter().map(|effect| describe(&effect.operation)).collect())
}

fn describe(operation: &Operation) -> String {
    match operation {
        Operation::MakeDirectory { path, mode, .. } => format!("mkdir {path} {mode:?}"),
        Operation::Symlink { target, path, .. } => format!("ln {target} {path}"),
        Operation::Copy { from, to, .. } => format!("cp {from} {to}"),
        Operation::Move { from, to } => format!("mv {from} {to}"),
        Operation::Write { path, content, appends, .. } => {
            format!("write {path} {content:?} {appends}")
        }
        Operation::Touch { path, mode } if *mode == 0o644 => format!("touch {path}"),
        Operation::Touch { path, mode } => format!("touch {path} {mode:o}"),
        Operation::Remove { path, .. } => format!("rm {path}"),
        Operation::Mode { path, mode, .. } => format!("chmod {mode} {path}"),
        Operation::Owner { path, owner, .. } => {
            format!("chown {:?}:{:?} {path}", owner.user, owner.group)
        }
        Operation::User(user) => format!("user {}", user.name),
        Operation::Group(group) => format!("group {}", group.name),
        Operation::Member { user, group } => format!("member {user} {group}"),
        Operation::Alternative(alternative) => {
            let slaves = alternative.slaves.len();
            format!("alternative {} {} +{slaves}", alternative.master.path, alternative.priority)
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn what_commands_do() {
    let owner = |user: &str, group: &str| format!("chown Some({user:?}):Some({group:?})");
    let cases: &[(&str, &str, &[&str])] = &[
        // The way of a first installation is taken, others are dead.
        ("if [ \"$1\" = configure ]; then mkdir -p /a; fi", "h", &["mkdir /a None"]),
        ("if [ \"$1\" = remove ]; then\nmkdir -p /a\nfi", "ii", &[]),
        (
            "case \"$1\" in\n(configure) mkdir /a ;;\nabort-*|x) mkdir /b ;;\nesac",
            "hi",
            &["mkdir /a None"],
        ),
        ("[ -n \"$2\" ] && rm -rf /etc/there || true", "i", &[]),
        ("if dpkg --compare-versions \"$2\" lt-nl 1.0; then rm -f /etc/there; fi", "i", &[]),
        (
            "if dpkg --compare-versions \"$2\" lt 1.0; then rm -f /etc/there; fi",
            "h",
            &["rm /etc/there"],
        ),
        ("[ $# -eq 2 ] && touch /n", "h", &["touch /n"]),
        // Questions about files are answered by the tree and by what the script did before.
        ("[ -e /etc/there ] || touch /etc/there", "i", &[]),
        (
            "[ -d /etc/new ] || mkdir /etc/new\n[ -d /etc/new ] || mkdir /etc/new",
            "hi",
            &["mkdir /etc/new None"],
        ),
        (
            "for f in /etc/dir/*.conf; do chmod 600 $f; done",
            "h",
            &["chmod 600 /etc/dir/a.conf", "chmod 600 /etc/dir/b.conf"],
        ),
        (
            "ln -s dir /etc/link\nif [ -d /etc/link ]; then touch /etc/seen; fi",
            "h",
            &["ln dir /etc/link", "touch /etc/seen"],
        ),
        // Words.
        (
            "d=/var/x; u=${v:-root}\nmkdir ${d%x}y\nchown \"$u:adm\" $d",
            "ih",
            &["mkdir /var/y None", &(owner("root", "adm") + " /var/x")],
        ),
        (
            "cp /usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)/x /x",
            "h",
            &["cp /usr/lib/aarch64-linux-gnu/x /x"],
        ),
        (
            "f() { for i; do echo /p/$i; done; }\nmkdir $(f a b)",
            "ih",
            &["mkdir /p/a None", "mkdir /p/b None"],
        ),
        ("set -- a b; shift; mkdir \"/$1\"", "h", &["mkdir /b None"]),
        ("while read line; do echo $line; done < /etc/there", "i", &[]),
        (
            "g() { local d=$1; mkdir $d; }\ng /one\ng /two",
            "hi",
            &["mkdir /one None", "mkdir /two None"],
        ),
        // Text into files.
        (
            "cat > /etc/hello <<EOF\nhi $1\nEOF",
            "h",
            &["write /etc/hello \"hi configure\\n\" false"],
        ),
        ("cat > /etc/hello <<'EOF'\nhi $1\nEOF", "h", &["write /etc/hello \"hi $1\\n\" false"]),
        ("echo a b >> /etc/hello", "h", &["write /etc/hello \"a b\\n\" true"]),
        (": > /etc/empty", "h", &["write /etc/empty \"\" false"]),
        ("grep x /etc/there > /etc/out", "u", &[]),
        // Files.
        ("install -d -m 0750 -o root -g adm /var/log/x", "h", &["mkdir /var/log/x Some(488)"]),
        ("t=$(mktemp); echo x > $t; chmod 600 $t; rm -f \"$t\"", "i", &[]),
        ("t=$(mktemp); sed s/a/b/ /etc/there > $t; mv $t /etc/there", "u", &[]),
        ("rm -f /etc/old.conf", "i", &[]),
        ("mkdir relative", "u", &[]),
        ("umask 077; touch /x; mkdir /y", "h", &["touch /x 600", "mkdir /y Some(448)"]),
        ("chmod 600 $UNSET/x", "h", &["chmod 600 /x"]),
        ("cp $(some-tool) /x", "u", &[]),
        (
            "dpkg-statoverride --list /x >/dev/null || dpkg-statoverride --update --add root adm 2755 /x",
            "h",
            &[&(owner("root", "adm") + " /x"), "chmod 2755 /x"],
        ),
        (
            "ucf --debconf-ok /usr/share/x/c /etc/c\nucfr x /etc/c",
            "hi",
            &["cp /usr/share/x/c /etc/c"],
        ),
        // Accounts.
        (
            "getent passwd x >/dev/null || adduser --system --group --home /var/lib/x --no-create-home x",
            "h",
            &["user x"],
        ),
        ("addgroup --system x; adduser y x", "h", &["group x", "member y x"]),
        ("usermod -a -G ssl-cert x", "h", &["member x ssl-cert"]),
        ("useradd --system $(cat /etc/there)", "u", &[]),
        // Links.
        (
            "update-alternatives --install /usr/bin/e e /usr/bin/v 30 --slave /m/e.1 e.1 /m/v.1",
            "h",
            &["alternative /usr/bin/v 30 +1"],
        ),
        ("update-alternatives --remove e /usr/bin/v", "i", &[]),
        ("update-alternatives --install /usr/bin/e", "u", &[]),
        ("update-alternatives --install usr/bin/e e /usr/bin/v 1", "u", &[]),
        ("dpkg-divert --rename --add --divert /etc/x /etc/there", "u", &[]),
        ("dpkg-divert --add --no-rename --divert /.lib64.usr-is-merged /lib64", "i", &[]),
        // What must not be, what comes later, what means nothing.
        ("ssh-keygen -q -t rsa -f /etc/ssh/k", "d", &[]),
        ("openssl req -new -keyout /etc/k", "d", &[]),
        ("pg_createcluster 17 main", "d", &[]),
        ("setcap cap_net_raw+ep /usr/bin/ping", "d", &[]),
        ("py3compile -p demo", "h", &[]),
        (
            "deb-systemd-helper enable x.service >/dev/null || true\nupdate-rc.d x defaults",
            "ii",
            &[],
        ),
        ("dpkg-maintscript-helper rm_conffile /etc/x 1.0 -- \"$@\"", "i", &[]),
        ("ldconfig", "h", &[]),
        ("dpkg-trigger --no-await ldconfig", "h", &[]),
        ("dpkg-trigger mystery", "u", &[]),
        ("frobnicate --all", "u", &[]),
        ("$(cat /etc/there)", "u", &[]),
        ("sed -i s/a/b/ /etc/there", "u", &[]),
        ("sed -i s/a/b/ /etc/missing", "i", &[]),
        ("find /etc/dir -name x -delete", "u", &[]),
        ("find /nowhere -delete", "i", &[]),
        ("eval \"mkdir /a\"", "h", &["mkdir /a None"]),
        ("eval \"$(cat /etc/there)\"", "u", &[]),
        // What is not known is followed both ways; a change that only may happen is not made.
        ("if some-test; then mkdir /a; fi", "u", &[]),
        ("if grep -q x /etc/there; then mkdir /a; else echo no; fi", "u", &[]),
        ("if grep -q x /etc/there; then exit 1; fi\nmkdir /a", "ih", &["mkdir /a None"]),
        ("if grep -q x /etc/there; then exit 0; fi\nmkdir /a", "iu", &[]),
        ("if grep -q x /etc/there; then d=/a; else d=/b; fi\nmkdir $d", "iu", &[]),
        ("if grep -q x /etc/there; then d=/a; else d=/a; fi\nmkdir $d", "ih", &["mkdir /a None"]),
        // debconf answers with defaults.
        (
            ". /usr/share/debconf/confmodule\ndb_get demo/level\necho $RET > /etc/level",
            "iih",
            &["write /etc/level \"high\\n\" false"],
        ),
        (
            ". /usr/share/debconf/confmodule\ndb_set demo/level low\ndb_get demo/level\nmkdir /$RET",
            "iih",
            &["mkdir /low None"],
        ),
        (". /usr/share/debconf/confmodule\ndb_get other/question\nmkdir /$RET", "iiu", &[]),
        (". /etc/there\nmkdir /$SET_THERE", "iu", &[]),
    ];
    let mut wrong = Vec::new();
    for (body, expected, effects) in cases {
        let (letters, found) = short(body);
        let effects: Vec<String> = effects.iter().map(ToString::to_string).collect();
        if (letters.as_str(), &found) != (*expected, &effects) {
            wrong.push(format!("{body}\n  {letters} {found:?}\n  {expected} {effects:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn arms_that_may_be_taken_are_all_read() {
    let (letters, effects) = short("case $(cat /etc/there) in a) mkdir /a;; *) frobnicate;; esac");
    assert_eq!((letters.as_str(), effects), ("u", Vec::new()));
}

#[test]
fn lines_are_named() {
    let text = "#!/bin/sh\n# comment\n\nmkdir -p /a\nchmod 750 \\\n  /a\n\nfrobnicate <<EOF\nx\nEOF\necho done\n";
    let report = read("postinst", text, &NoFiles, "");
    let lines: Vec<(u32, u32)> =
        report.actions.iter().map(|action| (action.first_line, action.last_line)).collect();
    assert_eq!((lines, letters(&report).as_str()), (vec![(4, 6), (8, 10), (11, 11)], "hui"));
    assert_eq!(report.actions[1].text, "frobnicate <<EOF\nx\nEOF");
    assert_eq!(report.unhandled().count(), 1);
}

#[test]
fn triggers_are_followed_too() {
    let text = "#!/bin/sh\nif [ \"$1\" = triggered ]; then\n  mkdir -p \"/t/$2\"\nfi\n";
    let without = read("postinst", text, &NoFiles, "");
    assert_eq!(letters(&without), "ii");
    let with = read("postinst", text, &NoFiles, "# comment\ninterest-noawait x\nactivate y\n");
    assert_eq!((letters(&with).as_str(), with.effects.len()), ("ih", 1));
}

#[test]
fn preinst_is_called_with_install() {
    let text = "#!/bin/sh\ncase \"$1\" in install) touch /i ;; upgrade) touch /u ;; esac\n";
    let report = read("preinst", text, &NoFiles, "");
    assert_eq!(report.effects.len(), 1);
    assert_eq!(report.effects[0].script, "preinst");
}

#[test]
fn what_is_no_shell_script_is_reported_whole() {
    for (text, reason) in [
        ("#!/usr/bin/perl\nprint 1;\n", "not a shell script"),
        ("", "not a shell script"),
        ("#!/bin/sh\nif true; then\n", "not understood"),
        ("#!/bin/sh\necho \"open\n", "not understood"),
        ("#!/bin/sh\ncat <<EOF\n", "not understood"),
        ("#!/bin/sh\n)\n", "not understood"),
        ("#!/bin/sh\ndiff <(a) <(b)\n", "not understood"),
        ("#!/bin/sh\nwhile true\n", "not understood"),
        ("#!/bin/sh\nf() {\n", "not understood"),
        ("#!/bin/sh\necho >\n", "not understood"),
        ("#!/bin/sh\ncase x in\n", "not understood"),
    ] {
        let report = read("postinst", text, &NoFiles, "");
        let [action] = report.actions.as_slice() else { panic!("{text}: {report:?}") };
        let Treatment::Unhandled { reason: found } = &action.treatment else { panic!("{text}") };
        assert!(found.starts_with(reason), "{text}: {found}");
    }
}

#[test]
fn hostile_scripts_end() {
    let deep = format!("#!/bin/sh\n{}true{}\n", "(".repeat(5000), ")".repeat(5000));
    let quoted = format!("#!/bin/sh\necho {}\n", "$(echo \"".repeat(5000));
    let recursive = "#!/bin/sh\nf() { f; f; }\nf\n".to_owned();
    let loops = format!(
        "#!/bin/sh\n{}:{}\n",
        "for i in 1 2 3 4 5 6 7 8 9; do ".repeat(12),
        "; done".repeat(12)
    );
    let long = format!("#!/bin/sh\n{}", "echo x\n".repeat(400_000));
    let many = format!("#!/bin/sh\n{}", "if unknown; then a=1; fi\n".repeat(2_000));
    let growing = format!("#!/bin/sh\na=xxxxxxxxxxxxxxxx\n{}", "a=$a$a\n".repeat(200));
    for text in [deep, quoted, recursive, loops, long, many, growing] {
        let report = read("postinst", &text, &NoFiles, "");
        assert!(!report.actions.is_empty());
    }
}

#[test]
fn compiling_and_making_indexes_is_the_work_of_finishers() {
    for (body, finisher) in [
        ("py3compile -p python3-x", "pyc"),
        ("/usr/bin/python3.13 -E -S /usr/lib/python3.13/py_compile.py $files", "pyc"),
        ("update-mime-database /usr/share/mime", "caches"),
        (
            "\"/usr/lib/x86_64-linux-gnu/glib-2.0/glib-compile-schemas\" /usr/share/glib-2.0/schemas || true",
            "caches",
        ),
        // What it prints is the index, which is not made here.
        ("gdk-pixbuf-query-loaders x.so > /usr/lib/loaders.cache || true", "caches"),
    ] {
        let script = format!("#!/bin/sh\n{body}\n");
        let report = read("postinst", &script, &Files(&[]), "");
        assert!(report.effects.is_empty(), "{body}");
        let treatments: Vec<&Treatment> =
            report.actions.iter().map(|action| &action.treatment).collect();
        assert_eq!(treatments, [&Treatment::Handled { finisher: finisher.to_owned() }], "{body}");
    }
}
