// SPDX-License-Identifier: Apache-2.0

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::*;
use crate::audit::compare::{AuditComparison, Side, compare};
use crate::audit::testing::{report, report_of};
use crate::controls::ControlId;
use crate::report::tests::{Folder, schemas};

const STANDARD: Surface = Surface {
    executables: 900,
    elf: 1300,
    packages: 320,
    bytes: 500 << 20,
    files: 20_000,
    setuid: 9,
    interpreters: 4,
};

pub(super) fn beside() -> Beside<'static> {
    Beside {
        standard: Some(("docker.io/library/<nginx>", &STANDARD)),
        modules: None,
        time: Some(Time::from_seconds(1_700_000_000)),
    }
}

pub(super) fn comparison() -> AuditComparison {
    let side = |report, pull| Side {
        report,
        compressed: Some(pull),
        vulnerabilities: Some(BTreeMap::from([("high".to_owned(), pull % 7)])),
        gaps: Vec::new(),
    };
    compare(side(report(), 80 << 20), side(report_of(&[]), 9 << 20))
}

fn forms(report: &AuditReport) -> Vec<(&'static str, String)> {
    let beside = beside();
    vec![
        ("sarif", String::from_utf8(sarif(report)).unwrap()),
        ("junit", junit(report)),
        ("html", html(report, &beside)),
        ("markdown", markdown(report, &beside)),
        ("xccdf", xccdf(report, &beside)),
        ("badge", badge(report)),
        ("stig", stig(report, &beside).to_string()),
    ]
}

