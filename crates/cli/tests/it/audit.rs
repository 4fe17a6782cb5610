// SPDX-License-Identifier: Apache-2.0
//! `hardpan audit`: images of anybody, judged by what they are for; exceptions, baselines, profiles; hostile images.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use hardpan_testkit::deb::{RawEntry, deb};
use hardpan_testkit::fixture::{Fixture, packages};
use hardpan_testkit::oci::{Layer, OciImage};
use serde_json::{Value, json};

use crate::support::{Ran, build, hardpan, run};

const ROOT: &str = "root:x:0:0::/:/bin/sh\n";

fn entry(path: &str, mode: u32, data: &[u8]) -> RawEntry {
    let mut entry = RawEntry::new(path, b'0').data(data);
    entry.mode = mode;
    entry
}

fn tar(entries: &[RawEntry]) -> Vec<u8> {
    let mut tar = Vec::new();
    for entry in entries {
        entry.write(&mut tar);
    }
    tar
}

/// An image as everybody builds them: busybox, run by root, a file that a later layer deletes.
pub(crate) fn busybox() -> Vec<Vec<u8>> {
    let lowest = [
        entry("bin/busybox", 0o755, b"\x7fELF..BusyBox v1.37"),
        RawEntry::new("bin/sh", b'2').target("busybox"),
        entry("etc/passwd", 0o644, ROOT.as_bytes()),
        entry("opt/su", 0o4755, b"\x7fELF"),
    ];
    vec![tar(&lowest), tar(&[RawEntry::new("opt/.wh.su", b'0'), entry("tmp/x", 0o666, b"x")])]
}

pub(crate) fn config(labels: &Value) -> Value {
    json!({
        "architecture": "amd64", "os": "linux",
        "config": {"Cmd": ["/bin/sh"], "Labels": labels},
        "history": [{"created_by": "ADD rootfs"}, {"created_by": "RUN /bin/sh -c rm /opt/su # buildkit"}],
    })
}

pub(crate) fn layout(fixture: &Fixture, labels: &Value) {
    let layers: Vec<Layer> = busybox().iter().map(|tar| Layer::gzip(tar)).collect();
    write(fixture, "busybox", config(labels), &layers);
}

pub(crate) fn write(fixture: &Fixture, name: &str, mut config: Value, layers: &[Layer]) {
    let ids: Vec<String> = layers.iter().map(|layer| layer.diff_id.to_string()).collect();
    config["rootfs"] = json!({"type": "layers", "diff_ids": ids});
    if layers.len() != 2 {
        config["history"] = json!([]);
    }
    let image = OciImage::with_config(&config, layers);
    image.write_layout(&fixture.path(format!("work/{name}")), &format!("example/{name}:1"));
}

pub(crate) fn audit(fixture: &Fixture, arguments: &[&str]) -> Ran {
    run(hardpan(fixture, &[&["audit", "--offline"], arguments].concat()))
}

pub(crate) fn outcome(ran: &Ran, control: &str) -> String {
    let report = ran.json();
    let controls = report["controls"].as_array().unwrap();
    let found = controls.iter().find(|one| one["id"] == control).unwrap();
    found["outcome"]["result"].as_str().unwrap().to_owned()
}

#[test]
fn an_image_of_others_is_judged_with_evidence() {
    let fixture = Fixture::new();
    layout(&fixture, &json!({}));
    let ran = audit(&fixture, &["busybox"]).expect(
        1,
        &[
            "profile runtime (nobody who is trusted says what it is for)",
            "not hardened",
            "100 − 20 shell",
            "FAIL shell (no shell)",
            "/bin/busybox is a shell",
            "put there by layer 0: ADD rootfs",
            "FAIL user-root",
            "FAIL world-writable-file",
            "put there by layer 1: rm /opt/su",
            "NOT MEASURED",
            "passed",
        ],
    );
    assert!(!ran.stdout.contains("PASSED"), "{ran}");
    audit(&fixture, &["busybox", "--all"]).expect(1, &["PASSED", "compiler (no compiler"]);
    let one = audit(&fixture, &["busybox", "-o", "json"]);
    let report = one.json();
    assert_eq!(report["traits"]["shell"], json!(["/bin/busybox"]));
    assert_eq!((&report["hardened"], &report["image"]["layers"]), (&json!(false), &json!(2)));
    assert_eq!(outcome(&one, "compiler"), "pass");
    assert_eq!(outcome(&one, "dynamic-loader"), "not-applicable");
    assert_eq!(one.stdout, audit(&fixture, &["busybox", "--json"]).stdout);
}

