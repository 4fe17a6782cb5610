// SPDX-License-Identifier: Apache-2.0

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::*;

fn package(name: &str, version: &str) -> PackageFacts {
    PackageFacts {
        name: name.to_owned(),
        version: version.to_owned(),
        kind: "deb".to_owned(),
        source_name: None,
        source_version: None,
        purl: Some(format!("pkg:deb/debian/{name}@{version}?arch=amd64&distro=debian-13").into()),
        paths: vec![format!("var/lib/dpkg/status.d/{name}")],
    }
}

pub(super) fn row(id: &str, severity: Severity, name: &str, status: RowStatus) -> Row {
    let issue = IssueFacts {
        id: id.to_owned(),
        aliases: Vec::new(),
        severity,
        severity_by: "CVSS".to_owned(),
        score_tenths: None,
        vector: None,
        epss_millionths: None,
        exploited_since: None,
        published: None,
        in_ransomware: false,
        summary: None,
        fix: Fix::Open,
        decision: None,
        announcements: Vec::new(),
        source: "debian-tracker".to_owned(),
    };
    Row {
        issue: Arc::new(issue),
        package: Arc::new(package(name, "1.0-1")),
        status,
        why: Why::Lines(vec!["all versions are affected".to_owned()]),
    }
}

pub(super) fn statement(
    status: &str,
    justification: Option<&str>,
    text: Option<&str>,
) -> Box<VexFacts> {
    Box::new(VexFacts {
        status: status.to_owned(),
        justification: justification.map(str::to_owned),
        text: text.map(str::to_owned),
        author: "Example <security@example.org>".to_owned(),
        time: Some("2026-10-01T00:00:00Z".to_owned()),
        id: None,
        origin: "file vex.json".to_owned(),
    })
}

/// A report with a row of each kind, and with texts that want to be more than texts.
pub(super) fn sample() -> ScanReport {
    let affected = || RowStatus::Affected { statement: None };
    let mut worst = row("CVE-2026-0001", Severity::Critical, "openssl", affected());
    worst.score_tenths = Some(98);
    worst.vector = Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H".to_owned());
    worst.exploited_since = Some("2026-02-03".to_owned());
    worst.published = Some("2026-01-31".to_owned());
    worst.fix = Fix::Fixed { versions: vec!["1.0-1+deb13u1".to_owned()] };
    worst.aliases = vec!["GHSA-aaaa-bbbb-cccc".to_owned()];
    worst.summary = Some("<script>alert(1)</script> | [x](javascript:y) `z`".to_owned());
    worst.announcements = vec!["DSA-6000-1".to_owned()];
    let mut postponed = row("CVE-2026-0002", Severity::Low, "zlib1g", affected());
    postponed.decision = Some(DecisionFacts { kind: "no-dsa", reason: "Minor issue".to_owned() });
    let excused = RowStatus::Suppressed {
        statement: statement(
            "not_affected",
            Some("vulnerable_code_not_present"),
            Some("not built"),
        ),
    };
    let fixed = RowStatus::Suppressed { statement: statement("fixed", None, None) };
    let looked =
        RowStatus::UnderInvestigation { statement: statement("under_investigation", None, None) };
    let mut report = ScanReport {
        subject: Subject {
            name: "registry.example/team/<app>".to_owned(),
            version: Some("1".to_owned()),
            digest: Some(Digest::of(b"manifest")),
            index: Some(Digest::of(b"index")),
            platform: Some("linux/amd64".to_owned()),
            epoch: 1_700_000_000,
        },
        distribution: Some("debian:13".to_owned()),
        inventory: InventoryOrigin::Files,
        packages: 12,
        database: DatabaseFacts {
            digest: Digest::of(b"database"),
            sources: vec![SourceFacts {
                name: "debian-tracker".to_owned(),
                time: Some("2026-11-01T00:00:00Z".to_owned()),
            }],
        },
        warnings: vec![Warning { kind: "end-of-life", text: "debian:9 has no support".to_owned() }],
        rows: vec![
            postponed,
            row("CVE-2026-0003", Severity::High, "libc6", excused),
            row("CVE-2026-0004", Severity::Medium, "libc6", fixed),
            row("CVE-2026-0005", Severity::Unknown, "libc6", looked),
            worst,
        ],
    };
    report.sort();
    report
}

