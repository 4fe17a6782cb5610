// SPDX-License-Identifier: Apache-2.0
//! `hardpan vex`: statements with evidence, documents of several, remarks, repositories.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use hardpan_testkit::fixture::Fixture;
use hardpan_testkit::go_vex::{GoVex, Question};
use hardpan_testkit::oci::{Layer, OciImage, Tar};
use serde_json::{Value, json};

use crate::db::tracker;
use crate::support::{Ran, clean, hardpan, run, skip};

const STATUS: &str = "Package: libssl3t64\nStatus: install ok installed\nSource: openssl\nVersion: 3.5.1-1\nArchitecture: amd64\n\n\
Package: package-0\nStatus: install ok installed\nVersion: 2.0-1+deb13u1\nArchitecture: amd64\n";

fn world() -> Fixture {
    let fixture = Fixture::new();
    fixture.write("work/root/etc/os-release", "ID=debian\nVERSION_ID=13\n");
    fixture.write("work/root/var/lib/dpkg/status", STATUS);
    fixture.write("work/root/usr/lib/libssl.so.3", "code");
    fixture.write("work/tracker.json", tracker("3.5.1-2", 1));
    let build = ["db", "build", "--debian-tracker", "tracker.json", "-o", "a.hpdb"];
    run(hardpan(&fixture, &build)).expect(0, &[]);
    fixture
}

fn vex(fixture: &Fixture, arguments: &[&str]) -> Ran {
    run(hardpan(fixture, &[&["vex"], arguments].concat()))
}

fn add(fixture: &Fixture, claim: &[&str]) -> Ran {
    let first =
        ["add", "root", "--db", "a.hpdb", "--author", "Example", "-o", "vex.json", "--offline"];
    vex(fixture, &[&first[..], claim].concat())
}

fn read(fixture: &Fixture, name: &str) -> Value {
    serde_json::from_slice(&fs::read(fixture.path(format!("work/{name}"))).unwrap()).unwrap()
}

/// What is said of which vulnerability.
fn statements(document: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let said =
        |one: &Value| format!("{} {}", text(&one["vulnerability"]["name"]), text(&one["status"]));
    document["statements"].as_array().unwrap().iter().map(said).collect()
}

const CLAIM: [&str; 4] = ["--vulnerability", "CVE-2026-0001", "--package", "openssl"];

#[test]
fn a_claim_that_the_files_agree_with_is_stated_and_applied() {
    let fixture = world();
    let scan = |more: &[&str]| {
        run(hardpan(&fixture, &[&["scan", "root", "--db", "a.hpdb"], more].concat()))
    };
    scan(&[]).expect(0, &["1 high"]);
    let claim =
        [&CLAIM[..], &["--no-file", "usr/bin/openssl", "--reason", "the flaw is in the tool"]]
            .concat();
    add(&fixture, &claim).expect(0, &["wrote vex.json"]);
    let document = read(&fixture, "vex.json");
    assert!(statements(&document).contains(&"CVE-2026-0001 not_affected".to_owned()), "{document}");
    scan(&["--vex", "vex.json"]).expect(0, &["no known vulnerability", "1 suppressed"]);
    vex(&fixture, &["check", "vex.json"]).expect(0, &["0 problems"]);
    // What was stated stays when more is.
    add(&fixture, &["--fixed", "all"]).expect(0, &[]);
    let document = read(&fixture, "vex.json");
    assert!(statements(&document).contains(&"CVE-2026-0001 not_affected".to_owned()), "{document}");
    assert!(statements(&document).contains(&"CVE-2025-1000 fixed".to_owned()), "{document}");
    assert_eq!(document["version"], 2);
}

