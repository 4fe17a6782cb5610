// SPDX-License-Identifier: Apache-2.0
//! Builds that are killed, and builds that meet.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hardpan_testkit::fixture::Fixture;
use hardpan_testkit::server::Fault;

use crate::support::{build, build_command, expect_good_store, files, hardpan, run};

const LIBC: &str = "debian/pool/main/libc6/libc6_2.41-12_amd64.deb";

#[test]
fn killed_at_any_moment_the_next_build_just_works() {
    let reference = Fixture::new();
    let started = Instant::now();
    let digest = build(&reference, &[]).digest();
    let mut whole = started.elapsed();
    let fixture = Fixture::new();
    let mut killed = 0;
    for step in 0..24 {
        // Cold and warm by turns.
        if step % 3 == 0 {
            let _ = fs::remove_dir_all(fixture.path("store"));
        }
        let _ = fs::remove_dir_all(fixture.path("out"));
        let _ = fs::remove_file(fixture.lock());
        let mut command = build_command(&fixture, &[]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(f64::from(step) / 24.0));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        // A lock is complete or not there.
        if let Ok(text) = fs::read_to_string(fixture.lock()) {
            assert!(text.ends_with("}\n"), "{text}");
        }
        expect_good_store(&fixture);
        let started = Instant::now();
        assert_eq!(build(&fixture, &[]).digest(), digest, "after step {step}");
        // How long it takes depends on what else this machine does now.
        whole = started.elapsed();
        expect_good_store(&fixture);
    }
    assert!(killed > 3, "only {killed} of 24 were killed in time");
    // The same with a new image over an old one.
    assert_eq!(fs::read(fixture.lock()).unwrap(), fs::read(reference.lock()).unwrap());
    run(hardpan(&fixture, &["store", "gc"])).expect(0, &["removed"]);
    assert!(files(&fixture.path("store/tmp")).is_empty());
    assert_eq!(build(&fixture, &[]).digest(), digest);
}

#[test]
fn killed_in_the_middle_of_a_download_it_goes_on_there() {
    let fixture = Fixture::new();
    fixture.server.fault(LIBC, Fault::HangAfter(70_000, 1));
    let mut command = build_command(&fixture, &["--timeout", "60"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let is_there = || {
        let partial = files(&fixture.path("store/tmp"));
        partial.iter().any(|(path, bytes)| {
            path.extension().is_some_and(|e| e == "part") && bytes.len() == 70_000
        })
    };
    while !is_there() {
        assert!(Instant::now() < deadline, "{:?}", files(&fixture.path("store/tmp")).keys());
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    fixture.server.take_log();
    build(&fixture, &[]).expect(0, &["built"]);
    let log = fixture.server.log();
    let libc = log.iter().find(|logged| logged.path.ends_with(LIBC)).unwrap();
    assert_eq!(libc.header("range"), "bytes=70000-");
    expect_good_store(&fixture);
}

#[test]
fn an_output_that_was_half_written_is_finished() {
    let fixture = Fixture::new();
    let digest = build(&fixture, &[]).digest();
    let whole = files(&fixture.path("out"));
    // What a killed writer leaves: some blobs, something temporary, no index.
    fs::remove_file(fixture.path("out/index.json")).unwrap();
    fixture.write("out/blobs/sha256/.tmp-0", "half of a blo");
    fixture.write("out/.tmp-3", "{");
    let first = whole.keys().next().unwrap();
    fs::remove_file(first).unwrap();
    assert_eq!(build(&fixture, &[]).digest(), digest);
    assert_eq!(files(&fixture.path("out")), whole);
}

#[test]
fn several_at_once_with_one_store() {
    for outputs in [["out-a", "out-b", "out-c"], ["out", "out", "out"]] {
        let fixture = Fixture::new();
        let digests: Vec<String> = std::thread::scope(|scope| {
            let builds: Vec<_> = outputs
                .iter()
                .map(|output| {
                    let fixture = &fixture;
                    scope.spawn(move || {
                        let mut command = hardpan(fixture, &["build"]);
                        command.arg(fixture.definition()).arg("--output").arg(fixture.path(output));
                        run(command).digest()
                    })
                })
                .collect();
            builds.into_iter().map(|build| build.join().unwrap()).collect()
        });
        assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
        assert_eq!(files(&fixture.path(outputs[0])).len(), files(&fixture.path(outputs[1])).len());
        expect_good_store(&fixture);
        let fetched = fixture.server.log();
        let libc = fetched.iter().filter(|logged| logged.path.ends_with(LIBC)).count();
        assert_eq!(libc, 1, "a package is fetched once for all of them");
    }
}

#[test]
fn a_store_in_use_is_not_swept() {
    let fixture = Fixture::new();
    build(&fixture, &[]).expect(0, &[]);
    fs::remove_file(fixture.lock()).unwrap();
    fixture.server.fault("debian/dists/trixie/InRelease", Fault::Hang);
    let mut command = build_command(&fixture, &["--timeout", "60"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let ran = run(hardpan(&fixture, &["store", "gc", "--dry-run"]));
        if ran.code == 3 {
            ran.expect(3, &["is in use by another hardpan process"]);
            break;
        }
        assert!(Instant::now() < deadline, "{ran}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    run(hardpan(&fixture, &["store", "gc"])).expect(0, &["kept"]);
}