#[test]
fn the_worst_comes_first_and_what_is_excused_does_not_count() {
    let report = sample();
    let ids: Vec<&str> = report.rows.iter().map(|row| row.id.as_str()).collect();
    let numbers =
        ["CVE-2026-0001", "CVE-2026-0003", "CVE-2026-0004", "CVE-2026-0002", "CVE-2026-0005"];
    assert_eq!(ids, numbers);
    let totals: Vec<usize> = report.totals().into_iter().map(|(_, number)| number).collect();
    assert_eq!(totals, [1, 0, 0, 1, 0, 1]);
    for (severity, only_fixed, expected) in [
        (Severity::High, false, 1),
        (Severity::Low, false, 2),
        (Severity::Low, true, 1),
        (Severity::Unknown, false, 3),
    ] {
        assert_eq!(report.at_least(severity, only_fixed), expected, "{severity:?} {only_fixed}");
    }
}

#[test]
fn texts_of_images_stay_texts() {
    let report = sample();
    let page = html(&report);
    assert!(!page.contains("<script") && !page.contains("<app>"), "{page}");
    assert!(page.contains("&lt;script&gt;"));
    for outside in ["src=", "url(", "@import", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let text = markdown(&report);
    assert!(text.contains("team/\\<app\\>"), "{text}");
    let cells = |line: &&str| line.replace("\\|", "").matches('|').count();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
    assert_eq!(rows.iter().map(cells).collect::<Vec<_>>(), [7, 7, 7, 7, 6, 6, 6], "{text}");
}

#[test]
fn nothing_that_turns_text_is_in_forms_for_people_and_data_stays_as_it_is() {
    let mut report = sample();
    let version = "1\u{202e}2\u{2066}3\u{200f}4\u{61c}5\u{2028}6\u{9b}7";
    for row in &mut report.rows {
        row.package = Arc::new(package("tool", version));
    }
    for text in [html(&report), markdown(&report)] {
        assert!(!text.lines().any(|line| line.contains(hardpan_attest::is_obeyed)), "{text}");
        assert!(text.contains("1\u{fffd}2\u{fffd}3\u{fffd}4\u{fffd}5\u{fffd}6 7"), "{text}");
    }
    let data: Value = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(data["rows"][0]["package"]["version"], version);
}

#[test]
fn every_form_is_the_same_twice_and_in_any_order_of_rows() {
    let (one, mut other) = (sample(), sample());
    other.rows.reverse();
    other.sort();
    let forms = |report: &ScanReport| {
        let vex = openvex(report).expect("a document").document.expect("statements");
        [
            serde_json::to_vec(&report).expect("it has texts and numbers"),
            sarif(report),
            cyclonedx(report),
            html(report).into(),
            markdown(report).into(),
            vex.to_bytes(),
        ]
    };
    assert_eq!(forms(&one), forms(&other));
}

#[test]
fn sarif_suppresses_what_is_excused() {
    let document: Value = serde_json::from_slice(&sarif(&sample())).expect("JSON");
    let results = document["runs"][0]["results"].as_array().expect("results").clone();
    let suppressed: Vec<&str> = (results.iter())
        .filter(|result| result["suppressions"].is_array())
        .filter_map(|result| result["ruleId"].as_str())
        .collect();
    assert_eq!(suppressed, ["CVE-2026-0003", "CVE-2026-0004"]);
    let rules = document["runs"][0]["tool"]["driver"]["rules"].as_array().expect("rules").clone();
    for result in &results {
        let rule = &rules
            [usize::try_from(result["ruleIndex"].as_u64().expect("a number")).expect("small")];
        assert_eq!(rule["id"], result["ruleId"]);
    }
    assert_eq!(rules[0]["properties"]["security-severity"], "9.8");
}

#[test]
fn openvex_says_what_was_said() {
    let made = openvex(&sample()).expect("a document");
    assert_eq!(made.left_out, 0);
    let document: Value =
        serde_json::from_slice(&made.document.expect("statements").to_bytes()).expect("JSON");
    let said = document["statements"].as_array().expect("statements").iter();
    let said: Vec<(String, String)> = said
        .map(|one| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let action = text(&one["action_statement"]) + &text(&one["justification"]);
            (format!("{} {}", text(&one["vulnerability"]["name"]), text(&one["status"])), action)
        })
        .collect();
    let expected = [
        ("CVE-2026-0001 affected", "update openssl to 1.0-1+deb13u1"),
        (
            "CVE-2026-0002 affected",
            "debian-tracker: no-dsa (Minor issue); tracked, accepted until there is a fix",
        ),
        ("CVE-2026-0003 not_affected", "vulnerable_code_not_present"),
        ("CVE-2026-0004 fixed", ""),
        ("CVE-2026-0005 under_investigation", ""),
    ];
    assert_eq!(said, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    let product = &document["statements"][0]["products"][0];
    assert!(product["@id"].as_str().expect("an id").starts_with("pkg:oci/"), "{product}");
    assert_eq!(product["subcomponents"][0]["@id"], "pkg:deb/debian/openssl@1.0-1?arch=amd64");
}

#[test]
fn an_accepted_risk_never_becomes_unaffected() {
    let mut report = sample();
    let accepted = statement("not_affected", None, Some("Marked no-dsa by Debian"));
    report.rows[1].status = RowStatus::Suppressed { statement: accepted };
    let document = openvex(&report).expect("a document").document.expect("statements");
    let text = String::from_utf8(document.to_bytes()).expect("UTF-8");
    assert!(!text.contains("Marked no-dsa"), "{text}");
}

#[test]
fn rows_without_a_name_for_statements_are_counted() {
    let mut report = sample();
    report.rows.truncate(1);
    Arc::make_mut(&mut report.rows[0].package).purl = None;
    let made = openvex(&report).expect("nothing wrong");
    assert_eq!((made.document, made.left_out), (None, 1));
}

#[test]
fn what_became_of_vulnerabilities() {
    let old = sample();
    let mut new = sample();
    // One was fixed, one came in, one has another version, and one is excused now.
    new.rows.retain(|row| row.id != "CVE-2026-0001");
    new.rows[0].id = "CVE-2026-0009".to_owned();
    new.rows[0].status = RowStatus::Affected { statement: None };
    let known = new.rows.iter_mut().find(|row| row.id == "CVE-2026-0002").expect("a row");
    Arc::make_mut(&mut known.package).version = "2.0-1".to_owned();
    let open = new.rows.iter_mut().find(|row| row.id == "CVE-2026-0005").expect("a row");
    open.status = RowStatus::Suppressed { statement: statement("fixed", None, None) };
    let changes = VulnerabilityChanges::between(&old, &new);
    let ids = |list: &[ChangedVulnerability]| {
        list.iter().map(|one| format!("{} {}", one.id, one.version)).collect::<Vec<_>>()
    };
    assert_eq!(ids(&changes.fixed), ["CVE-2026-0001 1.0-1", "CVE-2026-0005 1.0-1"]);
    assert_eq!(ids(&changes.introduced), ["CVE-2026-0009 1.0-1"]);
    assert_eq!(ids(&changes.remaining), ["CVE-2026-0002 2.0-1"]);
    assert!(!changes.is_empty());
    assert!(VulnerabilityChanges::between(&old, &old).is_empty());
}

#[test]
fn links_are_for_names_that_are_names() {
    for (id, expected) in [
        ("CVE-2026-1", Some("https://www.cve.org/CVERecord?id=CVE-2026-1")),
        ("DSA-1-1", Some("https://security-tracker.debian.org/tracker/DSA-1-1")),
        ("GHSA-x", Some("https://osv.dev/vulnerability/GHSA-x")),
        ("CVE-2026-1\"><script>", None),
        ("javascript:alert(1)", None),
        ("", None),
    ] {
        assert_eq!(link(id).as_deref(), expected, "{id}");
    }
}

/// The folder of official schemas, if it is there.
pub(crate) fn schemas() -> Option<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = ["../../../shared", "../../../../shared"].map(|path| manifest.join(path));
    let named = std::env::var_os("HARDPAN_SHARED").map(PathBuf::from);
    let folders = named.into_iter().chain(beside).map(|folder| folder.join("vectors/schemas"));
    let found = folders.into_iter().find(|folder| folder.is_dir());
    if found.is_none() {
        println!(
            "skipped: the schemas are not there: ../shared/vectors/schemas, or HARDPAN_SHARED"
        );
    }
    found
}

