// SPDX-License-Identifier: Apache-2.0
//! Findings that somebody accepted: in a definition, in a profile of the user, in a baseline file, or in the label by
//! which an image carries those of its definition.

use std::fmt;
use std::str::FromStr;

use hardpan_tree::TreePath;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::model::{AuditFinding, AuditReport, Outcome};
use crate::controls::{ControlId, Exception, lasting, text_of};

/// The label by which an image carries the exceptions of its definition.
pub const EXCEPTIONS_LABEL: &str = "dev.hardpan.audit.exceptions";
/// The most exceptions of one source: nobody has looked at more.
pub const EXCEPTIONS_MAX: usize = 10_000;
/// The longest reason, in bytes.
const REASON_BYTES_MAX: usize = 2_000;
/// The last day that can be written with four digits of a year, in days since 1970.
const DAY_MAX: u32 = 2_932_896;

/// A day, written `2027-03-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

impl Day {
    /// Takes days since 1970; later ones than can be written become the last that can.
    pub fn of_days(days: u32) -> Self {
        Self(days.min(DAY_MAX))
    }

    /// Returns days since 1970.
    pub fn days(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let epoch = jiff::civil::date(1970, 1, 1);
        let date = epoch.saturating_add(jiff::Span::new().days(i64::from(self.0)));
        date.fmt(f)
    }
}

/// A text that is no day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a day like 2027-03-31: {0:?}")]
pub struct DayError(pub String);

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        let wrong = || DayError(text.chars().take(40).collect());
        // The library takes more forms.
        let is_form = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        let date = is_form.then(|| text.parse::<jiff::civil::Date>().ok()).flatten();
        let since = date.and_then(|date| date.since(jiff::civil::date(1970, 1, 1)).ok());
        let days = since.and_then(|span| u32::try_from(span.get_days()).ok());
        days.map(Self).ok_or_else(wrong)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A finding that is accepted, for a reason and perhaps for a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AcceptedFinding {
    /// The control.
    pub control: ControlId,
    /// The path that is accepted, and all below it unless there is a message, too; without one, every path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<TreePath>,
    /// What the finding says, word for word; of one with paths, what it says of each of them. Days, sums of bytes and numbers
    /// of layers don't count, and a baseline has an N in their place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Why.
    pub reason: String,
    /// The last day on which it is accepted; without one, always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Day>,
}

impl AcceptedFinding {
    /// Makes one of what somebody wrote. A path is from the root, as in `/bin/sh`.
    pub fn new(
        control: ControlId,
        path: Option<&str>,
        reason: &str,
        until: Option<Day>,
    ) -> Result<Self, ExceptionError> {
        let path = path.map(|path| {
            let bad =
                |problem: String| ExceptionError::Path(path.chars().take(200).collect(), problem);
            if !path.starts_with('/') {
                return Err(bad("it does not begin with /".to_owned()));
            }
            TreePath::parse(path).map_err(|error| bad(error.to_string()))
        });
        let path = path.transpose()?;
        let accepted =
            Self { control, path, message: None, reason: reason.trim().to_owned(), until };
        accepted.check()?;
        Ok(accepted)
    }

    /// Fails if it gives no reason, or a book.
    pub fn check(&self) -> Result<(), ExceptionError> {
        let reason = self.reason.trim();
        if reason.is_empty() {
            return Err(ExceptionError::NoReason(self.control));
        }
        if reason.len() > REASON_BYTES_MAX {
            return Err(ExceptionError::LongReason(self.control));
        }
        Ok(())
    }

    /// Whether it is over on a day.
    pub fn is_over(&self, today: Option<u32>) -> bool {
        self.until.zip(today).is_some_and(|(until, today)| today > until.0)
    }

    /// Returns it as the controls take it.
    pub fn rule(&self) -> Exception {
        Exception {
            control: self.control,
            path: self.path.clone(),
            message: self.message.clone(),
            reason: self.reason.clone(),
        }
    }
}

impl fmt::Display for AcceptedFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} at {path}", self.control),
            None => write!(f, "{}", self.control),
        }
    }
}

/// Why an exception is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExceptionError {
    /// Without a reason.
    #[error("the exception for {0} has no reason")]
    NoReason(ControlId),
    /// With a book.
    #[error("the reason of the exception for {0} has more than {REASON_BYTES_MAX} bytes")]
    LongReason(ControlId),
    /// At no path.
    #[error("the path {0:?} can't be: {1}")]
    Path(String, String),
    /// More than anybody has looked at.
    #[error("there are more than {EXCEPTIONS_MAX} exceptions")]
    TooMany,
    /// Not JSON of the right shape.
    #[error("not a list of exceptions: {0}")]
    Shape(String),
}

