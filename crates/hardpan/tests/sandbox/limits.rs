// SPDX-License-Identifier: Apache-2.0
//! What programs may use up.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use hardpan::sandbox::{Exit, Root, SandboxError, Streams};

use crate::support::{Place, run, sandbox, script};

#[test]
fn time() {
    let Some(place) = Place::new("time") else { return };
    let root = place.layered("scratch");
    let mut sandbox = sandbox(Root::Layered(&root));
    sandbox.limits.time = Some(Duration::from_secs(3));
    for text in [
        "echo before; sleep 100; echo after",
        "echo before; trap '' TERM INT HUP; while :; do :; done",
        "echo before; setsid sleep 100 & sleep 100",
        "echo before; kill -STOP $$",
    ] {
        let start = Instant::now();
        let ran = run(&sandbox, &script(text)).unwrap();
        assert_eq!((ran.exit, ran.output.as_str()), (Exit::TimedOut, "before\n"), "{text}");
        assert!(start.elapsed() < Duration::from_secs(30), "{text}");
    }
    assert_eq!(run(&sandbox, &script("echo quick")).unwrap().good(), "quick\n");
}

#[test]
fn output() {
    let Some(place) = Place::new("output") else { return };
    let root = place.layered("scratch");
    let mut sandbox = sandbox(Root::Layered(&root));
    sandbox.limits.output_bytes = 100_000;
    for text in ["dd if=/dev/zero bs=1M count=10240", "yes >&2", "yes & yes >&2 & wait"] {
        let mut printed = 0;
        let finished = sandbox
            .run(&script(text), Streams::Captured(&mut |_, bytes| printed += bytes.len()))
            .unwrap();
        assert_eq!((finished.exit, printed), (Exit::TooMuchOutput, 100_000), "{text}");
    }
    let exact = run(&sandbox, &script("head -c 100000 /dev/zero")).unwrap();
    assert_eq!((exact.exit, exact.output.len()), (Exit::Code(0), 100_000));
}

#[test]
fn output_comes_at_once() {
    let Some(place) = Place::new("output_comes_at_once") else { return };
    let root = place.layered("scratch");
    let start = Instant::now();
    let (mut first, mut last) = (None, None);
    let text = "echo first; sleep 5; echo second";
    sandbox(Root::Layered(&root))
        .run(
            &script(text),
            Streams::Captured(&mut |_, _| {
                first.get_or_insert(start.elapsed());
                last = Some(start.elapsed());
            }),
        )
        .unwrap();
    assert!(last.unwrap() > first.unwrap() + Duration::from_secs(1));
}

#[test]
fn processes() {
    let Some(place) = Place::new("processes") else { return };
    let root = place.layered("scratch");
    let mut sandbox = sandbox(Root::Layered(&root));
    sandbox.limits.processes = 50;
    sandbox.limits.time = Some(Duration::from_secs(3));
    let ran = run(&sandbox, &script("f() { f | f & }; f; sleep 1; echo done")).unwrap();
    // It may be the shell itself that gets no more processes.
    assert!(ran.errors.contains("can't fork"), "{ran:?}");
    let count =
        "i=0; while [ $i -lt 100 ]; do sleep 2 & i=$((i+1)); done; ls -d /proc/[0-9]* | wc -l";
    let ran = run(&sandbox, &script(count)).unwrap();
    assert!(ran.errors.contains("can't fork"), "{ran:?}");
    // Others of the same user are not counted.
    sandbox.limits.processes = 5_000;
    assert_eq!(run(&sandbox, &script("echo ok | cat")).unwrap().good(), "ok\n");
}

#[test]
fn files() {
    let Some(place) = Place::new("files") else { return };
    let root = place.layered("scratch");
    let mut sandbox = sandbox(Root::Layered(&root));
    sandbox.limits.file_size_bytes = 1 << 20;
    sandbox.limits.open_files = 20;
    let ran = run(&sandbox, &script("head -c 2000000 /dev/zero >/x; stat -c %s /x")).unwrap();
    assert_eq!(ran.output, "1048576\n", "{ran:?}");
    assert_eq!(run(&sandbox, &script("ulimit -n; ulimit -c")).unwrap().good(), "20\n0\n");
}

#[test]
fn memory() {
    let Some(place) = Place::new("memory") else { return };
    let root = place.layered("scratch");
    let mut sandbox = sandbox(Root::Layered(&root));
    let groups = || -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut left = vec![std::path::PathBuf::from("/sys/fs/cgroup")];
        while let Some(path) = left.pop() {
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    left.push(entry.path());
                    if name.starts_with(&format!("hardpan-{}-", std::process::id())) {
                        found.insert(name);
                    }
                }
            }
        }
        found
    };
    sandbox.limits.memory_bytes = Some(64 << 20);
    // A tail without an end has to be held in memory.
    let hungry = script("tail -c 1000000000 /dev/zero");
    match run(&sandbox, &hungry) {
        Err(error @ SandboxError::NoLimit { .. }) => {
            // Who can't make a cgroup is told so, and nothing runs.
            assert_eq!(error.to_string(), "this machine can't limit memory");
        }
        ran => {
            assert_eq!(ran.unwrap().exit, Exit::Signal(9));
            assert_eq!(run(&sandbox, &script("echo ok")).unwrap().good(), "ok\n");
        }
    }
    assert_eq!(groups(), BTreeSet::new());
}
