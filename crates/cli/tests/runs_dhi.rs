// SPDX-License-Identifier: Apache-2.0
//! Docker Hardened Images' own definitions, unmodified, build from Debian's archive with the substitutions of
//! `examples/dhi/hardpan.toml`, and run in podman, confined.
//!
//! The definitions are read from `../shared` beside the repository, or `HARDPAN_SHARED`.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod runs_support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use runs_support::Suite;
use runs_support::catalog::Catalog;
use runs_support::dhi;
use runs_support::tools::{attempt, lack, skip};

fn suite() -> Option<&'static Suite> {
    static SUITE: OnceLock<Option<Suite>> = OnceLock::new();
    SUITE
        .get_or_init(|| {
            let shared = dhi::shared()?;
            Suite::new("runs-dhi", |root| {
                dhi::unpack(&shared, root, &["definitions.tar.xz", "sources.tar.xz"], "image");
                Catalog::at(root)
            })
        })
        .as_ref()
}

/// Builds a definition and runs a program in its image; returns its output.
fn run(definition: &str, options: &[&str], arguments: &[&str]) -> Option<String> {
    let suite = suite()?;
    let image = suite.image(&format!("image/{definition}"));
    let mut command = suite.podman.confined();
    command.args(options).arg(format!("--entrypoint={}", arguments[0])).arg(&image.name);
    let outcome = attempt(command.args(&arguments[1..]));
    assert_eq!(outcome.code, Some(0), "{outcome}");
    if definition.ends_with("-dev") {
        // Not `apt-get check`: some of these cut what packages of Debian depend on and DHI's do not.
        let mut command = suite.podman.confined();
        command.args(["--entrypoint=/usr/bin/dpkg", &image.name, "--audit"]);
        attempt(&mut command).ok();
    }
    Some(outcome.output + &outcome.errors)
}

/// Runs a program of an image, whose output must contain a text.
fn check(definition: &str, arguments: &[&str], expected: &str) {
    let Some(output) = run(definition, &[], arguments) else { return };
    assert!(output.contains(expected), "{expected:?} is missing: {output}");
}

fn check_program(definition: &str, flags: &[&str]) {
    if lack(&["gcc"]) {
        return;
    }
    let Some(suite) = suite() else { return };
    let program = suite.folder(&definition.replace('/', "_")).join("program");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runs_programs/program.c");
    attempt(Command::new("gcc").args(flags).arg("-o").arg(&program).arg(source)).ok();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let volume = format!("--volume={}:/program:ro", program.display());
    assert_eq!(run(definition, &[&volume], &["/program"]).unwrap(), "program ok\n");
}

#[test]
fn static_images() {
    check_program("static/debian-13/static", &["-static", "-w"]);
    check_program("static/debian-13/static-glibc", &[]);
}

#[test]
fn debian_base() {
    let script = "id -un; printf 'b\\na\\n' | sort | head -n 1; find /etc/os-release";
    let bash = ["/bin/bash", "-c", script];
    check("debian-base/debian-13/13", &bash, "nonroot\na\n/etc/os-release\n");
    check("debian-base/debian-13/13-dev", &bash, "root\na\n/etc/os-release\n");
}

#[test]
fn curl() {
    check("curl/debian-13/8", &["curl", "--version"], "libcurl/8");
    check("curl/debian-13/8-dev", &["curl", "--version"], "libcurl/8");
}

#[test]
fn bash() {
    check("bash/debian-13/5", &["bash", "-c", "echo $((6 * 7)) $BASH_VERSION"], "42 5.");
}

#[test]
fn oras() {
    check("oras/debian-13/1", &["oras", "version"], "Version:    1.");
    check("oras/debian-13/1-dev", &["oras", "version"], "Version:    1.");
}

#[test]
fn python() {
    let script = "import bz2, ctypes, lzma, sqlite3, ssl; print(sqlite3.sqlite_version, ssl.OPENSSL_VERSION, \
                  len(ssl.create_default_context().get_ca_certs()) > 100)";
    check("python/debian-13/3.13", &["python3", "-c", script], "True\n");
    check("python/debian-13/3.13-dev", &["python3", "-c", script], "True\n");
    check("python/debian-13/3.13-dev", &["python3", "-m", "pip", "--version"], "python 3.13");
}

