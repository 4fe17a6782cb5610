// SPDX-License-Identifier: Apache-2.0
//! Build stages, with a static busybox of this machine as the only program.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use hardpan_image::Layout;
use hardpan_testkit::deb::{Deb, deb};
use hardpan_testkit::fixture::{DEFINITION, Fixture, packages};

use crate::rootless::build_as_nobody;
use crate::support::{Ran, build, build_command, image, run, skip};

/// The definition, up to its stages.
const HEAD: &str = "\
# syntax=dhi.io/build:2-debian13
image: example/app
variant: runtime
tags: ['1']
platforms: [linux/amd64]
accounts: {run-as: '65532'}
contents:
  packages: [base-files, app]
  builds:
";

/// A stage that has a shell, up to its steps.
const STAGE: &str =
    "    - name: make\n      shell: /usr/bin/busybox sh\n      contents: {packages: [busybox]}\n";

/// Returns the static busybox of this machine, where Debian's busybox-static has it.
pub(crate) fn busybox_bytes() -> Option<Vec<u8>> {
    ["/bin/busybox", "/usr/bin/busybox"].iter().find_map(|path| {
        let bytes = fs::read(path).ok()?;
        is_static(&bytes).then_some(bytes)
    })
}

/// Returns whether a 64-bit ELF file asks for no interpreter: it has no `PT_INTERP` segment.
fn is_static(elf: &[u8]) -> bool {
    let number = |offset: usize, length: usize| -> Option<usize> {
        let bytes = elf.get(offset..offset + length)?;
        Some(bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte)))
    };
    let interpreter = || {
        let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        (0..count).map(|index| number(table + index * size, 4)).find(|kind| *kind == Some(3))
    };
    elf.starts_with(b"\x7fELF") && interpreter().is_none()
}

/// Returns a package with a busybox, and what steps of tests change.
pub(crate) fn busybox_package(architecture: &str, bytes: &[u8]) -> Deb {
    deb("busybox", "1:1.0-1")
        .architecture(architecture)
        .file("/usr/bin/busybox", bytes)
        .mode(0o755)
        .symlink("/usr/bin/sh", "busybox")
        // What every action may use.
        .symlink("/usr/bin/cat", "busybox")
        .symlink("/usr/bin/grep", "busybox")
        .symlink("/usr/bin/sed", "busybox")
        .file("/etc/shared.conf", "as it came\n")
        .directory("/var/cache/app")
}

/// A fixture whose definition has these stages; `None`, with the reason said, where there is no busybox.
pub(crate) fn fixture(test: &str, builds: &str) -> Option<Fixture> {
    if !cfg!(target_arch = "x86_64") {
        skip(test, "it runs x86-64 programs");
        return None;
    }
    let Some(busybox) = busybox_bytes() else {
        skip(test, "there is no static busybox");
        return None;
    };
    let mut all = packages();
    all.push(busybox_package("amd64", &busybox));
    let fixture = Fixture::with(&all);
    define(&fixture, builds);
    Some(fixture)
}

pub(crate) fn define(fixture: &Fixture, builds: &str) {
    fixture.write(&format!("catalog/{DEFINITION}"), format!("{HEAD}{builds}"));
}

/// A stage with one step of these lines, and these outputs.
pub(crate) fn stage(script: &str, outputs: &[&str]) -> String {
    let each = |indent: &str, lines: &mut dyn Iterator<Item = &str>| {
        lines.fold(String::new(), |text, line| text + indent + line + "\n")
    };
    let lines = each("            ", &mut script.lines());
    let outputs = each("        - ", &mut outputs.iter().copied());
    format!(
        "{STAGE}      pipeline:\n        - name: work\n          runs: |\n            set -eu\n            PATH=/bin\n            b() {{ /usr/bin/busybox \"$@\"; }}\n{lines}      outputs:\n{outputs}"
    )
}

#[track_caller]
pub(crate) fn has(dump: &str, lines: &[&str]) {
    for line in lines {
        assert!(dump.lines().any(|found| found.starts_with(line)), "no {line:?} in\n{dump}");
    }
}

pub(crate) fn files_below(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                directories.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found
}

