// SPDX-License-Identifier: Apache-2.0
//! Whether a version is among those that a verdict is about.

use std::cmp::Ordering;

use crate::advisory::{End, Order, Range, Verdict};
use crate::version::{Version, VersionError};

/// What a verdict means for a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is affected, because of these.
    Affected(Vec<Compared>),
    /// It is none of those that are affected.
    Outside,
    /// The source says that no version is affected.
    NotAffected,
    /// Nobody knows.
    Undetermined,
    /// It can't be said, because one of the versions is none.
    Uncompared(VersionError),
}

/// Why a version is affected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Compared {
    /// The first version that is; `None` for all from the first one on.
    pub introduced: Option<String>,
    /// Where it ends.
    pub until: Until,
}

/// Where a range of affected versions ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Until {
    /// Before this version, which has the fix.
    Fixed(String),
    /// With this version, whose successor is not said to be a fix.
    LastAffected(String),
    /// Nowhere yet.
    Open,
    /// It is one of the versions that the source lists.
    Listed,
}

/// The version that is judged: parsed once, and held against many verdicts.
#[derive(Debug)]
pub(super) struct Own<'v> {
    pub(super) order: Order,
    text: &'v str,
    pub(super) version: Result<Version<'v>, VersionError>,
}

impl<'v> Own<'v> {
    pub(super) fn new(order: Order, text: &'v str) -> Self {
        Self { order, text, version: Version::parse(order, text) }
    }
}

/// Judges a version.
pub(super) fn judge(own: &Own<'_>, verdict: &Verdict<'_>) -> Judgement {
    let (ranges, versions) = match verdict {
        Verdict::NotAffected => return Judgement::NotAffected,
        Verdict::Undetermined => return Judgement::Undetermined,
        Verdict::Affected { ranges, versions } => (ranges, versions),
    };
    let Own { order, text: version, version: own } = own;
    let order = *order;
    let mut hits = Vec::new();
    let mut error = None;
    for range in ranges {
        match is_in(order, own.as_ref(), range) {
            Ok(true) => hits.push(compared(range)),
            Ok(false) => {}
            Err(problem) => error = error.or(Some(problem)),
        }
    }
    let is_listed = |other: &str| {
        other == *version
            || own.as_ref().is_ok_and(|own| {
                let other = Version::parse(order, other);
                other.is_ok_and(|other| own.compare(&other) == Ordering::Equal)
            })
    };
    if hits.is_empty() && versions.iter().any(|other| is_listed(other)) {
        hits.push(Compared { introduced: None, until: Until::Listed });
    }
    match error {
        _ if !hits.is_empty() => Judgement::Affected(hits),
        Some(error) => Judgement::Uncompared(error),
        None => Judgement::Outside,
    }
}

/// `0` is what OSV writes for the beginning, and not a version: some come before it.
fn introduced<'r>(range: &'r Range<'_>) -> Option<&'r str> {
    range.introduced.as_deref().filter(|version| *version != "0")
}

fn is_in(
    order: Order,
    own: Result<&Version<'_>, &VersionError>,
    range: &Range<'_>,
) -> Result<bool, VersionError> {
    let introduced = introduced(range);
    if introduced.is_none() && range.end == End::Open {
        return Ok(true);
    }
    let own = own.map_err(Clone::clone)?;
    let against = |other: &str| Version::parse(order, other).map(|other| own.compare(&other));
    if let Some(introduced) = introduced
        && against(introduced)? == Ordering::Less
    {
        return Ok(false);
    }
    Ok(match &range.end {
        End::Fixed(fixed) => against(fixed)? == Ordering::Less,
        End::LastAffected(last) => against(last)? != Ordering::Greater,
        End::Open => true,
    })
}

fn compared(range: &Range<'_>) -> Compared {
    let until = match &range.end {
        End::Fixed(version) => Until::Fixed(version.to_string()),
        End::LastAffected(version) => Until::LastAffected(version.to_string()),
        End::Open => Until::Open,
    };
    Compared { introduced: introduced(range).map(str::to_owned), until }
}

/// Returns the greatest of versions; those that are none count least.
pub(super) fn greatest<'v>(
    order: Order,
    versions: impl Iterator<Item = &'v str>,
) -> Option<&'v str> {
    versions.max_by(|left, right| {
        match (Version::parse(order, left), Version::parse(order, right)) {
            (Ok(left), Ok(right)) => left.compare(&right),
            (Ok(_), Err(_)) => Ordering::Greater,
            (Err(_), Ok(_)) => Ordering::Less,
            (Err(_), Err(_)) => left.cmp(right),
        }
    })
}

#[cfg(test)]
mod tests {
    fn judge(order: Order, version: &str, verdict: &Verdict<'_>) -> Judgement {
        super::judge(&Own::new(order, version), verdict)
    }

    use std::borrow::Cow;

    use super::*;

