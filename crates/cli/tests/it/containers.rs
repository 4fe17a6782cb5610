// SPDX-License-Identifier: Apache-2.0
//! An image with a program in it that can do many things: busybox, under a name that is no shell's.

use std::fs;
use std::path::Path;

use hardpan_testkit::deb;
use hardpan_testkit::fixture::{Fixture, packages};

use crate::support::{Ran, hardpan, run, skip};

/// Where Debian's busybox-static has it.
const BUSYBOX: &str = "/bin/busybox";

/// Makes a world whose image has `busybox-app`; `None` where this machine has no static busybox, or
/// does not allow the sandbox.
pub(crate) fn fixture(test: &str) -> Option<Fixture> {
    if !cfg!(target_arch = "x86_64") {
        skip(test, "the image is for x86-64");
        return None;
    }
    if let Err(error) = hardpan::sandbox::check() {
        skip(test, &error.to_string());
        return None;
    }
    let Ok(busybox) = fs::read(Path::new(BUSYBOX)) else {
        skip(test, "busybox-static is not installed");
        return None;
    };
    let mut packages = packages();
    packages.retain(|package| !package.control().starts_with("Package: app\n"));
    packages.push(
        deb("app", "1.0-1")
            .architecture("amd64")
            .directory("/srv/data")
            .file("/usr/bin/busybox-app", busybox)
            .mode(0o755)
            .file("/srv/page", "the page\n"),
    );
    let fixture = Fixture::with(&packages);
    fixture.edit("  - linux/arm64\n", "");
    fixture.edit(
        "entrypoint:\n  - /usr/bin/app\n",
        "entrypoint:\n  - busybox-app\ncmd:\n  - httpd\n  - -f\n  - -p\n  - '8080'\n  - -h\n  - /srv\n",
    );
    Some(fixture)
}

/// Runs hardpan with the fixture's definition after the command's name.
pub(crate) fn with_definition(fixture: &Fixture, command: &str, arguments: &[&str]) -> Ran {
    let definition = fixture.definition();
    let first = [command, definition.to_str().unwrap()];
    run(hardpan(fixture, &[&first[..], arguments].concat()))
}