#[test]
fn texts_of_images_stay_texts() {
    let compared = comparison();
    let mut pages = vec![comparison_html(&compared)];
    pages.extend(
        forms(&report()).into_iter().filter(|(form, _)| *form == "html").map(|form| form.1),
    );
    for page in pages {
        assert!(!page.contains("<script") && !page.contains("<app>") && !page.contains("<nginx>"));
        assert!(!page.contains('\u{1b}'));
        for outside in ["src=", "url(", "@import", "<link", "javascript:y)\"", "style="] {
            assert!(!page.contains(outside), "{outside}");
        }
        // Every link stays on the page.
        assert!(
            page.match_indices("href=\"")
                .all(|(at, text)| page[at + text.len()..].starts_with('#'))
        );
    }
    assert!(html(&report(), &beside()).contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    let text = markdown(&report(), &beside());
    assert!(text.contains("team/\\<app\\>") && !text.contains('\u{1b}'), "{text}");
    let cells = |line: &&str| line.replace("\\|", "").matches('|').count();
    let mut width = 0;
    for line in text.lines() {
        // All rows of a table have as many cells as its head.
        match line.starts_with('|') {
            true if width == 0 => width = cells(&line),
            true => assert_eq!(cells(&line), width, "{line}"),
            false => width = 0,
        }
    }
}

#[test]
fn links_lead_somewhere() {
    let page = html(&report(), &beside());
    for (at, text) in page.match_indices("href=\"#") {
        let id = page[at + text.len()..].split('"').next().unwrap();
        assert_eq!(page.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
    }
    assert_eq!(page.matches("<details").count(), page.matches("</details>").count());
}

#[test]
fn every_form_is_the_same_twice_and_says_the_verdict() {
    assert_eq!(forms(&report()), forms(&report()));
    for (report, grade, verdict) in
        [(report(), "D", "not hardened"), (report_of(&[]), "A", "hardened")]
    {
        let forms: BTreeMap<&str, String> = forms(&report).into_iter().collect();
        assert!(forms["markdown"].contains(&format!("grade {grade} ({verdict})")));
        assert!(forms["html"].contains(&format!("aria-label=\"grade {grade}, ")));
        assert!(forms["xccdf"].contains(&format!(
            "<score system=\"https://hardpan.dev/audit/points\" maximum=\"100\">{}</score>",
            report.sum.points
        )));
        assert!(forms["badge"].contains(if report.hardened {
            "hardened: A"
        } else {
            "hardened: no, D, 1 not measured, 1 accepted<"
        }));
        for gap in ["was not measured", "found what is accepted"] {
            let gap = format!("1 control that counts {gap}");
            let says_gap = |form: &str| forms[form].contains(&gap);
            let expected = (!report.hardened, !report.hardened);
            assert_eq!((says_gap("html"), says_gap("markdown")), expected, "{gap}");
        }
    }
    let line = badge_markdown(&report(), "a (1).svg", "https://x.example/<b>");
    assert_eq!(
        line,
        "[![hardened: no, D, 1 not measured, 1 accepted](a%20%281%29.svg)](https://x.example/%3Cb%3E)"
    );
}

#[test]
fn sarif_calls_a_finding_the_same_on_the_next_day() {
    let called = |message: &str| -> Value {
        let mut report = report();
        let control = report.controls.iter_mut().find(|one| !one.findings.is_empty()).unwrap();
        control.id = ControlId::ImageAge;
        control.findings.truncate(1);
        let finding = &mut control.findings[0];
        finding.paths.clear();
        finding.message = message.to_owned();
        let document: Value = serde_json::from_slice(&sarif(&report)).unwrap();
        let results = document["runs"][0]["results"].as_array().unwrap();
        let told = results.iter().find(|one| one["ruleId"] == "image-age").unwrap();
        told["partialFingerprints"].clone()
    };
    let today = called("the image is 118 days old");
    assert_eq!(today, called("the image is 119 days old"));
    assert_ne!(today, called("the image says that it is made 118 days from now"));
}

#[test]
fn sarif_suppresses_what_is_accepted_and_says_what_was_not_measured() {
    let document: Value = serde_json::from_slice(&sarif(&report())).unwrap();
    let run = &document["runs"][0];
    let results = run["results"].as_array().unwrap();
    let of = |id: &str| results.iter().find(|one| one["ruleId"] == id).unwrap();
    for (id, level, suppressed) in [
        ("shell", "error", false),
        ("setuid-file", "error", false),
        ("network-tool", "warning", false),
        ("fixed-address", "note", false),
        ("user-root", "error", true),
    ] {
        assert_eq!(of(id)["level"], level, "{id}");
        assert_eq!(of(id)["suppressions"].is_array(), suppressed, "{id}");
    }
    assert_eq!(results.len(), 5);
    let places = of("setuid-file")["locations"].as_array().unwrap();
    let second = &places[1]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(second, "usr/bin/ne%EF%BF%BDw%20grp%25");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in results {
        let number = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[number]["id"], result["ruleId"]);
    }
    assert!(rules.iter().all(|rule| rule["id"] != "debugger"));
    let said = run["invocations"][0]["toolExecutionNotifications"].to_string();
    assert!(said.contains("not measured: no key is trusted here") && said.contains("2026-01-31"));
}

#[test]
fn sarif_is_what_its_official_schema_wants() {
    let Some(folder) = schemas() else { return };
    let bytes = std::fs::read(folder.join("sarif-schema-2.1.0.json")).unwrap();
    let validator = (jsonschema::options().with_retriever(Folder(folder)))
        .should_validate_formats(true)
        .build(&serde_json::from_slice(&bytes).unwrap())
        .unwrap();
    for report in [report(), report_of(&[])] {
        let mut document: Value = serde_json::from_slice(&sarif(&report)).unwrap();
        let errors: Vec<String> = (validator.iter_errors(&document))
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert_eq!(errors, [""; 0]);
        document["runs"][0]["tool"] = Value::Bool(true);
        assert!(!validator.is_valid(&document));
    }
}

#[test]
fn junit_has_a_case_for_each_control() {
    let text = junit(&report());
    assert_eq!(text.matches("<testcase ").count(), report().controls.len());
    let totals = Totals::of(&report());
    assert_eq!(text.matches("<failure ").count(), totals.failed + totals.warned);
    assert_eq!(text.matches("<skipped ").count(), totals.unmeasured + totals.not_applicable);
    let head = text.lines().nth(1).unwrap();
    assert!(head.contains(&format!("failures=\"{}\"", totals.failed + totals.warned)), "{head}");
    assert!(text.contains("]]&gt;") && !text.contains("]]>"));
}

#[test]
fn the_statement_for_stig_has_both_documents() {
    use base64::Engine as _;
    let value = stig(&report(), &beside());
    let decode = |at: usize| {
        let content = value[0]["output"][at]["content"].as_str().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(content).unwrap();
        (
            value[0]["output"][at]["format"].as_str().unwrap().to_owned(),
            String::from_utf8(bytes).unwrap(),
        )
    };
    assert_eq!(decode(0), ("html".to_owned(), html(&report(), &beside())));
    assert_eq!(decode(1), ("xccdf".to_owned(), xccdf(&report(), &beside())));
    assert_eq!(value[0]["certified"], false);
    let numbers = value[0]["summary"].as_object().unwrap().values();
    let sum: u64 = numbers.map(|number| number.as_u64().unwrap()).sum();
    assert_eq!(sum, report().controls.len() as u64);
}

/// Whether a program is there; says so where it is not.
fn has(program: &str) -> bool {
    let found =
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let is_there = found.is_ok();
    if !is_there {
        println!("skipped: {program} is not installed");
    }
    is_there
}

#[test]
fn openscap_takes_the_benchmark_and_its_result() {
    if !has("oscap") {
        return;
    }
    let folder = tempfile_folder("oscap");
    let file = folder.join("result.xml");
    for report in [report(), report_of(&[])] {
        let text = xccdf(&report, &beside());
        std::fs::write(&file, &text).unwrap();
        let oscap = |arguments: &[&str]| {
            Command::new("oscap").args(arguments).arg(&file).stdin(Stdio::null()).output().unwrap()
        };
        let valid = oscap(&["xccdf", "validate"]);
        assert!(valid.status.success(), "{}", String::from_utf8_lossy(&valid.stderr));
        let made = oscap(&["xccdf", "generate", "report"]);
        let page = String::from_utf8_lossy(&made.stdout);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        // Each failed control is in the report, with what was found.
        for control in broken(&report) {
            assert!(page.contains(control.id.control().title), "{}", control.id);
        }
        assert!(page.contains("SRG-OS-000326-GPOS-00126"));
        // What is wrong is found.
        std::fs::write(&file, text.replace("<result>pass</result>", "<result>fine</result>"))
            .unwrap();
        assert!(!oscap(&["xccdf", "validate"]).status.success());
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn xml_is_well_formed() {
    if !has("xmllint") {
        return;
    }
    let folder = tempfile_folder("xmllint");
    for (form, text) in forms(&report()) {
        if !matches!(form, "junit" | "xccdf" | "badge") {
            continue;
        }
        let file = folder.join(form);
        std::fs::write(&file, text).unwrap();
        let output =
            Command::new("xmllint").arg("--noout").arg("--nonet").arg(&file).output().unwrap();
        assert!(output.status.success(), "{form}: {}", String::from_utf8_lossy(&output.stderr));
    }
    std::fs::remove_dir_all(folder).unwrap();
}

fn tempfile_folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("hardpan-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn sizes_for_people() {
    for (bytes, expected) in [
        (0, "0.0 MiB"),
        (1, "<0.1 MiB"),
        (1 << 20, "1.0 MiB"),
        (190 << 20, "190 MiB"),
        ((1 << 30) + (1 << 29), "1.5 GiB"),
    ] {
        assert_eq!(size(bytes), expected, "{bytes}");
    }
}

#[test]
fn a_comparison_in_markdown() {
    let text = comparison_markdown(&comparison());
    assert!(text.contains("| packages | 150 | 9 | −94 % ✅ |"), "{text}");
    assert!(text.contains("% less** to attack"), "{text}");
}
