// SPDX-License-Identifier: Apache-2.0
//! EPSS scores: a comment with the day, a header, and a line for each CVE.

use super::{ImportError, Imported, Input, part, text};
use crate::advisory::Epss;
use crate::advisory::collected::{Batch, Collected, Facts};

/// Adds scores.
pub fn import<'a>(
    input: impl Into<Input<'a>>,
    collected: &mut Collected,
) -> Result<Imported, ImportError> {
    let input = input.into();
    let mut batch = Batch::new("epss", input.digest(), input.time);
    let table = part::text(input.bytes)?;
    let mut columns: Option<[usize; 3]> = None;
    for (index, line) in table.lines().enumerate() {
        if let Some(comment) = line.strip_prefix('#') {
            let mut parts = comment.split(',');
            let day = parts.find_map(|part| part.trim().strip_prefix("score_date:"));
            batch.set_time(day.and_then(text::time));
            continue;
        }
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let Some([id, probability, percentile]) = columns else {
            let column = |name: &str| fields.iter().position(|field| *field == name);
            let (Some(id), Some(probability), Some(percentile)) =
                (column("cve"), column("epss"), column("percentile"))
            else {
                return Err(ImportError::Line {
                    line: index + 1,
                    reason: "no columns cve, epss and percentile",
                    text: line.chars().take(80).collect(),
                });
            };
            columns = Some([id, probability, percentile]);
            continue;
        };
        let field = |column: usize| fields.get(column).copied().unwrap_or_default();
        let scores = (millionths(field(probability)), millionths(field(percentile)));
        let (true, (Some(probability), Some(percentile))) = (text::is_cve(field(id)), scores)
        else {
            batch.skip("no CVE with two numbers from 0 to 1", || {
                format!("line {}: {line}", index + 1)
            });
            continue;
        };
        batch.count()?;
        let scores = (batch.time().unwrap_or(0), Epss { probability, percentile });
        batch.know(field(id), Facts { epss: Some(scores), ..Facts::default() })?;
    }
    if columns.is_none() {
        let reason = "it ends before the names of its columns";
        return Err(ImportError::Line { line: 1, reason, text: String::new() });
    }
    Ok(collected.take(batch))
}

/// Returns a number from 0 to 1 in millionths, rounded.
fn millionths(text: &str) -> Option<u32> {
    let number: f64 = text.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is from 0 to a million"
    )]
    (0.0..=1.0).contains(&number).then(|| (number * 1e6).round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, expected) in [
            ("0.00043", Some(430)),
            ("1", Some(1_000_000)),
            ("0", Some(0)),
            ("4.3e-4", Some(430)),
            ("1.01", None),
            ("-0.1", None),
            ("NaN", None),
            ("", None),
        ] {
            assert_eq!(millionths(text), expected, "{text}");
        }
    }
}