#[test]
fn archives_and_directories_are_judged_alike() {
    let fixture = Fixture::new();
    layout(&fixture, &json!({}));
    let of_layout = audit(&fixture, &["busybox", "--json"]);
    // What `docker save` writes.
    let layers = busybox();
    let mut config = config(&json!({}));
    let ids: Vec<String> =
        layers.iter().map(|layer| hardpan_tree::Digest::of(layer).to_string()).collect();
    config["rootfs"] = json!({"type": "layers", "diff_ids": ids});
    let manifest = json!([{"Config": "config.json", "RepoTags": ["example/busybox:1"], "Layers": ["0.tar", "1.tar"]}]);
    let archive = tar(&[
        entry("config.json", 0o644, config.to_string().as_bytes()),
        entry("0.tar", 0o644, &layers[0]),
        entry("1.tar", 0o644, &layers[1]),
        entry("manifest.json", 0o644, manifest.to_string().as_bytes()),
    ]);
    fixture.write("work/busybox.tar", archive);
    let of_archive = audit(&fixture, &["busybox.tar", "--json"]);
    assert_eq!(of_archive.json()["controls"], of_layout.json()["controls"]);
    // A root file system has no configuration.
    fixture.write("work/root/bin/busybox", b"\x7fELF..BusyBox v1.37");
    fixture.write("work/root/etc/passwd", ROOT);
    let program = fixture.path("work/root/bin/busybox");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    let ran = audit(&fixture, &["root", "--json"]);
    assert_eq!(
        (outcome(&ran, "shell"), outcome(&ran, "setuid-file")),
        ("fail".into(), "fail".into())
    );
}

#[test]
fn what_an_image_is_for_decides() {
    let fixture = Fixture::new();
    layout(&fixture, &json!({"com.docker.dhi.variant": "dev"}));
    // Nobody signed the image, which may not excuse itself.
    let ran = audit(&fixture, &["busybox", "--json"]);
    assert_eq!(ran.json()["profile"], json!({"name": "runtime", "source": "default"}));
    assert_eq!(outcome(&ran, "shell"), "fail");
    let warnings = ran.json()["warnings"].to_string();
    assert!(warnings.contains("by a label that it is for dev, which does not count"), "{warnings}");
    for form in ["table", "html", "markdown"] {
        audit(&fixture, &["busybox", "-o", form]).expect(1, &["which does not count"]);
    }
    let ran = audit(&fixture, &["busybox", "--json", "--accept-image-exceptions"]);
    assert_eq!(ran.json()["profile"], json!({"name": "dev", "source": "label"}));
    assert_eq!(outcome(&ran, "shell"), "not-applicable");
    let ran = audit(&fixture, &["busybox", "--json", "--profile", "compat"]);
    assert_eq!(
        (outcome(&ran, "shell"), outcome(&ran, "user-root")),
        ("info".into(), "fail".into())
    );
    audit(&fixture, &["busybox", "--profile", "runtim"])
        .expect(2, &["no profile and no file", "did you mean runtime?"]);
}

#[test]
fn profiles_of_users_change_severities_and_accept() {
    let fixture = Fixture::new();
    layout(&fixture, &json!({}));
    let profile = "name: ours\nextends: compat\ncontrols:\n  user-root: off\n  world-writable-file: warn\n\
        exceptions:\n  - control: unowned-file\n    reason: because\n    until: 2020-01-01\ngrade: B\n";
    fixture.write("work/ours.yaml", profile);
    let ran = audit(&fixture, &["busybox", "--profile", "ours.yaml", "--json"]);
    assert_eq!(ran.json()["profile"], json!({"name": "ours", "source": "flag"}));
    assert_eq!(outcome(&ran, "user-root"), "not-applicable");
    assert_eq!(outcome(&ran, "world-writable-file"), "warn");
    let warnings = ran.json()["warnings"].to_string();
    assert!(warnings.contains("ended on 2020-01-01"), "{warnings}");
    fixture.write("work/bad.yaml", "name: x\ncontrols:\n  user-rot: off\n");
    audit(&fixture, &["busybox", "--profile", "bad.yaml"]).expect(
        2,
        &["there is no control \"user-rot\"", "bad.yaml:3:3", "did you mean user-root?"],
    );
    fixture.write("work/bad.yaml", "name: [\n");
    audit(&fixture, &["busybox", "--profile", "bad.yaml"]).expect(2, &["bad.yaml:1:7"]);
}

