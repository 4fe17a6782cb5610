// SPDX-License-Identifier: Apache-2.0
//! Images of Alpine's packages are built and do their work in podman, confined.
//!
//! No archive of Alpine can be reached where tests run, so theirs is made from what Debian has: musl, busybox, and for the rest
//! Debian's programs with their C library. What is proven is that hardpan makes working images of `.apk` files,
//! not that Alpine's own programs work.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod runs_support;

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use runs_support::Suite;
use runs_support::alpine::{hello, write_archive};
use runs_support::catalog::Catalog;
use runs_support::dhi;
use runs_support::tools::{attempt, lack, skip};

/// A program of our own on musl, in an image without a shell.
const HELLO: &str = "\
# syntax=dhi.io/build:2-alpine3.24

name: Hello
image: example/hello
variant: runtime
tags:
  - 1-alpine3.24
includes:
  - common/alpine-3.24/runtime.yaml
  - common/nonroot.yaml
contents:
  packages:
    - hello
accounts:
  run-as: nonroot
entrypoint:
  - /usr/bin/hello
";

/// An image with what a build stage of Alpine's packages made.
const STAGED: &str = "\
# syntax=dhi.io/build:2-alpine3.24

name: Staged
image: example/staged
variant: runtime
tags:
  - 1-alpine3.24
includes:
  - common/alpine-3.24/runtime.yaml
  - common/nonroot.yaml
contents:
  packages:
    - hello
  builds:
    - name: make
      shell: /bin/sh
      contents:
        packages:
          - busybox
          - hello
      pipeline:
        - name: write
          runs: |
            set -eu
            mkdir -p ${target.dir}/var/lib/own
            hello | sed 's/hello/made/' > ${target.dir}/var/lib/own/file
            chown -R 65532:65532 ${target.dir}/var/lib/own
            chmod 0640 ${target.dir}/var/lib/own/file
      outputs:
        - source: ${target.dir}/var/lib/own
          target: /var/lib/own
accounts:
  run-as: nonroot
entrypoint:
  - /usr/bin/hello
";

fn suite() -> Option<&'static Suite> {
    static SUITE: OnceLock<Option<Suite>> = OnceLock::new();
    SUITE
        .get_or_init(|| {
            if lack(&["musl-gcc", "dpkg-query", "gawk", "less", "bzip2"]) {
                return None;
            }
            if !Path::new("/lib/x86_64-linux-musl/libc.so").exists() {
                skip("musl is not installed");
                return None;
            }
            Suite::new("runs-alpine", |root| {
                let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog");
                let copy = Catalog::copy_of(&catalog, root);
                let mut workspace = write_archive(root, &[hello(root)]);
                if let Some(shared) = dhi::shared() {
                    dhi::unpack(&shared, root, &["definitions.tar.xz"], "image");
                    workspace += &fs::read_to_string(root.join("hardpan.toml")).unwrap();
                }
                fs::write(root.join("hardpan.toml"), workspace).unwrap();
                fs::create_dir_all(root.join("own")).unwrap();
                fs::write(root.join("own/hello.yaml"), HELLO).unwrap();
                fs::write(root.join("own/staged.yaml"), STAGED).unwrap();
                copy
            })
        })
        .as_ref()
}

/// Builds a definition and runs a program in its image; returns what it said.
fn run(definition: &str, arguments: &[&str]) -> Option<String> {
    let suite = suite()?;
    let image = suite.image(definition);
    let mut command = suite.podman.confined();
    match arguments {
        [] => command.arg(&image.name),
        [program, rest @ ..] => {
            command.arg(format!("--entrypoint={program}")).arg(&image.name).args(rest)
        }
    };
    let outcome = attempt(&mut command);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    Some(outcome.output + &outcome.errors)
}

#[test]
fn a_program_on_musl_runs_in_an_image_without_a_shell() {
    let Some(output) = run("own/hello", &[]) else { return };
    assert_eq!(output, "hello from musl as 65532\n");
    let suite = suite().unwrap();
    let image = suite.image("own/hello");
    assert_eq!(image.warnings, Vec::<String>::new());
    let mut command = suite.podman.confined();
    attempt(command.args(["--entrypoint=/bin/sh", &image.name, "-c", "true"])).failed();
}

