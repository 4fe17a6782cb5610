// SPDX-License-Identifier: Apache-2.0
//! What a finding says, without the numbers that change though nothing else was found: days that go by, sums of bytes,
//! places of layers, how many unlisted files are no programs. Exceptions are compared by that.

use std::borrow::Cow;

use super::ControlId;

/// What stands for a number that does not count.
const NUMBER: &str = "N";

/// Returns what stands before and behind the numbers of a control's findings that do not count.
fn around(control: ControlId) -> &'static [(&'static str, &'static str)] {
    match control {
        ControlId::ImageAge => {
            &[("the image is ", " days old"), ("the image says that it is made ", " days from now")]
        }
        ControlId::ScanAge => &[("the last signed scan is ", " days old")],
        ControlId::DistributionEnd => &[(" is not supported since ", " days")],
        ControlId::WastedBytes => {
            &[("", " of "), ("is hidden by another layer; ", " of "), (" of ", " bytes are")]
        }
        ControlId::SbomIncomplete => &[("", " files that are no programs")],
        ControlId::SecretConfiguration => &[("history entry ", " has what")],
        ControlId::SecretDeleted => &[("and is deleted by layer ", "")],
        ControlId::SetuidFile => &[("and is changed by layer ", "")],
        _ => &[],
    }
}

/// Returns what a finding of a control says, without the numbers that do not count.
pub(crate) fn lasting(control: ControlId, text: &str) -> Cow<'_, str> {
    let mut lasting = Cow::Borrowed(text);
    for (before, behind) in around(control) {
        if let Some(changed) = without_number(&lasting, before, behind) {
            lasting = Cow::Owned(changed);
        }
    }
    lasting
}

/// Replaces a number between two texts: the first is at the start if it is empty, and the second at the end.
fn without_number(text: &str, before: &str, behind: &str) -> Option<String> {
    let starts = text.match_indices(before).map(|(at, _)| at + before.len());
    for start in starts.take_while(|start| !before.is_empty() || *start == 0) {
        let rest = text[start..].trim_start_matches(|letter: char| letter.is_ascii_digit());
        let is_number = rest.len() < text.len() - start;
        let is_end = if behind.is_empty() { rest.is_empty() } else { rest.starts_with(behind) };
        if is_number && is_end {
            return Some(format!("{}{NUMBER}{rest}", &text[..start]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_change_by_themselves_do_not_count() {
        for (control, text, expected) in [
            (ControlId::ImageAge, "the image is 118 days old", "the image is N days old"),
            (ControlId::ImageAge, "the image is N days old", "the image is N days old"),
            (
                ControlId::ImageAge,
                "the image says that it is made 3 days from now",
                "the image says that it is made N days from now",
            ),
            (
                ControlId::ScanAge,
                "the last signed scan is 31 days old",
                "the last signed scan is N days old",
            ),
            (
                ControlId::DistributionEnd,
                "debian:10 is not supported since 900 days",
                "debian:10 is not supported since N days",
            ),
            (
                ControlId::WastedBytes,
                "is hidden by another layer; 2097152 of 2097383 bytes are",
                "is hidden by another layer; N of N bytes are",
            ),
            (
                ControlId::WastedBytes,
                "2 of 3 bytes are hidden by other layers",
                "N of N bytes are hidden by other layers",
            ),
            (
                ControlId::SbomIncomplete,
                "12 files that are no programs are listed by nothing",
                "N files that are no programs are listed by nothing",
            ),
            (
                ControlId::SecretConfiguration,
                "history entry 12 has what a secret looks like (a key: 12… (20 bytes), 0011)",
                "history entry N has what a secret looks like (a key: 12… (20 bytes), 0011)",
            ),
            (
                ControlId::SecretDeleted,
                "has what a secret looks like (x: 1… (9 bytes)), and is deleted by layer 3",
                "has what a secret looks like (x: 1… (9 bytes)), and is deleted by layer N",
            ),
            (
                ControlId::SetuidFile,
                "has setuid or setgid here, and is changed by layer 3",
                "has setuid or setgid here, and is changed by layer N",
            ),
        ] {
            assert_eq!(lasting(control, text), expected);
            assert_eq!(lasting(control, expected), expected);
        }
    }

    #[test]
    fn all_other_numbers_count() {
        for (control, text) in [
            (ControlId::SetuidFile, "is setuid 0"),
            (ControlId::PrivilegedPort, "port 80 is below 1024"),
            (ControlId::ImageAge, "the image is x days old"),
            (ControlId::ImageAge, "the image is  days old"),
            (ControlId::ImageAge, "the image is 3 weeks old"),
            (ControlId::SecretDeleted, "is deleted by layer 3 of 4"),
            (
                ControlId::SecretConfiguration,
                "environment variable A1 has what a secret looks like",
            ),
            (ControlId::VulnerabilityFixable, "CVE-2026-1 of a 1 is high and fixed in 2"),
            (ControlId::WastedBytes, "x 2 of y"),
            (ControlId::Shell, ""),
        ] {
            assert_eq!(lasting(control, text), text);
        }
    }
}