#[test]
fn a_claim_that_the_files_contradict_writes_nothing() {
    let fixture = world();
    for (absent, found) in [
        (["--no-file", "usr/lib/libssl.so.*"], "libssl.so.3"),
        (["--not-built", "/usr/lib/**"], "libssl.so.3"),
        (["--no-package", "libssl3t64"], "libssl3t64"),
    ] {
        let claim = [&CLAIM[..], &absent, &["--reason", "somebody says so"]].concat();
        add(&fixture, &claim).expect(1, &["does not hold", found]);
    }
    let other = [
        "--vulnerability",
        "CVE-2026-9999",
        "--package",
        "openssl",
        "--no-package",
        "x",
        "--reason",
        "y",
    ];
    add(&fixture, &other).expect(1, &["does not hold"]);
    add(&fixture, &CLAIM).expect(2, &["what is not there?"]);
    add(&fixture, &[&CLAIM[..], &["--no-package", "x"]].concat()).expect(2, &["--reason"]);
    assert!(!fixture.path("work/vex.json").exists());
}

fn document(fixture: &Fixture, name: &str, time: &str, status: &Value) {
    let mut statement = json!({
        "vulnerability": {"name": "CVE-2026-0001"}, "timestamp": time,
        "products": [{"@id": "pkg:deb/debian/libssl3t64@3.5.1-1?arch=amd64"}],
    });
    for (key, value) in status.as_object().unwrap() {
        statement[key] = value.clone();
    }
    let document = json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": format!("https://a.example/{name}"),
        "author": "Example", "timestamp": time, "version": 1, "statements": [statement],
    });
    fixture.write(&format!("work/{name}"), document.to_string());
}

#[test]
fn of_several_documents_the_newest_statement_counts() {
    let fixture = Fixture::new();
    let unaffected = json!({"status": "not_affected", "justification": "component_not_present"});
    document(&fixture, "old.json", "2025-01-01T00:00:00Z", &unaffected);
    let affected = json!({"status": "affected", "action_statement": "update"});
    document(&fixture, "new.json", "2026-01-01T00:00:00Z", &affected);
    let merge = |order: [&str; 2]| {
        let rest = ["--author", "Both", "--id", "https://a.example/all"];
        let ran = vex(&fixture, &[&["merge"], &order[..], &rest[..]].concat());
        assert_eq!(ran.code, 0, "{ran}");
        ran.stdout
    };
    let merged = merge(["old.json", "new.json"]);
    assert_eq!(merged, merge(["new.json", "old.json"]));
    let merged: Value = serde_json::from_str(&merged).unwrap();
    assert_eq!(statements(&merged), ["CVE-2026-0001 affected"]);
    assert_eq!(merged["timestamp"], "2026-01-01T00:00:00Z");
    let repository = [
        "repository",
        "old.json",
        "--author",
        "E",
        "--base",
        "https://v.example",
        "--archive",
        "https://v.example/v.tar.gz",
        "-o",
        "repo",
    ];
    vex(&fixture, &repository).expect(0, &["wrote repo"]);
    for file in
        ["index.json", ".well-known/vex-repository.json", "pkg/deb/debian/libssl3t64/vex.json"]
    {
        assert!(fixture.path(format!("work/repo/{file}")).is_file(), "{file}");
    }
}

#[test]
fn what_is_wrong_with_documents_is_said() {
    let fixture = Fixture::new();
    let accepted = json!({"status": "not_affected", "impact_statement": "Marked no-dsa by Debian"});
    document(&fixture, "risk.json", "2025-01-01T00:00:00Z", &accepted);
    vex(&fixture, &["check", "risk.json"]).expect(1, &["risk.json", "1 statement"]);
    fixture.write("work/not.json", "{}");
    vex(&fixture, &["check", "not.json"]).expect(2, &["not.json is no VEX document"]);
    vex(&fixture, &["merge", "not.json", "--author", "a", "--id", "https://a.example/x"])
        .expect(2, &["not.json"]);
    vex(&fixture, &["merge", "risk.json", "--author", "", "--id", "https://a.example/x"])
        .expect(2, &["can't be written"]);
}

