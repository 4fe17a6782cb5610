// SPDX-License-Identifier: Apache-2.0
//! Parsers of bytes from outside as targets for a fuzzer.
//!
//! Here are those of our own that read what somebody else wrote. Answers of programs that run beside hardpan and policies in
//! Rego are not among them, nor what libraries read for us.
//!
//! A [`Target`] is a family of parsers, and a [`Part`] one of them, or one way into it. Where a family has several, the
//! first byte of an input says which part the rest is for. A part panics where something does not hold that must: beside
//! what the parser itself asserts, these are laws such as that what was read is read again as it is written.
//!
//! `xtask fuzz` builds the targets with libFuzzer and runs them. What it starts from are the seeds that parts make of
//! test packages, archives and documents: `cargo test -p hardpan-fuzz` runs them, and makes sure that each part
//! understands at least one of its own.

mod input;
mod targets;

pub use targets::TARGETS;

/// Parsers that are run as one.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// The longest input that is tried, in bytes: what a parser does with more of the same is a matter of its limits.
    pub bytes_max: usize,
    /// The parsers; at most 256, so that a byte names one.
    pub parts: &'static [Part],
}

/// A parser, or a way into it.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// What it reads.
    pub name: &'static str,
    /// Reads bytes, and says whether they were understood.
    pub run: fn(&[u8]) -> bool,
    /// Makes inputs to start from. At least one of them is understood.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Files beside the repository, in the folder of shared test data, that are good to start from, too: folders below it.
    pub shared: &'static [&'static str],
}

impl Part {
    const fn new(name: &'static str, run: fn(&[u8]) -> bool, seeds: fn() -> Vec<Vec<u8>>) -> Self {
        Self { name, run, seeds, shared: &[] }
    }

    const fn shared(mut self, folders: &'static [&'static str]) -> Self {
        self.shared = folders;
        self
    }
}

impl Target {
    /// Returns the target of that name.
    pub fn of(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Runs an input, and says whether it was understood.
    ///
    /// # Panics
    /// If something does not hold that must.
    pub fn run(&self, input: &[u8]) -> bool {
        match (self.parts, input) {
            ([part], _) => (part.run)(input),
            (_, []) => false,
            (parts, [first, rest @ ..]) => (parts[usize::from(*first) % parts.len()].run)(rest),
        }
    }

    /// Makes an input for a part of what the part reads.
    pub fn input(&self, part: usize, bytes: &[u8]) -> Vec<u8> {
        let first = u8::try_from(part).ok().filter(|_| self.parts.len() > 1);
        first.iter().chain(bytes).copied().collect()
    }

    /// Makes the inputs to start from.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        let parts = self.parts.iter().enumerate();
        parts
            .flat_map(|(at, part)| (part.seeds)().into_iter().map(move |seed| (at, seed)))
            .map(|(at, seed)| self.input(at, &seed))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_understands_a_seed_of_its_own() {
        let mut bad = Vec::new();
        for target in TARGETS {
            for (at, part) in target.parts.iter().enumerate() {
                let seeds = (part.seeds)();
                let inputs: Vec<Vec<u8>> =
                    seeds.iter().map(|seed| target.input(at, seed)).collect();
                let run = |input: &&Vec<u8>| {
                    std::panic::catch_unwind(|| target.run(input)).unwrap_or_else(|_| {
                        bad.push(format!("{}, {}: it panics", target.name, part.name));
                        true
                    })
                };
                let understood = inputs.iter().filter(run).count();
                let longest = inputs.iter().map(Vec::len).max().unwrap_or_default();
                if understood == 0 || longest > target.bytes_max {
                    let (name, count) = (target.name, seeds.len());
                    bad.push(format!(
                        "{name}, {}: {understood} of {count} understood, the longest has {longest} bytes",
                        part.name
                    ));
                }
            }
        }
        assert!(bad.is_empty(), "{}", bad.join("\n"));
    }

    #[test]
    fn whatever_is_cut_short_harms_nobody() {
        for target in TARGETS {
            target.run(&[]);
            for seed in target.seeds() {
                for length in [1, 2, 7, seed.len() / 2, seed.len().saturating_sub(1)] {
                    target.run(&seed[..length.min(seed.len())]);
                }
            }
        }
    }

    #[test]
    fn names_are_distinct() {
        let names: std::collections::BTreeSet<&str> = TARGETS.iter().map(|it| it.name).collect();
        assert_eq!(names.len(), TARGETS.len());
        assert!(TARGETS.iter().all(|target| (1..=256).contains(&target.parts.len())));
    }
}
