// SPDX-License-Identifier: Apache-2.0
//! `hardpan db`: made of what sources publish, signed, carried over files, HTTP and registries, never back in time.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use hardpan_scan::advisory::Collected;
use hardpan_scan::advisory::database::write;
use hardpan_scan::advisory::import::debian_tracker;
use hardpan_testkit::fixture::Fixture;
use hardpan_testkit::http::{HttpServer, Reply};
use hardpan_testkit::registry::{Auth, Registry};
use serde_json::{Value, json};

use crate::keys::{keygen, signing};
use crate::support::{Ran, hardpan, run};

/// A tracker that knows one vulnerability of openssl, and as many more as are wanted.
pub(crate) fn tracker(fixed: &str, more: usize) -> String {
    let release = |status: &str, fixed: &str| {
        json!({"releases": {"trixie": {
            "status": status, "fixed_version": fixed, "urgency": "high", "repositories": {"trixie": "1"},
        }}})
    };
    let mut all = json!({"openssl": {"CVE-2026-0001": release("resolved", fixed)}});
    for number in 0..more {
        let id = format!("CVE-2025-{:04}", number + 1000);
        all[format!("package-{number}")] = json!({id: release("resolved", "2.0-1")});
    }
    all.to_string()
}

/// Writes a tracker as it was on a day.
fn write_tracker(fixture: &Fixture, text: &str, day: u64) {
    fixture.write("work/tracker.json", text);
    set_day(fixture, "tracker.json", day);
}

/// Says on which day a file was changed.
fn set_day(fixture: &Fixture, name: &str, day: u64) {
    let file = File::options().write(true).open(fixture.path(format!("work/{name}"))).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400);
    file.set_modified(time).unwrap();
}

/// Returns what day it is.
fn today() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 86_400
}

/// CISA's catalog with one vulnerability.
const KEV: &str = r#"{"catalogVersion": "2026.01.01", "dateReleased": "2026-01-01T00:00:00Z", "count": 1, "vulnerabilities": [
    {"cveID": "CVE-2026-0001", "dateAdded": "2026-01-01", "knownRansomwareCampaignUse": "Known"}]}"#;

fn db(fixture: &Fixture, arguments: &[&str]) -> Ran {
    run(signing(fixture, &[&["db"], arguments].concat()))
}

/// Makes a signed database of a tracker of that day.
fn made(fixture: &Fixture, name: &str, fixed: &str, day: u64) {
    write_tracker(fixture, &tracker(fixed, 200), day);
    db(fixture, &["build", "--debian-tracker", "tracker.json", "-o", name, "--key", "k.key"])
        .expect(0, &["201 records", "1 source"]);
}

fn world() -> Fixture {
    let fixture = Fixture::new();
    keygen(&fixture, "k");
    keygen(&fixture, "other");
    made(&fixture, "old.hpdb", "3.5.1-2", 20_000);
    made(&fixture, "new.hpdb", "3.5.1-3", 20_001);
    fixture
}

fn status(fixture: &Fixture) -> Value {
    let ran = run(hardpan(fixture, &["db", "status", "--json"]));
    assert_eq!(ran.code, 0, "{ran}");
    ran.json()
}

#[test]
fn the_same_files_make_the_same_bytes_in_any_order() {
    let fixture = Fixture::new();
    write_tracker(&fixture, &tracker("3.5.1-2", 50), 20_000);
    fixture.write("work/kev.json", KEV);
    set_day(&fixture, "kev.json", 0);
    let build = |name: &str, arguments: &[&str]| {
        db(&fixture, &[&["build", "-o", name], arguments].concat()).expect(0, &["not signed"]);
        fs::read(fixture.path(format!("work/{name}"))).unwrap()
    };
    let one = build("a.hpdb", &["--kev", "kev.json", "--debian-tracker", "tracker.json"]);
    let other = build("b.hpdb", &["--debian-tracker", "tracker.json", "--kev", "kev.json"]);
    assert_eq!(one, other);
}

