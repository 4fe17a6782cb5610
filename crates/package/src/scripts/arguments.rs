// SPDX-License-Identifier: Apache-2.0
//! Options and operands of commands.

use std::collections::BTreeMap;

use super::OwnerChange;
use super::expand::Value;

/// Arguments that are all known, sorted into options and operands.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    /// Options without a value, without their hyphens.
    pub(super) flags: Vec<String>,
    /// Options with a value.
    pub(super) values: BTreeMap<String, String>,
    /// The rest.
    pub(super) operands: Vec<String>,
}

impl Arguments {
    /// Sorts arguments; `with_value` names the options whose value may be the next argument.
    /// `None` if one of them is not known.
    pub(super) fn parse(arguments: &[Value], with_value: &[&str]) -> Option<Self> {
        let words: Option<Vec<&str>> = arguments.iter().map(Option::as_deref).collect();
        let mut parsed = Self::default();
        let mut words = words?.into_iter();
        let mut only_operands = false;
        while let Some(word) = words.next() {
            if only_operands || !word.starts_with('-') || word == "-" {
                parsed.operands.push(word.to_owned());
            } else if word == "--" {
                only_operands = true;
            } else if let Some(long) = word.strip_prefix("--") {
                if let Some((name, value)) = long.split_once('=') {
                    parsed.values.insert(name.to_owned(), value.to_owned());
                } else if with_value.contains(&long) {
                    parsed.values.insert(long.to_owned(), words.next()?.to_owned());
                } else {
                    parsed.flags.push(long.to_owned());
                }
            } else {
                let letters = &word[1..];
                for (index, letter) in letters.char_indices() {
                    let name = letter.to_string();
                    if !with_value.contains(&name.as_str()) {
                        parsed.flags.push(name);
                        continue;
                    }
                    let rest = &letters[index + letter.len_utf8()..];
                    let value = if rest.is_empty() { words.next()? } else { rest };
                    parsed.values.insert(name, value.to_owned());
                    break;
                }
            }
        }
        Some(parsed)
    }

    pub(super) fn has(&self, names: &[&str]) -> bool {
        self.flags.iter().any(|flag| names.contains(&flag.as_str()))
    }

    pub(super) fn value(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.values.get(*name)).map(String::as_str)
    }
}

/// Reads the owner argument of `chown`.
pub(super) fn owner(text: &str) -> OwnerChange {
    let (user, group) = match text.split_once([':', '.']) {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let kept = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    OwnerChange { user: kept(user), group: group.and_then(kept) }
}

/// Reads an octal mode.
pub(super) fn octal(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777)
}
