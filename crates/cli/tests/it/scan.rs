// SPDX-License-Identifier: Apache-2.0
//! `hardpan scan`: what is found, why, what VEX excuses, and what is never silent.

use std::fs::File;
use std::process::Stdio;

use hardpan_scan::advisory::Collected;
use hardpan_scan::advisory::database::write;
use hardpan_scan::advisory::import::{Input, debian_tracker};
use hardpan_testkit::fixture::Fixture;
use serde_json::{Value, json};

use crate::db::tracker;
use crate::support::{Ran, hardpan, run};

const STATUS: &str = "Package: libssl3t64\nStatus: install ok installed\nSource: openssl (3.5.1-1)\nVersion: 3.5.1-1+b1\nArchitecture: amd64\n\n\
Package: openssl\nStatus: install ok installed\nVersion: 3.5.1-1\nArchitecture: amd64\n\n\
Package: package-0\nStatus: install ok installed\nVersion: 2.0-1\nArchitecture: amd64\n";

/// A root file system of Debian 13, and a database that knows a vulnerability of its openssl.
fn world() -> Fixture {
    let fixture = Fixture::new();
    release(&fixture, "ID=debian\nVERSION_ID=13\n");
    fixture.write("work/root/var/lib/dpkg/status", STATUS);
    fixture.write("work/tracker.json", tracker("3.5.1-2", 1));
    let build = ["db", "build", "--debian-tracker", "tracker.json", "-o", "a.hpdb"];
    run(hardpan(&fixture, &build)).expect(0, &[]);
    fixture
}

fn release(fixture: &Fixture, text: &str) {
    fixture.write("work/root/etc/os-release", text);
}

fn scan(fixture: &Fixture, arguments: &[&str]) -> Ran {
    let first = ["scan", "--offline", "--db", "a.hpdb", "root"];
    run(hardpan(fixture, &[&first[..], arguments].concat()))
}

fn vex(fixture: &Fixture, name: &str, time: &str, status: &Value, product: &str) {
    let mut statement = json!({
        "vulnerability": {"name": "CVE-2026-0001"}, "timestamp": time, "products": [{"@id": product}],
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

fn not_affected() -> Value {
    json!({"status": "not_affected", "justification": "vulnerable_code_not_in_execute_path"})
}

/// Ids, packages and states of rows.
fn rows(ran: &Ran) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |row: &Value| {
        format!(
            "{} {} {}",
            text(&row["id"]),
            text(&row["package"]["name"]),
            text(&row["status"]["state"])
        )
    };
    ran.json()["rows"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn data_of_the_future_is_told_wherever_it_turns_up() {
    let fixture = world();
    // As somebody may make it whose clock is ahead; ours refuses to.
    let mut collected = Collected::new();
    let text = tracker("3.5.1-2", 1);
    let input = Input::at(text.as_bytes(), 2_100_000_000);
    debian_tracker(input, &mut collected).unwrap();
    fixture.write("work/a.hpdb", write(&collected).unwrap());
    scan(&fixture, &[])
        .expect(0, &["debian-tracker is of the future, 2036-07-18", "CVE-2026-0001"]);
    let status = ["db", "status", "--db", "a.hpdb"];
    run(hardpan(&fixture, &status)).expect(0, &["of the future: 2036-07-18"]);
    run(hardpan(&fixture, &[&status[..], &["--max-age", "9999"]].concat())).expect(1, &[]);
    run(hardpan(&fixture, &["db", "import", "a.hpdb", "--allow-unsigned", "--allow-older"]))
        .expect(4, &["debian-tracker is of 2036-07-18", "and it is 20", "clock"]);
    run(hardpan(&fixture, &["db", "status"])).expect(2, &["no advisory database"]);
}

#[test]
fn data_of_no_known_age_is_told() {
    let fixture = world();
    let mut collected = Collected::new();
    debian_tracker(tracker("3.5.1-2", 1).as_bytes(), &mut collected).unwrap();
    fixture.write("work/a.hpdb", write(&collected).unwrap());
    scan(&fixture, &["--max-age", "9999"])
        .expect(0, &["nobody knows how old the data of debian-tracker is", "CVE-2026-0001"]);
}

#[test]
fn names_of_vulnerabilities_are_known_in_any_case() {
    let fixture = world();
    let range = json!({"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2"}]});
    let affected = json!([{"package": {"ecosystem": "npm", "name": "a"}, "ranges": [range]}]);
    let record = json!({"id": "GHSA-jfh8-c2jp-5v3q", "summary": "bad", "affected": affected});
    fixture.write("work/osv.json", record.to_string());
    let feeds = ["--debian-tracker", "tracker.json", "--osv", "osv.json"];
    run(hardpan(&fixture, &[&["db", "build", "-o", "a.hpdb"], &feeds[..]].concat())).expect(0, &[]);
    for id in ["GHSA-jfh8-c2jp-5v3q", "ghsa-JFH8-c2jp-5v3q"] {
        scan(&fixture, &["--explain", id]).expect(0, &["the database knows it"]);
    }
    scan(&fixture, &["--explain", "GHSA-jfh8-c2jp-5v3r"])
        .expect(0, &["the database does not know it"]);
}

#[test]
fn components_without_a_package_url_are_told() {
    let fixture = world();
    let cpe =
        |name: &str| json!({"type": "library", "name": name, "version": "1", "cpe": "cpe:2.3:a:x"});
    let purl = "pkg:deb/debian/openssl@3.5.1-1?arch=amd64&distro=debian-13";
    let openssl = json!({"type": "library", "name": "openssl", "version": "3.5.1-1", "purl": purl});
    let components = json!([openssl, cpe("a"), cpe("b")]);
    let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components});
    fixture.write("work/sbom.json", sbom.to_string());
    run(hardpan(&fixture, &["scan", "--db", "a.hpdb", "sbom.json"])).expect(
        0,
        &["2 components were not looked up, without a package URL that can be read", "1 high"],
    );
}