#[test]
fn files_urls_and_registries_bring_the_same_database() {
    let fixture = world();
    let registry = Registry::start(Auth::Open);
    let image = format!("{}/advisories:latest", registry.name());
    db(&fixture, &["publish", "old.hpdb", &image]).expect(0, &["published", "0 differences"]);
    let trust = ["--key", "k.pub"];
    let first = db(&fixture, &[&["update", &image, "--json"], &trust[..]].concat()).json();
    assert_eq!(first["is-unchanged"], false);
    assert_eq!(first["origin"]["signed-by"], "k.pub");
    // The newer one comes as a difference, which is smaller than the whole.
    let published =
        db(&fixture, &["publish", "new.hpdb", &image, "--previous", "old.hpdb", "--json"]);
    let published = published.expect(0, &[]).json();
    let second = db(&fixture, &[&["update", &image, "--json"], &trust[..]].concat()).json();
    let [moved, before] = [&second, &first].map(|one| one["transferred-bytes"].as_u64().unwrap());
    assert!(moved < before, "{second} {first}");
    assert_eq!(second["digest"], published["digest"]);
    assert_eq!(status(&fixture)["digest"], published["digest"]);
    // What is there already is not fetched again.
    let third = db(&fixture, &[&["update", &image, "--json"], &trust[..]].concat()).json();
    assert_eq!(third["is-unchanged"], true);
    assert!(third["transferred-bytes"].as_u64() < first["transferred-bytes"].as_u64(), "{third}");
    // Out of the machine and in again, it is the same, with its signature.
    db(&fixture, &["export", "carried.hpdb"]).expect(0, &["wrote"]);
    // Nothing else gets into a pipe.
    symlink("/dev/stdout", fixture.path("work/piped.hpdb")).unwrap();
    let build = ["build", "--debian-tracker", "tracker.json", "-o", "piped.hpdb"];
    db(&fixture, &["build", "--debian-tracker", "tracker.json", "-o", "here.hpdb"]).expect(0, &[]);
    for (arguments, same) in
        [(&["export", "piped.hpdb"][..], "carried.hpdb"), (&build[..], "here.hpdb")]
    {
        let piped = signing(&fixture, &[&["db"], arguments].concat()).output().unwrap();
        assert!(String::from_utf8_lossy(&piped.stderr).contains("wrote piped.hpdb"));
        assert!(piped.stdout == fs::read(fixture.path("work").join(same)).unwrap(), "{same}");
    }
    for end in ["", ".sigstore.json"] {
        let read = |name: &str| fs::read(fixture.path(format!("work/{name}{end}"))).unwrap();
        assert_eq!(read("carried.hpdb"), read("new.hpdb"), "{end}");
    }
    db(&fixture, &["remove"]).expect(0, &["removed"]);
    db(&fixture, &["remove"]).expect(0, &["there was no"]);
    run(hardpan(&fixture, &["db", "status"]))
        .expect(2, &["no advisory database", "hardpan db update"]);
    db(&fixture, &[&["import", "carried.hpdb"], &trust[..]].concat())
        .expect(0, &["updated", "signed by k.pub"]);
}

#[test]
fn what_nobody_trusted_signed_is_refused() {
    let fixture = world();
    let import =
        |file: &str, arguments: &[&str]| db(&fixture, &[&["import", file], arguments].concat());
    import("new.hpdb", &["--key", "other.pub"])
        .expect(4, &["not signed by a trusted key", "--key"]);
    // Another file under the signature of this one.
    fs::copy(fixture.path("work/old.hpdb"), fixture.path("work/swapped.hpdb")).unwrap();
    let beside = |name: &str| fixture.path(format!("work/{name}.sigstore.json"));
    fs::copy(beside("new.hpdb"), beside("swapped.hpdb")).unwrap();
    import("swapped.hpdb", &["--key", "k.pub"]).expect(4, &["not signed by a trusted key"]);
    // No signature at all.
    fs::copy(fixture.path("work/new.hpdb"), fixture.path("work/bare.hpdb")).unwrap();
    import("bare.hpdb", &["--key", "k.pub"]).expect(4, &["no signature", "--allow-unsigned"]);
    // Nobody is trusted.
    import("new.hpdb", &[]).expect(2, &["no key is trusted"]);
    run(hardpan(&fixture, &["db", "status"])).expect(2, &["no advisory database"]);
    import("bare.hpdb", &["--allow-unsigned"]).expect(0, &["signed by nobody"]);
}