#[test]
fn when_the_answer_is_no() {
    let fixture = Fixture::new();
    layout(&fixture, &json!({}));
    for (fail_on, code) in [
        ("fail", 1),
        ("warn", 1),
        ("unmeasured", 1),
        ("never", 0),
        ("grade:F", 0),
        ("grade:A", 1),
        ("info", 2),
    ] {
        let ran = audit(&fixture, &["busybox", "--quiet", "--fail-on", fail_on]);
        assert_eq!(ran.code, code, "{fail_on}: {ran}");
    }
    // All that fails is accepted, and what nobody measured is not.
    audit(&fixture, &["busybox", "--write-baseline", "known.json"]).expect(0, &[]);
    audit(&fixture, &["busybox", "--baseline", "known.json", "--fail-on", "fail"])
        .expect(0, &["grade A", "were not measured: the grade says nothing of them"]);
    audit(&fixture, &["busybox", "--baseline", "known.json", "--fail-on", "unmeasured"])
        .expect(1, &[]);
    // A standard image is for the forms that show it.
    audit(&fixture, &["busybox", "--against", "busybox"]).expect(2, &["-o html and -o markdown"]);
    audit(&fixture, &["busybox", "--against", "busybox", "--json", "-o", "html"])
        .expect(2, &["-o html and -o markdown"]);
}

#[test]
fn a_baseline_accepts_what_is_known_and_nothing_else() {
    let fixture = Fixture::new();
    layout(&fixture, &json!({}));
    audit(
        &fixture,
        &["busybox", "--write-baseline", "known.json", "--baseline-until", "2099-01-01"],
    )
    .expect(0, &["wrote the findings of"]);
    audit(&fixture, &["busybox", "--baseline", "known.json"]).expect(
        0,
        &[
            "ACCEPTED shell",
            "accepted until 2099-01-01 by known.json",
            "hardened",
            "found what is accepted: the grade says nothing of them",
        ],
    );
    // What was mended is no exception any more.
    let known = fs::read_to_string(fixture.path("work/known.json")).unwrap();
    fixture.write("work/known.json", known.replace("\"bin/busybox\"", "\"bin/other\""));
    fixture.write("work/known.json", known.replace("/bin/busybox", "/bin/other"));
    audit(&fixture, &["busybox", "--baseline", "known.json"])
        .expect(1, &["shell at /bin/other (known.json) is not needed", "FAIL shell"]);
    fixture.write("work/known.json", known.replace("2099-01-01", "2001-01-01"));
    audit(&fixture, &["busybox", "--baseline", "known.json"]).expect(1, &["ended on 2001-01-01"]);
    fixture.write("work/known.json", "{}");
    audit(&fixture, &["busybox", "--baseline", "known.json"]).expect(2, &["is no baseline"]);
    audit(&fixture, &["busybox", "--write-baseline", "x", "--baseline-until", "soon"])
        .expect(2, &["not a day"]);
}

#[test]
fn what_an_image_carries_counts_where_somebody_says_so() {
    let fixture = Fixture::new();
    let label = r#"[{"control":"shell","path":"/bin/busybox","reason":"scripts"}]"#;
    layout(&fixture, &json!({"dev.hardpan.audit.exceptions": label}));
    let ran = audit(&fixture, &["busybox", "--json"]);
    assert_eq!(outcome(&ran, "shell"), "fail");
    assert!(ran.json()["warnings"].to_string().contains("carries 1 exceptions"), "{ran}");
    let ran = audit(&fixture, &["busybox", "--json", "--accept-image-exceptions"]);
    assert_eq!(outcome(&ran, "shell"), "excepted");
    layout(&fixture, &json!({"dev.hardpan.audit.exceptions": "everything"}));
    let ran = audit(&fixture, &["busybox", "--accept-image-exceptions"]);
    ran.expect(1, &["does not count: not a list of exceptions", "FAIL shell"]);
}

