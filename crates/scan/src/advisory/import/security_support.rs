// SPDX-License-Identifier: Apache-2.0
//! The lists of debian-security-support: packages with limited support or none, of one release.

use std::borrow::Cow;

use super::{ImportError, Imported, Input, part, text};
use crate::advisory::collected::{Batch, Collected};
use crate::advisory::{Space, Support, SupportLimit};

/// Adds the list of a release: `12`, `13`. Newer ones are known from distro-info, if that was imported before.
pub fn import<'a>(
    input: impl Into<Input<'a>>,
    release: &str,
    collected: &mut Collected,
) -> Result<Imported, ImportError> {
    let input = input.into();
    super::check_release(release, collected.numbers())?;
    let space = Space::Debian(release.to_owned());
    let mut batch = Batch::new(format!("security-support:{release}"), input.digest(), input.time);
    let list = part::text(input.bytes)?;
    for (index, line) in list.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some(limit) = limit(line) else {
            let reason = "no package with `limited`, or with a version and a date";
            let text = line.chars().take(80).collect();
            return Err(ImportError::Line { line: index + 1, reason, text });
        };
        batch.count()?;
        batch.limit(&space, limit);
    }
    Ok(collected.take(batch))
}

/// Reads a line of the list of a release (`package limited why`, `package supported why`, `package non-supported version date why`), or of the older
/// list of ended support (`package version date why`).
fn limit(line: &str) -> Option<SupportLimit<'static>> {
    let (package, rest) = word(line)?;
    let (kind, after) = word(rest)?;
    let (support, since, reason) = if kind == "limited" {
        (Support::Limited, None, after)
    } else if kind == "supported" {
        (Support::Full, None, after)
    } else {
        let versioned = if kind == "non-supported" { after } else { rest };
        let (version, rest) = word(versioned)?;
        let (date, reason) = word(rest)?;
        let since = text::day(date).filter(|_| date.len() == 10)?;
        text::is_deb_version(version).then_some((Support::Ended, Some(since), reason))?
    };
    if !text::is_package(package) {
        return None;
    }
    Some(SupportLimit {
        package: Cow::Owned(package.to_owned()),
        // A dot and a plus are in names, too.
        is_pattern: package.contains(['*', '?', '[', ']', '(', ')', '|', '^', '$', '\\', '{']),
        support,
        since,
        reason: text::reason(reason).into(),
    })
}

/// Returns the first word and what follows.
fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (!word.is_empty()).then_some((word, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let read = |line: &str| {
            limit(line).map(|limit| {
                (limit.package.into_owned(), limit.is_pattern, limit.support, limit.since)
            })
        };
        let expect = |name: &str, is_pattern, support, since| {
            Some((name.to_owned(), is_pattern, support, since))
        };
        for (line, expected) in [
            ("adns  limited  Stub resolver", expect("adns", false, Support::Limited, None)),
            ("golang.* limited See", expect("golang.*", true, Support::Limited, None)),
            ("libstdc++6 limited", expect("libstdc++6", false, Support::Limited, None)),
            (
                "ckeditor3 non-supported   3.6.6.1+dfsg-7\t2025-04-04\tOnly",
                expect("ckeditor3", false, Support::Ended, Some(20_182)),
            ),
            (
                "xen 4.14.5-1 2023-09-30 no fixes",
                expect("xen", false, Support::Ended, Some(19_630)),
            ),
            (
                "rust-sequoia-sqv  supported  It is",
                expect("rust-sequoia-sqv", false, Support::Full, None),
            ),
            ("rust-.* supported", expect("rust-.*", true, Support::Full, None)),
            ("adns", None),
            ("adns Supported", None),
            ("adns unlimited", None),
            ("adns non-supported 1.0", None),
            ("adns non-supported 1.0 soon why", None),
            ("adns non-supported 2023-09-30", None),
            ("xen ! 2023-09-30", None),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }
}
