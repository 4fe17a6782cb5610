// SPDX-License-Identifier: Apache-2.0
//! Whole audits, of images in memory.

use std::collections::BTreeSet;

use hardpan_testkit::deb::RawEntry;
use hardpan_tree::TreePath;

use super::evidence::{self, Evidence};
use super::exceptions::{
    AcceptedFinding, EXCEPTIONS_MAX, ExceptionError, SourcedException, read_baseline,
    write_baseline,
};
use super::*;
use crate::controls::{ControlId, Profile, Severity, controls};

/// A busybox image, run by root, with a setuid file.
fn image() -> Evidence {
    let mut tar = Vec::new();
    for (name, mode, data) in [
        ("bin/busybox", 0o755, &b"\x7fELF BusyBox v1"[..]),
        ("bin/su", 0o4755, b"\x7fELF su"),
        ("etc/passwd", 0o644, b"root:x:0:0::/:/bin/sh\n"),
    ] {
        let mut entry = RawEntry::new(name, b'0').data(data);
        entry.mode = mode;
        entry.write(&mut tar);
    }
    RawEntry::new("bin/sh", b'2').target("busybox").write(&mut tar);
    let config = serde_json::from_value(serde_json::json!({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []},
    }))
    .unwrap();
    let mut evidence = evidence::of_layers(Some(&config), &[tar]).unwrap();
    evidence.image.today = Some(20_000);
    evidence
}

fn policy(exceptions: Vec<AcceptedFinding>) -> AuditPolicy {
    let choice = ProfileChoice { name: "runtime".to_owned(), source: ProfileSource::Default };
    let sourced = |accepted| SourcedException { accepted, source: "a file".to_owned() };
    AuditPolicy {
        choice,
        severities: std::collections::BTreeMap::new(),
        exceptions: exceptions.into_iter().map(sourced).collect(),
    }
}

fn judge(policy: &AuditPolicy) -> AuditReport {
    audit(&image().inspection(Profile::Runtime), policy, AuditedImage::default(), 0)
}

fn outcome(report: &AuditReport, id: ControlId) -> &Outcome {
    &report.controls.iter().find(|control| control.id == id).unwrap().outcome
}

fn accept(control: ControlId, path: Option<&'static str>, until: Option<&str>) -> AcceptedFinding {
    AcceptedFinding {
        control,
        path: path.map(TreePath::literal),
        message: None,
        reason: "wanted".to_owned(),
        until: until.map(|day| day.parse().unwrap()),
    }
}

#[test]
fn every_control_has_one_result() {
    let report = judge(&policy(Vec::new()));
    let ids: BTreeSet<ControlId> = report.controls.iter().map(|control| control.id).collect();
    assert_eq!((ids.len(), report.controls.len()), (controls().len(), controls().len()));
    assert!(report.controls.is_sorted_by_key(|control| control.group));
    assert_eq!(outcome(&report, ControlId::Shell), &Outcome::Fail);
    assert_eq!(outcome(&report, ControlId::UserRoot), &Outcome::Fail);
    assert_eq!(outcome(&report, ControlId::Compiler), &Outcome::Pass);
    assert_eq!(outcome(&report, ControlId::DynamicLoader), &Outcome::NotApplicable);
    assert!(!report.hardened && report.grade > Grade::B);
    assert_eq!(report.traits.uid, Some(0));
    assert_eq!(report.traits.tools["shell"], [TreePath::literal("bin/busybox")]);
    assert_eq!((report.traits.tools["compiler"].len(), report.traits.setuid), (0, 1));
    assert_eq!((report.surface.files, report.surface.executables), (3, 2));
}

