// SPDX-License-Identifier: Apache-2.0
//! Two images side by side.

use std::collections::BTreeMap;

use serde::Serialize;

use super::model::{AuditReport, Outcome};
use super::report::words;
use super::surface::{Reduction, change};
use crate::advisory;
use crate::controls::ControlId;

/// An image that is compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// Its audit.
    pub report: AuditReport,
    /// What has to be pulled, in bytes; a root file system is not pulled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compressed: Option<u64>,
    /// Vulnerabilities that count, by severity; `None` without an advisory database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vulnerabilities: Option<BTreeMap<String, u64>>,
    /// What was not looked up, so that there may be more of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<String>,
}

/// What a difference means for whoever runs the second image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Meaning {
    /// There is less to attack.
    Better,
    /// There is more to attack.
    Worse,
    /// They are the same.
    Same,
    /// They differ, and neither is better.
    Other,
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// What is compared.
    pub name: String,
    /// What the first image has.
    pub first: String,
    /// What the second image has.
    pub second: String,
    /// How much less or more it is, where these are numbers.
    pub change: String,
    /// What that means.
    pub meaning: Meaning,
}

/// The lines about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Section {
    /// What they are about.
    pub title: &'static str,
    /// The lines.
    pub lines: Vec<Line>,
}

/// Two images side by side; what is said of changes is said of the second one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditComparison {
    /// The first image.
    pub first: Side,
    /// The second image.
    pub second: Side,
    /// How much less there is to attack in the second one.
    pub reduction: Reduction,
    /// The table.
    pub sections: Vec<Section>,
}

impl AuditComparison {
    /// Whether the second image has more to attack, by however little, or a worse grade.
    pub fn is_worse(&self) -> bool {
        self.reduction.order().is_gt() || self.second.report.grade > self.first.report.grade
    }
}

/// Compares two images.
pub fn compare(first: Side, second: Side) -> AuditComparison {
    let reduction = second.report.surface.reduction(&first.report.surface);
    let sections = vec![
        Section { title: "verdict", lines: verdict(&first, &second) },
        Section { title: "image", lines: image(&first, &second) },
        Section { title: "attack surface", lines: surface(&first, &second) },
        Section { title: "traits", lines: traits(&first, &second) },
        Section { title: "vulnerabilities", lines: vulnerabilities(&first, &second) },
        Section { title: "controls", lines: controls(&first, &second) },
    ];
    let sections = sections.into_iter().filter(|section| !section.lines.is_empty()).collect();
    AuditComparison { first, second, reduction, sections }
}

fn text(name: &str, first: String, second: String, meaning: Meaning) -> Line {
    let meaning = if first == second { Meaning::Same } else { meaning };
    Line { name: name.to_owned(), first, second, change: String::new(), meaning }
}

/// A line about two numbers of which the smaller one is better.
fn numbers(name: &str, first: u64, second: u64, shown: fn(u64) -> String) -> Line {
    let meaning = match second.cmp(&first) {
        std::cmp::Ordering::Less => Meaning::Better,
        std::cmp::Ordering::Equal => Meaning::Same,
        std::cmp::Ordering::Greater => Meaning::Worse,
    };
    Line {
        name: name.to_owned(),
        first: shown(first),
        second: shown(second),
        change: change(second, first),
        meaning,
    }
}

fn number(number: u64) -> String {
    number.to_string()
}

fn ordered<T: Ord>(first: &T, second: &T) -> Meaning {
    match second.cmp(first) {
        std::cmp::Ordering::Less => Meaning::Better,
        std::cmp::Ordering::Equal => Meaning::Same,
        std::cmp::Ordering::Greater => Meaning::Worse,
    }
}

fn verdict(first: &Side, second: &Side) -> Vec<Line> {
    let (first, second) = (&first.report, &second.report);
    let grade = |report: &AuditReport| format!("{} ({} points)", report.grade, report.sum.points);
    let better = (std::cmp::Reverse(first.sum.points), std::cmp::Reverse(second.sum.points));
    let yes = |hardened| if hardened { "yes" } else { "no" }.to_owned();
    vec![
        text("grade", grade(first), grade(second), ordered(&better.0, &better.1)),
        text(
            "hardened",
            yes(first.hardened),
            yes(second.hardened),
            ordered(&!first.hardened, &!second.hardened),
        ),
        text("profile", first.profile.name.clone(), second.profile.name.clone(), Meaning::Other),
    ]
}

fn image(first: &Side, second: &Side) -> Vec<Line> {
    let (one, other) = (&first.report.image, &second.report.image);
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "—".to_owned());
    let digest = |image: &super::model::AuditedImage| {
        or_none(image.digest.map(|digest| format!("sha256:{}", &digest.to_hex()[..12])))
    };
    let mut lines = vec![
        text("digest", digest(one), digest(other), Meaning::Other),
        text(
            "platform",
            or_none(one.platform.clone()),
            or_none(other.platform.clone()),
            Meaning::Other,
        ),
        text(
            "distribution",
            or_none(one.distribution.clone()),
            or_none(other.distribution.clone()),
            Meaning::Other,
        ),
    ];
    if let (Some(first), Some(second)) = (first.compressed, second.compressed) {
        lines.push(numbers("to pull", first, second, super::report::size));
    }
    lines.push(numbers(
        "unpacked",
        first.report.surface.bytes,
        second.report.surface.bytes,
        super::report::size,
    ));
    lines
}