#[test]
fn outputs_go_where_links_lead_and_into_pipes() {
    let fixture = Fixture::new();
    document(
        &fixture,
        "risk.json",
        "2025-01-01T00:00:00Z",
        &json!({"status": "affected", "action_statement": "wait"}),
    );
    let merge = |output: &str, arguments: &[&str]| {
        let command = ["merge", "risk.json", "--author", "a", "--id", "https://a.example/x"];
        vex(&fixture, &[&command[..], arguments, &["-o", output]].concat())
    };
    let at = |name: &str| fixture.path("work").join(name);
    merge("plain.json", &[]).expect(0, &["wrote plain.json (1 statement)"]);
    let plain = fs::read_to_string(at("plain.json")).unwrap();
    fs::write(at("real.json"), "old").unwrap();
    symlink("real.json", at("link.json")).unwrap();
    merge("link.json", &[]).expect(0, &["wrote link.json"]);
    assert!(at("link.json").is_symlink());
    assert_eq!(fs::read_to_string(at("real.json")).unwrap(), plain);
    // The standard output is a pipe here, and a link of /proc leads to it.
    symlink("/proc/self/fd/1", at("out")).unwrap();
    let ran = merge("out", &[]);
    assert_eq!((ran.code, &ran.stdout), (0, &plain), "{ran}");
    assert!(ran.stderr.contains("wrote out (1 statement)"), "{ran}");
    assert!(at("out").is_symlink());
    fs::create_dir(at("folder")).unwrap();
    merge("folder", &[]).expect(3, &["can't write folder", "is a directory"]);
    assert_eq!(fs::read_dir(at("folder")).unwrap().count(), 0);
    // What was in a file stays if the standard output goes to its end.
    fs::write(at("log"), "before\n").unwrap();
    let mut command = hardpan(&fixture, &["vex", "merge", "risk.json", "--author", "a"]);
    command.args(["--id", "https://a.example/x", "-o", "out"]);
    command.stdout(File::options().append(true).open(at("log")).unwrap());
    assert!(command.status().unwrap().success());
    assert_eq!(fs::read_to_string(at("log")).unwrap(), format!("before\n{plain}"));
    // So it does if another open file is named.
    let arguments = "vex merge risk.json --author a --id https://a.example/x -o /dev/fd/3 3>>log";
    let program = hardpan(&fixture, &[]).get_program().to_owned();
    let mut shell = clean("sh", &fixture);
    shell.args(["-c", &format!("exec \"$0\" {arguments}")]).arg(program);
    run(shell).expect(0, &["wrote /dev/fd/3"]);
    assert_eq!(fs::read_to_string(at("log")).unwrap(), format!("before\n{plain}{plain}"));
}

#[test]
fn statements_go_to_the_standard_output() {
    let fixture = world();
    let arguments =
        ["vex", "add", "root", "--db", "a.hpdb", "--author", "E", "-o", "/dev/stdout", "--offline"];
    let ran = run(hardpan(&fixture, &arguments)).expect(0, &["wrote /dev/stdout"]);
    let document = ran.json();
    assert!(statements(&document).contains(&"CVE-2026-0001 affected".to_owned()), "{document}");
    // A file behind it is none that was there before, also if it is empty or has something else.
    for before in ["", "a line\n"] {
        fixture.write("work/log", before);
        let mut command = hardpan(&fixture, &arguments);
        let log = File::options().append(true).open(fixture.path("work/log")).unwrap();
        let ran = command.stdout(log).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let text = fs::read_to_string(fixture.path("work/log")).unwrap();
        let written = text.strip_prefix(before).unwrap_or_default();
        let written: Value = serde_json::from_str(written).unwrap();
        assert_eq!(statements(&written), statements(&document));
    }
}