#[test]
fn a_signature_of_an_image_does_not_vouch_for_a_database() {
    let fixture = world();
    let digest = hardpan_tree::Digest::of(&fs::read(fixture.path("work/new.hpdb")).unwrap());
    // A statement of another type about the same bytes, by the trusted key, as `attest add` would make it.
    let text = fs::read_to_string(fixture.path("work/new.hpdb.sigstore.json")).unwrap();
    assert!(text.contains("dsseEnvelope"), "{text} {digest}");
    let mut bundle: Value = serde_json::from_str(&text).unwrap();
    bundle["dsseEnvelope"]["payload"] = json!("e30=");
    fixture.write("work/new.hpdb.sigstore.json", bundle.to_string());
    db(&fixture, &["import", "new.hpdb", "--key", "k.pub"])
        .expect(4, &["not signed by a trusted key"]);
}

#[test]
fn time_does_not_run_backwards() {
    let fixture = world();
    let import = |file: &str, more: &[&str]| {
        db(&fixture, &[&["import", file, "--key", "k.pub"], more].concat())
    };
    import("new.hpdb", &[]).expect(0, &["updated"]);
    import("old.hpdb", &[])
        .expect(4, &["debian-tracker is of 2024-10-04", "and of 2024-10-05", "--allow-older"]);
    let before = status(&fixture)["digest"].clone();
    import("old.hpdb", &["--allow-older"]).expect(0, &["updated"]);
    assert_ne!(status(&fixture)["digest"], before);
}

/// Makes a database that nobody signed of a tracker of no known time.
fn untimed(fixture: &Fixture, name: &str) {
    let mut collected = Collected::new();
    debian_tracker(tracker("3.5.1-2", 1).as_bytes(), &mut collected).unwrap();
    fixture.write(&format!("work/{name}"), write(&collected).unwrap());
}

#[test]
fn a_source_without_a_time_is_not_newer_than_one_with() {
    let fixture = world();
    let import = |file: &str, more: &[&str]| {
        db(&fixture, &[&["import", file, "--key", "k.pub", "--allow-unsigned"], more].concat())
    };
    untimed(&fixture, "untimed.hpdb");
    import("new.hpdb", &[]).expect(0, &["updated"]);
    let refused =
        ["nobody says of when debian-tracker is", "2024-10-05", "--allow-older", "curl -R"];
    import("untimed.hpdb", &[]).expect(4, &refused);
    import("untimed.hpdb", &["--allow-older"]).expect(0, &["updated"]);
    // What is remembered begins anew from there.
    import("untimed.hpdb", &[]).expect(0, &["unchanged"]);
    import("old.hpdb", &[]).expect(0, &["updated"]);
    import("untimed.hpdb", &[]).expect(4, &refused[..1]);
}

#[test]
fn a_feed_without_a_time_is_told() {
    let fixture = Fixture::new();
    let server =
        HttpServer::start(|_| Reply::body("application/json", tracker("3.5.1-2", 1).into_bytes()));
    let url = format!("http://{}/tracker.json", server.address());
    let build = ["build", "--debian-tracker", &url, "-o", "a.hpdb"];
    db(&fixture, &build).expect(0, &["nobody says when the data of debian-tracker was made"]);
    let ran = db(&fixture, &[&build[..], &["--json"]].concat()).expect(0, &[]);
    assert_eq!(ran.json()["untimed"], json!(["debian-tracker"]));
    write_tracker(&fixture, &tracker("3.5.1-2", 1), 20_000);
    let ran = db(&fixture, &["build", "--debian-tracker", "tracker.json", "--json"]);
    assert_eq!(ran.expect(0, &[]).json()["untimed"], json!([]));
}