#[test]
fn a_build_stage_has_its_packages_and_its_files_keep_their_owner() {
    let Some(suite) = suite() else { return };
    let image = suite.image("own/staged");
    let mut command = suite.podman.confined();
    command.args(["--volume=/bin/busybox:/busybox:ro", "--entrypoint=/busybox", &image.name]);
    let script = "/busybox stat -c '%u %g %a' /var/lib/own/file; /busybox cat /var/lib/own/file";
    let output = attempt(command.args(["sh", "-c", script])).ok();
    assert_eq!(output, "65532 65532 640\nmade from musl as 0\n");
}

#[test]
fn busybox_has_its_applets() {
    let script =
        "id -un; printf 'b\\na\\n' | sort | head -n 1; ls -l /bin/ls | wc -l; cat /etc/os-release";
    let Some(output) = run("busybox/alpine-3.24/1.37", &["/bin/sh", "-c", script]) else { return };
    assert!(output.starts_with("nonroot\na\n1\n"), "{output}");
    assert!(output.contains("hardpan on Alpine Linux v3.24"), "{output}");
}

#[test]
fn the_catalogs_own_tests_pass_without_a_runtime() {
    let Some(suite) = suite() else { return };
    let mut command = suite.catalog.hardpan("test", "busybox/alpine-3.24/1.37");
    // Where it makes its output, if there is any.
    command.current_dir(suite.folder("tests"));
    let output = attempt(command.args(["--platform", "linux/amd64"])).ok();
    assert!(output.contains("applets"), "{output}");
}

#[test]
fn a_static_image_takes_a_static_program() {
    let Some(suite) = suite() else { return };
    let image = suite.image("static/alpine-3.24/static");
    let mut command = suite.podman.confined();
    let volume = "--volume=/bin/busybox:/busybox:ro";
    let names = [volume, "--entrypoint=/busybox", &image.name, "id", "-u"];
    assert_eq!(attempt(command.args(names)).ok(), "65532\n");
}

#[test]
fn scanners_find_the_packages() {
    let Some(suite) = suite() else { return };
    let image = suite.image("busybox/alpine-3.24/1.37");
    let folder = suite.folder("database");
    suite.podman.copy_out(&image, "/lib/apk/db/installed", &folder.join("installed"));
    let text = fs::read_to_string(folder.join("installed")).unwrap();
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("P:")).collect();
    let locked: Vec<&str> = image.packages.keys().map(String::as_str).collect();
    assert_eq!(names, locked);
    assert!(text.contains("\nF:bin\n") && text.contains("\nR:busybox\n"), "{text}");
}

/// Docker Hardened Images' own definitions, unmodified.
#[test]
fn dhi_busybox_and_static_build_unmodified() {
    let (Some(suite), Some(_)) = (suite(), dhi::shared()) else { return };
    let script = "id -un; echo b a | tr ' ' '\\n' | sort | head -n 1";
    let output = run("image/busybox/alpine-3.23/1", &["/bin/sh", "-c", script]).unwrap();
    assert_eq!(output, "nonroot\na\n");
    let output = run("image/alpine-base/alpine-3.23/3.23", &["/bin/sh", "-c", script]).unwrap();
    assert_eq!(output, "nonroot\na\n");
    suite.image("image/static/alpine-3.23/static");
}

#[test]
fn dhi_bash_dev_builds_unmodified_and_runs() {
    let (Some(suite), Some(_)) = (suite(), dhi::shared()) else { return };
    let definition = "image/bash/alpine-3.23/5-dev";
    let script = "echo $((6 * 7)); id -un; command -v sed; printf 'b\\na\\n' | sort | gawk 'NR == 1'; \
        echo x | gzip | gzip -d; curl --version | head -n 1; date -d @0 +%Y; cat /etc/apk/world";
    let output = run(definition, &["/bin/bash", "-c", script]).unwrap();
    assert!(output.starts_with("42\nroot\n"), "{output}");
    for text in ["bin/sed\na\nx\ncurl ", "\n1970\n", "\nbash\n", "alpine-baselayout-data\n"] {
        assert!(output.contains(text), "{text} is missing: {output}");
    }
    let image = suite.image(definition);
    assert_eq!(image.user, "0:0");
    assert_eq!(image.packages["apk-tools"], "3.0.0-r0");
}