#[test]
fn what_is_found_is_said_with_its_reason() {
    let fixture = world();
    scan(&fixture, &[]).expect(0, &["CVE-2026-0001", "openssl (2 packages)", "3.5.1-2", "2 high"]);
    scan(&fixture, &["--fail-on", "high"]).expect(1, &[]);
    scan(&fixture, &["--fail-on", "critical"]).expect(0, &[]);
    let ran = scan(&fixture, &["--json"]);
    assert_eq!(rows(&ran), ["CVE-2026-0001 libssl3t64 affected", "CVE-2026-0001 openssl affected"]);
    let explained = scan(&fixture, &["--explain", "cve-2026-0001"]);
    explained.expect(
        0,
        &[
            "found in: var/lib/dpkg/status",
            "openssl 3.5.1-1, its source package, in debian:13",
            "3.5.1-1 is before 3.5.1-2, which has the fix (order of dpkg)",
            "debian-tracker says of CVE-2026-0001",
            "result: it counts",
        ],
    );
    scan(&fixture, &["--explain", "CVE-2026-0002"])
        .expect(0, &["the database does not know it", "did you mean CVE-2026-0001?"]);
    // One that a package has no more.
    scan(&fixture, &["--explain", "CVE-2025-1000"]).expect(
        0,
        &[
            "CVE-2025-1000 is not in package-0 2.0-1",
            "debian-tracker says of CVE-2025-1000: fixed since 2.0-1",
            "result: it does not have it",
        ],
    );
    scan(&fixture, &["--explain", "CVE-2025-1000", "--fail-on", "high"]).expect(2, &["--fail-on"]);
}

#[test]
fn every_form_is_written() {
    let fixture = world();
    for (form, expected) in [
        ("sarif", "\"ruleId\":\"CVE-2026-0001\""),
        ("markdown", "| [CVE-2026-0001]"),
        ("cyclonedx", "\"bomFormat\":\"CycloneDX\""),
        ("openvex", "update openssl to 3.5.1-2"),
        ("html", "<h1>Vulnerabilities of root</h1>"),
        ("json", "\"distribution\":\"debian:13\""),
    ] {
        let one = scan(&fixture, &["-o", form]);
        assert_eq!(one.code, 0, "{form}: {one}");
        assert!(one.stdout.contains(expected), "{form}: {one}");
        assert_eq!(one.stdout, scan(&fixture, &["-o", form]).stdout, "{form}");
    }
}

#[test]
fn sboms_are_scanned_as_their_images_are() {
    let fixture = world();
    let of_root = rows(&scan(&fixture, &["--json"]));
    for form in ["spdx", "cyclonedx"] {
        let sbom = run(hardpan(&fixture, &["sbom", "root", "-o", form])).expect(0, &[]);
        fixture.write("work/app.json", &sbom.stdout);
        let ran = run(hardpan(&fixture, &["scan", "--db", "a.hpdb", "app.json", "--json"]));
        assert_eq!(rows(&ran), of_root, "{form}");
        assert_eq!(ran.json()["inventory"]["from"], "document");
    }
}

