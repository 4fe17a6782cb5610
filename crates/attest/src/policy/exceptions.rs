// SPDX-License-Identifier: Apache-2.0
//! Exceptions while a policy is held against an image: which helped, and which would have if they had not ended.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;

use crate::predicate::Time;

use super::{Exception, Policy};

/// An exception that decided something, or would have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct UsedException {
    /// What it is for.
    pub id: String,
    /// The last day on which it counts.
    pub until: Date,
    /// Why it was made.
    pub reason: String,
    /// Whether that day is over: it counts no more.
    pub has_ended: bool,
}

/// The exceptions of a policy, for one rule.
pub(super) struct Exceptions<'p> {
    by_id: BTreeMap<&'p str, &'p Exception>,
    today: Date,
    used: BTreeMap<&'p str, UsedException>,
}

impl<'p> Exceptions<'p> {
    pub(super) fn new(policy: &'p Policy, now: Time) -> Self {
        let by_id = policy.exceptions.iter().map(|one| (one.id.as_str(), one)).collect();
        Self { by_id, today: now.day(), used: BTreeMap::new() }
    }

    /// Returns whether there is an exception for one of these names that counts.
    pub(super) fn excuse<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) -> bool {
        let mut is_excused = false;
        for name in names {
            let Some((id, exception)) = self.by_id.get_key_value(name) else { continue };
            let has_ended = exception.until < self.today;
            is_excused |= !has_ended;
            self.used.insert(
                id,
                UsedException {
                    id: exception.id.clone(),
                    until: exception.until,
                    reason: exception.reason.clone(),
                    has_ended,
                },
            );
        }
        is_excused
    }

    pub(super) fn into_used(self) -> Vec<UsedException> {
        self.used.into_values().collect()
    }
}
