// SPDX-License-Identifier: Apache-2.0
//! From what became of controls to a letter.

use super::model::{ControlResult, Deduction, Grade, GradeSum, Outcome};
use crate::controls::Severity;

/// What an image has that breaks nothing.
pub const POINTS_MAX: u32 = 100;
/// What a control costs that breaks the promise of the profile.
pub const FAIL_POINTS: u32 = 20;
/// What a control costs that should be looked at.
pub const WARN_POINTS: u32 = 5;
/// The points from which on a letter is given, the best first; with less it is an F.
pub const STEPS: [(u32, Grade); 5] =
    [(90, Grade::A), (75, Grade::B), (60, Grade::C), (45, Grade::D), (30, Grade::E)];

/// Counts. Only controls that count for the profile do, and of these those that failed or warn: what is accepted, could not
/// be measured or only informs costs nothing. Returns the letter, how it came to be, and whether the image is hardened.
pub fn grade(controls: &[ControlResult]) -> (Grade, GradeSum, bool) {
    let mut deductions: Vec<Deduction> = controls.iter().filter_map(deduction).collect();
    deductions.sort_by_key(|one| (std::cmp::Reverse(one.points), one.control));
    let is_hardened = deductions.iter().all(|one| one.severity != Severity::Fail);
    let cost = deductions.iter().fold(0_u32, |sum, one| sum.saturating_add(one.points));
    let points = POINTS_MAX.saturating_sub(cost);
    let (grade, cap) = letter(points, is_hardened);
    let is_unmeasured =
        |one: &&ControlResult| one.counts && matches!(one.outcome, Outcome::Unmeasured(_));
    let unmeasured = controls.iter().filter(is_unmeasured).count();
    let accepted = controls.iter().filter(|one| is_accepted(one)).count();
    (grade, GradeSum { points, deductions, unmeasured, accepted, cap }, is_hardened)
}

/// Whether a control costs nothing because what it found is accepted.
fn is_accepted(control: &ControlResult) -> bool {
    let has_accepted = || control.findings.iter().any(|finding| finding.accepted.is_some());
    let is = control.outcome == Outcome::Excepted
        || matches!(control.outcome, Outcome::Info | Outcome::Unmeasured(_)) && has_accepted();
    control.counts && is
}

fn deduction(control: &ControlResult) -> Option<Deduction> {
    let (severity, points) = match control.outcome {
        Outcome::Fail => (Severity::Fail, FAIL_POINTS),
        Outcome::Warn => (Severity::Warn, WARN_POINTS),
        Outcome::Pass
        | Outcome::Info
        | Outcome::Excepted
        | Outcome::Unmeasured(_)
        | Outcome::NotApplicable => return None,
    };
    control.counts.then_some(Deduction { control: control.id, severity, points })
}

/// Returns the letter for points, and why it is worse than they say.
fn letter(points: u32, is_hardened: bool) -> (Grade, Option<String>) {
    let step = STEPS.iter().find(|(from, _)| points >= *from);
    match step.map_or(Grade::F, |(_, grade)| *grade) {
        Grade::A if !is_hardened => {
            let cap = "a control that counts failed: what is not hardened is never better than B";
            (Grade::B, Some(cap.to_owned()))
        }
        grade => (grade, None),
    }
}

impl GradeSum {
    /// Returns the arithmetic, line by line: what there was, what was taken off for what, what is left.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{POINTS_MAX}")];
        lines.extend(
            self.deductions
                .iter()
                .map(|one| format!("− {} {} ({})", one.points, one.control, one.severity)),
        );
        let cost: u32 = self.deductions.iter().map(|one| one.points).sum();
        let floor = if cost > POINTS_MAX { ", which is the least" } else { "" };
        lines.push(format!("= {}{floor}", self.points));
        lines.extend(self.cap.iter().cloned());
        lines.extend(self.gaps());
        lines
    }

    /// Says of how many controls the grade says nothing, line by line: of those that were not measured, and of those that
    /// found what is accepted.
    pub fn gaps(&self) -> Vec<String> {
        let all = [
            (self.unmeasured, "was not measured", "were not measured"),
            (self.accepted, "found what is accepted", "found what is accepted"),
        ];
        let some = all.into_iter().filter(|(number, ..)| *number > 0);
        some.map(|(number, of_one, of_more)| match number {
            1 => format!("1 control that counts {of_one}: the grade says nothing of it"),
            more => format!("{more} controls that count {of_more}: the grade says nothing of them"),
        })
        .collect()
    }
}

impl Grade {
    /// All of them, the best first.
    pub const ALL: [Self; 6] = [Self::A, Self::B, Self::C, Self::D, Self::E, Self::F];

    /// Returns its letter.
    pub fn letter(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::E => "E",
            Self::F => "F",
        }
    }
}

impl std::str::FromStr for Grade {
    type Err = UnknownGrade;

    fn from_str(text: &str) -> Result<Self, UnknownGrade> {
        let found = Self::ALL.into_iter().find(|grade| grade.letter() == text);
        found.ok_or_else(|| UnknownGrade(text.chars().take(40).collect()))
    }
}

/// A text that is no grade.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a grade from A to F: {0:?}")]
pub struct UnknownGrade(pub String);