fn surface(first: &Side, second: &Side) -> Vec<Line> {
    let (first, second) = (&first.report.surface, &second.report.surface);
    vec![
        numbers("packages", first.packages, second.packages, number),
        numbers("executables", first.executables, second.executables, number),
        numbers("ELF files", first.elf, second.elf, number),
        numbers("files", first.files, second.files, number),
        numbers("setuid files", first.setuid, second.setuid, number),
        numbers("interpreters", first.interpreters, second.interpreters, number),
    ]
}

fn traits(first: &Side, second: &Side) -> Vec<Line> {
    let (first, second) = (&first.report.traits, &second.report.traits);
    let user = |traits: &super::model::Traits| match (traits.user.as_str(), traits.uid) {
        // A root file system says nothing of it.
        ("", None) => "not known".to_owned(),
        ("", Some(_)) => "root".to_owned(),
        (user, Some(0)) => format!("{user} (root)"),
        (user, _) => user.to_owned(),
    };
    let is_known = |traits: &super::model::Traits| traits.uid.is_some() || !traits.user.is_empty();
    let is_root = |traits: &super::model::Traits| traits.uid == Some(0);
    let meaning = match ordered(&is_root(first), &is_root(second)) {
        Meaning::Same => Meaning::Other,
        _ if !is_known(first) || !is_known(second) => Meaning::Other,
        meaning => meaning,
    };
    let mut lines = vec![text("user", user(first), user(second), meaning)];
    for (kind, paths) in &first.tools {
        let others = second.tools.get(kind).map_or(0, Vec::len);
        let shown = |number: u64| if number == 0 { "none".to_owned() } else { number.to_string() };
        lines.push(numbers(&words(kind), paths.len() as u64, others as u64, shown));
    }
    lines.push(numbers("with capabilities", first.capabilities, second.capabilities, number));
    lines.push(numbers("world-writable", first.world_writable, second.world_writable, number));
    lines
}

/// What stands for a change where a number may be higher than it looks.
const INCOMPARABLE: &str = "not comparable";

fn vulnerabilities(first: &Side, second: &Side) -> Vec<Line> {
    let (Some(ones), Some(others)) = (&first.vulnerabilities, &second.vulnerabilities) else {
        return Vec::new();
    };
    // Fewer were found, perhaps because fewer were looked for.
    let is_open = |side: &Side| !side.gaps.is_empty();
    let shown = |side: &Side, number: u64| {
        if is_open(side) { format!("{number} or more") } else { number.to_string() }
    };
    let line = |severity: advisory::Severity| {
        let name = severity.as_str();
        let of = |side: &BTreeMap<String, u64>| side.get(name).copied().unwrap_or(0);
        let (one, other) = (of(ones), of(others));
        if !is_open(first) && !is_open(second) {
            return numbers(name, one, other, number);
        }
        Line {
            name: name.to_owned(),
            first: shown(first, one),
            second: shown(second, other),
            change: INCOMPARABLE.to_owned(),
            meaning: Meaning::Other,
        }
    };
    let worst_first = advisory::Severity::ALL.into_iter().rev();
    worst_first.map(line).filter(|line| line.first != "0" || line.second != "0").collect()
}

/// The controls that either breaks, and those that only one of them could be measured by.
fn controls(first: &Side, second: &Side) -> Vec<Line> {
    let second: BTreeMap<ControlId, &Outcome> =
        second.report.controls.iter().map(|one| (one.id, &one.outcome)).collect();
    let mut lines = Vec::new();
    for control in &first.report.controls {
        let Some(other) = second.get(&control.id) else { continue };
        if !control.outcome.is_broken() && !other.is_broken() {
            continue;
        }
        let meaning = match (rank(&control.outcome), rank(other)) {
            (Some(first), Some(second)) => match ordered(&first, &second) {
                Meaning::Same => Meaning::Other,
                meaning => meaning,
            },
            _ => Meaning::Other,
        };
        let (first, second) = (control.outcome.word().to_owned(), other.word().to_owned());
        lines.push(text(control.id.name(), first, second, meaning));
    }
    lines
}

