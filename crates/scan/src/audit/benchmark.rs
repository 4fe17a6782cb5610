// SPDX-License-Identifier: Apache-2.0
//! The tables of guides: section 4 of the CIS Docker Benchmark 1.6, and the requirements of the operating systems' guide.

use serde::Serialize;

use super::mappings::{Cis, REQUIREMENTS, Srg, mapping};
use super::model::{AuditReport, ControlResult, Outcome};
use crate::controls::ControlId;

/// What became of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "status", content = "why")]
pub enum Verdict {
    /// Nothing was found that it forbids.
    Pass,
    /// Something was found; what, in words.
    Fail(String),
    /// Something was found that it forbids, and that somebody accepted: by which controls.
    Excepted(String),
    /// Something was found that is worth knowing, by which controls, and nothing worse.
    Info(String),
    /// It could not be measured, and why.
    NotMeasured(String),
    /// Nobody but people can tell, and why.
    Manual(String),
}

impl Verdict {
    /// Returns it in a word or two.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "fail",
            Self::Excepted(_) => "accepted",
            Self::Info(_) => "info",
            Self::NotMeasured(_) => "not measured",
            Self::Manual(_) => "manual",
        }
    }

    /// Returns why.
    pub fn why(&self) -> &str {
        match self {
            Self::Pass => "",
            Self::Fail(why)
            | Self::Excepted(why)
            | Self::Info(why)
            | Self::NotMeasured(why)
            | Self::Manual(why) => why,
        }
    }
}

/// An item of the benchmark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CisRow {
    /// `4.1`.
    pub item: String,
    /// What it asks for, in our words.
    pub title: &'static str,
    /// What became of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// The items, in our words.
const ITEMS: [&str; 12] = [
    "the image has a user of its own",
    "the image is made of images that are trusted",
    "no package is there that the image does not need",
    "the image is scanned, and made again with what mends it",
    "content trust: the image is signed",
    "there is a health check",
    "lists of packages are not updated in an instruction alone",
    "no file has the setuid or setgid bit",
    "files are brought with COPY and not with ADD",
    "there are no secrets",
    "packages are verified when they are installed",
    "signed artifacts are checked",
];

/// Returns what became of section 4 of the CIS Docker Benchmark 1.6.
pub fn cis(report: &AuditReport) -> Vec<CisRow> {
    (1..).zip(ITEMS).map(|(number, title)| row(report, Cis(number), title)).collect()
}

fn row(report: &AuditReport, item: Cis, title: &'static str) -> CisRow {
    let of: Vec<&ControlResult> =
        report.controls.iter().filter(|one| mapping(one.id).cis.contains(&item)).collect();
    CisRow { item: format!("4.{}", item.0), title, verdict: verdict(report, item, &of) }
}

fn verdict(report: &AuditReport, item: Cis, of: &[&ControlResult]) -> Verdict {
    let measured = together(of);
    match item.0 {
        // The benchmark wants a user; without controls for it (an image to build with) the user itself tells.
        1 => match (&measured, report.traits.uid) {
            (Verdict::Fail(_) | Verdict::Excepted(_), _) => measured,
            (_, Some(0)) => Verdict::Fail("it runs as root".to_owned()),
            (Verdict::Info(_), Some(_)) => measured,
            (_, Some(_)) => Verdict::Pass,
            (_, None) => {
                Verdict::NotMeasured("which number its user has can't be told".to_owned())
            }
        },
        2 => {
            let names_base = of.iter().any(|one| one.outcome == Outcome::Pass);
            let says = if names_base { "names its base" } else { "does not say which base it has" };
            Verdict::Manual(format!("which bases you trust is yours to say; the image {says}"))
        }
        5 => match measured {
            Verdict::Pass => Verdict::Pass,
            Verdict::Fail(why) => Verdict::Fail(format!(
                "{why} (Docker Content Trust is retired; any trusted signature counts)"
            )),
            other => other,
        },
        // A missing check is no defect: orchestrators have probes of their own, and images in OCI's format can't have one.
        6 => match measured {
            Verdict::Fail(why) => Verdict::Fail(why),
            Verdict::Pass => Verdict::Manual(
                "none that can't run; whether there is a probe is the orchestrator's to say"
                    .to_owned(),
            ),
            other => other,
        },
        7 => match measured {
            Verdict::Fail(_) | Verdict::Excepted(_) => measured,
            _ => Verdict::Manual(
                "instructions are not in an image; lists that one leaves behind were looked for"
                    .to_owned(),
            ),
        },
        9 => Verdict::NotMeasured("what brought a file is not in an image".to_owned()),
        11 => match measured {
            Verdict::Pass => Verdict::Manual(
                "provenance and SBOM say where packages are from; who checked them does the builder"
                    .to_owned(),
            ),
            other => other,
        },
        _ => measured,
    }
}

