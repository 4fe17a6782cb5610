// SPDX-License-Identifier: Apache-2.0
//! What matching warns of, in words.

use hardpan_scan::matching::Warning as Matched;
use hardpan_scan::report::Warning;

use super::rows::day;

/// The most names in a line.
const NAMES_MAX: usize = 8;

/// Returns a warning as a word for programs and a line for people.
pub(super) fn warning(matched: &Matched) -> Warning {
    if let Some(text) = not_looked_up(matched) {
        return Warning { kind: "not-looked-up", text };
    }
    let (kind, text) = match matched {
        Matched::EndOfLife { space, since, lts_until } => {
            let more = match lts_until {
                Some(day_of) => {
                    format!("; long-term support, which covers less, ends on {}", day(*day_of))
                }
                None => String::new(),
            };
            ("end-of-life", format!("{space} has no regular support since {}{more}", day(*since)))
        }
        Matched::LimitedSupport { source, packages, is_unsupported, since, reason } => {
            let what = if *is_unsupported { "no" } else { "limited" };
            let since = since.map(|since| format!(" since {}", day(since))).unwrap_or_default();
            let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            let of = names(packages);
            (
                "limited-support",
                format!("{source} ({of}) has {what} security support{since}{reason}"),
            )
        }
        Matched::NoData { space, packages } => {
            let text = format!(
                "there is no data about {space}: {} not looked up",
                were(*packages, "package")
            );
            ("no-data", text)
        }
        Matched::Uncompared { name, version, id, reason } => {
            ("uncompared", format!("nobody knows whether {name} {version} has {id}: {reason}"))
        }
        Matched::Pattern(pattern) => (
            "limited-support",
            format!("the pattern {pattern:?} of packages with limited support can't be read"),
        ),
        Matched::Unread(number) => {
            ("unreadable", format!("{} not looked up, as it can't be read", were(*number, "thing")))
        }
        // What a newer matching warns of is better said badly than not at all.
        other => ("other", format!("{other:?}")),
    };
    Warning { kind, text }
}

/// Says what was not looked up, if that is what it warns of.
fn not_looked_up(matched: &Matched) -> Option<String> {
    Some(match matched {
        Matched::UnknownDistribution { distribution, packages } => {
            let of = if distribution.is_empty() { "its distribution" } else { distribution };
            format!("{} not looked up: {of} is not known", were(*packages, "package"))
        }
        Matched::OtherDistribution { kind, packages } => {
            let packages = were(*packages, &format!("{} package", kind.word()));
            format!("{packages} not looked up, as of another distribution")
        }
        Matched::OtherType { package_type: of, packages } => {
            let packages = were(*packages, "package");
            format!("{packages} not looked up, as no advisories are about {of} here")
        }
        Matched::Unnamed(components) => {
            let components = were(*components, "component");
            format!("{components} not looked up, without a package URL that can be read")
        }
        Matched::NoDatabase(distribution) => format!(
            "it says that it is {distribution}, and nothing in it says which packages of that it has"
        ),
        Matched::NotCovered { kind, packages } => {
            let kind = kind.word();
            format!("no advisories are about {kind} packages by their names: {}", names(packages))
        }
        Matched::NoVersion { kind, packages } => {
            let kind = kind.word();
            format!("{kind} packages without a version were not looked up: {}", names(packages))
        }
        _ => return None,
    })
}

fn names(all: &[String]) -> String {
    let shown = all.iter().take(NAMES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match all.len().checked_sub(NAMES_MAX).filter(|more| *more > 0) {
        Some(more) => format!("{shown} and {more} more"),
        None => shown,
    }
}

/// `1 package was`, `2 packages were`.
fn were(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun} was") } else { format!("{number} {noun}s were") }
}