#[test]
fn two_at_the_same_time_come_one_after_the_other() {
    let fixture = world();
    let import = |file: &str| db(&fixture, &["import", file, "--key", "k.pub"]);
    let newest = fixture.path("store/advisories/newest.json");
    import("new.hpdb").expect(0, &["updated"]);
    let of_new = fs::read(&newest).unwrap();
    db(&fixture, &["remove"]).expect(0, &["removed"]);
    import("old.hpdb").expect(0, &["updated"]);
    // Somebody else is at it.
    let name = hardpan_tree::Digest::of(b"advisories").to_hex();
    let lock = File::create(fixture.path(format!("store/tmp/{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let mut command = signing(&fixture, &["db", "import", "old.hpdb", "--key", "k.pub"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut second = command.spawn().unwrap();
    sleep(Duration::from_secs(1));
    assert!(second.try_wait().unwrap().is_none(), "it did not wait");
    fs::write(&newest, of_new).unwrap();
    drop(lock);
    let output = second.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("and of 2024-10-05"), "{text}");
}

#[test]
fn a_database_that_is_gone_is_brought_again() {
    let fixture = world();
    let import = || db(&fixture, &["import", "new.hpdb", "--key", "k.pub"]);
    import().expect(0, &["updated"]);
    let folder = fixture.path("store/advisories");
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|path| path.extension().is_some_and(|end| end == "hpdb")) {
        fs::remove_file(file).unwrap();
    }
    run(hardpan(&fixture, &["db", "status"])).expect(4, &["is gone from", "hardpan db update"]);
    import().expect(0, &["updated"]);
    run(hardpan(&fixture, &["db", "status"])).expect(0, &["signed by k.pub"]);
}

#[test]
fn an_export_has_no_signature_of_another_one() {
    let fixture = world();
    let export = || db(&fixture, &["export", "out.hpdb"]).expect(0, &["wrote"]);
    db(&fixture, &["import", "old.hpdb", "--key", "k.pub"]).expect(0, &[]);
    export();
    let bundle = fixture.path("work/out.hpdb.sigstore.json");
    assert!(bundle.exists());
    fs::copy(fixture.path("work/new.hpdb"), fixture.path("work/bare.hpdb")).unwrap();
    db(&fixture, &["import", "bare.hpdb", "--allow-unsigned"]).expect(0, &["updated"]);
    export();
    assert!(!bundle.exists());
    db(&fixture, &["import", "out.hpdb", "--allow-unsigned"]).expect(0, &["unchanged"]);
}

#[test]
fn two_databases_do_not_bring_back_what_one_may_not() {
    let fixture = world();
    fixture.write("work/kev.json", KEV);
    db(&fixture, &["build", "--kev", "kev.json", "-o", "kev.hpdb", "--key", "k.key"])
        .expect(0, &[]);
    let import = |file: &str, more: &[&str]| {
        db(&fixture, &[&["import", file, "--key", "k.pub"], more].concat())
    };
    import("new.hpdb", &[]).expect(0, &["updated"]);
    import("kev.hpdb", &[]).expect(0, &["updated", "nothing of debian-tracker"]);
    let refused = ["debian-tracker is of 2024-10-04", "and of 2024-10-05", "--allow-older"];
    import("old.hpdb", &[]).expect(4, &refused);
    // Also where the database itself was damaged meanwhile.
    let current = fixture.path("store/advisories/current.json");
    fs::write(&current, "{").unwrap();
    import("old.hpdb", &[]).expect(4, &refused);
    import("new.hpdb", &[]).expect(0, &["updated"]);
    // What is remembered can't be lost silently.
    let newest = fixture.path("store/advisories/newest.json");
    let kept = fs::read(&newest).unwrap();
    fs::write(&newest, "{").unwrap();
    import("old.hpdb", &[]).expect(4, &["newest.json", "--allow-older"]);
    fs::write(&newest, kept).unwrap();
    // Who allows it starts anew from there.
    import("old.hpdb", &["--allow-older"]).expect(0, &["updated"]);
    import("kev.hpdb", &[]).expect(0, &["updated"]);
    import("old.hpdb", &[]).expect(0, &["updated"]);
    import("new.hpdb", &[]).expect(0, &["updated"]);
    import("old.hpdb", &[]).expect(4, &refused);
    db(&fixture, &["remove"]).expect(0, &["removed"]);
    import("old.hpdb", &[]).expect(0, &["updated"]);
}

#[test]
fn nothing_is_of_the_future() {
    let fixture = world();
    let build = |day: u64| {
        write_tracker(&fixture, &tracker("3.5.1-2", 1), day);
        db(
            &fixture,
            &["build", "--debian-tracker", "tracker.json", "-o", "f.hpdb", "--key", "k.key"],
        )
    };
    build(today() + 3).expect(2, &["debian-tracker would be of 20", "clock", "touch"]);
    assert!(!fixture.path("work/f.hpdb").exists());
    // Clocks differ a little.
    build(today() + 1).expect(0, &[]);
    db(&fixture, &["import", "f.hpdb", "--key", "k.pub"]).expect(0, &["updated"]);
    run(hardpan(&fixture, &["db", "status"])).expect(0, &["today"]);
}

#[test]
fn one_record_of_the_future_does_not_cost_a_source() {
    let fixture = Fixture::new();
    for (name, modified) in [("a", "2099-01-01T00:00:00Z"), ("b", "2026-01-02T00:00:00Z")] {
        let range = json!({"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2"}]});
        let affected = json!([{"package": {"ecosystem": "npm", "name": "a"}, "ranges": [range]}]);
        let record =
            json!({"id": format!("GHSA-{name}"), "modified": modified, "affected": affected});
        fixture.write(&format!("work/osv/{name}.json"), record.to_string());
    }
    let told = ["1 record without its time, changed in the future (GHSA-a 2099-01-01"];
    let build = |osv: &str| db(&fixture, &["build", "--osv", osv, "-o", "f.hpdb"]);
    build("osv").expect(0, &told).expect(0, &["2 records of 1 source"]);
    let status = run(hardpan(&fixture, &["db", "status", "--db", "f.hpdb", "--json"]));
    assert_eq!(status.expect(0, &[]).json()["sources"][0]["time"], "2026-01-02T00:00:00Z");
    // Also one by itself, which then is of the time of its file.
    set_day(&fixture, "osv/a.json", 20_000);
    build("osv/a.json").expect(0, &told);
    let status = run(hardpan(&fixture, &["db", "status", "--db", "f.hpdb", "--json"]));
    assert_eq!(status.expect(0, &[]).json()["sources"][0]["time"], "2024-10-04T00:00:00Z");
}