/// Returns what became of several controls that stand for one item: it fails with the first of them.
fn together(of: &[&ControlResult]) -> Verdict {
    let names = |is: fn(&Outcome) -> bool| {
        let names: Vec<&str> =
            of.iter().filter(|one| is(&one.outcome)).map(|one| one.id.name()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(failed) = names(Outcome::is_broken) {
        return Verdict::Fail(failed);
    }
    let unmeasured = of.iter().find_map(|one| match &one.outcome {
        Outcome::Unmeasured(why) => Some(format!("{}: {why}", one.id)),
        _ => None,
    });
    let applies = of.iter().any(|one| one.outcome != Outcome::NotApplicable);
    let excepted = || names(|one| *one == Outcome::Excepted).map(Verdict::Excepted);
    let informed = || names(|one| *one == Outcome::Info).map(Verdict::Info);
    match unmeasured {
        Some(why) => Verdict::NotMeasured(why),
        None if applies => excepted().or_else(informed).unwrap_or(Verdict::Pass),
        None => Verdict::NotMeasured("it does not apply to the profile".to_owned()),
    }
}

/// A requirement of the operating systems' guide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SrgRow {
    /// Its number.
    pub requirement: Srg,
    /// What it asks for, in our words.
    pub title: &'static str,
    /// The controls that are evidence for it.
    pub controls: Vec<ControlId>,
    /// What became of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Returns what became of the requirements of the guide that controls have to do with. Of the other requirements nothing is
/// said: they are about hosts, people and services that no image has.
pub fn srg(report: &AuditReport) -> Vec<SrgRow> {
    let row = |(requirement, title): &(Srg, &'static str)| {
        let of: Vec<&ControlResult> = (report.controls.iter())
            .filter(|one| mapping(one.id).srg.contains(requirement))
            .collect();
        SrgRow {
            requirement: *requirement,
            title,
            controls: of.iter().map(|one| one.id).collect(),
            verdict: together(&of),
        }
    };
    REQUIREMENTS.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::testing::{report, report_of};

    fn words(report: &AuditReport) -> Vec<&'static str> {
        cis(report).iter().map(|row| row.verdict.word()).collect()
    }

    #[test]
    fn the_table_of_an_image_that_holds() {
        let clean = report_of(&[]);
        let expected = [
            "pass",
            "manual",
            "pass",
            "pass",
            "pass",
            "manual",
            "manual",
            "pass",
            "not measured",
            "pass",
            "manual",
            "pass",
        ];
        assert_eq!(words(&clean), expected);
        assert_eq!(cis(&clean)[0].item, "4.1");
        assert_eq!(cis(&clean)[11].item, "4.12");
        assert!(srg(&clean).iter().all(|row| row.verdict == Verdict::Pass));
    }

    #[test]
    fn what_fails_fails_its_items() {
        let unmeasured = || Outcome::Unmeasured("no key is trusted".to_owned());
        for (control, outcome, item, expected) in [
            (ControlId::UserRoot, Outcome::Fail, 1, Verdict::Fail("user-root".to_owned())),
            (ControlId::Shell, Outcome::Fail, 3, Verdict::Fail("shell".to_owned())),
            (ControlId::NetworkTool, Outcome::Warn, 3, Verdict::Fail("network-tool".to_owned())),
            (ControlId::Shell, Outcome::Excepted, 3, Verdict::Excepted("shell".to_owned())),
            (ControlId::NetworkTool, Outcome::Info, 3, Verdict::Info("network-tool".to_owned())),
            (ControlId::UserRoot, Outcome::Excepted, 1, Verdict::Excepted("user-root".to_owned())),
            (
                ControlId::PackageCache,
                Outcome::Excepted,
                7,
                Verdict::Excepted("package-cache".to_owned()),
            ),
            (ControlId::Shell, Outcome::NotApplicable, 3, Verdict::Pass),
            (
                ControlId::VulnerabilityFixable,
                Outcome::Fail,
                4,
                Verdict::Fail("vulnerability-fixable".to_owned()),
            ),
            (
                ControlId::VulnerabilityFixable,
                Outcome::Unmeasured("no database".to_owned()),
                4,
                Verdict::NotMeasured("vulnerability-fixable: no database".to_owned()),
            ),
            (
                ControlId::Signature,
                unmeasured(),
                5,
                Verdict::NotMeasured("signature: no key is trusted".to_owned()),
            ),
            (
                ControlId::HealthcheckBroken,
                Outcome::Warn,
                6,
                Verdict::Fail("healthcheck-broken".to_owned()),
            ),
            (ControlId::PackageCache, Outcome::Fail, 7, Verdict::Fail("package-cache".to_owned())),
            (ControlId::SetuidFile, Outcome::Fail, 8, Verdict::Fail("setuid-file".to_owned())),
            (ControlId::Secret, Outcome::Fail, 10, Verdict::Fail("secret".to_owned())),
            (
                ControlId::SecretDeleted,
                Outcome::Fail,
                10,
                Verdict::Fail("secret-deleted".to_owned()),
            ),
            (ControlId::Sbom, Outcome::Warn, 11, Verdict::Fail("sbom".to_owned())),
            (ControlId::Provenance, Outcome::Warn, 12, Verdict::Fail("provenance".to_owned())),
        ] {
            let report = report_of(&[(control, outcome)]);
            assert_eq!(cis(&report)[item - 1].verdict, expected, "{control} 4.{item}");
        }
        assert!(matches!(&cis(&report_of(&[(ControlId::Signature, Outcome::Warn)]))[4].verdict,
            Verdict::Fail(why) if why.starts_with("signature (")));
    }

    #[test]
    fn a_user_is_told_from_its_number_where_no_control_applies() {
        let mut report = report_of(&[
            (ControlId::UserRoot, Outcome::NotApplicable),
            (ControlId::UserUnknown, Outcome::NotApplicable),
        ]);
        for (uid, expected) in [(Some(0), "fail"), (Some(7), "pass"), (None, "not measured")] {
            report.traits.uid = uid;
            assert_eq!(words(&report)[0], expected, "{uid:?}");
        }
    }

    #[test]
    fn requirements_have_their_controls() {
        let rows = srg(&report());
        let privilege = rows.iter().find(|row| row.requirement.0.contains("000326")).unwrap();
        assert!(privilege.controls.contains(&ControlId::SetuidFile));
        assert!(matches!(&privilege.verdict, Verdict::Fail(why) if why.contains("setuid-file")));
        assert!(rows.iter().all(|row| !row.controls.is_empty()));
    }
}