#[test]
fn what_could_not_be_written_again_is_not_lost() {
    let fixture = world();
    let fixed = json!({"status": "fixed"});
    document(&fixture, "vex.json", "2026-01-01T00:00:00Z", &fixed);
    let mut before = read(&fixture, "vex.json");
    let mut versionless = before["statements"][0].clone();
    versionless["vulnerability"]["name"] = "CVE-2026-0007".into();
    versionless["products"] = json!([{"@id": "pkg:deb/debian/libssl3t64"}]);
    let mut ahead = before["statements"][0].clone();
    ahead["vulnerability"]["name"] = "CVE-2026-0008".into();
    ahead["timestamp"] = "2099-01-01T00:00:00Z".into();
    let mut unknown = before["statements"][0].clone();
    unknown["status"] = "fine".into();
    for (bad, why) in [
        (versionless, "without saying in which version"),
        (ahead, "in the future"),
        (unknown, "its status is \"fine\""),
    ] {
        before["statements"].as_array_mut().unwrap().truncate(1);
        before["statements"].as_array_mut().unwrap().push(bad);
        fixture.write("work/vex.json", before.to_string());
        for quiet in [&["--quiet"][..], &[]] {
            add(&fixture, quiet).expect(2, &["what is in vex.json would be lost", why, "with -o"]);
            assert_eq!(read(&fixture, "vex.json"), before);
        }
    }
    // What hardpan writes itself it takes again.
    fs::remove_file(fixture.path("work/vex.json")).unwrap();
    for _ in 0..3 {
        add(&fixture, &["--fixed", "all"]).expect(0, &["wrote vex.json"]);
    }
    assert_eq!(read(&fixture, "vex.json")["version"], 3);
}

#[test]
fn what_is_dated_into_the_future_is_told_and_excuses_nothing() {
    let fixture = world();
    let unaffected = json!({"status": "not_affected", "justification": "component_not_present"});
    document(&fixture, "future.json", "2099-01-01T00:00:00Z", &unaffected);
    let affected = json!({"status": "affected", "action_statement": "update"});
    document(&fixture, "now.json", "2026-01-01T00:00:00Z", &affected);
    let scan = ["scan", "root", "--db", "a.hpdb", "--vex", "future.json", "--vex", "now.json"];
    let told = "a statement of future.json does not count: it is of 2099-01-01T00:00:00Z";
    run(hardpan(&fixture, &scan)).expect(0, &["1 high", told]);
    vex(&fixture, &["check", "now.json"]).expect(0, &["0 problems"]);
    vex(&fixture, &["check", "future.json"]).expect(1, &["in the future", "1 problem"]);
    let both = ["--author", "Both", "--id", "https://a.example/all", "-o", "all.json"];
    let merge = |first: &str| vex(&fixture, &[&["merge", first, "now.json"], &both[..]].concat());
    merge("future.json").expect(2, &["no statement of future.json can be used", "in the future"]);
    let mut mixed = read(&fixture, "future.json");
    mixed["statements"]
        .as_array_mut()
        .unwrap()
        .push(read(&fixture, "now.json")["statements"][0].clone());
    fixture.write("work/mixed.json", mixed.to_string());
    let told = ["mixed.json: CVE-2026-0001", "in the future"];
    merge("mixed.json").expect(0, &told);
    let merged = read(&fixture, "all.json");
    assert_eq!(statements(&merged), ["CVE-2026-0001 affected"]);
    assert_eq!(merged["timestamp"], "2026-01-01T00:00:00Z");
}