impl std::fmt::Display for Grade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.letter())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audit::testing::control;
    use crate::controls::{ControlId, controls};

    #[test]
    fn points_come_to_letters() {
        for (points, hardened, expected) in [
            (100, true, Grade::A),
            (90, true, Grade::A),
            (89, true, Grade::B),
            (75, true, Grade::B),
            (74, true, Grade::C),
            (60, true, Grade::C),
            (59, true, Grade::D),
            (45, true, Grade::D),
            (44, true, Grade::E),
            (30, true, Grade::E),
            (29, true, Grade::F),
            (0, true, Grade::F),
            (89, false, Grade::B),
            (60, false, Grade::C),
            (0, false, Grade::F),
        ] {
            assert_eq!(letter(points, hardened), (expected, None), "{points} {hardened}");
        }
        for points in 90..=100 {
            let (grade, cap) = letter(points, false);
            assert_eq!(grade, Grade::B);
            assert!(cap.unwrap().contains("never better than B"));
        }
    }

    #[test]
    fn the_arithmetic_is_shown() {
        let mut hidden = control(ControlId::Secret, Outcome::Fail);
        hidden.counts = false;
        let (grade, sum, hardened) = grade(&[
            control(ControlId::NetworkTool, Outcome::Warn),
            control(ControlId::Shell, Outcome::Fail),
            control(ControlId::UserRoot, Outcome::Excepted),
            control(ControlId::Compiler, Outcome::Pass),
            control(ControlId::Signature, Outcome::Unmeasured("no key".to_owned())),
            control(ControlId::PrivilegedPort, Outcome::Info),
            hidden,
        ]);
        assert_eq!((grade, hardened), (Grade::B, false));
        let gap = "1 control that counts was not measured: the grade says nothing of it";
        let accepted = "1 control that counts found what is accepted: the grade says nothing of it";
        let lines = ["100", "− 20 shell (fail)", "− 5 network-tool (warn)", "= 75", gap, accepted];
        assert_eq!(sum.lines(), lines.map(str::to_owned).to_vec());
        assert_eq!((sum.unmeasured, sum.accepted), (1, 1));
        let mut off = control(ControlId::UserRoot, Outcome::Excepted);
        off.counts = false;
        let two = [ControlId::Shell, ControlId::Compiler].map(|id| control(id, Outcome::Excepted));
        let (_, sum, _) = super::grade(&[two.to_vec(), vec![off]].concat());
        assert_eq!(
            sum.gaps(),
            ["2 controls that count found what is accepted: the grade says nothing of them"]
        );
        let (grade, sum, hardened) = super::grade(&[]);
        assert_eq!(
            (grade, sum.lines(), hardened),
            (Grade::A, vec!["100".into(), "= 100".into()], true)
        );
        let all: Vec<ControlResult> =
            controls().iter().map(|one| control(one.id, Outcome::Fail)).collect();
        let (grade, sum, _) = super::grade(&all);
        assert_eq!((grade, sum.points), (Grade::F, 0));
        assert_eq!(sum.lines().last().unwrap(), "= 0, which is the least");
    }

    #[test]
    fn letters_are_read_and_nothing_else() {
        for grade in Grade::ALL {
            assert_eq!(grade.letter().parse(), Ok(grade));
        }
        for text in ["", "a", "AA", "G", " A", "A+"] {
            assert_eq!(text.parse::<Grade>(), Err(UnknownGrade(text.to_owned())));
        }
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            Just(Outcome::Pass),
            Just(Outcome::Fail),
            Just(Outcome::Warn),
            Just(Outcome::Info),
            Just(Outcome::Excepted),
            Just(Outcome::Unmeasured("no key".to_owned())),
            Just(Outcome::NotApplicable),
        ]
    }

    fn results() -> impl Strategy<Value = Vec<ControlResult>> {
        let one = (0..controls().len(), outcome(), any::<bool>());
        proptest::collection::vec(one, 0..40).prop_map(|all| {
            let made = all.into_iter().map(|(number, outcome, counts)| {
                let mut made = control(controls()[number].id, outcome);
                made.counts = counts;
                made
            });
            made.collect()
        })
    }

    proptest! {
        #[test]
        fn a_failure_more_never_improves(all in results(), number in 0..controls().len(), warns in any::<bool>()) {
            let (before, sum_before, hardened_before) = grade(&all);
            let mut more = all;
            let outcome = if warns { Outcome::Warn } else { Outcome::Fail };
            more.push(control(controls()[number].id, outcome));
            let (after, sum_after, hardened_after) = grade(&more);
            prop_assert!(after >= before, "{before} became {after}");
            prop_assert!(sum_after.points <= sum_before.points);
            prop_assert!(hardened_before || !hardened_after);
        }

        #[test]
        fn the_sum_is_right_and_no_failure_is_an_a(mut all in results(), turn in 0_usize..40) {
            let (grade, sum, hardened) = grade(&all);
            let cost: u32 = sum.deductions.iter().map(|one| one.points).sum();
            prop_assert_eq!(sum.points, POINTS_MAX.saturating_sub(cost));
            prop_assert!(hardened || grade > Grade::A);
            let failed = all.iter().any(|one| one.counts && one.outcome == Outcome::Fail);
            prop_assert_eq!(hardened, !failed);
            // The order of controls is nothing.
            let middle = turn % all.len().max(1);
            all.rotate_left(middle);
            prop_assert_eq!(super::grade(&all), (grade, sum, hardened));
        }
    }
}
