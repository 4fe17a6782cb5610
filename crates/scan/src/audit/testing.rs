// SPDX-License-Identifier: Apache-2.0
//! Reports for tests.

use std::collections::BTreeMap;

use hardpan_tree::{Digest, TreePath};

use super::grade;
use super::model::{
    Acceptance, AuditFinding, AuditReport, AuditedImage, ControlResult, Outcome, ProfileChoice,
    ProfileSource, Surface, Traits,
};
use crate::controls::{ControlId, Profile, Severity, controls};

/// A control with an outcome and no findings.
pub(crate) fn control(id: ControlId, outcome: Outcome) -> ControlResult {
    let known = id.control();
    ControlResult {
        id,
        group: known.group,
        severity: known.severity(Profile::Runtime),
        counts: true,
        outcome,
        findings: Vec::new(),
    }
}

/// A finding about a path.
pub(crate) fn finding(severity: Severity, message: &str, path: &'static str) -> AuditFinding {
    AuditFinding {
        severity,
        message: message.to_owned(),
        paths: vec![TreePath::literal(path)],
        layer: Some(0),
        package: Some("dash".to_owned()),
        help: "cut it with !dash".to_owned(),
        accepted: None,
    }
}

/// A report in which everything holds but what is named.
pub(crate) fn report_of(outcomes: &[(ControlId, Outcome)]) -> AuditReport {
    let mut all: Vec<ControlResult> = (controls().iter())
        .map(|known| {
            let severity = known.severity(Profile::Runtime);
            let outcome = if severity.is_none() { Outcome::NotApplicable } else { Outcome::Pass };
            ControlResult {
                severity,
                counts: known.counts(Profile::Runtime),
                ..control(known.id, outcome)
            }
        })
        .collect();
    all.sort_by_key(|one| (one.group, one.id));
    for (id, outcome) in outcomes {
        if let Some(one) = all.iter_mut().find(|one| one.id == *id) {
            one.outcome = outcome.clone();
        }
    }
    let (grade, sum, hardened) = grade(&all);
    let kinds = [
        "shell",
        "packageManager",
        "languagePackageManager",
        "compiler",
        "debugger",
        "networkTool",
    ];
    AuditReport {
        image: AuditedImage {
            name: "registry.example/team/app:1.0".to_owned(),
            platform: Some("linux/amd64".to_owned()),
            digest: Some(Digest::of(b"manifest")),
            distribution: Some("debian:13".to_owned()),
            layers: 3,
        },
        profile: ProfileChoice { name: "runtime".to_owned(), source: ProfileSource::Default },
        hardened,
        grade,
        sum,
        controls: all,
        traits: Traits {
            user: "65532:65532".to_owned(),
            uid: Some(65532),
            tools: kinds.map(|kind| (kind, Vec::new())).into_iter().collect::<BTreeMap<_, _>>(),
            setuid: 0,
            capabilities: 0,
            world_writable: 0,
        },
        surface: Surface {
            executables: 4,
            elf: 31,
            packages: 9,
            bytes: 21 << 20,
            files: 412,
            setuid: 0,
            interpreters: 0,
        },
        warnings: Vec::new(),
    }
}

/// A report with an outcome of each kind, and with texts that want to be more than texts.
pub(crate) fn report() -> AuditReport {
    let mut report = report_of(&[
        (ControlId::Shell, Outcome::Fail),
        (ControlId::SetuidFile, Outcome::Fail),
        (ControlId::NetworkTool, Outcome::Warn),
        (ControlId::FixedAddress, Outcome::Info),
        (ControlId::UserRoot, Outcome::Excepted),
        (ControlId::Signature, Outcome::Unmeasured("no key is trusted here".to_owned())),
        (ControlId::Debugger, Outcome::NotApplicable),
    ]);
    report.image.name = "registry.example/team/<app>:1.0".to_owned();
    report.traits.user = "0".to_owned();
    report.traits.uid = Some(0);
    report.traits.setuid = 2;
    report.traits.tools.insert("shell", vec![TreePath::literal("/usr/bin/dash")]);
    report.surface = Surface {
        executables: 340,
        elf: 620,
        packages: 150,
        bytes: 190 << 20,
        files: 9000,
        setuid: 2,
        interpreters: 3,
    };
    report.warnings =
        vec!["the exception for shell ended on 2026-01-31 & is <b>over</b>".to_owned()];
    let hostile = "<script>alert(1)</script> | [x](javascript:y) `z` ]]> \u{1b}[31m";
    put(&mut report, ControlId::Shell, vec![finding(Severity::Fail, hostile, "/usr/bin/dash")]);
    let mut many = finding(Severity::Fail, "/usr/bin/su is setuid (4755)", "/usr/bin/su");
    many.paths.push(TreePath::parse(b"/usr/bin/ne\xffw grp%").expect("a path"));
    put(&mut report, ControlId::SetuidFile, vec![many]);
    put(
        &mut report,
        ControlId::NetworkTool,
        vec![finding(Severity::Warn, "/usr/bin/curl is a network client", "/usr/bin/curl")],
    );
    put(
        &mut report,
        ControlId::FixedAddress,
        vec![finding(Severity::Info, "/app is at a fixed address", "/app")],
    );
    let mut accepted = finding(Severity::Fail, "the image's user is root", "/");
    accepted.paths.clear();
    accepted.accepted = Some(Acceptance {
        reason: "it needs <CAP_NET_ADMIN>".to_owned(),
        until: Some("2027-03-31".to_owned()),
        source: "hardpan.toml".to_owned(),
    });
    put(&mut report, ControlId::UserRoot, vec![accepted]);
    report
}

fn put(report: &mut AuditReport, id: ControlId, findings: Vec<AuditFinding>) {
    if let Some(one) = report.controls.iter_mut().find(|one| one.id == id) {
        one.findings = findings;
    }
}
