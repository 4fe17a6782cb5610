// SPDX-License-Identifier: Apache-2.0
//! Scores of CVSS vectors, of the versions 2.0, 3.0, 3.1 and 4.0.

use std::fmt;

use cvss::{Cvss, Severity as Rating};

use crate::advisory::Severity;

/// The longest vector that is read, in bytes: one of 4.0 with all metrics has 220.
const VECTOR_BYTES_MAX: usize = 512;

/// The metrics without which a vector has no score, by what it begins with. Nobody may leave one out and have it count as
/// the least.
const MANDATORY: [(&str, &[&str]); 3] = [
    ("CVSS:4.0", &["AV", "AC", "AT", "PR", "UI", "VC", "VI", "VA", "SC", "SI", "SA"]),
    ("CVSS:3.", &["AV", "AC", "PR", "UI", "S", "C", "I", "A"]),
    ("", &["AV", "AC", "Au", "C", "I", "A"]),
];

/// What a vector comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Score {
    /// The score, in tenths: 98 for 9.8.
    pub tenths: u8,
    /// Its word, as the version of CVSS has it: 2.0 knows nothing above "high".
    pub severity: Severity,
}

/// Why a text has no score.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a CVSS vector: {0:?}")]
pub struct CvssError(pub String);

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.tenths / 10, self.tenths % 10)
    }
}

/// Scores a vector: `CVSS:3.1/AV:N/…`, or `AV:N/AC:L/…` of 2.0, also in brackets.
///
/// # Errors
/// If it is none, or of a version that is not known.
pub fn score(vector: &str) -> Result<Score, CvssError> {
    let error = || CvssError(vector.chars().take(80).collect());
    if vector.len() > VECTOR_BYTES_MAX {
        return Err(error());
    }
    let plain = vector.trim();
    // NVD writes vectors of 2.0 in brackets.
    let plain = plain.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(plain);
    if !is_complete(plain) {
        return Err(error());
    }
    let parsed: Cvss = plain.parse().map_err(|_| error())?;
    let tenths = (parsed.score() * 10.0).round().clamp(0.0, 100.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 0 and 100"
    )]
    let tenths = tenths as u8;
    let severity = match parsed.severity() {
        Rating::None => Severity::Negligible,
        Rating::Low => Severity::Low,
        Rating::Medium => Severity::Medium,
        Rating::High => Severity::High,
        Rating::Critical => Severity::Critical,
    };
    Ok(Score { tenths, severity })
}

fn is_complete(vector: &str) -> bool {
    let names: Vec<&str> = vector.split('/').filter_map(|part| part.split(':').next()).collect();
    let of = MANDATORY.iter().find(|(begin, _)| vector.starts_with(begin));
    of.is_some_and(|(_, metrics)| metrics.iter().all(|metric| names.contains(metric)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::shared;

    #[test]
    fn all_vectors_have_their_scores() {
        let mut count = 0;
        for name in ["vectors_simple2", "vectors_simple3", "vectors_simple31", "vectors_simple4"] {
            let Some(path) = shared("vectors/cvss") else { return };
            let text = std::fs::read_to_string(path.join(name)).unwrap();
            for line in text.lines().filter(|line| !line.is_empty()) {
                let (vector, scores) = line.split_once(" - ").unwrap();
                let expected = scores.trim_matches(['(', ')', '-']).split(',').next().unwrap();
                assert_eq!(score(vector).unwrap().to_string(), expected, "{line}");
                count += 1;
            }
        }
        assert!(count > 6_900, "{count}");
    }

    #[test]
    fn words_are_of_the_version() {
        for (vector, tenths, severity) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 98, Severity::Critical),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0, Severity::Negligible),
            (
                "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:H/VA:L/SC:N/SI:H/SA:L",
                92,
                Severity::Critical,
            ),
            ("AV:N/AC:L/Au:N/C:C/I:C/A:C", 100, Severity::High),
            ("(AV:N/AC:L/Au:N/C:C/I:C/A:C)", 100, Severity::High),
            ("AV:L/AC:H/Au:M/C:N/I:N/A:P", 8, Severity::Low),
        ] {
            assert_eq!(score(vector), Ok(Score { tenths, severity }), "{vector}");
        }
    }

    #[test]
    fn what_is_no_vector_has_no_score() {
        let long = format!("CVSS:3.1/{}", "AV:N/".repeat(200));
        for vector in [
            "",
            "9.8",
            "CVSS:3.1",
            "CVSS:3.1/",
            "CVSS:3.1/AV:N",
            "CVSS:5.0/AV:N/AC:L",
            "CVSS:3.1/AV:Q/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            "(",
            "AV:N",
            "AV:N/AC:L/Au:N/C:C/I:C",
            "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:H/VA:L/SC:N/SI:H",
            long.as_str(),
        ] {
            assert!(score(vector).is_err(), "{vector}");
        }
    }
}