/// An exception, and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcedException {
    /// The exception.
    pub accepted: AcceptedFinding,
    /// `the image's definition`, the name of a file.
    pub source: String,
}

/// Writes exceptions for [`EXCEPTIONS_LABEL`]: the same for the same ones, in whatever order they came.
pub fn to_label(exceptions: &[AcceptedFinding]) -> String {
    let mut sorted: Vec<&AcceptedFinding> = exceptions.iter().collect();
    sorted.sort();
    sorted.dedup();
    serde_json::to_string(&sorted).expect("plain data is JSON")
}

/// Reads what [`to_label`] wrote.
pub fn of_label(text: &str) -> Result<Vec<AcceptedFinding>, ExceptionError> {
    of_json(text.as_bytes())
}

fn of_json(bytes: &[u8]) -> Result<Vec<AcceptedFinding>, ExceptionError> {
    let all = serde_json::from_slice(bytes);
    checked(all.map_err(|error| ExceptionError::Shape(error.to_string()))?)
}

/// What a statement of exceptions is. A field that is not known might narrow what is accepted, so there is none.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ExceptionsPredicate {
    exceptions: Vec<AcceptedFinding>,
}

/// Makes the predicate of a statement of exceptions: the same for the same ones, in whatever order they came.
pub fn to_predicate(mut exceptions: Vec<AcceptedFinding>) -> serde_json::Value {
    exceptions.sort();
    exceptions.dedup();
    serde_json::to_value(ExceptionsPredicate { exceptions }).expect("plain data is JSON")
}

/// Reads what [`to_predicate`] made.
pub fn of_predicate(predicate: &serde_json::Value) -> Result<Vec<AcceptedFinding>, ExceptionError> {
    let read = ExceptionsPredicate::deserialize(predicate);
    let all = read.map_err(|error| ExceptionError::Shape(error.to_string()))?.exceptions;
    if all.is_empty() {
        return Err(ExceptionError::Shape("it is empty".to_owned()));
    }
    checked(all)
}

fn checked(all: Vec<AcceptedFinding>) -> Result<Vec<AcceptedFinding>, ExceptionError> {
    if all.len() > EXCEPTIONS_MAX {
        return Err(ExceptionError::TooMany);
    }
    all.iter().try_for_each(AcceptedFinding::check)?;
    Ok(all)
}

/// What a baseline file is.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct BaselineFile<'f> {
    format: &'f str,
    findings: Vec<AcceptedFinding>,
}

/// What the first field of a baseline file says.
const BASELINE_FORMAT: &str = "hardpan-audit-baseline/v1";

/// Writes the present findings that break a promise or should be looked at as a baseline file: a list of exceptions, which a
/// later audit accepts and reports where they are gone. Of a path only that is accepted what is said of it now, and nothing
/// that is put below it.
///
/// # Errors
/// If there are more than [`EXCEPTIONS_MAX`].
pub fn write_baseline(report: &AuditReport, until: Option<Day>) -> Result<Vec<u8>, ExceptionError> {
    let broken = report
        .controls
        .iter()
        .filter(|control| matches!(control.outcome, Outcome::Fail | Outcome::Warn));
    let mut findings: Vec<AcceptedFinding> = Vec::new();
    for control in broken {
        for finding in control.findings.iter().filter(|finding| finding.accepted.is_none()) {
            findings.extend(accepted(control.id, finding, until));
        }
    }
    findings.sort();
    findings.dedup();
    if findings.len() > EXCEPTIONS_MAX {
        return Err(ExceptionError::TooMany);
    }
    let file = BaselineFile { format: BASELINE_FORMAT, findings };
    let mut bytes = serde_json::to_vec_pretty(&file).expect("plain data is JSON");
    bytes.push(b'\n');
    Ok(bytes)
}

fn accepted(
    control: ControlId,
    finding: &AuditFinding,
    until: Option<Day>,
) -> Vec<AcceptedFinding> {
    let text = text_of(&finding.message, &finding.paths).unwrap_or(&finding.message);
    let text = lasting(control, text);
    let one = |path: Option<&TreePath>| AcceptedFinding {
        control,
        path: path.cloned(),
        message: Some(text.clone().into_owned()),
        reason: "was there when the baseline was written".to_owned(),
        until,
    };
    if finding.paths.is_empty() {
        return vec![one(None)];
    }
    finding.paths.iter().map(|path| one(Some(path))).collect()
}