    /// Reads `1..2` (fixed), `1..=2` (last affected), `1..` (open), `..2`, and `=1` (a single version).
    fn verdict(text: &str) -> Verdict<'_> {
        let mut ranges = Vec::new();
        let mut versions = std::collections::BTreeSet::new();
        for part in text.split(' ').filter(|part| !part.is_empty()) {
            if let Some(version) = part.strip_prefix('=') {
                versions.insert(Cow::from(version));
                continue;
            }
            let (from, to) = part.split_once("..").unwrap();
            let end = match to.strip_prefix('=') {
                Some(last) => End::LastAffected(last.into()),
                None if to.is_empty() => End::Open,
                None => End::Fixed(to.into()),
            };
            let introduced = Some(Cow::from(from)).filter(|from| !from.is_empty());
            ranges.push(Range { introduced, end });
        }
        Verdict::Affected { ranges, versions }
    }

    #[test]
    fn versions_in_ranges() {
        for (order, ranges, inside, outside) in [
            (
                Order::Deb,
                "..1.2-3",
                "1.2-2 1.2-3~deb13u1 0:1.2-2",
                "1.2-3 1.2-3+b1 1.2-3+deb13u1 1:0",
            ),
            (Order::Deb, "..1:1.0-1", "2.0-1 1.0-1", "1:1.0-1 2:0"),
            (Order::Deb, "..", "0 1:1 1.2-3", ""),
            (Order::Deb, "..0", "", "0 1"),
            (Order::Apk, "..1.2.3-r1", "1.2.3-r0 1.2.3_rc1-r5", "1.2.3-r1 1.2.3-r10 1.2.10-r0"),
            (
                Order::Golang,
                "0..1.2.3",
                "v1.2.2 v0.0.0-20200101000000-aaaaaaaaaaaa v1.2.3-pre",
                "v1.2.3 v1.2.4 v2.0.0+incompatible",
            ),
            (
                Order::Golang,
                "1.21.0-0..1.21.8 1.22.0-0..1.22.1",
                "go1.21.7 1.21.0 go1.22rc1 go1.22.0",
                "go1.20 go1.21.8 go1.22.1 go1.23",
            ),
            (
                Order::Pep440,
                "1.0..2.0 3.0..3.0.5",
                "1.0 1.9 2.0rc1 3.0.4",
                "0.9 2.0 2.1 3.0.5 1.0.dev1",
            ),
            (Order::Npm, "1.0.0..=1.2.0", "1.0.0 1.2.0", "1.2.1 0.9.0 1.0.0-rc.1"),
            (Order::Cargo, "..0.1.0 =0.3.0", "0.0.9 0.3.0 0.3.0+build", "0.1.0 0.3.1"),
            (
                Order::Maven,
                "2.0-beta9..2.15.0",
                "2.0-beta9 2.14.1 2.15.0-rc1",
                "2.15.0 2.0-beta8 1.2.17",
            ),
            (Order::Maven, "=1.0-final", "1.0 1", "1.1"),
        ] {
            let verdict = verdict(ranges);
            for version in inside.split_whitespace() {
                let found = judge(order, version, &verdict);
                assert!(matches!(found, Judgement::Affected(_)), "{ranges}: {version}: {found:?}");
            }
            for version in outside.split_whitespace() {
                assert_eq!(
                    judge(order, version, &verdict),
                    Judgement::Outside,
                    "{ranges}: {version}"
                );
            }
        }
    }

    #[test]
    fn what_can_not_be_compared_is_said() {
        for (order, ranges, version) in [
            (Order::Deb, "..1_2", "1"),
            (Order::Deb, "..1", "not-a-version"),
            (Order::Golang, "1.0.0..", "(devel)"),
            (Order::Npm, "1.x..2", "1.5.0"),
            (Order::Pep440, "..french-toast", "1"),
        ] {
            let found = judge(order, version, &verdict(ranges));
            assert!(matches!(found, Judgement::Uncompared(_)), "{ranges}: {version}: {found:?}");
        }
        // Where every version is affected none has to be compared.
        let found = judge(Order::Golang, "(devel)", &verdict(".."));
        assert!(matches!(found, Judgement::Affected(_)));
        // One range that holds is enough.
        let found = judge(Order::Deb, "1", &verdict("..1_2 ..2"));
        assert!(matches!(found, Judgement::Affected(_)));
        let found = judge(Order::Deb, "not-a-version", &verdict("=not-a-version"));
        assert!(matches!(found, Judgement::Affected(_)));
    }

    #[test]
    fn verdicts_without_versions() {
        assert_eq!(judge(Order::Deb, "1", &Verdict::NotAffected), Judgement::NotAffected);
        assert_eq!(judge(Order::Deb, "1", &Verdict::Undetermined), Judgement::Undetermined);
        assert_eq!(judge(Order::Deb, "1", &verdict("")), Judgement::Outside);
    }

    proptest::proptest! {
        /// What comes before an affected version is affected, too, where the range has no beginning; and a fix is in all
        /// that come after it.
        #[test]
        fn ranges_have_no_holes(
            fixed in "[0-9]{1,2}(\\.[0-9]){0,2}([~+][a-c0-9])?-[0-9]",
            one in "[0-9]{1,2}(\\.[0-9]){0,2}([~+][a-c0-9])?-[0-9]",
            other in "[0-9]{1,2}(\\.[0-9]){0,2}([~+][a-c0-9])?-[0-9]",
        ) {
            let verdict = Verdict::fixed_in(fixed);
            let is_affected =
                |version: &str| matches!(judge(Order::Deb, version, &verdict), Judgement::Affected(_));
            let order = crate::version::compare(Order::Deb, &one, &other).unwrap();
            proptest::prop_assert!(order.is_gt() || !is_affected(&other) || is_affected(&one));
            proptest::prop_assert!(order.is_lt() || is_affected(&other) || !is_affected(&one));
        }
    }

    #[test]
    fn the_greatest() {
        let of = |versions: &[&'static str]| greatest(Order::Deb, versions.iter().copied());
        assert_eq!(of(&["1.9", "1.10", "1.10~rc1"]), Some("1.10"));
        assert_eq!(of(&["x y", "1"]), Some("1"));
        assert_eq!(of(&[]), None);
    }
}