#[test]
fn what_can_t_be_used_of_documents_is_told_wherever_it_is_left_out() {
    let fixture = world();
    let time = "2026-01-01T00:00:00Z";
    document(&fixture, "good.json", time, &json!({"status": "affected", "action_statement": "x"}));
    document(&fixture, "bad.json", time, &json!({"status": "fine"}));
    let mut some = read(&fixture, "good.json");
    let bad = read(&fixture, "bad.json")["statements"][0].clone();
    let mut nameless = bad.clone();
    nameless["vulnerability"]["name"] = "".into();
    some["statements"].as_array_mut().unwrap().extend([bad, nameless]);
    fixture.write("work/some.json", some.to_string());
    let any = json!({"status": "fixed", "products": [{"@id": "pkg:deb/debian/libssl3t64"}]});
    document(&fixture, "any.json", time, &any);
    let scan = ["scan", "root", "--db", "a.hpdb", "--vex", "bad.json", "--vex", "some.json"];
    let first = "some.json: 2 statements are left out: CVE-2026-0001: its status is \"fine\"; ?: ";
    run(hardpan(&fixture, &scan)).expect(0, &["bad.json: 1 statement is left out", first]);
    let merge = |names: &[&str]| {
        let _ = fs::remove_file(fixture.path("work/m.json"));
        let rest = ["--author", "A", "--id", "https://a.example/m", "-o", "m.json"];
        vex(&fixture, &[&["merge"], names, &rest].concat())
    };
    merge(&["some.json"]).expect(0, &[first, "wrote m.json (1 statement)"]);
    let why = "without saying in which version";
    merge(&["any.json", "good.json"]).expect(2, &["no statement of any.json can be used", why]);
    let mut both = read(&fixture, "good.json");
    both["statements"]
        .as_array_mut()
        .unwrap()
        .push(read(&fixture, "any.json")["statements"][0].clone());
    fixture.write("work/both.json", both.to_string());
    let ran = merge(&["both.json", "--quiet"]);
    ran.expect(0, &["both.json: CVE-2026-0001", why]);
    assert_eq!(statements(&read(&fixture, "m.json")), ["CVE-2026-0001 affected"]);
    merge(&["good.json", "bad.json"])
        .expect(2, &["no statement of bad.json can be used", "its status is \"fine\""]);
    assert!(!fixture.path("work/m.json").exists());
    merge(&["any.json"]).expect(2, &["no statement of any.json can be used"]);
    // What is there already is not written over where it can't be read.
    fs::copy(fixture.path("work/bad.json"), fixture.path("work/vex.json")).unwrap();
    add(&fixture, &[]).expect(2, &["no statement of vex.json can be used"]);
    assert_eq!(read(&fixture, "vex.json"), read(&fixture, "bad.json"));
}

#[test]
fn a_name_that_nothing_knows_is_told() {
    let fixture = world();
    let claim = |name: &str| {
        let absent = ["--no-package", name, "--reason", "the flaw is there"];
        add(&fixture, &[&CLAIM[..], &absent].concat())
    };
    let told = "no data says whether libssl3t46 is a package of openssl";
    claim("libssl3t46").expect(0, &[told, "did you mean libssl3t64, which is installed?"]);
    let notes = read(&fixture, "vex.json")["statements"].to_string();
    assert!(notes.contains("not installed: libssl3t46, which whoever states this"), "{notes}");
    let ran = claim("openssl-provider-legacy").expect(0, &["no data says whether"]);
    assert!(!ran.stderr.contains("did you mean"), "{ran}");
}

/// Returns what Syft calls the packages of a layout, by their names.
fn called_by_syft(fixture: &Fixture) -> Option<BTreeMap<String, String>> {
    let folder = std::env::var_os("HARDPAN_TEST_SBOM_TOOLS").map(PathBuf::from)?;
    let program = Some(folder.join("syft")).filter(|program| program.is_file())?;
    let mut command = Command::new(program);
    command.args(["scan", "--quiet", "--output", "syft-json", "oci-dir:image"]);
    command.current_dir(fixture.path("work")).env("HOME", fixture.path("home"));
    let output = command.env("SYFT_CHECK_FOR_APP_UPDATE", "false").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages = found["artifacts"].as_array().unwrap().iter();
    Some(packages.map(|it| (text(&it["name"]), text(&it["purl"]))).collect())
}