#[test]
fn vex_excuses_and_what_it_excuses_stays_visible() {
    let fixture = world();
    let libssl = "pkg:deb/debian/libssl3t64@3.5.1-1%2Bb1?arch=amd64";
    vex(&fixture, "v.json", "2026-01-02T00:00:00Z", &not_affected(), libssl);
    let ran = scan(&fixture, &["--vex", "v.json", "--json"]);
    assert_eq!(
        rows(&ran),
        ["CVE-2026-0001 libssl3t64 suppressed", "CVE-2026-0001 openssl affected"]
    );
    let said = &ran.json()["rows"][0]["status"]["statement"];
    assert_eq!(said["author"], "Example");
    assert_eq!(said["justification"], "vulnerable_code_not_in_execute_path");
    scan(&fixture, &["--vex", "v.json"]).expect(0, &["1 high", "1 suppressed"]);
    scan(&fixture, &["--vex", "v.json", "--show-suppressed"])
        .expect(0, &["suppressed: vulnerable_code"]);
    // What says nothing of a version excuses with a warning, and not where versions are asked for.
    let versionless = "pkg:deb/debian/libssl3t64";
    vex(&fixture, "w.json", "2026-01-02T00:00:00Z", &not_affected(), versionless);
    scan(&fixture, &["--vex", "w.json"]).expect(0, &["1 high", "names no version"]);
    scan(&fixture, &["--vex", "w.json", "--vex-needs-version"])
        .expect(0, &["2 high", "does not count"]);
    // Another version's statement says nothing of this one.
    vex(
        &fixture,
        "o.json",
        "2026-01-02T00:00:00Z",
        &not_affected(),
        "pkg:deb/debian/libssl3t64@3.5.1-0",
    );
    scan(&fixture, &["--vex", "o.json"]).expect(0, &["2 high"]);
}

#[test]
fn the_newest_statement_of_a_rank_counts_whichever_file_comes_first() {
    let fixture = world();
    let libssl = "pkg:deb/debian/libssl3t64@3.5.1-1%2Bb1?arch=amd64";
    vex(&fixture, "old.json", "2025-01-02T00:00:00Z", &not_affected(), libssl);
    let affected = json!({"status": "affected", "action_statement": "update"});
    vex(&fixture, "new.json", "2026-01-02T00:00:00Z", &affected, libssl);
    for order in [["old.json", "new.json"], ["new.json", "old.json"]] {
        let ran = scan(&fixture, &["--vex", order[0], "--vex", order[1], "--json"]);
        assert_eq!(rows(&ran)[0], "CVE-2026-0001 libssl3t64 affected", "{order:?}");
    }
    // Those of the workspace are of a lower rank than those that are named.
    fixture.write("work/hardpan.toml", "[scan]\nvex = [\"new.json\"]\nfail-on = \"high\"\n");
    let ran = scan(&fixture, &["--vex", "old.json", "--json"]);
    assert_eq!(rows(&ran)[0], "CVE-2026-0001 libssl3t64 suppressed");
    assert_eq!(ran.code, 1, "{ran}");
}

#[test]
fn a_distribution_that_is_not_known_is_no_clean_result() {
    let fixture = world();
    for (summary, text) in [
        ("another", "ID=example\nVERSION_ID=13\n"),
        ("derived", "ID=dhi\nID_LIKE=debian\nVERSION_ID=13\n"),
        ("nothing", ""),
    ] {
        release(&fixture, text);
        let ran = scan(&fixture, &[]);
        assert_eq!(ran.code, 2, "{summary}: {ran}");
        assert!(ran.stderr.contains("--release debian:13"), "{summary}: {ran}");
        scan(&fixture, &["--release", "debian:13"]).expect(0, &["2 high"]);
        let allowing = ["--allow-unknown-distribution", "--allow-empty"];
        scan(&fixture, &allowing[..1]).expect(2, &["were not looked up", "--allow-empty"]);
        scan(&fixture, &allowing).expect(0, &["were not looked up"]);
    }
    release(&fixture, "ID=debian\nVERSION_ID=12\n");
    scan(&fixture, &[]).expect(2, &["nothing about debian:12", "hardpan db status"]);
}