#[test]
fn what_steps_ask_for_ends_in_the_image() {
    let builds = stage(
        "b mkdir -p /var/cache/app/sub ${target.dir}/usr/lib/app
         b touch /var/cache/app/sub/file
         b chown -R 65532:65532 /var/cache/app
         b chown 7:8 /etc/shared.conf
         b chmod 0640 /etc/shared.conf
         echo made >${target.dir}/usr/lib/app/data
         b ln ${target.dir}/usr/lib/app/data ${target.dir}/usr/lib/app/again
         b ln -s data ${target.dir}/usr/lib/app/link
         b chown -h 5:6 ${target.dir}/usr/lib/app/link
         b mknod ${target.dir}/usr/lib/app/null c 1 3
         b mkfifo ${target.dir}/usr/lib/app/pipe",
        &[
            "{source: '${target.dir}/usr', target: /usr}",
            "{source: /, target: /, diff: true, uid: 0, gid: 0}",
        ],
    );
    let Some(fixture) = fixture("what_steps_ask_for_ends_in_the_image", &builds) else { return };
    let ran = build(&fixture, &["--json"]).expect(0, &[]);
    let warnings = ran.json()["built"]["platforms"][0]["stage-warnings"].to_string();
    assert!(warnings.contains("null is a device (1:3), and is left out"), "{warnings}");
    assert!(warnings.contains("pipe is a socket or a pipe, and is left out"), "{warnings}");
    let dump = image(&fixture);
    has(
        &dump,
        &[
            "/var/cache/app directory 0755 65532:65532",
            "/var/cache/app/sub directory 0755 65532:65532",
            "/var/cache/app/sub/file file 0644 65532:65532",
            "/etc/shared.conf file 0640 7:8",
            "/usr/lib/app/again file 0644 0:0 5",
            "/usr/lib/app/data hardlink -> /usr/lib/app/again",
            "/usr/lib/app/link symlink 0777 5:6 -> data",
        ],
    );
    for absent in ["/work", "/usr/bin/busybox", "/usr/lib/app/null", "/usr/lib/app/pipe", "/tmp/"] {
        let prefix = format!("{absent} ");
        assert!(!dump.lines().any(|line| line.starts_with(&prefix)), "{absent} in\n{dump}");
    }
}

#[test]
fn the_same_inputs_give_the_same_digest() {
    let test = "the_same_inputs_give_the_same_digest";
    let builds = stage(
        "umask 0027
         for n in $(b seq 1 40 | b shuf); do
           b mkdir -p ${target.dir}/opt/d$n
           echo $n >${target.dir}/opt/d$n/file
           b touch -d \"@$((2000000000 + $(b shuf -i 1-1000000 -n 1)))\" ${target.dir}/opt/d$n/file
         done
         b mkdir -p ${target.dir}/opt/__pycache__
         { b printf 'MAGC\\0\\0\\0\\0'; b date; } >${target.dir}/opt/__pycache__/x.cpython-313.pyc
         echo $SOURCE_DATE_EPOCH >${target.dir}/opt/epoch",
        &["{source: '${target.dir}', target: /}"],
    );
    let Some(one) = fixture(test, &builds) else { return };
    let first = build(&one, &["--threads", "1"]).digest();
    let dump = image(&one);
    has(&dump, &["/opt/d7 directory 0750 0:0", "/opt/d7/file file 0640 0:0", "/opt/epoch file"]);
    assert!(!dump.contains("x.cpython-313.pyc"), "{dump}");
    // In a store that knows nothing, with more threads.
    let other = fixture(test, &builds).unwrap();
    assert_eq!(build(&other, &["--threads", "3"]).digest(), first);
    assert_eq!(build(&other, &["--check-reproducible"]).digest(), first);
    // As somebody else.
    if let Some(command) = build_as_nobody(&other) {
        assert_eq!(run(command).digest(), first);
    }
}

#[test]
fn directories_that_their_owner_may_not_enter_are_handed_on() {
    let first = stage(
        "b mkdir -p /opt/shut/in /opt/hidden
         echo old >/opt/shut/in/file
         echo old >/opt/shut/gone
         b chmod 0 /opt/shut
         b chmod 0300 /opt/hidden",
        &["{source: /etc/shared.conf, target: /x}"],
    );
    let second = stage(
        "b rm /opt/shut/gone
         echo new >/opt/shut/in/file
         echo new >/opt/hidden/new",
        &["{source: /, target: /, diff: true}", "{source: /opt/shut, target: /shut}"],
    )
    .replace("name: make\n", "name: last\n      uses: make\n");
    let test = "directories_that_their_owner_may_not_enter_are_handed_on";
    let builds = first + &second;
    let Some(one) = fixture(test, &builds) else { return };
    let first = build(&one, &[]).digest();
    let dump = image(&one);
    has(&dump, &["/shut directory 0000", "/shut/in/file file", "/opt/hidden/new file"]);
    assert!(!dump.contains("gone"), "{dump}");
    let other = fixture(test, &builds).unwrap();
    if let Some(command) = build_as_nobody(&other) {
        assert_eq!(run(command).digest(), first);
    }
}