#[test]
fn exceptions_count_until_their_day_and_where_they_are_for() {
    // Day 20,000 is 2024-10-04.
    for (path, until, is_accepted, warning) in [
        (None, None, true, None),
        (Some("bin/su"), Some("2024-10-04"), true, None),
        (Some("bin"), None, true, None),
        (Some("bin/su"), Some("2024-10-03"), false, Some("ended on 2024-10-03")),
        (Some("usr/bin/su"), None, false, Some("is not needed")),
    ] {
        let report = judge(&policy(vec![accept(ControlId::SetuidFile, path, until)]));
        let expected = if is_accepted { Outcome::Excepted } else { Outcome::Fail };
        assert_eq!(outcome(&report, ControlId::SetuidFile), &expected, "{path:?} {until:?}");
        match warning {
            None => assert!(report.warnings.is_empty(), "{:?}", report.warnings),
            Some(text) => assert!(report.warnings[0].contains(text), "{:?}", report.warnings),
        }
        let of = report.controls.iter().find(|one| one.id == ControlId::SetuidFile).unwrap();
        assert_eq!(of.findings[0].accepted.is_some(), is_accepted);
    }
}

#[test]
fn what_could_not_be_looked_at_is_said_whatever_else_informs() {
    let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\n-----END PRIVATE KEY-----\n";
    let unsearched = Some("1 files were not searched".to_owned());
    let gap = || Outcome::Unmeasured("1 files were not searched".to_owned());
    for (path, unsearched, expected) in [
        ("etc/ssl/private/ssl-cert-snakeoil.key", None, Outcome::Info),
        ("etc/ssl/private/ssl-cert-snakeoil.key", unsearched.clone(), gap()),
        ("etc/ssl/private/app.key", unsearched.clone(), Outcome::Fail),
        ("etc/app.conf", unsearched, gap()),
        ("etc/app.conf", None, Outcome::Pass),
    ] {
        let mut tar = Vec::new();
        let text = if path.contains("/private/") { key } else { "x" };
        RawEntry::new(path, b'0').data(text).write(&mut tar);
        let mut evidence = evidence::of_layers(None, &[tar]).unwrap();
        evidence.image.unsearched = unsearched;
        let inspection = evidence.inspection(Profile::Runtime);
        let report = audit(&inspection, &policy(Vec::new()), AuditedImage::default(), 0);
        assert_eq!(outcome(&report, ControlId::Secret), &expected, "{path}");
    }
}

#[test]
fn a_policy_changes_severities() {
    let mut changed = policy(Vec::new());
    changed.severities.insert(ControlId::Shell, None);
    changed.severities.insert(ControlId::SetuidFile, Some(Severity::Info));
    let report = judge(&changed);
    assert_eq!(outcome(&report, ControlId::Shell), &Outcome::NotApplicable);
    assert_eq!(outcome(&report, ControlId::SetuidFile), &Outcome::Info);
    let of = report.controls.iter().find(|one| one.id == ControlId::SetuidFile).unwrap();
    assert!(!of.counts);
}

#[test]
fn a_baseline_accepts_what_was_there() {
    let before = judge(&policy(Vec::new()));
    let bytes = write_baseline(&before, Some("2025-01-01".parse().unwrap())).unwrap();
    assert_eq!(
        bytes,
        write_baseline(&judge(&policy(Vec::new())), Some("2025-01-01".parse().unwrap())).unwrap()
    );
    let baseline = read_baseline(&bytes).unwrap();
    let after = judge(&policy(baseline.clone()));
    assert!(after.hardened && after.warnings.is_empty(), "{:?}", after.warnings);
    assert_eq!((after.grade, after.sum.points), (Grade::A, 100));
    // What is about no path is accepted as it is, and nothing else of its control.
    let user = baseline.iter().find(|one| one.control == ControlId::UserRoot).unwrap();
    assert!(user.path.is_none() && user.message.is_some());
    let other = AcceptedFinding { message: Some("something else".to_owned()), ..user.clone() };
    let report = judge(&policy(vec![other]));
    assert_eq!(outcome(&report, ControlId::UserRoot), &Outcome::Fail);
}

#[test]
fn a_baseline_accepts_no_more_than_was_there() {
    let baseline = read_baseline(&write_baseline(&judge(&policy(Vec::new())), None).unwrap());
    let baseline = baseline.unwrap();
    let setuid = baseline.iter().find(|one| one.control == ControlId::SetuidFile).unwrap();
    let above = setuid.path.as_ref().unwrap().ancestors().next().unwrap();
    for (summary, changed, expected) in [
        ("as it was", setuid.clone(), Outcome::Excepted),
        // What is put below a path that was accepted was not there.
        ("below", AcceptedFinding { path: Some(above.clone()), ..setuid.clone() }, Outcome::Fail),
        (
            "said otherwise",
            AcceptedFinding { message: Some("something else".to_owned()), ..setuid.clone() },
            Outcome::Fail,
        ),
        // Who accepts a directory by hand accepts what is in it.
        (
            "by hand",
            AcceptedFinding { path: Some(above), message: None, ..setuid.clone() },
            Outcome::Excepted,
        ),
    ] {
        let report = judge(&policy(vec![changed]));
        assert_eq!(outcome(&report, ControlId::SetuidFile), &expected, "{summary}");
    }
}