#[test]
fn no_form_tells_a_secret_of_the_history() {
    let fixture = Fixture::new();
    let token = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let mut config = config(&json!({}));
    config["history"] = json!([
        {"created_by": format!("RUN export TOKEN={token} && x")},
        {"created_by": "RUN DB_PASSWORD=kD93jf8sLq0Zx71mPw ./setup"},
    ]);
    config["config"]["OnBuild"] = json!([format!("RUN TOKEN={token} x")]);
    let layers: Vec<Layer> = busybox().iter().map(|tar| Layer::gzip(tar)).collect();
    write(&fixture, "planted", config, &layers);
    audit(&fixture, &["planted"]).expect(
        1,
        &[
            "put there by layer 0: RUN export TOKEN=ghp_… && x",
            "put there by layer 1: RUN DB_PASSWORD=kD93… ./setup",
            "OnBuild has what a secret looks like",
        ],
    );
    let compared = run(hardpan(&fixture, &["compare", "planted", "planted", "--json"]));
    let forms = ["table", "json", "html", "sarif", "junit", "markdown", "xccdf"];
    let told = forms.map(|form| audit(&fixture, &["planted", "-o", form]));
    for ran in told.iter().chain([&compared]) {
        for secret in [&token[4..], "kD93jf8sLq0Zx71mPw"] {
            assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{ran}");
        }
    }
    for ran in told.iter().skip(1).chain([&compared]) {
        assert!(ran.stdout.replace('\\', "").contains("ghp_…"), "{ran}");
    }
}

#[test]
fn what_is_not_for_linux_is_refused() {
    let fixture = Fixture::new();
    let mut config = config(&json!({}));
    config["os"] = json!("windows");
    let layers: Vec<Layer> = busybox().iter().map(|tar| Layer::gzip(tar)).collect();
    write(&fixture, "windows", config, &layers);
    audit(&fixture, &["windows"]).expect(2, &["is for windows", "only images for Linux"]);
}

#[test]
fn what_to_do_is_said_once() {
    let fixture = Fixture::new();
    let files = [entry("opt/a", 0o4755, b"\x7fELF"), entry("opt/b", 0o6755, b"\x7fELF")];
    write(&fixture, "two", config(&json!({})), &[Layer::gzip(&tar(&files))]);
    let ran = audit(&fixture, &["two"]);
    assert!(ran.stdout.contains("/opt/b is setgid"), "{ran}");
    assert_eq!(ran.stdout.matches("RUN chmod a-s FILE").count(), 1, "{ran}");
    let ran = audit(&fixture, &["two", "--explain", "setuid-file"]);
    assert_eq!(ran.stdout.matches("help:").count(), 1, "{ran}");
}

#[test]
fn controls_are_explained() {
    let fixture = Fixture::new();
    audit(&fixture, &["--explain", "setuid-file"])
        .expect(0, &["promise: no setuid", "why:", "to fix:", "runtime fail", "dev warn"]);
    audit(&fixture, &["--explain", "setuid-fil"]).expect(2, &["did you mean setuid-file?"]);
    layout(&fixture, &json!({}));
    audit(&fixture, &["busybox", "--explain", "shell"])
        .expect(0, &["here: failed", "/bin/busybox is a shell"]);
    let ran = audit(&fixture, &["--explain", "shell", "--json"]);
    assert_eq!(ran.json()["severities"]["compat"], "info");
    audit(&fixture, &[]).expect(2, &["required"]);
    fixture.write("work/app.json", "{}");
    audit(&fixture, &["app.json"]).expect(2, &["an SBOM has no files"]);
}