#[test]
fn a_stage_that_differs_from_run_to_run_is_found() {
    let builds = stage(
        "b mkdir -p ${target.dir}/opt
         b head -c 8 /dev/urandom >${target.dir}/opt/when
         echo same >${target.dir}/opt/same",
        &["{source: '${target.dir}', target: /}"],
    );
    let test = "a_stage_that_differs_from_run_to_run_is_found";
    let Some(fixture) = fixture(test, &builds) else { return };
    build(&fixture, &[]).expect(0, &["built"]);
    let ran = build(&fixture, &["--check-reproducible"]);
    let ran = ran.expect(1, &["is not reproducible", "/work/target/opt/when: ", " bytes sha256:"]);
    assert!(!ran.stderr.contains("opt/same"), "{ran}");
}

#[test]
fn a_result_is_remembered() {
    let builds = stage("echo ran", &["{source: /etc/shared.conf, target: /etc/own.conf}"]);
    let Some(fixture) = fixture("a_result_is_remembered", &builds) else { return };
    let first = build(&fixture, &["--verbose"]).expect(0, &["make/work │ ran"]);
    // The image is made anew, the stage is not.
    fs::remove_dir_all(fixture.path("out")).unwrap();
    let again = build(&fixture, &["--verbose", "--locked", "--offline"]).expect(0, &["built"]);
    assert!(!again.stderr.contains("│ ran"), "{again}");
    assert_eq!(again.digest(), first.digest());
    // Another step, another result.
    fixture.edit("echo ran", "echo ran differently");
    build(&fixture, &["--verbose"]).expect(0, &["make/work │ ran differently"]);
    // What stages leave in the store can be told from what is used, and goes.
    let gc = run(crate::support::hardpan(&fixture, &["store", "gc", "--unused-for", "0"]));
    gc.expect(0, &["removed"]);
    assert!(files_below(&fixture.path("store/roots")).is_empty());
}

#[test]
fn a_step_that_fails_says_why() {
    for (summary, script, options, code, expected) in [
        (
            "exit code",
            "echo begin; false; echo end",
            &[][..],
            5,
            &["make, step work failed with exit code 1", "│ begin"][..],
        ),
        ("signal", "b kill -9 $$", &[], 5, &["was killed by signal 9"]),
        ("no program", "/no/such/program", &[], 5, &["exit code 127"]),
        (
            "too long",
            "echo waiting; b sleep 60",
            &["--step-timeout", "1"],
            5,
            &["took too long", "│ waiting"],
        ),
    ] {
        let builds = stage(script, &["{source: /etc/shared.conf, target: /x}"]);
        let Some(fixture) = fixture("a_step_that_fails_says_why", &builds) else { return };
        let ran = build(&fixture, options).expect(code, expected);
        assert!(!ran.stderr.contains("│ end"), "{summary}: {ran}");
        assert!(!fixture.path("out").exists(), "{summary}");
        let tmp = fs::read_dir(fixture.path("store/tmp")).unwrap().flatten();
        let left: Vec<_> = tmp.filter(|entry| entry.path().is_dir()).collect();
        assert!(left.is_empty(), "{summary}: {left:?}");
    }
}

#[test]
fn the_root_of_a_failed_stage_can_be_kept() {
    let builds = stage("echo here >/etc/found; false", &["{source: /x, target: /x}"]);
    let test = "the_root_of_a_failed_stage_can_be_kept";
    let Some(fixture) = fixture(test, &builds) else { return };
    let kept = fixture.path("kept");
    build(&fixture, &["--keep-failed", kept.to_str().unwrap()])
        .expect(5, &["the stage's root file system is in", "/kept"]);
    assert_eq!(fs::read_to_string(kept.join("etc/found")).unwrap(), "here\n");
    assert!(kept.join("usr/bin/busybox").is_file());
    // What is there is not mixed with something else.
    build(&fixture, &["--keep-failed", kept.to_str().unwrap()])
        .expect(2, &["not an empty directory"]);
}

