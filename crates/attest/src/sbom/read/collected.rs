// SPDX-License-Identifier: Apache-2.0
//! Components in the order of their document, until all are there and get ids that nobody else has.

use std::collections::BTreeMap;

use super::{COMPONENTS_MAX, Component, ReadError};

/// Components that were read. To sort them once takes less time than to look for the place of each.
#[derive(Default)]
pub(super) struct Collected {
    all: Vec<Entry>,
    /// Which of them are part of which, as places in the document.
    parts: Vec<(usize, usize)>,
}

struct Entry {
    /// What the document calls it.
    id: String,
    /// How many come before it in the document.
    place: usize,
    component: Box<Component>,
}

impl Collected {
    /// Adds a component that is part of another one or not, and returns its place.
    pub(super) fn add(
        &mut self,
        id: String,
        component: Box<Component>,
        owner: Option<usize>,
    ) -> Result<usize, ReadError> {
        let place = self.all.len();
        if place == COMPONENTS_MAX {
            return Err(ReadError::TooMany);
        }
        self.all.push(Entry { id, place, component });
        self.parts.extend(owner.map(|owner| (place, owner)));
        Ok(place)
    }

    /// Returns them by their ids. The first with an id has it, and others get it with their place behind.
    pub(super) fn named(self) -> BTreeMap<String, Box<Component>> {
        let Self { mut all, parts } = self;
        all.sort_unstable_by(|one, other| (&one.id, one.place).cmp(&(&other.id, other.place)));
        for (at, id) in others(&all) {
            all[at].id = id;
        }
        if !parts.is_empty() {
            let mut sorted = vec![0; all.len()];
            for (at, entry) in all.iter().enumerate() {
                sorted[entry.place] = at;
            }
            for (part, owner) in parts {
                let owner = all[sorted[owner]].id.clone();
                all[sorted[part]].component.part_of = Some(owner);
            }
        }
        all.into_iter().map(|Entry { id, component, .. }| (id, component)).collect()
    }
}

/// Returns other ids for those of sorted entries that the one before has, by where these are.
fn others(sorted: &[Entry]) -> Vec<(usize, String)> {
    let is_taken = |id: &str| sorted.binary_search_by(|entry| entry.id.as_str().cmp(id)).is_ok();
    // What ends in its own place is nobody else's.
    let free = |entry: &Entry| {
        let mut free = format!("{}#{}", entry.id, entry.place);
        while is_taken(&free) {
            free = format!("{free}#{}", entry.place);
        }
        free
    };
    let pairs = sorted.windows(2).enumerate().filter(|(_, pair)| pair[0].id == pair[1].id);
    pairs.map(|(at, pair)| (at + 1, free(&pair[1]))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::ComponentKind;
    use super::*;

    fn named(ids: &[(&str, Option<usize>)]) -> Vec<String> {
        let mut collected = Collected::default();
        for (place, (id, owner)) in ids.iter().enumerate() {
            let component = Component::new(ComponentKind::Deb, place.to_string());
            let added = collected.add((*id).to_owned(), Box::new(component), *owner).unwrap();
            assert_eq!(added, place);
        }
        let line = |(id, one): (String, Box<Component>)| match one.part_of {
            Some(owner) => format!("{id}={} in {owner}", one.name),
            None => format!("{id}={}", one.name),
        };
        collected.named().into_iter().map(line).collect()
    }

    #[test]
    fn no_two_have_an_id_and_none_is_lost() {
        let none = None;
        for (ids, expected) in [
            (&[][..], &[][..]),
            (&[("b", none), ("a", none)], &["a=1", "b=0"]),
            (&[("a", none), ("a", none), ("a", none)], &["a=0", "a#1=1", "a#2=2"]),
            (&[("", none), ("", none)], &["=0", "#1=1"]),
            // Who has what would be given to another one keeps it.
            (&[("a", none), ("a", none), ("a#1", none)], &["a=0", "a#1=2", "a#1#1=1"]),
            (
                &[("a", none), ("a", none), ("a#1", none), ("a#1#1", none), ("a#1", none)],
                &["a=0", "a#1=2", "a#1#1=3", "a#1#1#1=1", "a#1#4=4"],
            ),
            // What is part of one is part of that one, whatever it is called in the end.
            (
                &[("a", none), ("a", Some(0)), ("b", Some(1)), ("b", Some(2))],
                &["a=0", "a#1=1 in a", "b=2 in a#1", "b#3=3 in b"],
            ),
        ] {
            assert_eq!(named(ids), expected, "{ids:?}");
        }
    }

    #[test]
    fn more_than_the_most_are_refused() {
        let mut collected = Collected::default();
        let component = || Box::new(Component::new(ComponentKind::Deb, String::new()));
        for place in 0..COMPONENTS_MAX {
            collected.add(place.to_string(), component(), None).unwrap();
        }
        let error = collected.add("one".to_owned(), component(), None).unwrap_err();
        assert!(matches!(error, ReadError::TooMany), "{error}");
    }
}
