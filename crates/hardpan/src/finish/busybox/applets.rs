// SPDX-License-Identifier: Apache-2.0
//! Which applets a busybox has, read from its file without running it.
//!
//! The program finds an applet by a binary search over their names, so these stand in its read-only data in order, each
//! with a NUL at its end. Not far from them is a table of four bits for each applet that says where `--install` puts its
//! link. Nothing says where that begins, but most applets have been in the same directory for decades, so it is the
//! place at which the bits agree with what is known of nearly all of them.

use std::collections::BTreeMap;

use super::table::{Directory, directory};

/// The fewest applets that are taken for a table of them: fewer in order may be chance.
const NAMES_MIN: usize = 8;
/// The most applets.
const NAMES_MAX: usize = 2000;
/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 24;
/// One in so many known applets may be elsewhere than is known.
const DEVIATIONS_PER: usize = 10;

/// The applets of a program: where the link of each belongs, if that is known.
pub(super) type Applets = BTreeMap<String, Option<Directory>>;

/// Finds the applets of a program; `None` if it does not look as if it had any.
pub(super) fn find(program: &[u8]) -> Option<Applets> {
    if !program.starts_with(b"\x7fELF") {
        return None;
    }
    let names = names(program)?;
    let known: Vec<Option<Directory>> = names.iter().map(|name| directory(name)).collect();
    let told = directories(program, &known);
    let places = names.into_iter().enumerate().map(|(index, name)| {
        let told = told.as_ref().and_then(|told| told.get(index).copied());
        (name, told.or(known[index]))
    });
    Some(places.collect())
}

/// Names in order, and what stands before the first.
#[derive(Default)]
struct Run<'a> {
    before: &'a [u8],
    names: Vec<&'a str>,
}

impl Run<'_> {
    /// Whether these are applets: most are known.
    fn is_table(&self) -> bool {
        let known = self.names.iter().filter(|name| directory(name).is_some()).count();
        (NAMES_MIN..=NAMES_MAX).contains(&self.names.len()) && known * 2 > self.names.len()
    }
}

/// Finds the longest run of names in order.
fn names(program: &[u8]) -> Option<Vec<String>> {
    let mut best = Run::default();
    let mut run = Run::default();
    let mut before = &b""[..];
    for token in program.split(|byte| *byte == 0).chain([&b""[..]]) {
        let name = name(token);
        if name.is_none_or(|name| run.names.last().is_some_and(|last| *last >= name)) {
            if run.names.len() > best.names.len() && run.is_table() {
                best = run;
            }
            run = Run::default();
        }
        if let Some(name) = name {
            if run.names.is_empty() {
                run.before = before;
            }
            run.names.push(name);
        }
        before = token;
    }
    let first = *best.names.first()?;
    let hidden = hidden(best.before, first);
    Some(hidden.into_iter().chain(best.names).map(str::to_owned).collect())
}

/// Returns a token as a name, if it can be an applet's.
fn name(token: &[u8]) -> Option<&str> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-[+".contains(byte);
    let is_sound = (1..=NAME_BYTES_MAX).contains(&token.len()) && token.iter().all(is_name);
    std::str::from_utf8(token).ok().filter(|_| is_sound)
}

/// Returns the first name, if other data that has no NUL at its end stands before it.
fn hidden<'a>(before: &'a [u8], first: &str) -> Option<&'a str> {
    let start = before.len().saturating_sub(NAME_BYTES_MAX);
    let ends = (start..before.len()).filter_map(|at| name(&before[at..]));
    ends.into_iter().find(|end| *end < first && directory(end).is_some())
}

/// Finds the table of directories; `None` if there is none, or more than one that agrees as well with what is known.
fn directories(program: &[u8], known: &[Option<Directory>]) -> Option<Vec<Directory>> {
    let checked: Vec<(usize, Directory)> = known
        .iter()
        .enumerate()
        .filter_map(|(index, directory)| Some((index, (*directory)?)))
        .collect();
    let limit = checked.len() / DEVIATIONS_PER;
    let length = known.len().div_ceil(2);
    let mut found: Option<(usize, &[u8])> = None;
    let mut is_ambiguous = false;
    for table in program.windows(length.max(1)) {
        let mut deviations = 0;
        for (index, directory) in &checked {
            if nibble(table, *index) != directory.number() {
                deviations += 1;
                if deviations > limit {
                    break;
                }
            }
        }
        if deviations > limit || found.is_some_and(|(fewest, _)| fewest < deviations) {
            continue;
        }
        is_ambiguous = found.is_some_and(|(fewest, other)| fewest == deviations && other != table);
        found = Some((deviations, table));
    }
    let (_, table) = found.filter(|_| !is_ambiguous && checked.len() >= NAMES_MIN)?;
    (0..known.len()).map(|index| Directory::of_number(nibble(table, index))).collect()
}

fn nibble(table: &[u8], index: usize) -> u8 {
    let byte = table[index / 2];
    if index.is_multiple_of(2) { byte & 0xf } else { byte >> 4 }
}