/// Reads a baseline file.
pub fn read_baseline(bytes: &[u8]) -> Result<Vec<AcceptedFinding>, ExceptionError> {
    let file: BaselineFile<'_> =
        serde_json::from_slice(bytes).map_err(|error| ExceptionError::Shape(error.to_string()))?;
    if file.format != BASELINE_FORMAT {
        let format: String = file.format.chars().take(60).collect();
        let text = format!("its format is {format:?}, and not {BASELINE_FORMAT:?}");
        return Err(ExceptionError::Shape(text));
    }
    checked(file.findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exception(control: ControlId, path: Option<&'static str>) -> AcceptedFinding {
        AcceptedFinding {
            control,
            path: path.map(TreePath::literal),
            message: None,
            reason: "because".to_owned(),
            until: None,
        }
    }

    #[test]
    fn days() {
        for (text, days) in [("1970-01-01", 0), ("2024-02-29", 19_782), ("9999-12-31", DAY_MAX)] {
            assert_eq!(text.parse(), Ok(Day(days)), "{text}");
            assert_eq!(Day(days).to_string(), text);
        }
        for text in
            ["", "2024-2-29", "2023-02-29", "1969-12-31", "20240229", "2024-02-29T", "+024-02-29"]
        {
            assert_eq!(text.parse::<Day>(), Err(DayError(text.to_owned())), "{text}");
        }
        assert_eq!(Day::of_days(u32::MAX).to_string(), "9999-12-31");
    }

    #[test]
    fn the_last_day_still_counts() {
        let until = |day| AcceptedFinding { until: day, ..exception(ControlId::Shell, None) };
        for (day, today, is_over) in [
            (None, Some(100), false),
            (Some(Day(5)), Some(4), false),
            (Some(Day(5)), Some(5), false),
            (Some(Day(5)), Some(6), true),
            (Some(Day(5)), None, false),
        ] {
            assert_eq!(until(day).is_over(today), is_over, "{day:?} {today:?}");
        }
    }

    #[test]
    fn labels_do_not_depend_on_order() {
        let (one, other) =
            (exception(ControlId::Shell, Some("bin/sh")), exception(ControlId::Compiler, None));
        let label = to_label(&[one.clone(), other.clone(), one.clone()]);
        assert_eq!(label, to_label(&[other.clone(), one.clone()]));
        assert_eq!(of_label(&label), Ok(vec![one, other]));
    }

    #[test]
    fn statements_are_read_strictly() {
        let one = exception(ControlId::Shell, Some("bin/sh"));
        let predicate = to_predicate(vec![one.clone(), one.clone()]);
        assert_eq!(of_predicate(&predicate), Ok(vec![one.clone()]));
        let mut more = predicate.clone();
        more["images"] = serde_json::json!(["registry.example/other"]);
        let many = to_predicate(
            (0..=EXCEPTIONS_MAX)
                .map(|number| AcceptedFinding { reason: number.to_string(), ..one.clone() })
                .collect(),
        );
        assert_eq!(of_predicate(&many), Err(ExceptionError::TooMany));
        for bad in [more, to_predicate(Vec::new()), serde_json::json!({}), serde_json::json!([])] {
            assert!(matches!(of_predicate(&bad), Err(ExceptionError::Shape(_))), "{bad}");
        }
    }

    #[test]
    fn what_is_no_list_of_exceptions_is_refused() {
        for text in [
            "",
            "{}",
            "[1]",
            r#"[{"control": "shell"}]"#,
            r#"[{"control": "shell", "reason": " "}]"#,
            r#"[{"control": "shel", "reason": "x"}]"#,
            r#"[{"control": "shell", "reason": "x", "path": "../x"}]"#,
            r#"[{"control": "shell", "reason": "x", "until": "soon"}]"#,
            r#"[{"control": "shell", "reason": "x", "untill": "2027-01-01"}]"#,
        ] {
            assert!(of_label(text).is_err(), "{text}");
            let baseline = format!(r#"{{"format": "{BASELINE_FORMAT}", "findings": {text}}}"#);
            assert!(read_baseline(baseline.as_bytes()).is_err(), "{text}");
            if let Ok(exceptions) = serde_json::from_str::<serde_json::Value>(text) {
                let predicate = serde_json::json!({ "exceptions": exceptions });
                assert!(of_predicate(&predicate).is_err(), "{text}");
            }
        }
        let long = format!(r#"[{{"control": "shell", "reason": "{}"}}]"#, "x".repeat(3_000));
        assert!(matches!(of_label(&long), Err(ExceptionError::LongReason(_))));
        let other = br#"{"format": "other/v1", "findings": []}"#;
        assert!(matches!(read_baseline(other), Err(ExceptionError::Shape(_))));
        assert!(read_baseline(b"[]").is_err());
    }
}
