// SPDX-License-Identifier: Apache-2.0
//! `hardpan run`

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use hardpan_testkit::fixture::Fixture;

use crate::containers::{fixture, with_definition};
use crate::rootless::as_ordinary_user;
use crate::support::{Ran, hardpan, run, skip};

/// Runs a program of the image's layout, which is built first.
fn in_layout(fixture: &Fixture, options: &[&str], program: &[&str]) -> Ran {
    let arguments = [&["run", "out/app"], options, &["--"], program].concat();
    run(hardpan(fixture, &arguments))
}

#[test]
fn programs_of_a_definition_and_of_a_layout() {
    let Some(fixture) = fixture("programs_of_a_definition_and_of_a_layout") else { return };
    let ran = with_definition(&fixture, "run", &["--", "id"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran}");
    assert!(ran.stdout.starts_with("uid=65532(nonroot) gid=65532(nonroot)"), "{ran}");
    let ran = in_layout(&fixture, &[], &["sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((ran.code, &ran.stdout[..], &ran.stderr[..]), (7, "out\n", "err\n"), "{ran}");
    let ran = in_layout(&fixture, &[], &["sh", "-c", "kill -TERM $$"]);
    assert_eq!(ran.code, 128 + 15, "{ran}");
}

#[test]
fn options_change_what_the_program_sees() {
    let Some(fixture) = fixture("options_change_what_the_program_sees") else { return };
    with_definition(&fixture, "build", &[]).expect(0, &[]);
    fixture.write("work/host/file", "of the host\n");
    let script = "echo $(id -u):$(id -g) $HOME $WORD $(pwd); cat /mnt/file";
    let options = [
        "--user",
        "1000:7",
        "--env",
        "WORD=two words",
        "--workdir",
        "/srv",
        "--tmpfs",
        "/mnt",
        "--mount",
        "host/file:/mnt/file:ro",
    ];
    let ran = in_layout(&fixture, &options, &["sh", "-c", script]);
    assert_eq!(ran.stdout, "1000:7 / two words /srv\nof the host\n", "{ran}");
    let ran = in_layout(&fixture, &["--entrypoint", "/usr/bin/busybox-app"], &["echo", "hello"]);
    assert_eq!(ran.stdout, "hello\n", "{ran}");
    let ran = in_layout(&fixture, &["--user", "0"], &["id", "-u"]);
    assert_eq!(ran.stdout, "0\n", "{ran}");
    let mut command = hardpan(&fixture, &["run", "out/app", "-e", "GIVEN", "--", "env"]);
    command.env("GIVEN", "by the caller").env("KEPT", "from it");
    let ran = run(command);
    assert!(ran.stdout.contains("GIVEN=by the caller\n"), "{ran}");
    assert!(!ran.stdout.contains("KEPT") && !ran.stdout.contains("HARDPAN"), "{ran}");
}

#[test]
fn what_can_be_changed_and_stays() {
    let Some(fixture) = fixture("what_can_be_changed_and_stays") else { return };
    with_definition(&fixture, "build", &[]).expect(0, &[]);
    let write = "echo x > /srv/page && cat /srv/page";
    in_layout(&fixture, &[], &["sh", "-c", write]).expect(1, &["Read-only file system"]);
    let temporary = "echo a > /tmp/a && echo b > /run/b && cat /tmp/a /run/b";
    let ran = in_layout(&fixture, &["--read-only"], &["sh", "-c", temporary]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "a\nb\n"), "{ran}");
    let ran = in_layout(&fixture, &["--writable"], &["sh", "-c", write]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "x\n"), "{ran}");
    let ran = in_layout(&fixture, &["--writable"], &["cat", "/srv/page"]);
    assert_eq!(ran.stdout, "the page\n", "a change outlived its container: {ran}");
}

#[test]
fn the_network_is_a_loopback() {
    let Some(fixture) = fixture("the_network_is_a_loopback") else { return };
    with_definition(&fixture, "build", &[]).expect(0, &[]);
    let serve =
        "busybox-app httpd -p 8080 -h /srv && busybox-app wget -q -O - http://localhost:8080/page";
    let ran = in_layout(&fixture, &[], &["sh", "-c", serve]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "the page\n"), "{ran}");
    // The fixture's own server listens on the host's loopback.
    let url = fixture.server.url("/debian/dists/trixie/InRelease");
    let fetch = ["wget", "-q", "-O", "-", url.as_str()];
    for network in ["none", "loopback"] {
        in_layout(&fixture, &["--network", network], &fetch).expect(1, &["can't connect"]);
    }
    in_layout(&fixture, &["--network", "host"], &fetch).expect(0, &["BEGIN PGP SIGNED MESSAGE"]);
}