#[test]
fn go_vex_suppresses_in_what_syft_finds_what_we_suppress() {
    let test = "go_vex_suppresses_in_what_syft_finds_what_we_suppress";
    let Some(go_vex) = GoVex::find() else { return skip(test, "there is no go-vex") };
    let fixture = Fixture::new();
    let package = |name: &str, source: &str, version: &str| {
        format!(
            "Package: {name}\nStatus: install ok installed\nSource: {source}\nVersion: {version}\nArchitecture: amd64\n\n"
        )
    };
    let status = [
        package("libssl3t64", "openssl", "3.5.1-1+deb13u1"),
        package("libstdc++6", "gcc-14", "14.2.0-19"),
        package("zlib1g", "zlib", "1:1.3.1-1"),
    ];
    let tar = Tar::default()
        .file("etc/os-release", b"ID=debian\nVERSION_ID=\"13\"\n")
        .file("etc/debian_version", b"13.1\n")
        .file("var/lib/dpkg/status", status.concat().as_bytes());
    let image = OciImage::new("amd64", &[Layer::plain(tar.end())], &[]);
    image.write_layout(&fixture.path("work/image"), "example.com/app:1");
    let open = json!({"releases": {"trixie": {
        "status": "resolved", "fixed_version": "9:99", "urgency": "high", "repositories": {"trixie": "1"},
    }}});
    let tracker = json!({
        "openssl": {"CVE-2026-0001": open, "CVE-2026-0002": open},
        "gcc-14": {"CVE-2026-0003": open}, "zlib": {"CVE-2026-0004": open},
    });
    fixture.write("work/tracker.json", tracker.to_string());
    run(hardpan(&fixture, &["db", "build", "--debian-tracker", "tracker.json", "-o", "a.hpdb"]))
        .expect(0, &[]);
    // Two claims, one after the other.
    for (id, source, absent) in [
        ("CVE-2026-0001", "openssl", "usr/bin/openssl"),
        ("CVE-2026-0003", "gcc-14", "usr/bin/g++*"),
    ] {
        let arguments = [
            ["add", "image", "--db", "a.hpdb", "--author", "A", "-o", "vex.json", "--offline"]
                .as_slice(),
            &[
                "--vulnerability",
                id,
                "--package",
                source,
                "--no-file",
                absent,
                "--reason",
                "it is not there",
            ],
        ];
        vex(&fixture, &arguments.concat()).expect(0, &["wrote vex.json"]);
    }
    let scan = ["scan", "image", "--db", "a.hpdb", "--vex", "vex.json", "--json"];
    let report = run(hardpan(&fixture, &scan)).json();
    let document = fs::read(fixture.path("work/vex.json")).unwrap();
    let Some(called) = called_by_syft(&fixture) else { return skip(test, "there is no syft") };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (name, digest) = (text(&report["subject"]["name"]), text(&report["subject"]["digest"]));
    let last = name.rsplit('/').next().unwrap();
    let image = format!("pkg:oci/{last}@{digest}?repository_url={}", name.replace('/', "%2F"));
    let (mut ours, mut theirs, mut all) = (BTreeSet::new(), BTreeSet::new(), 0);
    for row in report["rows"].as_array().unwrap() {
        let (id, name) = (text(&row["id"]), text(&row["package"]["name"]));
        let is = row["status"]["state"] == "suppressed";
        ours.extend(is.then(|| format!("{id} {name}")));
        let question = Question {
            vulnerability: id.clone(),
            product: image.clone(),
            parts: vec![called[&name].clone()],
        };
        let answers = go_vex.answers(&[&document], &[question]);
        let last = answers[0].last().map(String::as_str);
        theirs
            .extend(matches!(last, Some("not_affected" | "fixed")).then(|| format!("{id} {name}")));
        all += 1;
    }
    assert_eq!(theirs, ours, "{called:?}");
    let expected = ["CVE-2026-0001 libssl3t64", "CVE-2026-0003 libstdc++6"];
    assert_eq!((ours.iter().map(String::as_str).collect::<Vec<_>>(), all), (expected.to_vec(), 4));
}
