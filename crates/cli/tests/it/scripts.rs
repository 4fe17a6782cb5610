// SPDX-License-Identifier: Apache-2.0
//! Maintainer scripts of an image without a shell, run by the command.

use hardpan_testkit::deb::{Deb, deb};
use hardpan_testkit::fixture::Fixture;

use crate::rootless::build_as_nobody;
use crate::stages::{busybox_bytes, has};
use crate::support::{build, image, run, skip};

const TOOLS: [&str; 15] = [
    "bash",
    "coreutils",
    "dash",
    "debianutils",
    "diffutils",
    "dpkg",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "libc-bin",
    "mawk",
    "perl-base",
    "sed",
    "tar",
];
const DEFINITION: &str = "# syntax=dhi.io/build:2-debian13\nname: App\nimage: example/app\nvariant: runtime\n\
    tags: ['1']\nplatforms: [linux/amd64]\naccounts: {run-as: '65532'}\nentrypoint: [/usr/bin/app]\n\
    x-hardpan: {scripts: sandbox}\ncontents: {packages: [app]}\n";

/// A world with tools, and with a package whose script does this where nobody else can do it.
fn fixture(test: &str, script: &str) -> Option<Fixture> {
    if !cfg!(target_arch = "x86_64") {
        skip(test, "it runs x86-64 programs");
        return None;
    }
    let Some(busybox) = busybox_bytes() else {
        skip(test, "there is no static busybox");
        return None;
    };
    let mut all: Vec<Deb> = TOOLS.iter().map(|name| deb(name, "1")).collect();
    let link = |deb: Deb, name: &&str| deb.symlink(&format!("/usr/bin/{name}"), "dash");
    let shell = deb("dash", "1").architecture("amd64").file("/usr/bin/dash", busybox).mode(0o755);
    let shell = shell.file("/usr/bin/words", "x\n");
    all[2] = ["sh", "chown", "mkdir", "sed"].iter().fold(shell, link);
    let script = format!("#!/bin/sh\nset -e\nif ! unknown-thing; then\n{script}\nfi\n");
    let app = deb("app", "1").file("/usr/bin/app", "a program\n").mode(0o755);
    all.push(app.script("postinst", &script));
    let fixture = Fixture::with(&all);
    fixture.write("catalog/app/debian-13/1.yaml", DEFINITION);
    Some(fixture)
}

#[test]
fn an_ordinary_user_gets_the_same_from_scripts_without_a_shell() {
    let test = "an_ordinary_user_gets_the_same_from_scripts_without_a_shell";
    let script = "mkdir -m 0750 /var/lib/app\nsed s/a/A/ /usr/bin/app >/var/lib/app/made\n\
                  chown 5:6 /var/lib/app/made";
    let Some(fixture) = fixture(test, script) else { return };
    let digest = build(&fixture, &[]).digest();
    let dump = image(&fixture);
    has(&dump, &["/var/lib/app directory 0750 0:0", "/var/lib/app/made file 0644 5:6 10"]);
    assert!(!dump.contains("/usr/bin/dash") && !dump.contains("/usr/bin/sh "), "{dump}");
    let Some(command) = build_as_nobody(&fixture) else {
        return skip(test, "it takes root and setpriv(1) to become somebody else");
    };
    assert_eq!(run(command).digest(), digest);
}

#[test]
fn a_script_that_changes_a_tool_fails_the_build_and_leaves_nothing() {
    let test = "a_script_that_changes_a_tool_fails_the_build_and_leaves_nothing";
    let Some(fixture) = fixture(test, "sed -i s/x/y/ /usr/bin/words") else { return };
    let expected = [
        "the postinst of app changes /usr/bin/words, which is not the image's but that of the tool dash",
        "`dash` in `contents.packages`",
    ];
    build(&fixture, &[]).expect(5, &expected);
    assert!(!fixture.path("out").join("index.json").exists());
}

#[test]
fn an_archive_without_tools_is_a_mistake_of_the_definition() {
    let test = "an_archive_without_tools_is_a_mistake_of_the_definition";
    let Some(fixture) = fixture(test, "true") else { return };
    let app = deb("app", "1").file("/usr/bin/app", "a program\n").mode(0o755);
    fixture.publish(&[app.script("postinst", "#!/bin/sh\nunknown-thing\n")]);
    let expected = [
        "no tools for the maintainer scripts of linux/amd64, whose image has no shell",
        "dash",
        "`x-hardpan: scripts: declarative`",
    ];
    build(&fixture, &[]).expect(2, &expected);
    assert!(!fixture.lock().exists());
}