#[test]
fn nothing_that_was_looked_up_is_no_clean_result() {
    let fixture = world();
    let scan_of = |what: &str, arguments: &[&str]| {
        let first = ["scan", "--offline", "--db", "a.hpdb", what, "--fail-on", "unknown"];
        run(hardpan(&fixture, &[&first[..], arguments].concat()))
    };
    // Directories that are something else.
    fixture.write("work/out/app/oci-layout", "{}");
    fixture.write("work/docs/a.md", "");
    scan_of("docs", &[]).expect(2, &["neither an OCI layout nor a root file system"]);
    scan_of("out", &[]).expect(2, &["did you mean out/app?"]);
    fixture.write("work/image.tar.gz", b"\x1f\x8b\x08\0\0");
    scan_of("image.tar.gz", &[]).expect(2, &["is compressed (gzip)", "gunzip"]);
    // What no advisories are about.
    let rpm = json!({"type": "library", "name": "openssl", "version": "3",
                     "purl": "pkg:rpm/fedora/openssl@3?distro=fedora-40"});
    let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [rpm]});
    fixture.write("work/sbom.json", sbom.to_string());
    let why = ["finding nothing would mean nothing", "1 package was not looked up", "about rpm"];
    scan_of("sbom.json", &[]).expect(2, &why);
    // Warnings are not progress.
    scan_of("sbom.json", &["--allow-empty", "--quiet"]).expect(0, &["about rpm"]);
    // A database that says nothing.
    fixture.write("work/root/var/lib/dpkg/status", "no field here\n");
    for release in [&[][..], &["--release", "debian:13"]] {
        let why = ["/var/lib/dpkg/status", "nothing in it is a field", "what could be read"];
        scan_of("root", release).expect(2, &why);
    }
    std::fs::remove_file(fixture.path("work/root/var/lib/dpkg/status")).unwrap();
    scan_of("root", &[]).expect(2, &["it says that it is debian 13", "--allow-empty"]);
}

#[test]
fn an_sbom_of_a_release_without_data_is_no_clean_result() {
    let fixture = world();
    let deb = |name: &str, release: &str| {
        let purl = format!("pkg:deb/debian/{name}@3.5.1-1?distro=debian-{release}");
        json!({"bom-ref": name, "type": "library", "name": name, "version": "3.5.1-1", "purl": purl})
    };
    let system = json!({"type": "operating-system", "name": "debian", "version": "13"});
    let components = [system, deb("bash", "13"), deb("openssl", "11")];
    let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components});
    fixture.write("work/sbom.json", sbom.to_string());
    let scan = |arguments: &[&str]| {
        let first = ["scan", "--offline", "--db", "a.hpdb", "sbom.json"];
        run(hardpan(&fixture, &[&first[..], arguments].concat()))
    };
    scan(&[]).expect(2, &["nothing about debian:11", "--allow-unknown-distribution"]);
    scan(&["--allow-unknown-distribution"])
        .expect(0, &["no data about debian:11: 1 package was not looked up", "no known"]);
    scan(&["--release", "debian:13"]).expect(0, &["CVE-2026-0001", "1 high"]);
}

#[test]
fn what_can_not_be_read_is_refused() {
    let fixture = world();
    fixture.write("work/not.json", "{\"a\": 1}");
    let ran = |arguments: &[&str]| run(hardpan(&fixture, arguments));
    ran(&["scan", "--db", "a.hpdb", "not.json"]).expect(2, &["not.json is no SBOM"]);
    scan(&fixture, &["--vex", "not.json"]).expect(2, &["not.json is no VEX document"]);
    ran(&["scan", "root"]).expect(2, &["no advisory database", "hardpan db"]);
    ran(&["scan", "--db", "tracker.json", "root"]).expect(4, &["no advisory database"]);
    scan(&fixture, &["--release", "debian"]).expect(2, &["is no release", "debian:13"]);
    fixture.write("work/hardpan.toml", "[scan]\nfail-on = \"worst\"\n");
    scan(&fixture, &[]).expect(2, &["scan.fail-on", "worst"]);
}

#[test]
fn what_an_image_says_reaches_no_terminal() {
    let fixture = world();
    let status = STATUS.replace("Package: openssl", "Package: open\u{1b}[31m\u{202e}ssl");
    fixture.write("work/root/var/lib/dpkg/status", &status);
    for form in [&["--show-suppressed"][..], &["-o", "markdown"], &["-o", "html"]] {
        let ran = scan(&fixture, form);
        let has = |text: &str| text.contains(['\u{1b}', '\u{202e}']);
        assert!(!has(&ran.stdout) && !has(&ran.stderr), "{ran:?}");
    }
}

/// JSON is written while it is made.
#[test]
fn json_that_goes_nowhere_is_told() {
    let fixture = world();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let full = File::options().write(true).open("/dev/full").unwrap();
    for (output, expected) in
        [(Stdio::from(writer), ""), (full.into(), "can't write to the standard output")]
    {
        let arguments = ["scan", "--offline", "--db", "a.hpdb", "root", "--json"];
        let mut command = hardpan(&fixture, &arguments);
        command.stdout(output).stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.contains(expected) && text.is_empty() == expected.is_empty(), "{text}");
    }
}
