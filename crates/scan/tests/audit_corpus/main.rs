// SPDX-License-Identifier: Apache-2.0
//! Images with one planted defect each, and images without any: what an audit finds in them.
//!
//! `golden.txt` has a line for each image and one for each finding. `HARDPAN_ACCEPT=1` writes it anew.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![allow(clippy::too_many_lines, reason = "tables of images")]
#![allow(clippy::print_stdout, reason = "precision and recall are worth a line")]

mod clean;
mod image;
mod planted;
mod programs;
mod real;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use hardpan_scan::audit::evidence::Evidence;
use hardpan_scan::controls::{Control, Finding, Severity, controls};

use image::{Image, package};

/// What came of an image.
struct Outcome {
    lines: String,
    right: usize,
    missed: usize,
    wrong: usize,
}

fn line(finding: &Finding, evidence: &Evidence) -> String {
    let layer = finding.layer.map_or("–".to_owned(), |layer| layer.to_string());
    let package = package(finding, evidence).unwrap_or("–");
    let message = &finding.message;
    format!("{} {} layer {layer} package {package}: {message}", finding.severity, finding.control)
}

fn judge(image: &Image) -> Outcome {
    let (evidence, measured) = image.measure();
    let mut outcome = Outcome { lines: format!("{}\n", image.name), right: 0, missed: 0, wrong: 0 };
    for expected in &image.expected {
        let found = measured.findings.iter().find(|finding| expected.is(finding, &evidence));
        if let Some(finding) = found {
            outcome.right += 1;
            let _ = writeln!(outcome.lines, "    found {}", line(finding, &evidence));
            continue;
        }
        outcome.missed += 1;
        let _ = writeln!(outcome.lines, "    MISSED {expected:?}");
        for finding in measured.findings.iter().filter(|one| one.control == expected.control) {
            let _ = writeln!(outcome.lines, "    like it: {}", line(finding, &evidence));
        }
    }
    for control in &image.unmeasured {
        if let Some(why) = measured.unmeasured.get(control) {
            outcome.right += 1;
            let _ = writeln!(outcome.lines, "    not measured {control}: {why}");
        } else {
            outcome.missed += 1;
            let _ = writeln!(outcome.lines, "    MISSED {control} passes");
        }
    }
    for finding in measured.findings.iter().filter(|finding| finding.severity > Severity::Info) {
        if !image.expected.iter().any(|expected| expected.is(finding, &evidence)) {
            outcome.wrong += 1;
            let _ = writeln!(outcome.lines, "    WRONG {}", line(finding, &evidence));
        }
    }
    outcome
}

#[test]
fn planted_defects_are_found_and_nothing_else_is() {
    let planted = planted::images();
    let clean = clean::images();
    let mut names = BTreeSet::new();
    for image in planted.iter().chain(&clean) {
        assert!(names.insert(&image.name), "{} is there twice", image.name);
    }
    let mut text = String::new();
    let (mut right, mut missed, mut wrong) = (0, 0, 0);
    for (title, images) in [("planted", &planted), ("clean", &clean)] {
        let _ = writeln!(text, "# {title}: {} images", images.len());
        for image in images {
            let outcome = judge(image);
            text.push_str(&outcome.lines);
            right += outcome.right;
            missed += outcome.missed;
            wrong += outcome.wrong;
        }
    }
    let percent = |part: usize, all: usize| part * 100 / all.max(1);
    let _ = writeln!(
        text,
        "# {right} found, {missed} missed, {wrong} wrong: precision {} %, recall {} %",
        percent(right, right + wrong),
        percent(right, right + missed),
    );
    println!("{}", text.lines().last().unwrap_or_default());
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/audit_corpus/golden.txt");
    if std::env::var_os("HARDPAN_ACCEPT").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!((missed, wrong), (0, 0), "\n{text}");
    assert!(planted.len() >= 80 && clean.len() >= 15);
    assert_eq!(text, golden, "HARDPAN_ACCEPT=1 accepts it");
}

#[test]
fn every_control_is_planted() {
    let mut disguises: BTreeMap<&str, usize> = BTreeMap::new();
    for expected in planted::images().iter().flat_map(|image| &image.expected) {
        *disguises.entry(expected.control.name()).or_default() += 1;
    }
    for Control { id, .. } in controls() {
        let count = disguises.get(id.name()).copied().unwrap_or_default();
        println!("{id}: {count}");
        assert!(count > 0, "{id} has no image");
    }
}