#[test]
fn input_is_passed_on() {
    let Some(fixture) = fixture("input_is_passed_on") else { return };
    with_definition(&fixture, "build", &[]).expect(0, &[]);
    let mut command = hardpan(&fixture, &["run", "out/app", "--", "wc", "-c"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&vec![b'x'; 100_000]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "100000\n");
}

#[test]
fn what_can_not_be_run() {
    let Some(fixture) = fixture("what_can_not_be_run") else { return };
    with_definition(&fixture, "build", &[]).expect(0, &[]);
    fixture.write("work/empty/file", "");
    let cases: [(&[&str], i32, &[&str]); 12] = [
        (&["out/ap"], 2, &["there is no out/ap", "did you mean out/app?"]),
        (&["empty"], 2, &["empty is neither a definition nor an OCI layout"]),
        (
            &["out/app", "--platform", "linux/arm64"],
            2,
            &["has no image for linux/arm64", "linux/amd64"],
        ),
        (&["out/app", "--user", "nonrot"], 2, &["no user \"nonrot\"", "did you mean nonroot?"]),
        (&["out/app", "--user", "0:nogroup"], 2, &["no group \"nogroup\""]),
        (
            &["out/app", "--entrypoint", "busybox-ap"],
            127,
            &["no program \"busybox-ap\"", "did you mean busybox-app?"],
        ),
        (&["out/app", "--mount", "nothing:/x"], 2, &["can't mount nothing"]),
        (&["out/app", "--mount", "empty:x"], 2, &["the target has to be a path"]),
        (&["out/app", "--mount", "empty:/x:rx"], 2, &["neither `ro` nor `rw`"]),
        (&["out/app", "--read-only", "--writable"], 2, &["cannot be used with"]),
        (&["out/app", "--network", "bridge"], 2, &["possible values: none, loopback, host"]),
        (&["out/app", "--workdir", "/../x"], 2, &["working directory"]),
    ];
    for (arguments, code, expected) in cases {
        run(hardpan(&fixture, &[&["run"], arguments].concat())).expect(code, expected);
    }
    run(hardpan(&fixture, &["run", "out/ap", "--json"])).expect(2, &["\"exit-code\":2"]);
}

#[test]
fn a_layout_that_was_changed_is_refused() {
    let Some(fixture) = fixture("a_layout_that_was_changed_is_refused") else { return };
    with_definition(&fixture, "build", &[]).expect(0, &[]);
    let blobs = fixture.path("work/out/app/blobs/sha256");
    let largest = fs::read_dir(&blobs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&largest, bytes).unwrap();
    in_layout(&fixture, &[], &["id"]).expect(4, &["the layer sha256:", "has the digest"]);
}

#[test]
fn as_an_ordinary_user() {
    let Some(fixture) = fixture("as_an_ordinary_user") else { return };
    with_definition(&fixture, "build", &[]).expect(0, &[]);
    let Some(mut command) = as_ordinary_user(&fixture, "nobody") else {
        return skip("as_an_ordinary_user", "it takes root and setpriv(1) to become somebody else");
    };
    command.arg("run").arg(fixture.path("work/out/app")).args(["--", "id", "-u"]);
    let ran = run(command);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "65532\n"), "{ran}");
}