/// Starts a server as the image's user with a read-only root, and asks it on port 8080.
fn check_nginx(definition: &str) {
    let Some(suite) = suite() else { return };
    let image = suite.image(&format!("image/{definition}"));
    assert_eq!(image.user, "65532:65532");
    let curl = suite.image("image/curl/debian-13/8");
    let server = suite.podman.start(&[], &image, &[]);
    let answer = server.wait_for(|| {
        let mut command = suite.podman.beside(&server);
        attempt(command.args([&curl.name, "--silent", "--fail", "http://127.0.0.1:8080/"]))
    });
    assert!(answer.contains("Welcome to nginx!"), "{answer}");
    // The stage sent the log there.
    assert!(server.log().contains("GET / HTTP/1.1"), "{}", server.log());
}

#[test]
fn nginx_serves() {
    check_nginx("nginx/debian-13/mainline");
    check_nginx("nginx/debian-13/stable");
    check_nginx("nginx/debian-13/mainline-compat");
}

#[test]
fn nginx_has_the_owners_that_its_stage_asked_for() {
    let Some(suite) = suite() else { return };
    let image = suite.image("image/nginx/debian-13/mainline");
    let bash = suite.folder("nginx_owners");
    let busybox =
        ["/bin/busybox", "/usr/bin/busybox"].map(Path::new).into_iter().find(|p| p.exists());
    let Some(busybox) = busybox else { return skip("there is no busybox") };
    fs::copy(busybox, bash.join("busybox")).unwrap();
    fs::set_permissions(bash.join("busybox"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = suite.podman.confined();
    command.arg(format!("--volume={}:/tools:ro", bash.display()));
    command.args([
        "--user=0",
        "--cap-add=DAC_READ_SEARCH",
        "--entrypoint=/tools/busybox",
        &image.name,
    ]);
    let paths = [
        "/var/cache/nginx",
        "/etc/nginx",
        "/etc/nginx/nginx.conf",
        "/run/nginx",
        "/var/log/nginx",
        "/usr/share/nginx/html/index.html",
        "/usr/sbin/nginx",
        "/etc/passwd",
    ];
    let said = attempt(command.args(["stat", "-c", "%n %u:%g %a"]).args(paths)).ok();
    assert_eq!(
        said,
        "/var/cache/nginx 65532:65532 775\n/etc/nginx 65532:65532 775\n\
         /etc/nginx/nginx.conf 65532:65532 664\n/run/nginx 65532:65532 755\n\
         /var/log/nginx 65532:65532 755\n/usr/share/nginx/html/index.html 65532:65532 644\n\
         /usr/sbin/nginx 0:0 755\n/etc/passwd 0:0 644\n"
    );
}

#[test]
fn nginx_dev() {
    check("nginx/debian-13/mainline-dev", &["nginx", "-v"], "nginx version: nginx/1.");
    check("nginx/debian-13/stable-dev", &["nginx", "-v"], "nginx version: nginx/1.");
}

#[test]
fn busybox() {
    let script = "for tool in ls wget; do command -v $tool; done; id -u";
    check("busybox/debian-13/1", &["/bin/sh", "-c", script], "/usr/bin/ls\n/usr/bin/wget\n65532\n");
    check("busybox/debian-13/1-dev", &["/bin/sh", "-c", "busybox true && id -u"], "0\n");
}

#[test]
fn alertmanager() {
    check(
        "alertmanager/debian-13/0-dev",
        &["alertmanager", "--version"],
        "alertmanager, version 0.",
    );
    let Some(suite) = suite() else { return };
    let image = suite.image("image/alertmanager/debian-13/0");
    let curl = suite.image("image/curl/debian-13/8");
    let arguments = [
        "--config.file=/etc/alertmanager/alertmanager.yml",
        "--storage.path=/alertmanager",
        // There is no network to find others in.
        "--cluster.listen-address=",
    ];
    let server = suite.podman.start(&["--volume=/alertmanager"], &image, &arguments);
    let answer = server.wait_for(|| {
        let mut command = suite.podman.beside(&server);
        attempt(command.args([&curl.name, "--silent", "--fail", "http://127.0.0.1:9093/-/ready"]))
    });
    assert_eq!(answer, "OK");
}
