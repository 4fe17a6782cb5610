// SPDX-License-Identifier: Apache-2.0
//! Numbers of any length in versions.

use std::cmp::Ordering;

/// Digits, compared as a number of any length. The text has no zeros in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Number<'t>(&'t str);

impl<'t> Number<'t> {
    /// Takes digits; `None` for anything else.
    pub(super) fn new(digits: &'t str) -> Option<Self> {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Self(digits.trim_start_matches('0')))
    }

    pub(super) const ZERO: Self = Self("");

    /// Returns the digits without zeros in front: nothing for 0.
    pub(super) fn digits(self) -> &'t str {
        self.0
    }
}

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(other.0))
    }
}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