#[test]
fn definitions_whose_stages_cannot_work() {
    let good = "{source: /etc/shared.conf, target: /x}";
    let two = |first: &str, second: &str| {
        format!(
            "    - {{name: a, uses: {first}, pipeline: [{{runs: 'true'}}]}}\n    - {{name: b, uses: {second}, pipeline: [{{runs: 'true'}}]}}\n"
        )
    };
    for (summary, builds, options, code, expected) in [
        ("missing output", stage("true", &["{source: /etc/shared.con, target: /x}"]), &[][..], 5, &["has no /etc/shared.con", "did you mean /etc/shared.conf"][..]),
        ("output below a file", stage("true", &["{source: /etc/shared.conf, target: /etc/app.conf/x}"]), &[], 5, &["does not fit into the image"]),
        ("circle", two("b", "a"), &[], 2, &["in a circle: a, b"]),
        ("no shell", "    - name: s\n      contents: {packages: [base-files]}\n      pipeline: [{runs: 'true'}]\n".to_owned(), &[], 2, &["has no shell", "add bash or dash"]),
        ("no user", stage("true", &[good]).replace("          runs: |", "          run-as: nobody-here\n          runs: |"), &[], 2, &["runs as nobody-here"]),
        ("network refused", stage("true", &[good]).replace("          runs: |", "          privileged: true\n          runs: |"), &["--no-network"], 1, &["has the network", "--no-network"]),
        ("secret missing", stage("true", &[good]).replace("          runs: |", "          secrets: [{id: token, env: TOKEN}]\n          runs: |"), &[], 2, &["needs the secret token", "--secret id=token"]),
        ("secret badly given", stage("true", &[good]), &["--secret", "token"], 2, &["id=ID,src=FILE"]),
        ("unknown package of a stage", stage("true", &[good]).replace("[busybox]", "[busybux]"), &[], 2, &["busybux", "busybox"]),
    ] {
        let Some(fixture) = fixture("definitions_whose_stages_cannot_work", &builds) else { return };
        build(&fixture, options).expect(code, expected);
        assert!(!fixture.path("out").exists(), "{summary}");
    }
}

#[test]
fn secrets_stay_secret() {
    let with_secret = |script: &str| {
        stage(script, &["{source: /etc/shared.conf, target: /x}"]).replace(
            "          runs: |",
            "          secrets: [{id: token, env: TOKEN}]\n          runs: |",
        )
    };
    let builds = with_secret("echo \"it is $TOKEN\"; test ${#TOKEN} -gt 13");
    let Some(fixture) = fixture("secrets_stay_secret", &builds) else { return };
    fixture.write("token", "hunter2-and-more\n");
    let option = format!("id=token,src={}", fixture.path("token").display());
    let ran = build(&fixture, &["--secret", &option, "--verbose"]).expect(0, &["it is ***"]);
    assert!(!ran.stderr.contains("hunter2"), "{ran}");
    // From the environment, and with another value the result is the same one.
    let mut command = build_command(&fixture, &["--secret", "id=token,env=MY_TOKEN"]);
    command.env("MY_TOKEN", "something else");
    assert_eq!(run(command).digest(), ran.digest());
    // Nowhere on the disk.
    for place in ["store", "out", "catalog"] {
        for path in files_below(&fixture.path(place)) {
            let bytes = fs::read(&path).unwrap_or_default();
            assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{}", path.display());
        }
    }
    // A later step, or another stage, has nothing of it.
    let after = format!("{}{}", builds, "");
    let after = after.replace(
        "      outputs:",
        "        - {name: later, runs: 'test -z \"${TOKEN:-}\"'}\n      outputs:",
    );
    define(&fixture, &after);
    build(&fixture, &["--secret", &option]).expect(0, &["built"]);
    // Left in a file it ends the build.
    define(&fixture, &with_secret("echo \"$TOKEN\" >/etc/leak"));
    let ran = build(&fixture, &["--secret", &option]);
    let ran: Ran = ran.expect(5, &["left the secret token in /etc/leak"]);
    assert!(!ran.stderr.contains("hunter2"), "{ran}");
    // So it does in a name or in a link, which is told without it.
    for (script, expected) in [
        ("b mkdir -p /etc/a/\"$TOKEN\"/b", "left the secret token in /etc/a\n"),
        ("b ln -s \"$TOKEN\" /etc/link", "left the secret token in /etc/link"),
    ] {
        define(&fixture, &with_secret(script));
        let ran = build(&fixture, &["--secret", &option]).expect(5, &[expected]);
        assert!(!ran.stderr.contains("hunter2"), "{ran}");
    }
    for path in files_below(&fixture.path("store")) {
        let bytes = fs::read(&path).unwrap_or_default();
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{}", path.display());
    }
}

