// SPDX-License-Identifier: Apache-2.0
//! An audit as a statement: `https://hardpan.dev/audit/v1`.

use std::collections::BTreeSet;

use hardpan_attest::predicate::audit::{
    AuditControl, AuditException, AuditPredicate, AuditSurface, AuditTool, AuditTraits,
    ControlResult as Came, ControlSeverity, Grade as Letter,
};
use hardpan_attest::predicate::{PredicateError, Time};
use hardpan_tree::TreePath;

use super::model::{AuditReport, ControlResult, Grade, Outcome, Surface, Traits};
use crate::controls::Severity;

/// Makes the statement. Its time is the newest of what it was made of, so that attesting the same twice changes nothing.
///
/// # Errors
/// If it says what can't be true, or has names that a statement can't have.
pub fn predicate(report: &AuditReport, time: Time) -> Result<AuditPredicate, PredicateError> {
    let predicate = AuditPredicate {
        tool: AuditTool {
            name: "hardpan".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        time,
        profile: report.profile.name.clone(),
        hardened: report.hardened,
        grade: letter(report.grade),
        points: u8::try_from(report.sum.points).unwrap_or(u8::MAX),
        traits: traits(&report.traits),
        controls: report.controls.iter().map(control).collect(),
        surface: surface(report.surface),
    };
    predicate.check()?;
    Ok(predicate)
}

fn letter(grade: Grade) -> Letter {
    match grade {
        Grade::A => Letter::A,
        Grade::B => Letter::B,
        Grade::C => Letter::C,
        Grade::D => Letter::D,
        Grade::E => Letter::E,
        Grade::F => Letter::F,
    }
}

fn traits(traits: &Traits) -> AuditTraits {
    let paths = |kind: &str| -> BTreeSet<String> {
        traits.tools.get(kind).into_iter().flatten().map(text).collect()
    };
    AuditTraits {
        user: traits.user.clone(),
        uid: traits.uid,
        shell: paths("shell"),
        package_manager: paths("packageManager"),
        language_package_manager: paths("languagePackageManager"),
        compiler: paths("compiler"),
        debugger: paths("debugger"),
        network_tool: paths("networkTool"),
        setuid: traits.setuid,
        capabilities: traits.capabilities,
        world_writable: traits.world_writable,
    }
}

/// Returns a path without what no text may have.
fn text(path: &TreePath) -> String {
    path.to_string().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn control(control: &ControlResult) -> AuditControl {
    let result = match control.outcome {
        Outcome::Pass => Came::Pass,
        Outcome::Fail => Came::Fail,
        Outcome::Warn => Came::Warn,
        Outcome::Info => Came::Info,
        Outcome::Excepted => Came::Excepted,
        Outcome::Unmeasured(_) => Came::Unmeasured,
        Outcome::NotApplicable => Came::NotApplicable,
    };
    let severity = match control.severity {
        Some(Severity::Fail) => ControlSeverity::Fail,
        Some(Severity::Warn) => ControlSeverity::Warn,
        // What does not apply matters to nobody.
        Some(Severity::Info) | None => ControlSeverity::Info,
    };
    let mut exceptions = BTreeSet::new();
    for finding in &control.findings {
        let Some(accepted) = &finding.accepted else { continue };
        let exception = |path: Option<&TreePath>| AuditException {
            path: path.map(text),
            reason: accepted.reason.clone(),
            until: accepted.until.as_deref().and_then(|day| day.parse().ok()),
        };
        if finding.paths.is_empty() {
            exceptions.insert(exception(None));
        }
        exceptions.extend(finding.paths.iter().map(|path| exception(Some(path))));
    }
    AuditControl {
        id: control.id.name().to_owned(),
        severity,
        result,
        findings: control.findings.len() as u64,
        exceptions: exceptions.into_iter().collect(),
    }
}

fn surface(surface: Surface) -> AuditSurface {
    AuditSurface {
        executables: surface.executables,
        elf: surface.elf,
        packages: surface.packages,
        bytes: surface.bytes,
        files: surface.files,
        setuid: surface.setuid,
        interpreters: surface.interpreters,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::testing::{report, report_of};
    use crate::controls::ControlId;

    #[test]
    fn a_report_becomes_a_statement_that_is_read_again() {
        for report in [report(), report_of(&[])] {
            let made = predicate(&report, Time::from_seconds(1_700_000_000)).unwrap();
            let value = serde_json::to_value(&made).unwrap();
            assert_eq!(AuditPredicate::from_value(&value).unwrap(), made);
            assert_eq!(value["time"], "2023-11-14T22:13:20Z");
            assert_eq!(value["hardened"], report.hardened);
            assert_eq!(value["controls"].as_array().unwrap().len(), report.controls.len());
        }
        let value = serde_json::to_value(predicate(&report(), Time::EPOCH).unwrap()).unwrap();
        let of = |id: &str| {
            value["controls"]
                .as_array()
                .unwrap()
                .iter()
                .find(|one| one["id"] == id)
                .unwrap()
                .clone()
        };
        assert_eq!((&of("shell")["result"], &of("shell")["findings"]), (&"fail".into(), &1.into()));
        assert_eq!(of("signature")["result"], "unmeasured");
        let excepted = of("user-root");
        assert_eq!(excepted["exceptions"][0]["until"], "2027-03-31");
        assert!(excepted["exceptions"][0].get("path").is_none());
        assert_eq!(value["traits"]["shell"][0], "/usr/bin/dash");
        assert_eq!((&value["grade"], &value["points"]), (&"D".into(), &55.into()));
    }

    #[test]
    fn what_cannot_be_true_is_not_stated() {
        let mut wrong = report_of(&[(ControlId::Shell, Outcome::Fail)]);
        assert!(predicate(&wrong, Time::EPOCH).is_err(), "a failure without a finding");
        wrong = report();
        wrong.hardened = true;
        assert!(predicate(&wrong, Time::EPOCH).is_err(), "hardened with a failure");
        wrong = report();
        wrong.profile.name = "<b>".to_owned();
        assert!(predicate(&wrong, Time::EPOCH).is_err(), "a profile that is no name");
        wrong = report();
        wrong.traits.uid = Some(7);
        assert!(predicate(&wrong, Time::EPOCH).is_err(), "a user of another number");
    }
}
