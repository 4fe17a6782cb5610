// SPDX-License-Identifier: Apache-2.0
//! The forms in which an audit is written. All are functions of the report and of what is given beside it: no clock, no place
//! of this machine, and what images and policies hold stays text.

mod badge;
mod comparison;
mod html;
mod junit;
mod markdown;
#[cfg(test)]
mod page_tests;
mod sarif;
mod statements;
#[cfg(test)]
mod tests;
mod xccdf;

use hardpan_attest::predicate::Time;

use super::crypto::CryptoModule;
use super::model::{AuditReport, ControlResult, Outcome, ProfileSource, Surface};
use super::surface::Reduction;
use crate::controls::Severity;

pub use badge::{badge, badge_markdown};
pub use comparison::{comparison_html, comparison_markdown};
pub use html::html;
pub(crate) use html::words;
pub use junit::junit;
pub use markdown::markdown;
pub use sarif::sarif;
pub use statements::stig;
pub use xccdf::xccdf;

/// What reports show beside the audit itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'b> {
    /// A standard image that the surface is compared with, and its name.
    pub standard: Option<(&'b str, &'b Surface)>,
    /// The cryptographic modules, if somebody looked.
    pub modules: Option<&'b [CryptoModule]>,
    /// When the image was made; reports that must have a time take this one.
    pub time: Option<Time>,
}

impl Beside<'_> {
    fn reduction(&self, report: &AuditReport) -> Option<Reduction> {
        self.standard.map(|(_, surface)| report.surface.reduction(surface))
    }
}

impl Outcome {
    /// Returns it in a word or two.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Excepted => "excepted",
            Self::Unmeasured(_) => "unmeasured",
            Self::NotApplicable => "not applicable",
        }
    }

    /// Whether something was found that nobody accepted.
    pub fn is_broken(&self) -> bool {
        matches!(self, Self::Fail | Self::Warn)
    }
}

/// How many controls came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Totals {
    passed: usize,
    failed: usize,
    warned: usize,
    informed: usize,
    excepted: usize,
    unmeasured: usize,
    not_applicable: usize,
}

impl Totals {
    fn of(report: &AuditReport) -> Self {
        let mut totals = Self::default();
        for control in &report.controls {
            *match control.outcome {
                Outcome::Pass => &mut totals.passed,
                Outcome::Fail => &mut totals.failed,
                Outcome::Warn => &mut totals.warned,
                Outcome::Info => &mut totals.informed,
                Outcome::Excepted => &mut totals.excepted,
                Outcome::Unmeasured(_) => &mut totals.unmeasured,
                Outcome::NotApplicable => &mut totals.not_applicable,
            } += 1;
        }
        totals
    }

    /// Returns what there is any of, in words.
    fn text(self) -> String {
        let all = [
            (self.failed, "failed"),
            (self.warned, "warned"),
            (self.passed, "passed"),
            (self.informed, "informed"),
            (self.excepted, "accepted"),
            (self.unmeasured, "not measured"),
            (self.not_applicable, "not applicable"),
        ];
        let some = all.iter().filter(|(number, _)| *number > 0);
        some.map(|(number, what)| format!("{number} {what}")).collect::<Vec<_>>().join(", ")
    }
}

/// Returns who says what the image is for.
fn source_text(source: ProfileSource) -> &'static str {
    match source {
        ProfileSource::Flag => "as its user says",
        ProfileSource::Definition => "as its definition says",
        ProfileSource::Label => "as its label says",
        ProfileSource::Default => "because nobody who is trusted says otherwise",
    }
}

/// Returns the controls that broke, what fails before what warns.
fn broken(report: &AuditReport) -> Vec<&ControlResult> {
    let mut all: Vec<&ControlResult> =
        report.controls.iter().filter(|one| one.outcome.is_broken()).collect();
    all.sort_by_key(|one| one.outcome != Outcome::Fail);
    all
}

/// Returns the severity of a result for forms that want one of everything.
fn severity(control: &ControlResult) -> Severity {
    control.severity.unwrap_or(Severity::Info)
}

/// Returns a size for people.
pub(crate) fn size(bytes: u64) -> String {
    // A tenth of a mebibyte is the least that is worth a place in a table.
    let tenths = (u128::from(bytes) * 10 + (1 << 19)) >> 20;
    match tenths {
        0 if bytes > 0 => "<0.1 MiB".to_owned(),
        0..1000 => format!("{}.{} MiB", tenths / 10, tenths % 10),
        1000..10_240 => format!("{} MiB", tenths / 10),
        _ => format!("{}.{} GiB", tenths / 10_240, tenths % 10_240 * 10 / 10_240),
    }
}
