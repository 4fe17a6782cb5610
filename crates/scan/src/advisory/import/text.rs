// SPDX-License-Identifier: Apache-2.0
//! Names, times and texts, checked.

pub(super) use hardpan_attest::vulnerability::{is_cve, leading_cve};
use hardpan_package::deb::version::VersionRef;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::advisory::Severity;

/// The longest name of a package: of npm's 214, Go's paths and Maven's pairs are below, too.
const PACKAGE_BYTES_MAX: usize = 300;
/// The longest name of a vulnerability.
const ID_BYTES_MAX: usize = 64;
/// The longest version: Debian's longest has some 60 bytes, Maven's may have a time and a hash.
const VERSION_BYTES_MAX: usize = 200;
/// The longest CVSS vector: all metrics of version 4 have some 200.
const CVSS_BYTES_MAX: usize = 300;
/// How much of a reason is kept, and of a summary: a line to be shown.
const REASON_BYTES_MAX: usize = 200;
const SUMMARY_BYTES_MAX: usize = 120;

/// Whether a text can be the name of a package.
pub(super) fn is_package(name: &str) -> bool {
    is_word(name, PACKAGE_BYTES_MAX)
}

/// Whether a text can be a version.
pub(super) fn is_version(version: &str) -> bool {
    is_word(version, VERSION_BYTES_MAX)
}

fn is_word(text: &str, bytes_max: usize) -> bool {
    let is_bad = |c: char| c.is_control() || c.is_whitespace();
    !text.is_empty() && text.len() <= bytes_max && !text.contains(is_bad)
}

/// Whether dpkg takes a version.
pub(super) fn is_deb_version(version: &str) -> bool {
    is_version(version) && VersionRef::parse(version).is_ok()
}

/// Whether a text can be the name of a vulnerability.
pub(super) fn is_id(id: &str) -> bool {
    let is_letter =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
    let starts = id.starts_with(|first: char| first.is_ascii_alphabetic());
    starts && id.len() <= ID_BYTES_MAX && id.bytes().all(is_letter)
}

/// Whether a text has the shape of a CVSS vector.
pub(super) fn is_cvss(vector: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'/' | b'.');
    let parts = vector
        .strip_prefix("CVSS:")
        .map_or(vector, |rest| rest.split_once('/').map_or("", |(_, parts)| parts));
    vector.len() <= CVSS_BYTES_MAX
        && vector.bytes().all(is_letter)
        && !parts.is_empty()
        && parts.split('/').all(|part| {
            part.split_once(':').is_some_and(|(name, value)| !name.is_empty() && !value.is_empty())
        })
}

/// Returns the severity of a word, in the words of CVSS and of GitHub.
pub(super) fn severity(word: &str) -> Option<Severity> {
    if word.eq_ignore_ascii_case("moderate") {
        return Some(Severity::Medium);
    }
    if word.eq_ignore_ascii_case("none") {
        return Some(Severity::Negligible);
    }
    Severity::of(word).filter(|severity| *severity != Severity::Unknown)
}

/// Returns the days since 1970 of a date, or of a time that begins with one.
pub(super) fn day(text: &str) -> Option<u32> {
    let date: Date = text.get(..10)?.parse().ok()?;
    let days = date.duration_since(Date::constant(1970, 1, 1)).as_hours() / 24;
    u32::try_from(days).ok()
}

/// Returns the seconds since 1970 of a time; of a date alone, its first second. Go's database has the year 1 for "unknown".
pub(super) fn time(text: &str) -> Option<i64> {
    let time: Option<Timestamp> = text.parse().ok();
    let seconds = time.map(Timestamp::as_second);
    let seconds = seconds.or_else(|| day(text).map(|days| i64::from(days) * 86_400));
    seconds.filter(|seconds| *seconds > 0)
}

/// Returns one line of a text, cut where it is too long for a reason.
pub(super) fn reason(text: &str) -> String {
    line(text, REASON_BYTES_MAX)
}

/// Returns one line of a text, cut where it is too long for a summary.
pub(super) fn summary(text: &str) -> Option<String> {
    let line = line(text, SUMMARY_BYTES_MAX);
    (!line.is_empty()).then_some(line)
}

fn line(text: &str, bytes_max: usize) -> String {
    let mut line = String::new();
    // No more words than can fit are looked at.
    for word in
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty())
    {
        let gap = usize::from(!line.is_empty());
        if line.len() + gap + word.len() + "…".len() > bytes_max {
            if line.is_empty() {
                line.push_str(&word[..word.floor_char_boundary(bytes_max - "…".len())]);
            }
            line.push('…');
            break;
        }
        if gap == 1 {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_vulnerabilities() {
        for (text, expected) in [
            ("CVE-2026-0861", Some(("CVE-2026-0861", ""))),
            ("CVE-2017-17434-1", Some(("CVE-2017-17434", "-1"))),
            ("CVE-2019-19451.patch", Some(("CVE-2019-19451", ".patch"))),
            ("CVE-2019-123", None),
            ("CVE-19-12345", None),
            ("CVE-2019", None),
            ("cve-2019-12345", None),
            ("CVE-2019-99999999999999999999999", None),
        ] {
            assert_eq!(leading_cve(text), expected, "{text}");
        }
        for id in ["TEMP-0841257-2BBD36", "GHSA-vwqx-4fm8-6qc9", "DSA-6113-1", "XSA-155", "a"] {
            assert!(is_id(id), "{id}");
        }
        for id in ["", "-", "1", "CVE 1", "CVE\n", "ä", &"A".repeat(65)] {
            assert!(!is_id(id), "{id}");
        }
    }

    #[test]
    fn shapes_of_vectors() {
        for vector in [
            "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
            "AV:N/AC:L/Au:N/C:P/I:P/A:P",
        ] {
            assert!(is_cvss(vector), "{vector}");
        }
        for vector in
            ["", "CVSS:3.1", "CVSS:3.1/", "9.8", "AV:N//AC:L", "AV:N/AC", "AV:N AC:L", ":"]
        {
            assert!(!is_cvss(vector), "{vector}");
        }
    }

    #[test]
    fn days_and_times() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("2025-08-25", Some(20_325)),
            ("2025-08-25T17:04:19.9796Z", Some(20_325)),
            ("1969-12-31", None),
            ("2025-13-01", None),
            ("2025-8-25", None),
            ("", None),
            ("20ä5-08-25", None),
        ] {
            assert_eq!(day(text), expected, "{text}");
        }
        assert_eq!(time("2025-08-25T17:04:19.9796Z"), Some(1_756_141_459));
        assert_eq!(time("2025-08-25T00:00:00+0000"), Some(1_756_080_000));
        assert_eq!(time("2025-08-25"), Some(1_756_080_000));
        assert_eq!(time("yesterday"), None);
        assert_eq!(time("0001-01-01T00:00:00Z"), None);
    }

    #[test]
    fn lines_are_cut_at_words() {
        assert_eq!(line(" a\n b\tc ", 20), "a b c");
        assert_eq!(line("one two three", 11), "one two…");
        assert_eq!(line("äääääää", 8), "ää…");
        assert_eq!(summary(" \n"), None);
    }
}
