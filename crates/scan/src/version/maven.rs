// SPDX-License-Identifier: Apache-2.0
//! Versions of Java archives, in the order of Maven 3.8: what it does, which is not in every place what its
//! specification says.
//!
//! It has circles: `1` is before `1-foo`, that before `1-0-rc1`, and that before `1`. Two versions can be compared, but nothing may
//! be sorted by it.

use std::cmp::Ordering;

use super::VersionError;
use super::number::Number;

/// A version: numbers and words, and lists of them. A list begins at each hyphen, and wherever digits and letters meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Maven(Vec<Item>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    /// Digits without zeros in front.
    Number(String),
    Word(Word),
    List(Vec<Item>),
}

/// Words that mean something, in their order; all others come after them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    Alpha,
    Beta,
    Milestone,
    Candidate,
    Snapshot,
    Release,
    ServicePack,
    Other(String),
}

impl Word {
    fn of(text: &str, is_before_digit: bool) -> Self {
        match text {
            "alpha" => Self::Alpha,
            "beta" => Self::Beta,
            "milestone" => Self::Milestone,
            "a" if is_before_digit => Self::Alpha,
            "b" if is_before_digit => Self::Beta,
            "m" if is_before_digit => Self::Milestone,
            "rc" | "cr" => Self::Candidate,
            "snapshot" => Self::Snapshot,
            "" | "final" | "ga" | "release" => Self::Release,
            "sp" => Self::ServicePack,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Reads a version. Maven takes any text; here it has to have one.
pub(super) fn parse(text: &str) -> Result<Maven, VersionError> {
    let bad = |problem| VersionError::malformed("a Java archive", text, problem);
    let lower = text.trim().to_lowercase();
    if lower.is_empty() {
        return Err(bad("is empty"));
    }
    if lower.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(bad("has a space in it"));
    }
    Ok(Maven(items(&lower)))
}

fn items(text: &str) -> Vec<Item> {
    let mut lists = Lists { outer: Vec::new(), list: Vec::new() };
    let mut is_number = false;
    let mut start = 0;
    for (at, c) in text.char_indices() {
        let part = &text[start..at];
        match c {
            '.' | '-' => {
                lists.list.push(item(part, is_number));
                start = at + 1;
                if c == '-' {
                    lists.begin();
                }
            }
            '0'..='9' => {
                if !is_number && !part.is_empty() {
                    lists.begin_if_filled();
                    lists.list.push(Item::Word(Word::of(part, true)));
                    lists.begin();
                    start = at;
                }
                is_number = true;
            }
            _ => {
                if is_number && !part.is_empty() {
                    lists.list.push(item(part, true));
                    lists.begin();
                    start = at;
                }
                is_number = false;
            }
        }
    }
    let part = &text[start..];
    if !part.is_empty() {
        if !is_number {
            lists.begin_if_filled();
        }
        lists.list.push(item(part, is_number));
    }
    lists.end()
}

/// What is empty stands for a zero.
fn item(part: &str, is_number: bool) -> Item {
    match Number::new(part).filter(|_| is_number) {
        Some(number) => Item::Number(number.digits().to_owned()),
        None if part.is_empty() => Item::Number(String::new()),
        None => Item::Word(Word::of(part, false)),
    }
}

/// Lists, each of which is going to be the last item of the one before.
struct Lists {
    outer: Vec<Vec<Item>>,
    list: Vec<Item>,
}

impl Lists {
    fn begin(&mut self) {
        self.outer.push(std::mem::take(&mut self.list));
    }

    fn begin_if_filled(&mut self) {
        if !self.list.is_empty() {
            self.begin();
        }
    }

    fn end(mut self) -> Vec<Item> {
        let mut list = trimmed(self.list);
        while let Some(mut outer) = self.outer.pop() {
            outer.push(Item::List(list));
            list = trimmed(outer);
        }
        list
    }
}

/// Drops what says nothing from the end of a list, and from before the lists at its end.
fn trimmed(mut list: Vec<Item>) -> Vec<Item> {
    let mut kept = Vec::new();
    while let Some(last) = list.pop() {
        if last.is_null() {
            continue;
        }
        let is_list = matches!(last, Item::List(_));
        kept.push(last);
        if !is_list {
            break;
        }
    }
    kept.reverse();
    list.append(&mut kept);
    list
}

impl Maven {
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        compare_lists(&self.0, &other.0)
    }
}

impl Item {
    /// Whether it says nothing more than its absence.
    fn is_null(&self) -> bool {
        match self {
            Self::Number(digits) => digits.is_empty(),
            Self::Word(word) => *word == Word::Release,
            Self::List(items) => items.is_empty(),
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => {
                left.len().cmp(&right.len()).then_with(|| left.cmp(right))
            }
            (Self::Word(left), Self::Word(right)) => left.cmp(right),
            (Self::List(left), Self::List(right)) => compare_lists(left, right),
            (left, right) => left.rank().cmp(&right.rank()),
        }
    }

    /// A word comes before a list, and a list before a number.
    fn rank(&self) -> u8 {
        match self {
            Self::Word(_) => 0,
            Self::List(_) => 1,
            Self::Number(_) => 2,
        }
    }

    fn compare_with_nothing(&self) -> Ordering {
        match self {
            Self::Number(digits) => digits.len().cmp(&0),
            Self::Word(word) => word.cmp(&Word::Release),
            Self::List(items) => compare_lists(items, &[]),
        }
    }
}

/// Compares item by item; the shorter list has nothing for what the longer has more.
fn compare_lists(left: &[Item], right: &[Item]) -> Ordering {
    let length = left.len().max(right.len());
    (0..length)
        .map(|at| match (left.get(at), right.get(at)) {
            (Some(left), Some(right)) => left.compare(right),
            (Some(left), None) => left.compare_with_nothing(),
            (None, Some(right)) => right.compare_with_nothing().reverse(),
            (None, None) => Ordering::Equal,
        })
        .find(|order| *order != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}