/// Gives schemas those that they refer to.
pub(crate) struct Folder(pub(crate) PathBuf);

impl jsonschema::Retrieve for Folder {
    fn retrieve(
        &self,
        uri: &jsonschema::Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let name = uri.as_str().rsplit('/').next().unwrap_or_default();
        Ok(serde_json::from_slice(&std::fs::read(self.0.join(name))?)?)
    }
}

#[test]
fn every_form_is_what_its_official_schema_wants() {
    let Some(folder) = schemas() else { return };
    // Unoptimized code needs a large stack for the schema of CycloneDX.
    let thread = std::thread::Builder::new().stack_size(64 << 20);
    let thread = thread.spawn(move || check_schemas(&folder)).expect("a thread");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn check_schemas(folder: &Path) {
    let full = sample();
    let mut clean = sample();
    clean.rows.clear();
    clean.subject.digest = None;
    clean.subject.index = None;
    let vex = openvex(&full).expect("a document").document.expect("statements").to_bytes();
    for (schema, documents) in [
        ("sarif-schema-2.1.0.json", vec![sarif(&full), sarif(&clean)]),
        ("bom-1.6.schema.json", vec![cyclonedx(&full), cyclonedx(&clean)]),
        ("openvex-0.2.0.schema.json", vec![vex]),
    ] {
        let bytes = std::fs::read(folder.join(schema)).expect("a schema");
        let validator = (jsonschema::options().with_retriever(Folder(folder.to_owned())))
            .should_validate_formats(true)
            .build(&serde_json::from_slice(&bytes).expect("JSON"))
            .expect("a validator");
        for document in documents {
            let mut document: Value = serde_json::from_slice(&document).expect("JSON");
            let errors = |document: &Value| {
                let errors = validator.iter_errors(document);
                errors
                    .map(|error| format!("{error} at {}", error.instance_path()))
                    .collect::<Vec<_>>()
            };
            assert_eq!(errors(&document), [""; 0], "{schema}: {document:#}");
            // What is not as it should be is found.
            let first = document.as_object_mut().expect("an object").values_mut().next();
            *first.expect("a member") = Value::Bool(true);
            assert_ne!(errors(&document), [""; 0], "{schema}");
        }
    }
}

#[test]
fn the_attestation_has_what_counts_and_the_times_of_the_data() {
    let predicate = serde_json::to_value(VulnsPredicate::of(&sample())).expect("JSON");
    let found = predicate["scanner"]["result"].as_array().expect("results").iter();
    let ids: Vec<&str> = found.filter_map(|one| one["id"].as_str()).collect();
    assert_eq!(ids, ["CVE-2026-0001", "CVE-2026-0002", "CVE-2026-0005"]);
    let first = &predicate["scanner"]["result"][0];
    assert_eq!(first["severity"][1], serde_json::json!({"method": "cvss_score", "score": "9.8"}));
    assert_eq!(first["annotations"][0]["fixedVersion"], "1.0-1+deb13u1");
    for time in [
        &predicate["scanner"]["db"]["lastUpdate"],
        &predicate["metadata"]["scanStartedOn"],
        &predicate["metadata"]["scanFinishedOn"],
    ] {
        assert_eq!(time, "2026-11-01T00:00:00Z");
    }
    let mut clean = sample();
    clean.rows.clear();
    let predicate = serde_json::to_value(VulnsPredicate::of(&clean)).expect("JSON");
    assert_eq!(predicate["scanner"]["result"], serde_json::json!([]));
}