/// A file of NVD with one vulnerability.
fn nvd(id: &str) -> String {
    let vulnerabilities = json!([{"cve": {"id": id}}]);
    json!({"format": "NVD_CVE", "version": "2.0", "vulnerabilities": vulnerabilities}).to_string()
}

#[test]
fn a_source_in_several_files_is_as_old_as_its_newest() {
    let fixture = world();
    let write = |name: &str, id: &str, day: u64| {
        fixture.write(&format!("work/{name}"), nvd(id));
        set_day(&fixture, name, day);
    };
    let made = |name: &str| {
        let feeds = ["build", "--nvd", "closed.json", "--nvd", "open.json", "-o", name];
        db(&fixture, &[&feeds[..], &["--key", "k.key"]].concat()).expect(0, &["2 sources"]);
    };
    // A year that is closed stays as it is, and the newest one grows.
    write("closed.json", "CVE-2020-0001", 10_000);
    write("open.json", "CVE-2026-0001", 20_000);
    made("first.hpdb");
    write("open.json", "CVE-2026-0002", 20_001);
    made("second.hpdb");
    let import = |name: &str| db(&fixture, &["import", name, "--key", "k.pub"]);
    import("first.hpdb").expect(0, &["updated"]);
    import("second.hpdb").expect(0, &["updated"]);
    import("first.hpdb").expect(4, &["nvd is of 2024-10-04", "and of 2024-10-05"]);
}