#[test]
fn our_own_images_are_hardened_and_say_what_they_accept() {
    let odd = deb("odd", "1").architecture("all").file("usr/bin/odd", "x").mode(0o666);
    let fixture = Fixture::with(&[packages(), vec![odd]].concat());
    build(&fixture, &[]).expect(0, &[]);
    let out = fixture.path("out").display().to_string();
    let audit_out = |arguments: &[&str]| {
        audit(
            &fixture,
            &[&[out.as_str(), "--json", "--platform", "linux/amd64"], arguments].concat(),
        )
    };
    let ran = audit_out(&[]);
    assert_eq!(ran.json()["profile"]["source"], "definition", "{ran}");
    assert_eq!(outcome(&ran, "world-writable-file"), "pass", "{ran}");
    // An exception lets the gate pass, and is in the image.
    fixture.edit("packages:\n", "packages:\n    - odd\n");
    build(&fixture, &[]).expect(1, &["/usr/bin/odd"]);
    let exception = "x-hardpan:\n  audit:\n    exceptions:\n      - control: world-writable-file\n        \
        path: /usr/bin/odd\n        reason: it is odd\n        until: 2999-01-01\n";
    let definition = fixture.definition();
    let definition = definition.strip_prefix(fixture.path("")).unwrap().display().to_string();
    let text = fs::read_to_string(fixture.definition()).unwrap();
    fixture.write(&definition, format!("{text}\n{exception}"));
    build(&fixture, &[]).expect(0, &[]);
    let ran = audit_out(&[]);
    assert_eq!(outcome(&ran, "world-writable-file"), "fail");
    let ran = audit_out(&["--accept-image-exceptions"]);
    assert_eq!(outcome(&ran, "world-writable-file"), "excepted", "{ran}");
    // One that ended before the packages were made lets nothing pass.
    fixture.write(&definition, format!("{text}\n{}", exception.replace("2999", "1999")));
    build(&fixture, &[]).expect(1, &["/usr/bin/odd"]);
    for (from, to, expected) in [
        ("world-writable-file", "world-writable-fil", "did you mean `world-writable-file`?"),
        ("reason: it is odd", "reason: ' '", "needs a reason"),
        ("/usr/bin/odd", "usr/bin/odd", "bad-path"),
        ("2999-01-01", "soon", "not a date"),
        ("until", "untill", "unknown-key"),
    ] {
        fixture.write(&definition, format!("{text}\n{}", exception.replace(from, to)));
        let path = fixture.definition().display().to_string();
        run(hardpan(&fixture, &["check", &path])).expect(2, &[expected]);
    }
}

#[test]
fn hostile_images_end_in_words() {
    let fixture = Fixture::new();
    let write = |name: &str, layers: &[Layer]| write(&fixture, name, config(&json!({})), layers);
    // Cut in the middle of a file, with the digest of what is left.
    let whole = tar(&[entry("a", 0o644, &[b'x'; 2000])]);
    write("cut", &[Layer::gzip(&whole[..1500])]);
    audit(&fixture, &["cut"]).expect(4, &["layer 0 can't be read"]);
    // Cut after its digest was made.
    layout(&fixture, &json!({}));
    let blobs = fixture.path("work/busybox/blobs/sha256");
    for blob in fs::read_dir(&blobs).unwrap() {
        let path = blob.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        }
    }
    let ran = audit(&fixture, &["busybox"]);
    assert!([3, 4].contains(&ran.code), "{ran}");
    // Links in circles, links to nothing, names of whiteouts, a way out.
    let odd = [
        RawEntry::new("a", b'2').target("b"),
        RawEntry::new("b", b'2').target("a"),
        entry("a/x", 0o644, b"x"),
        RawEntry::new("c", b'1').target("nothing"),
        RawEntry::new("up", b'2').target("../../../../etc/shadow"),
        entry(".wh..wh.plnk", 0o644, b""),
        entry("x/.wh.", 0o644, b""),
        RawEntry::new("dev/sda", b'4'),
    ];
    write("odd", &[Layer::gzip(&tar(&odd))]);
    let ran = audit(&fixture, &["odd", "--json"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.json()["warnings"].to_string().contains("too many symbolic links"), "{ran}");
    write("absolute", &[Layer::gzip(&tar(&[entry("../../etc/passwd", 0o644, b"x")]))]);
    audit(&fixture, &["absolute"]).expect(4, &["can't be"]);
}
