// SPDX-License-Identifier: Apache-2.0
//! Names that may have been meant instead of one that does not exist.

use std::collections::BTreeMap;

/// The most names that are suggested.
const SUGGESTIONS_MAX: usize = 6;

/// Returns the names nearest to one that no package has, best first: names of the same stem
/// (`python3.14` → `python3.13`), names a few letters away, names that it is the beginning of,
/// and the name without its last words (`nginx-mainline` → `nginx`).
pub(crate) fn near_names<'n>(names: impl Iterator<Item = &'n str>, wanted: &str) -> Vec<String> {
    let mut found: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for name in names {
        if name == wanted {
            continue; // of another architecture
        }
        if let Some(score) = score(wanted, name) {
            found.insert(name, score);
        }
    }
    let mut sorted: Vec<_> = found.into_iter().map(|(name, score)| (score, name)).collect();
    sorted.sort_unstable();
    sorted.truncate(SUGGESTIONS_MAX);
    sorted.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// Rates a name; smaller is nearer.
fn score(wanted: &str, name: &str) -> Option<(usize, usize)> {
    let lengths_apart = wanted.len().abs_diff(name.len());
    let tolerance = (wanted.len() / 4).clamp(1, 3);
    let distance =
        if lengths_apart <= tolerance { distance(wanted, name, tolerance) } else { None };
    let stem = stem(wanted);
    if stem.len() >= 3 && stem.len() < wanted.len() && stem == self::stem(name) {
        let same = wanted.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
        return Some((0, wanted.len() - same));
    }
    if let Some(distance) = distance {
        return Some((1, distance));
    }
    if is_word_prefix(name, wanted) && name.len() >= 3 {
        return Some((2, lengths_apart));
    }
    // `postgres` → `postgresql`, `postgresql-17`; many words more are less likely.
    (wanted.len() >= 4 && name.starts_with(wanted)).then_some((3, lengths_apart))
}

/// Returns whether `name` is `wanted` without some of its last words.
fn is_word_prefix(name: &str, wanted: &str) -> bool {
    wanted.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
}

/// Returns a name without the version at its end.
fn stem(name: &str) -> &str {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
    if stem.is_empty() { name } else { stem }
}

/// Returns the number of letters to insert, remove, replace or swap with their neighbour, if that
/// is at most `limit` (optimal string alignment).
fn distance(left: &str, right: &str, limit: usize) -> Option<usize> {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i + 1);
        for (j, b) in right.iter().enumerate() {
            let mut cost = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                cost = cost.min(before_last[j - 1] + 1);
            }
            row.push(cost);
        }
        if row.iter().min() > Some(&limit) {
            return None;
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (left, right, wanted) in [
            ("", "", Some(0)),
            ("a", "", Some(1)),
            ("nginx", "ngnix", Some(1)),
            ("curl", "crul", Some(1)),
            ("kitten", "sitting", Some(3)),
            ("curl", "wget", None),
        ] {
            assert_eq!(distance(left, right, 3), wanted, "{left} {right}");
            assert_eq!(distance(right, left, 3), wanted, "{right} {left}");
        }
    }

    #[test]
    fn nearer_names_come_first() {
        let best = |wanted: &str, names: &[&'static str]| -> Vec<&'static str> {
            let mut rated: Vec<_> =
                names.iter().filter_map(|name| Some((score(wanted, name)?, *name))).collect();
            rated.sort_unstable();
            rated.into_iter().map(|(_, name)| name).collect()
        };
        assert_eq!(
            best("python3.14", &["python2.7", "python3.13", "python3", "perl", "python"]),
            ["python3.13", "python3", "python", "python2.7"]
        );
        assert_eq!(best("ngnix", &["nginx", "nano", "unix"]), ["nginx"]);
        assert_eq!(best("nginx-mainline", &["nginx", "nginx-common", "mail"]), ["nginx"]);
        assert_eq!(
            best("postgres", &["postgresql-17", "postgresql", "post"]),
            ["postgresql", "postgresql-17"]
        );
        assert_eq!(best("zzz", &["a", "zz", "z"]), ["zz"]);
    }
}