/// How bad an outcome is; nothing is known of what was not measured.
fn rank(outcome: &Outcome) -> Option<u8> {
    match outcome {
        Outcome::Pass | Outcome::Info | Outcome::Excepted => Some(0),
        Outcome::Warn => Some(1),
        Outcome::Fail => Some(2),
        Outcome::Unmeasured(_) | Outcome::NotApplicable => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::testing::{report, report_of};

    fn side(report: AuditReport, compressed: u64, critical: u64) -> Side {
        let vulnerabilities = BTreeMap::from([("critical".to_owned(), critical)]);
        Side {
            report,
            compressed: Some(compressed),
            vulnerabilities: Some(vulnerabilities),
            gaps: Vec::new(),
        }
    }

    #[test]
    fn two_images_side_by_side() {
        let compared = compare(side(report(), 80 << 20, 3), side(report_of(&[]), 8 << 20, 0));
        let lines: BTreeMap<&str, &Line> = (compared.sections.iter())
            .flat_map(|section| &section.lines)
            .map(|line| (line.name.as_str(), line))
            .collect();
        for (name, first, second, change, meaning) in [
            ("grade", "D (55 points)", "A (100 points)", "", Meaning::Better),
            ("hardened", "no", "yes", "", Meaning::Better),
            ("profile", "runtime", "runtime", "", Meaning::Same),
            ("platform", "linux/amd64", "linux/amd64", "", Meaning::Same),
            ("to pull", "80.0 MiB", "8.0 MiB", "−90 %", Meaning::Better),
            ("packages", "150", "9", "−94 %", Meaning::Better),
            ("setuid files", "2", "0", "−100 %", Meaning::Better),
            ("user", "0 (root)", "65532:65532", "", Meaning::Better),
            ("shell", "fail", "pass", "", Meaning::Better),
            ("package manager", "none", "none", "=", Meaning::Same),
            ("critical", "3", "0", "−100 %", Meaning::Better),
            ("network-tool", "warn", "pass", "", Meaning::Better),
        ] {
            let line = lines[name];
            let found = (line.first.as_str(), line.second.as_str(), line.change.as_str());
            assert_eq!((found, line.meaning), ((first, second, change), meaning), "{name}");
        }
        assert!(compared.reduction.per_mille > 900, "{}", compared.reduction.per_mille);
        assert!(!lines.contains_key("high") && !lines.contains_key("signature"));
    }

    #[test]
    fn a_user_that_nobody_knows_is_neither_better_nor_worse() {
        let of = |user: &str, uid| {
            let mut report = report();
            (report.traits.user, report.traits.uid) = (user.to_owned(), uid);
            side(report, 8, 0)
        };
        for (first, second, shown, meaning) in [
            (("", None), ("", Some(0)), ("not known", "root"), Meaning::Other),
            (("", Some(0)), ("", None), ("root", "not known"), Meaning::Other),
            (("", None), ("65532", Some(65532)), ("not known", "65532"), Meaning::Other),
            (("", None), ("", None), ("not known", "not known"), Meaning::Same),
            (("", Some(0)), ("app", Some(1000)), ("root", "app"), Meaning::Better),
            (("app", None), ("0", Some(0)), ("app", "0 (root)"), Meaning::Worse),
        ] {
            let lines = traits(&of(first.0, first.1), &of(second.0, second.1));
            let line = &lines[0];
            assert_eq!((line.first.as_str(), line.second.as_str()), shown);
            assert_eq!(line.meaning, meaning, "{shown:?}");
        }
    }

    #[test]
    fn what_was_not_looked_up_is_no_improvement() {
        let gap = || vec!["no data for alpine:3.22".to_owned()];
        for (summary, first_gaps, second_gaps, critical, expected) in [
            ("the second's", vec![], gap(), ("3", "0 or more"), Meaning::Other),
            ("the first's", gap(), vec![], ("3 or more", "0"), Meaning::Other),
            ("both", gap(), gap(), ("3 or more", "0 or more"), Meaning::Other),
            ("none", vec![], vec![], ("3", "0"), Meaning::Better),
        ] {
            let first = Side { gaps: first_gaps, ..side(report(), 8, 3) };
            let second = Side { gaps: second_gaps, ..side(report(), 8, 0) };
            let lines = vulnerabilities(&first, &second);
            let line = lines.iter().find(|line| line.name == "critical").unwrap();
            assert_eq!((line.first.as_str(), line.second.as_str()), critical, "{summary}");
            assert_eq!(line.meaning, expected, "{summary}");
            assert_eq!(line.change == INCOMPARABLE, expected == Meaning::Other, "{summary}");
        }
    }

    #[test]
    fn the_other_way_round_it_is_worse_and_against_itself_the_same() {
        let back = compare(side(report_of(&[]), 8, 0), side(report(), 80, 3));
        assert!(back.reduction.per_mille < 0 && back.is_worse());
        let meanings = |compared: &AuditComparison| -> Vec<Meaning> {
            compared
                .sections
                .iter()
                .flat_map(|section| &section.lines)
                .map(|line| line.meaning)
                .collect()
        };
        assert!(!meanings(&back).contains(&Meaning::Better));
        let same = compare(side(report(), 8, 1), side(report(), 8, 1));
        assert!(meanings(&same).iter().all(|meaning| *meaning == Meaning::Same));
        assert_eq!(same.reduction.per_mille, 0);
        assert!(!same.is_worse());
        // What is rounded away counts.
        let mut more = report();
        more.surface.bytes += 1;
        let more = compare(side(report(), 8, 1), side(more, 8, 1));
        assert_eq!(more.reduction.per_mille, 0);
        assert!(more.is_worse());
        let mut one = side(report(), 8, 1);
        one.vulnerabilities = None;
        let sections = compare(one, side(report(), 8, 1)).sections;
        assert!(sections.iter().all(|section| section.title != "vulnerabilities"));
    }
}