#[test]
fn a_baseline_lasts() {
    let token = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let other = "ghp_9fK2LmQx7Rz81TnVb3YpWc5HsDgJe0Ua4XoN";
    let made = |first: &str, token: &str, bytes: usize, day: u32| {
        let mut tar = Vec::new();
        RawEntry::new("a", b'0').data(vec![b'a'; bytes]).write(&mut tar);
        let mut above = Vec::new();
        RawEntry::new(".wh.a", b'0').write(&mut above);
        let config = serde_json::from_value(serde_json::json!({
            "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []},
            "created": "2024-01-01T00:00:00Z",
            "history": [
                {"created_by": first, "empty_layer": true},
                {"created_by": format!("RUN TOKEN={token} x"), "empty_layer": true},
            ],
        }));
        let mut evidence = evidence::of_layers(Some(&config.unwrap()), &[tar, above]).unwrap();
        evidence.image.today = Some(day);
        evidence
    };
    let judge = |evidence: &Evidence, policy: &AuditPolicy| {
        audit(&evidence.inspection(Profile::Runtime), policy, AuditedImage::default(), 0)
    };
    let before = made("RUN x", token, 2 << 20, 20_000);
    let report = judge(&before, &policy(Vec::new()));
    let controls = [ControlId::ImageAge, ControlId::WastedBytes, ControlId::SecretConfiguration];
    for control in controls {
        assert!(outcome(&report, control).is_broken(), "{control}");
    }
    let written = read_baseline(&write_baseline(&report, None).unwrap()).unwrap();
    // What was written before numbers were left out.
    let old: Vec<AcceptedFinding> = (written.iter().cloned())
        .map(|one| AcceptedFinding {
            message: one.message.map(|text| {
                text.replace("N days", "276 days")
                    .replace("N of N", "2097152 of 2097153")
                    .replace("entry N", "entry 1")
            }),
            ..one
        })
        .collect();
    assert_ne!(old, written);
    let shifted = made(&format!("RUN TOKEN={token} y"), "", 2 << 20, 20_001);
    for baseline in [written, old] {
        for (evidence, changes) in [
            (&before, None),
            (&made("RUN x", token, 3 << 20, 20_500), None),
            (&shifted, None),
            (&made("RUN x", other, 2 << 20, 20_001), Some(ControlId::SecretConfiguration)),
        ] {
            let report = judge(evidence, &policy(baseline.clone()));
            for control in controls {
                let is_broken = outcome(&report, control).is_broken();
                assert_eq!(is_broken, changes == Some(control), "{control}");
            }
        }
    }
}

#[test]
fn a_baseline_has_a_limit_and_is_read_up_to_it() {
    let mut report = judge(&policy(Vec::new()));
    let control = report.controls.iter_mut().find(|one| one.id == ControlId::SetuidFile).unwrap();
    let finding = &mut control.findings[0];
    let path = |number| TreePath::parse(format!("bin/{number}")).unwrap();
    let own = |report: &AuditReport| write_baseline(report, None).unwrap();
    finding.paths = (0..EXCEPTIONS_MAX).map(path).collect();
    let others = read_baseline(&own(&judge(&policy(Vec::new())))).unwrap().len();
    finding.paths.truncate(EXCEPTIONS_MAX - others + 1);
    assert!(read_baseline(&own(&report)).is_ok());
    let control = report.controls.iter_mut().find(|one| one.id == ControlId::SetuidFile).unwrap();
    control.findings[0].paths = (0..=EXCEPTIONS_MAX).map(path).collect();
    assert_eq!(write_baseline(&report, None), Err(ExceptionError::TooMany));
}
