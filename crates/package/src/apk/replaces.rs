// SPDX-License-Identifier: Apache-2.0
//! Who has a path that two packages have: apk's rules (apk-package(5), `replaces` and `origin`).

use super::dependency::parse_dependencies;
use super::version::VersionRef;
use crate::segment::Unpacked;

/// One of two packages, by which was installed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Winner {
    /// The one that was there.
    First,
    /// The one that comes after it.
    Second,
}

/// Returns whose file stays; none if nothing says so. The highest `replaces_priority` of those that
/// replace the other decides, then what is installed later. Packages from one source replace each other.
pub(crate) fn file(first: &Unpacked, second: &Unpacked) -> Option<Winner> {
    let rank = |package, other| replaces(package, other).then(|| priority(package));
    let (first_rank, second_rank) = (rank(first, second), rank(second, first));
    if first_rank > second_rank {
        Some(Winner::First)
    } else if second_rank.is_some() || is_same_origin(first, second) {
        Some(Winner::Second)
    } else {
        None
    }
}

/// Returns whose owner and mode a directory has: the highest `replaces_priority` decides, then, of two from one source,
/// which is named like it. Otherwise it is the first one's.
pub(crate) fn directory(first: &Unpacked, second: &Unpacked) -> Winner {
    let is_main = |package: &Unpacked| package.name == package.source();
    match priority(first).cmp(&priority(second)) {
        std::cmp::Ordering::Greater => Winner::First,
        std::cmp::Ordering::Less => Winner::Second,
        std::cmp::Ordering::Equal => {
            let second_is_main =
                is_same_origin(first, second) && !is_main(first) && is_main(second);
            if second_is_main { Winner::Second } else { Winner::First }
        }
    }
}

/// Returns whether a package's `replaces` has another. What that one provides does not count.
fn replaces(package: &Unpacked, other: &Unpacked) -> bool {
    let Some(text) = package.field("replaces") else { return false };
    // What can't be understood replaces nothing.
    let Ok(names) = parse_dependencies(&text) else { return false };
    let Ok(version) = VersionRef::parse(&other.version) else { return false };
    names.iter().any(|dependency| {
        !dependency.conflict && dependency.name == other.name && dependency.admits(Some(&version))
    })
}

fn priority(package: &Unpacked) -> u64 {
    let text = package.field("replaces_priority");
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn is_same_origin(package: &Unpacked, other: &Unpacked) -> bool {
    let origin = |package: &Unpacked| package.field("origin").filter(|text| !text.is_empty());
    origin(package).is_some_and(|text| origin(other).as_ref() == Some(&text))
}
