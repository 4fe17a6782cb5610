// SPDX-License-Identifier: Apache-2.0
//! What is known of vulnerabilities, asked for once.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::advisory::{Advisories, Advisory, Release, Source, Space, SupportLimit, Vulnerability};

/// Advisories that keep what they said of a vulnerability: finding it means to search tables and to unpack a block of
/// summaries.
pub(super) struct Remembered<'a, A> {
    advisories: &'a A,
    known: RefCell<HashMap<String, Option<Vulnerability<'a>>>>,
}

impl<'a, A: Advisories> Remembered<'a, A> {
    pub(super) fn new(advisories: &'a A) -> Self {
        Self { advisories, known: RefCell::default() }
    }
}

impl<A: Advisories> Advisories for Remembered<'_, A> {
    fn each<'s>(&'s self, space: &Space, package: &str, record: &mut dyn FnMut(Advisory<'s>)) {
        self.advisories.each(space, package, record);
    }

    fn vulnerability(&self, id: &str) -> Option<Vulnerability<'_>> {
        if let Some(known) = self.known.borrow().get(id) {
            return known.clone();
        }
        let known = self.advisories.vulnerability(id);
        self.known.borrow_mut().insert(id.to_owned(), known.clone());
        known
    }

    fn release(&self, space: &Space) -> Option<Release<'_>> {
        self.advisories.release(space)
    }

    fn limits(&self, space: &Space) -> Vec<SupportLimit<'_>> {
        self.advisories.limits(space)
    }

    fn sources(&self) -> Vec<Source<'_>> {
        self.advisories.sources()
    }
}