#[test]
fn another_text_of_an_action_is_another_image() {
    let builds = format!(
        "{STAGE}      pipeline: [{{uses: own/write@v1}}]\n      outputs: [{{source: /etc/made, target: /etc/made}}]\n"
    )
    .replace("      shell: /usr/bin/busybox sh\n", "");
    let test = "another_text_of_an_action_is_another_image";
    let Some(fixture) = fixture(test, &builds) else { return };
    let settings = fs::read_to_string(fixture.path("catalog/hardpan.toml")).unwrap();
    fixture.write("catalog/hardpan.toml", format!("{settings}\n[actions]\npaths = [\"own\"]\n"));
    let action = |text: &str| {
        format!(
            "name: own/write\nversion: v1\ndescription: Writes.\nsteps:\n  - name: write\n    runs: echo {text} >/etc/made\n"
        )
    };
    fixture.write("catalog/own/write.yaml", action("one"));
    let first = build(&fixture, &[]).expect(0, &["built"]).digest();
    fixture.write("catalog/own/write.yaml", action("two"));
    let second = build(&fixture, &[]).expect(0, &["built"]).digest();
    assert_ne!(first, second);
    fixture.write("catalog/own/write.yaml", action("one"));
    assert_eq!(build(&fixture, &[]).digest(), first);
}

#[test]
fn only_privileged_steps_have_the_network() {
    let script = "b ip link show up >/tmp/links; echo up: $(b grep -c LOOPBACK /tmp/links || true)
                  b nc -w 2 127.0.0.1 PORT </dev/null && echo reached || echo refused";
    let make = |fixture: &Fixture, more: &str| {
        let url = fixture.server.url("");
        let port = url.trim_end_matches('/').rsplit(':').next().unwrap();
        stage(&script.replace("PORT", port), &["{source: /etc/shared.conf, target: /x}"])
            .replace("          runs: |", &format!("{more}          runs: |"))
    };
    let test = "only_privileged_steps_have_the_network";
    let Some(fixture) = fixture(test, &stage("true", &[])) else { return };
    define(&fixture, &make(&fixture, ""));
    let ran = build(&fixture, &["--verbose", "--json"]).expect(0, &["│ up: 0", "│ refused"]);
    assert_eq!(ran.json()["built"]["platforms"][0]["network-steps"], serde_json::json!([]));
    define(&fixture, &make(&fixture, "          privileged: true\n"));
    build(&fixture, &["--verbose"])
        .expect(0, &["│ up: 1", "│ reached", "warning: step make/work had the network"]);
    let layout = Layout::open(&fixture.path("out")).unwrap();
    let images = layout.images().unwrap();
    let config = String::from_utf8_lossy(images[0].config.as_ref().unwrap().bytes()).into_owned();
    assert!(config.contains("\"dev.hardpan.network-steps\":\"make/work\""), "{config}");
}

#[test]
fn caches_are_kept_and_not_in_the_image() {
    let builds = stage(
        "echo once >>/cache/lines; b wc -l </cache/lines; b cp /cache/lines ${target.dir}/lines",
        &["{source: '${target.dir}/lines', target: /lines}"],
    )
    .replace("      pipeline:", "      caches: [{path: /cache, sharing: locked}]\n      pipeline:");
    let Some(fixture) = fixture("caches_are_kept_and_not_in_the_image", &builds) else { return };
    build(&fixture, &["--verbose"]).expect(0, &["│ 1"]);
    fixture.edit("echo once", "echo twice");
    build(&fixture, &["--verbose"]).expect(0, &["│ 2"]);
    let dump = image(&fixture);
    assert!(!dump.lines().any(|line| line.starts_with("/cache ")), "{dump}");
    let lines = files_below(&fixture.path("store/caches"));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_ne!(fs::metadata(&lines[0]).unwrap().permissions().mode() & 0o200, 0);
    assert_ne!(fs::metadata(&lines[0]).unwrap().uid(), u32::MAX);
}

#[test]
fn stages_take_from_each_other() {
    let second = "    - name: last
      uses: make
      shell: /usr/bin/busybox sh
      pipeline:
        - {name: look, run-as: '1234', runs: 'set -e; /usr/bin/busybox cat /etc/first; /usr/bin/busybox id -u; echo mine >/work/target/own'}
      outputs:
        - {source: /etc/first, target: /first}
        - {source: /work/target/own, target: /own}
";
    let first = stage("echo from the first >/etc/first", &[]).replace("      outputs:\n", "");
    let builds = format!("{first}{second}");
    let Some(fixture) = fixture("stages_take_from_each_other", &builds) else { return };
    build(&fixture, &["--verbose"]).expect(0, &["last/look │ from the first", "last/look │ 1234"]);
    has(&image(&fixture), &["/first file 0644 0:0", "/own file 0644 1234:1234"]);
}