#[test]
fn damaged_databases_are_refused_whoever_signed_them() {
    let fixture = world();
    let path = fixture.path("work/broken.hpdb");
    let bytes = fs::read(fixture.path("work/new.hpdb")).unwrap();
    for (summary, damaged) in [
        ("cut", bytes[..bytes.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("text", b"{}".to_vec()),
        (
            "changed",
            bytes
                .iter()
                .enumerate()
                .map(|(at, byte)| if at == bytes.len() - 9 { !byte } else { *byte })
                .collect(),
        ),
    ] {
        fs::write(&path, damaged).unwrap();
        let ran = db(&fixture, &["import", "broken.hpdb", "--allow-unsigned"]);
        assert_eq!(ran.code, 4, "{summary}: {ran}");
    }
    // And one that was good when it came.
    db(&fixture, &["import", "new.hpdb", "--key", "k.pub"]).expect(0, &[]);
    let folder = fixture.path("store/advisories");
    let file = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let file =
        file.into_iter().find(|path| path.extension().is_some_and(|end| end == "hpdb")).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 9;
    bytes[last] ^= 1;
    fs::write(&file, bytes).unwrap();
    run(hardpan(&fixture, &["db", "status"])).expect(4, &["was changed", "hardpan db remove"]);
}

#[test]
fn feeds_that_are_something_else_are_named() {
    let fixture = Fixture::new();
    fixture.write("work/kev.json", "{\"vulnerabilities\": 1}");
    fixture.write("work/empty/README", "nothing");
    let build = |arguments: &[&str]| db(&fixture, &[&["build"], arguments].concat());
    build(&[]).expect(2, &["a database of what?"]);
    build(&["--kev", "kev.json"]).expect(2, &["can't take what kev.json says"]);
    build(&["--osv", "empty"]).expect(2, &["no .json", "empty"]);
    build(&["--security-support", "file"]).expect(2, &["RELEASE=FILE"]);
    build(&["--kev", "missing.json"]).expect(2, &["can't read missing.json"]);
    build(&["--kev", "https://feeds.example/kev.json", "--offline"])
        .expect(3, &["feeds.example", "nothing is kept of what a URL gives", "curl -R -O"]);
    assert!(!fixture.path("work/advisories.hpdb").exists());
}

#[test]
fn feeds_that_give_nothing_are_told() {
    let fixture = Fixture::new();
    for name in ["CVE", "DSA", "DLA"] {
        fixture.write(&format!("work/lists/{name}/list"), "");
    }
    fixture.write("work/lists/CVE/list", "CVE-2026-0001 (x)\n\t- glibc 2.42-1\n");
    fixture.write("work/empty.json", "{}");
    fixture.write("work/empty", "");
    fixture.write("work/warty.json", tracker("3.5.1-2", 3).replace("trixie", "warty"));
    write_tracker(&fixture, &tracker("3.5.1-2", 1), 20_000);
    let build = |arguments: &[&str]| db(&fixture, &[&["build"], arguments].concat());
    let lists = ["--debian-lists", "lists", "--debian-sources"];
    build(&[&lists[..], &["trixi"]].concat())
        .expect(2, &["\"trixi\" is no release", "did you mean trixie?"]);
    build(&[&lists[..], &["trixie=empty"]].concat())
        .expect(2, &["lists", "not the Sources of a release"]);
    build(&["--security-support", "foo=empty"])
        .expect(2, &["\"foo\" is no release", "known are 10, 11, 12", "--distro-info"]);
    build(&["--debian-tracker", "empty.json"])
        .expect(2, &["there is nothing of debian-tracker in empty.json"]);
    assert!(!fixture.path("work/advisories.hpdb").exists());
    build(&[&lists[..], &["trixie"]].concat()).expect(0, &["1 record "]);
    // The list of a new release may be empty.
    build(&["--debian-tracker", "tracker.json", "--security-support", "14=empty"])
        .expect(0, &["warning: there is nothing of security-support:14 in empty"]);
    build(&["--debian-tracker", "warty.json"])
        .expect(0, &["4 records of warty are not in it", "--distro-info"]);
    // It tells of the release, wherever it stands among the feeds.
    fixture.write("work/debian.csv", "version,series,eol\n4.10,warty,2006-04-30\n");
    let told = build(&["--debian-tracker", "warty.json", "--distro-info", "debian.csv", "--json"]);
    assert_eq!(told.expect(0, &[]).json()["unplaced"], json!({}));
    // The same twice is there once.
    let tracker = ["--debian-tracker", "tracker.json"];
    build(&[tracker, tracker].concat()).expect(0, &["counts once", "2 records of 1 source"]);
}

#[test]
fn old_data_is_told() {
    let fixture = world();
    db(&fixture, &["import", "new.hpdb", "--key", "k.pub"]).expect(0, &[]);
    let ran = run(hardpan(&fixture, &["db", "status", "--max-age", "7"]));
    ran.expect(1, &["debian-tracker", "201 records", "days old", "signed by k.pub"]);
    run(hardpan(&fixture, &["db", "status", "--max-age", "1000000"])).expect(0, &[]);
}
